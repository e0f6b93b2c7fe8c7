//! Six stages on the simulator: the figures against its own truth, the run that finds nothing new, the next day.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use spectra_tests::simulator::{Profile, Quirk};

use crate::support::{Lab, STAGES};

async fn count(lab: &Lab, table: &str) -> i64 {
    lab.number(&format!("select count(*) from {table}")).await
}

/// What must be true of any lake, whatever the world.
async fn assert_sound(lab: &Lab) {
    let truth = lab.simulator.simulator.truth();
    let visible = |name: &str| truth["visible"][name].as_i64().unwrap();
    for stage in ["prepare", "clean"] {
        assert_eq!(count(lab, &format!("{stage}.dimProject")).await, visible("projects"), "{stage}");
        assert_eq!(count(lab, &format!("{stage}.dimRelease")).await, visible("releases"), "{stage}");
        assert_eq!(count(lab, &format!("{stage}.dimCycle")).await, visible("cycles"), "{stage}");
        assert_eq!(count(lab, &format!("{stage}.dimCyclePhase")).await, visible("cyclePhases"), "{stage}");
        assert_eq!(count(lab, &format!("{stage}.factExecution")).await, visible("executions"), "{stage}");
    }
    // Those in folders that were never scheduled are test cases too.
    let scheduled = "select count(*) from clean.dimTestcase
        where testcaseId in (select testcaseId from clean.factExecution)";
    assert_eq!(lab.number(scheduled).await, visible("testcases"));
    for stage in ["transform", "refine"] {
        assert_eq!(count(lab, &format!("{stage}.factExecution")).await, visible("executions"), "{stage}");
        let dimensions = [
            ("dimProject", "projects"),
            ("dimRelease", "releases"),
            ("dimCycle", "cycles"),
            ("dimCyclePhase", "cyclePhases"),
        ];
        for (table, name) in dimensions {
            assert_eq!(
                count(lab, &format!("{stage}.{table}")).await,
                visible(name) + 1,
                "{stage}.{table} with its Unknown row"
            );
        }
    }
    let real = "select count(*) from transform.dimRelease where releaseKey <> -1 and";
    assert_eq!(lab.number(&format!("{real} not isPseudoRelease")).await, visible("releasesReal"));
    assert_eq!(lab.number(&format!("{real} isPseudoRelease")).await, visible("releasesPseudo"));

    let per_phase: BTreeMap<String, i64> = lab
        .rows("select cyclePhaseId, count(*) as n from refine.factExecution group by cyclePhaseId")
        .await
        .iter()
        .map(|row| (row["cyclePhaseId"].to_string(), row["n"].as_i64().unwrap()))
        .collect();
    let expected: BTreeMap<String, i64> = truth["visible"]["executionsPerPhase"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(phase, count)| (phase.clone(), count.as_i64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(per_phase, expected);
    let doubled =
        "select count(*) from (select executionId from refine.factExecution group by executionId having count(*) > 1)";
    assert_eq!(lab.number(doubled).await, 0);

    let broken =
        "select count(*) from refine.cycleBurndown where not isFuture and burnedCount + remainingCount <> inScopeCount";
    assert_eq!(lab.number(broken).await, 0);
    assert!(count(lab, "refine.cycleBurndown").await > 0);
}

/// Data rows asked for, without the probe and the listings.
fn phases_asked_for(lab: &Lab) -> BTreeMap<String, i64> {
    let mut asked = BTreeMap::new();
    for request in lab.simulator.simulator.requests() {
        if !request.path.ends_with("/execution") {
            continue;
        }
        let parameters: BTreeMap<&str, &str> =
            request.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert!(parameters.contains_key("releaseid"), "{}", request.query);
        if parameters["offset"] == "0" {
            *asked.entry(parameters["cyclephaseid"].to_owned()).or_default() += 1;
        }
    }
    asked
}

async fn first_run_equals_the_truth(profile: Profile) -> Lab {
    let lab = Lab::new(profile).await;
    for ran in lab.run_all() {
        assert_eq!(ran.text("status"), "published");
    }
    assert_sound(&lab).await;
    assert!(lab.simulator.simulator.requests().iter().all(|request| !request.query.contains("cycleid")));
    let asked = phases_asked_for(&lab);
    let phases = lab.simulator.simulator.truth()["visible"]["cyclePhases"].as_i64().unwrap();
    assert_eq!(asked.len() as i64, phases);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_equals_the_simulators_own() {
    first_run_equals_the_truth(Profile::ProdShape).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_writes_nothing_and_a_new_day_appends_only_what_changed() {
    let mut lab = first_run_equals_the_truth(Profile::Small).await;
    let before = lab.table_files();
    for ran in lab.run_all() {
        assert_eq!(ran.report["noop"], Value::Bool(true), "{}", ran.report);
        assert_eq!(ran.text("status"), "unchanged");
    }
    assert_eq!(lab.table_files(), before, "a run without news must write no byte into a data table");

    lab.advance(1);
    lab.run_all();
    assert_sound(&lab).await;
    let landed: BTreeSet<String> = lab
        .rows("select sliceKey from source.slice where release = 2 and resource = 'factExecution' and rowCount > 0")
        .await
        .iter()
        .map(|row| {
            let key: Value = serde_json::from_str(row["sliceKey"].as_str().unwrap()).unwrap();
            key["cyclePhaseId"].to_string()
        })
        .collect();
    let changes = lab.simulator.simulator.change_log();
    let ids = |name: &str| -> BTreeSet<String> {
        changes[name].as_array().unwrap().iter().map(ToString::to_string).collect()
    };
    let mut rewritten = ids("phasesRewritten");
    rewritten.extend(ids("phasesAdded"));
    assert!(!landed.is_empty());
    assert!(landed.is_subset(&rewritten), "landed {landed:?}, rewritten {rewritten:?}");
    // A phase whose rows were all deleted, or that went itself, lands no row; every other rewritten one does.
    let gone = ids("phasesDeleted");
    assert!(
        rewritten.difference(&landed).all(|phase| gone.contains(phase) || !has_rows(&lab, phase)),
        "{rewritten:?} {landed:?}"
    );
    let appended = lab
        .number("select count(*) from source.factExecution where runId = (select max(runId) from source.factExecution)")
        .await;
    assert!(appended < lab.number("select count(*) from source.factExecution").await);

    for _ in 0..3 {
        lab.advance(2);
        lab.run_all();
        assert_sound(&lab).await;
    }
}

fn has_rows(lab: &Lab, phase: &str) -> bool {
    lab.simulator.simulator.truth()["visible"]["executionsPerPhase"][phase].as_i64().unwrap_or(0) > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_out_of_sight_keeps_its_rows_and_is_stale_until_it_comes_back() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run_all();
    let executions = count(&lab, "refine.factExecution").await;
    let project = lab.number("select max(projectId) from refine.factExecution").await;
    lab.simulator.simulator.set_forbidden(project, true).unwrap();
    let source = lab.run("source", &[]).expect(0);
    assert!(source.report["warnings"][0].as_str().unwrap().contains("forbidden"), "{}", source.report);
    for stage in &STAGES[1..] {
        lab.run(stage, &[]).expect(0);
    }
    assert_eq!(count(&lab, "refine.factExecution").await, executions, "nothing may vanish with the permission");
    let stale = format!("select count(*) from transform.dimProject where isStale and projectId = {project}");
    assert_eq!(lab.number(&stale).await, 1);
    assert_eq!(lab.number("select count(*) from transform.dimProject where isStale").await, 1);
    let freshness = format!("select count(*) from analyse.freshness where isStale and projectId = {project}");
    assert!(lab.number(&freshness).await > 1, "its releases, cycles and executions are all older now");

    lab.simulator.simulator.set_forbidden(project, false).unwrap();
    lab.advance(1);
    lab.run_all();
    assert_sound(&lab).await;
    assert_eq!(lab.number("select count(*) from transform.dimProject where isStale").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_break_a_rule_are_set_aside_with_the_reason_and_none_is_lost() {
    for (quirk, table, words) in [
        (Quirk::UnlistedStatus, "quarantine.cleanFactExecution", "statusCategory"),
        (Quirk::TwinDatesDiffer, "quarantine.cleanDimCycle", "Agreed"),
    ] {
        let lab = Lab::new(Profile::Small).await;
        lab.simulator.simulator.set_quirk(quirk, true).unwrap();
        lab.run_all();
        let reasons = lab.rows(&format!("select distinct quarantineReasons as reason from {table}")).await;
        assert!(!reasons.is_empty(), "{quirk:?} sets rows of {table} aside");
        assert!(reasons.iter().all(|row| row["reason"].as_str().unwrap().contains(words)), "{reasons:?}");
        for name in ["dimCycle", "dimCyclePhase", "factExecution"] {
            let quarantine = format!("quarantine.clean{}{}", name[..1].to_uppercase(), &name[1..]);
            let came = count(&lab, &format!("prepare.{name}")).await;
            let kept = count(&lab, &format!("clean.{name}")).await;
            assert_eq!(came, kept + count(&lab, &quarantine).await, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_chosen_project_is_walked_and_the_rest_stays() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run_all();
    let project = lab.number("select max(projectId) from refine.factExecution").await.to_string();
    lab.advance(1);
    lab.simulator.simulator.clear_requests();
    lab.run("source", &["--project", &project]).expect(0);
    let listings: Vec<String> = lab
        .simulator
        .simulator
        .requests()
        .into_iter()
        .map(|request| request.path)
        .filter(|path| path.contains("/release/project/"))
        .collect();
    assert_eq!(listings.len(), 1, "{listings:?}");
    assert!(listings[0].ends_with(&project));
    assert_eq!(
        lab.number("select count(*) from log.slice where outcome = 'gone' and sliceKey not like '%:%'").await,
        0
    );
    lab.run_all();
    assert_sound(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_happen_and_does_nothing() {
    let lab = Lab::new(Profile::Small).await;
    lab.run_all();
    let before = lab.table_files();
    let runs = count(&lab, "log.run").await;
    for stage in STAGES {
        let ran = lab.run(stage, &["--plan", "--force"]).expect(0);
        assert_eq!(ran.text("status"), "planned");
    }
    assert_eq!(lab.table_files(), before);
    assert_eq!(count(&lab, "log.run").await, runs);
    let plan = lab.run("source", &["--plan"]).expect(0);
    assert!(plan.log.contains("in all, about"), "{}", plan.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_orchestrators_rely_on() {
    let lab = Lab::new(Profile::Small).await;
    let copy = lab.folder.path().join("report.json");
    let first = lab.run("source", &["--run-id", "task-1", "--report", copy.to_str().unwrap()]).expect(0);
    assert_eq!(first.text("runId"), "task-1");
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(&copy).unwrap()).unwrap(), first.report);
    assert!(first.log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", first.log);
    let second = lab.run("source", &["--skip-exit-code", "99"]).expect(99);
    assert_eq!(second.report["exitCode"], 99);
    lab.run("prepare", &[]).expect(0);
    lab.run("clean", &[]).expect(0);
    let mut command = lab.command("clean");
    command.env("SPECTRA_FORCE", "1").args(["--from-release", "1"]);
    let forced = crate::support::finish(command.spawn().unwrap(), std::time::Instant::now()).expect(0);
    assert_eq!(forced.report["release"], 2);
    let states: Vec<String> = lab
        .rows("select status from log.run where runId = 'task-1' order by recordedAt")
        .await
        .iter()
        .map(|row| row["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["started", "publishing", "published"]);
}
