//! Two weeks are lived through, then the first of them is folded away: what is current stays, and so does all history
//! from there on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{eventful_lab, figure, lake, upkeep};
use crate::fortnight::shift_clock;
use crate::support::Lab;
use spectra_common::release::History;

/// Tables of prepare that say what was when, and not only what is.
const HISTORY: [&str; 6] =
    ["recordChange", "factExecutionRemoval", "linkHistory", "fieldObservation", "schema", "drift"];

/// Every table of prepare's newest release, as sorted JSON rows.
async fn tables(lab: &Lab) -> BTreeMap<String, Vec<Value>> {
    let history = History::load(&lake(lab)).await.unwrap();
    let mut tables = BTreeMap::new();
    for name in history.newest("prepare").unwrap().tables.keys() {
        let mut rows = lab.rows(&format!("select * from {name}")).await;
        rows.sort_by_cached_key(Value::to_string);
        tables.insert(name.clone(), rows);
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_superseded_before_the_window_goes_and_nothing_else() {
    let mut lab = eventful_lab().await;
    for day in 0..=14 {
        if day > 0 {
            lab.advance(1);
        }
        shift_clock(&mut lab);
        lab.run("source", &[]).expect(0);
    }
    lab.run("prepare", &["--force"]).expect(0);
    let before = tables(&lab).await;
    let landed = lab.number("select count(*) from source.dimTestcase").await;

    let plan = upkeep(&lab, "source", &["--fold-days", "7", "--plan"]).expect(0);
    let ran = upkeep(&lab, "source", &["--fold-days", "7"]).expect(0);
    assert_eq!(ran.text("status"), "published");
    assert!(figure(&ran, "foldedRowCount") > 0, "{}", ran.report);
    assert_eq!(figure(&plan, "foldedRowCount"), figure(&ran, "foldedRowCount"));
    assert!(lab.number("select count(*) from source.dimTestcase").await < landed);
    lab.run("prepare", &["--force"]).expect(0);
    let after = tables(&lab).await;
    let again = upkeep(&lab, "source", &["--fold-days", "7"]).expect(0);
    assert_eq!(figure(&again, "foldedRowCount"), 0, "{}", again.report);
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged", "a fold is no news to a walk");

    let horizon = lab
        .number(
            "select max(release) from log.run where stage = 'source' and status = 'published'
             and recordedAt <= (select max(recordedAt) from log.run where status = 'upkeep') - interval '7 days'",
        )
        .await;
    assert!(horizon > 3, "{horizon}");
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    // What was gone before the window is history that stays.
    let gone = "prepare.factExecutionRemoval";
    assert!(before[gone] == after[gone] && !after[gone].is_empty());
    let different: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    for name in &different {
        let table = name.split_once('.').unwrap().1;
        let is_history = HISTORY.contains(&table) || table.ends_with("History");
        let change = before[*name].iter().zip(&after[*name]).find(|(one, other)| one != other);
        assert!(is_history, "{name} is no history and yet differs: {change:#?}");
    }
    // What changed, appeared or ended within the window is told as before, down to the place it landed in.
    let begin =
        lab.rows("select recordedAt from log.run where stage = 'source' and status = 'published' order by release");
    let begin: Timestamp = begin.await[horizon as usize - 1]["recordedAt"].as_str().unwrap().parse().unwrap();
    let histories = before.keys().filter(|name| {
        let table = name.split_once('.').unwrap().1;
        table == "recordChange" || table.ends_with("History") || table == "factExecutionRemoval"
    });
    let mut compared = 0;
    for name in histories {
        for of_window in [begun, ended, removed, linked] {
            let told = |rows: &[Value]| -> Vec<Value> {
                rows.iter().filter_map(|row| of_window(row, horizon, begin)).collect()
            };
            let (before, after) = (told(&before[name]), told(&after[name]));
            let lost: Vec<&Value> = before.iter().filter(|row| !after.contains(row)).take(2).collect();
            let gained: Vec<&Value> = after.iter().filter(|row| !before.contains(row)).take(2).collect();
            assert!(lost.is_empty() && gained.is_empty(), "{name}: lost {lost:#?}, gained {gained:#?}");
            compared += before.len();
        }
    }
    assert!(compared > 100, "{compared}");
    assert_eq!(different.into_iter().filter(|name| name.ends_with("recordChange")).count(), 1, "something was folded");
}

/// A version of a record that began within the window, whole.
fn begun(row: &Value, horizon: i64, _begin: Timestamp) -> Option<Value> {
    (row["landedRelease"].as_i64()? > horizon).then(|| row.clone())
}

/// A version that ended within the window, without what is said of its beginning.
fn ended(row: &Value, horizon: i64, _begin: Timestamp) -> Option<Value> {
    (row["endRelease"].as_i64()? > horizon).then(|| {
        let mut row = row.clone();
        for field in ["isState", "isAppearance", "previousWalkAt"] {
            row.as_object_mut().unwrap().remove(field);
        }
        row
    })
}

/// An execution that was seen for the last time before something within the window.
fn removed(row: &Value, _horizon: i64, begin: Timestamp) -> Option<Value> {
    (at(row, "removedDateTime")? > begin).then(|| row.clone())
}

/// A link that was there within the window, without when it was first seen.
fn linked(row: &Value, _horizon: i64, begin: Timestamp) -> Option<Value> {
    row.get("requirementId")?;
    (at(row, "lastSeenDateTime")? > begin).then(|| {
        let mut row = row.clone();
        row.as_object_mut().unwrap().remove("firstSeenDateTime");
        row
    })
}

fn at(row: &Value, field: &str) -> Option<Timestamp> {
    row[field].as_str()?.parse().ok()
}
