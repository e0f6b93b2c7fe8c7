//! Less work on the next run, and when that is not allowed: what has ended, what is empty, what was not seen, and walks
//! too full of holes to be published.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::{Lab, Ran, STAGES};
use crate::walked::{HASTY, asked, content, delete_execution, parameter, spec_of, text, use_spec};

/// A lab whose world is of today, with cycles that have ended and cycles that have not.
async fn lab_of_today() -> Lab {
    let config = SimulatorConfig { profile: Profile::Small, clock: Timestamp::now(), ..SimulatorConfig::default() };
    let mut lab = Lab::with(config).await;
    let edits = [("after_days = 30", "after_days = 0")];
    use_spec(&mut lab, &spec_of(&[], &[&edits[..], &HASTY[..]].concat()));
    lab
}

/// Phases of cycles that have ended, and of those that have not.
async fn phases(lab: &Lab) -> [BTreeSet<String>; 2] {
    let now_ms = Timestamp::now().as_millisecond();
    let mut phases = [BTreeSet::new(), BTreeSet::new()];
    for row in lab.rows("select payload from source.dimCycle").await {
        let cycle: Value = serde_json::from_str(&text(&row, "payload")).unwrap();
        let is_open = cycle["endDate"].as_i64().is_none_or(|end_ms| end_ms >= now_ms);
        let ids = cycle["cyclePhases"].as_array().unwrap().iter().map(|phase| phase["id"].to_string());
        phases[usize::from(is_open)].extend(ids);
    }
    assert!(phases.iter().all(|phases| phases.len() > 1), "the world has both: {phases:?}");
    phases
}

/// Runs source; returns it with the phases it asked for.
fn walk(lab: &Lab, flags: &[&str]) -> (Ran, BTreeSet<String>) {
    lab.simulator.simulator.clear_requests();
    let ran = lab.run("source", flags);
    let asked = asked(lab).into_iter().filter_map(|(call, _)| parameter(&call, "cyclephaseid").map(ToOwned::to_owned));
    (ran, asked.collect())
}

async fn rows_of(lab: &Lab, phase: &str) -> usize {
    let end = format!("\"cyclePhaseId\":{phase}}}");
    content(lab).await.rows.iter().filter(|(table, key, ..)| table == "factExecution" && key.ends_with(&end)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_left_alone_until_its_time_comes() {
    let lab = lab_of_today().await;
    let all: BTreeSet<String> = {
        let (ran, asked) = walk(&lab, &["--recheck-closed", "1m"]);
        assert_eq!(ran.expect(0).report["slices"]["skipped"], Value::Null, "never the first time");
        asked
    };
    let walked = Instant::now();
    let [closed, open] = phases(&lab).await;
    assert_eq!(all, closed.union(&open).cloned().collect());

    // Nobody looks, so nobody sees that it is gone.
    let phase = closed.iter().next().unwrap();
    let before = rows_of(&lab, phase).await;
    delete_execution(&lab, phase);
    let (ran, asked) = walk(&lab, &["--recheck-closed", "1d"]);
    let ran = ran.expect(0);
    assert_eq!(asked, open);
    assert_eq!(ran.report["slices"]["skipped"], closed.len());
    assert_eq!(ran.text("status"), "unchanged");
    assert_eq!(rows_of(&lab, phase).await, before);
    let skipped = "select sliceKey, requestCount, message from log.slice where outcome = 'skipped'";
    for row in lab.rows(skipped).await {
        let message = text(&row, "message");
        assert!(
            message.starts_with("cycle ") && message.contains(" ended on ") && message.contains("; walked "),
            "{row}"
        );
        assert_eq!(row["requestCount"], 0, "{row}");
    }

    // Its time has come, but the run that looks publishes nothing: what it saw is not in the lake.
    std::thread::sleep(Duration::from_secs(62).saturating_sub(walked.elapsed()));
    for path in ["/testcase/tree", "/requirement?"] {
        lab.simulator.simulator.add_fault_text(&format!("{path}:1:404:0")).unwrap();
    }
    let (ran, asked) = walk(&lab, &["--recheck-closed", "1m"]);
    ran.expect(65);
    assert_eq!(asked, all);
    lab.simulator.simulator.clear_faults();
    // Another run than the one that was not finished, because its scope is another.
    let (ran, asked) = walk(&lab, &["--recheck-closed", "1m", "--project", "1,2,3"]);
    ran.expect(0);
    assert_eq!(asked, all, "what a failed run saw is asked for again");
    assert_eq!(rows_of(&lab, phase).await, before - 1);

    // It counts from then on, and a run that goes on with an unfinished one counts what that one saw.
    assert_eq!(walk(&lab, &["--recheck-closed", "1m"]).1, open);
    assert_eq!(walk(&lab, &["--recheck-closed", "0"]).1, all);
    assert_eq!(walk(&lab, &["--recheck-closed", "7d", "--full"]).1, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_seen_is_asked_for_however_long_ago_it_ended() {
    let lab = lab_of_today().await;
    lab.run("source", &[]).expect(0);
    let [closed, open] = phases(&lab).await;
    let mut unseen: Vec<&String> = closed.iter().take(2).collect();
    let flags = ["--recheck-closed", "7d"];
    for (phase, fault) in unseen.iter().zip(["404", "403"]) {
        lab.simulator.simulator.add_fault_text(&format!("cyclephaseid={phase}&:1:{fault}:0")).unwrap();
    }
    lab.run("source", &[]).expect(0);
    assert_eq!(content(&lab).await.broken().len(), 2);
    for _ in 0..2 {
        let (ran, asked) = walk(&lab, &flags);
        ran.expect(0);
        let wanted: BTreeSet<String> = open.iter().chain(unseen.iter().copied()).cloned().collect();
        assert_eq!(asked, wanted, "as long as it is not seen");
    }
    lab.simulator.simulator.clear_faults();
    walk(&lab, &flags).0.expect(0);
    assert!(content(&lab).await.broken().is_empty());
    unseen.clear();
    assert_eq!(walk(&lab, &flags).1, open, "once it is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_with_another_knows_when_that_one_walked() {
    let lab = lab_of_today().await;
    lab.simulator.simulator.add_fault_text("/testcase/tree:1:503:0").unwrap();
    let (ran, asked) = walk(&lab, &["--recheck-closed", "7d"]);
    ran.expect(69);
    assert!(!asked.is_empty(), "executions come before test cases");
    lab.simulator.simulator.clear_faults();
    let (ran, resumed) = walk(&lab, &["--recheck-closed", "7d"]);
    ran.expect(0);
    assert!(resumed.is_disjoint(&asked));
    let [_, open] = phases(&lab).await;
    assert_eq!(walk(&lab, &["--recheck-closed", "7d"]).1, open, "also those that the first run walked are left alone");
}

/// Folders asked for.
fn folders(lab: &Lab) -> usize {
    let calls: BTreeSet<String> =
        asked(lab).into_iter().filter_map(|(call, _)| call.split_once('?').map(|(path, _)| path.to_owned())).collect();
    calls.iter().filter(|path| path.contains("/testcase/tree/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_without_test_cases_are_not_asked_for() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    let empty =
        "select count(*) from log.slice where message = '`testcaseCount` of its parent is 0' and requestCount = 0
        and rowCount = 0 and outcome = 'complete'";
    let empty = lab.number(empty).await as usize;
    let all = "select count(*) from source.slice where resource in ('dimTestcase', 'dimTestcaseRepository')";
    let all = lab.number(all).await as usize;
    assert!(empty > 0);
    assert_eq!(folders(&lab), all - empty);
    lab.simulator.simulator.clear_requests();
    assert_eq!(lab.run("source", &["--full"]).expect(0).text("status"), "unchanged");
    assert_eq!(folders(&lab), all, "everything is everything");
}

/// The built-in spec, in which a listing that is not found is taken as empty for one resource.
fn forgiving(name: &str) -> String {
    let spec = spec_of(&[], &HASTY);
    let start = spec.find(&format!("[[resource]]\nname = \"{name}\"\n")).unwrap();
    let end = spec[start + 1..].find("\n[[resource]]").map_or(spec.len(), |end| start + 1 + end);
    // A comment of the next resource stands between the two.
    format!("{}\n\n[[resource.on]]\nwhat = [404]\nthen = \"empty\"\n{}", &spec[..end], &spec[end..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_suddenly_empty_is_not_believed() {
    let mut lab = Lab::new(Profile::Small).await;
    use_spec(&mut lab, &forgiving("requirement"));
    lab.run("source", &[]).expect(0);
    let before = content(&lab).await;
    lab.simulator.simulator.add_fault_text("/requirement?:1:404:0").unwrap();
    for _ in 0..2 {
        let ran = lab.run("source", &[]).expect(65);
        assert!(ran.text("message").contains("nothing came for dimRequirement, where"), "{}", ran.report);
        assert!(ran.text("hint").contains("--accept-empty dimRequirement"), "{}", ran.report);
        assert!(content(&lab).await.rows == before.rows, "nothing is published");
    }
    let ran = lab.run("source", &["--accept-empty", "dimRequirements"]).expect(64);
    assert!(ran.text("message").contains("dimRequirements"), "{}", ran.report);
    // What came was not to be believed, so that it is asked for again, and nothing else is.
    lab.simulator.simulator.clear_faults();
    lab.simulator.simulator.clear_requests();
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(ran.text("status"), "unchanged", "{}", ran.report);
    let others =
        asked(&lab).into_iter().filter(|(call, _)| !call.contains("/requirement?") && !call.contains("/user/current"));
    assert_eq!(others.count(), 0);
    assert!(content(&lab).await.rows == before.rows);

    lab.simulator.simulator.add_fault_text("/requirement?:1:404:0").unwrap();
    lab.run("source", &["--accept-empty", "dimRequirement"]).expect(0);
    let after = content(&lab).await;
    assert!(after.broken().is_empty());
    assert!(!after.rows.iter().any(|(table, ..)| table == "dimRequirement"));
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged", "it is empty already");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_below_a_failed_listing_is_no_failure_of_its_own() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    let before = content(&lab).await;
    // Two thirds of everything lie below these.
    for project in [1, 2] {
        lab.simulator.simulator.add_fault_text(&format!("/release/project/{project}?:1:404:0")).unwrap();
    }
    let ran = lab.run("source", &[]).expect(0);
    assert!(ran.report["slices"]["failed"].as_i64().unwrap() > 20, "{}", ran.report);
    let after = content(&lab).await;
    assert!(after.rows == before.rows, "all rows of before are kept");
    assert!(after.broken().len() > 20);
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged", "that it still fails is no news");
    lab.simulator.simulator.clear_faults();
    lab.run("source", &[]).expect(0);
    let healed = content(&lab).await;
    assert!(healed.broken().is_empty() && healed.rows == before.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_failed_and_then_lost_its_parent_is_gone() {
    let mut lab = Lab::new(Profile::Small).await;
    use_spec(&mut lab, &forgiving("cycle"));
    lab.run("source", &[]).expect(0);
    lab.simulator.simulator.add_fault_text("cyclephaseid=12&:1:403:0").unwrap();
    lab.run("source", &[]).expect(0);
    assert!(rows_of(&lab, "12").await > 0);
    // The release of phase 12 has no cycles any more.
    lab.simulator.simulator.add_fault_text("/cycle/release/5?:1:404:0").unwrap();
    let ran = lab.run("source", &[]).expect(0);
    assert!(ran.report["slices"]["gone"].as_i64().unwrap() >= 1, "{}", ran.report);
    assert_eq!(rows_of(&lab, "12").await, 0);
    assert!(content(&lab).await.broken().is_empty());
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!((ran.text("status").as_str(), &ran.report["slices"]["gone"]), ("unchanged", &Value::Null), "gone once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_was_skipped_is_as_old_as_its_last_walk() {
    let mut lab = lab_of_today().await;
    let today = Timestamp::now().to_string()[..10].to_owned();
    lab.variables.insert("SPECTRA_AS_OF".to_owned(), today);
    lab.run_all();
    let [closed, _] = phases(&lab).await;
    // Something else has changed, or nothing would be built.
    lab.advance(1);
    assert_eq!(lab.run("source", &["--recheck-closed", "7d"]).expect(0).text("status"), "published");
    for stage in &STAGES[1..] {
        lab.run(stage, &[]).expect(0);
    }
    let sql = "select cyclePhaseId, isSkipped, skipReason, skipCount, isStale from analyse.freshness where resource = 'factExecution'";
    let rows = lab.rows(sql).await;
    let skipped: BTreeSet<String> =
        rows.iter().filter(|row| row["isSkipped"] == true).map(|row| row["cyclePhaseId"].to_string()).collect();
    assert_eq!(skipped, closed);
    for row in rows.iter().filter(|row| row["isSkipped"] == true) {
        assert!(text(row, "skipReason").contains(" ended on "), "{row}");
        assert_eq!((&row["skipCount"], &row["isStale"]), (&1.into(), &false.into()), "{row}");
    }
}
