//! A stage run again on an older release of the one before makes the tables it made then.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{contents, published};
use crate::support::{Lab, STAGES, made_of_logs};

/// What differs between two rows.
fn differing(then: &str, now: &str) -> Vec<String> {
    let [then, now] = [then, now].map(|row| serde_json::from_str::<Value>(row).unwrap());
    let names: BTreeSet<&String> = [&then, &now].iter().flat_map(|row| row.as_object().unwrap().keys()).collect();
    let differs = |name: &&&String| then[name.as_str()] != now[name.as_str()];
    names.iter().filter(differs).map(|name| format!("{name}: {} {}", then[name.as_str()], now[name.as_str()])).collect()
}

/// Every stage on every release of the one before.
pub async fn made_again(lab: &Lab) {
    let made_of_logs = made_of_logs();
    let days = ["2026-01-05", "2026-01-06"];
    for pair in STAGES.windows(2) {
        let [upstream, stage] = [pair[0], pair[1]];
        let first = published(lab, stage).await;
        assert_eq!(first.len(), 3, "{stage}");
        let mut distinct = BTreeSet::new();
        for (release, day) in first.iter().zip(days) {
            let from = release.inputs[upstream].to_string();
            let flags = ["--from-release", &from, "--force", "--as-of", day];
            let again = lab.run(stage, &flags).expect(0);
            assert_eq!(again.text("status"), "published", "{}", again.report);
            let again = published(lab, stage).await.pop().unwrap();
            assert_eq!(again.inputs, release.inputs);
            let (then, now) = (contents(lab, release).await, contents(lab, &again).await);
            assert_eq!(then.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
            for (table, rows) in then.iter().filter(|(table, _)| !made_of_logs.contains(*table)) {
                let other = rows.iter().zip(&now[table]).find(|(then, now)| then != now);
                let other = other.map(|(then, now)| differing(then, now));
                assert!(rows == &now[table], "{table} on release {from} of {upstream}: {other:?}");
            }
            distinct.insert(then);
        }
        assert_eq!(distinct.len(), 2, "{stage}: the days are alike, so nothing was tested");
    }
}
