//! Killed, stopped, overtaken: the release before stays readable, the next run succeeds, nothing is published twice.
//! What a hundred kills of one walk cost is in `kills`.

use std::time::{Duration, Instant};

use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::{Lab, STAGES, finish};
use crate::walked::{HASTY, asked, delete_execution, parameter, spec_of, use_spec};

/// Moments at which a stage is killed, as shares of its undisturbed time.
const MOMENTS: [f64; 4] = [0.15, 0.45, 0.75, 0.95];

/// The release a stage's newest published row names.
async fn newest(lab: &Lab, stage: &str) -> i64 {
    lab.number(&format!(
        "select coalesce(max(release), 0) from log.run where status = 'published' and stage = '{stage}'"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_killed_at_any_moment_can_be_started_again() {
    let mut lab = Lab::new(Profile::Small).await;
    let took: Vec<Duration> = lab.run_all().into_iter().map(|ran| ran.took).collect();
    for moment in MOMENTS {
        lab.advance(1);
        for (stage, took) in STAGES.into_iter().zip(&took) {
            let before = newest(&lab, stage).await;
            let mut child = lab.command(stage).args(["--force"]).spawn().unwrap();
            std::thread::sleep(took.mul_f64(moment));
            child.kill().unwrap();
            child.wait().unwrap();
            let after = newest(&lab, stage).await;
            assert!(after == before || after == before + 1, "{stage} at {moment}: {before} -> {after}");
            // The stage after it can still read what is published, and the killed one succeeds when run again.
            lab.run(stage, &[]).expect(0);
            assert!(newest(&lab, stage).await > before, "{stage} at {moment}");
        }
        let truth = lab.simulator.simulator.truth();
        let executions = lab.number("select count(*) from refine.factExecution").await;
        assert_eq!(truth["visible"]["executions"], executions, "after kills at {moment}");
        let doubled = "select count(*) from (select cycleId, date from analyse.burndown group by cycleId, date having count(*) > 1)";
        assert_eq!(lab.number(doubled).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_that_a_killed_run_completed_are_not_asked_for_again() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault("/execution:5:slow-first-byte=1500".parse().unwrap());
    let mut child = lab.command("source").args(["--checkpoint-seconds", "0"]).spawn().unwrap();
    let begun = Instant::now();
    while lab.simulator.simulator.requests().iter().filter(|request| request.path.ends_with("/execution")).count() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
    // The fifth answer is slow: by now the first four are kept.
    std::thread::sleep(Duration::from_millis(700));
    child.kill().unwrap();
    child.wait().unwrap();
    lab.simulator.simulator.clear_faults();
    let before: Vec<String> = lab
        .simulator
        .simulator
        .requests()
        .into_iter()
        .filter(|request| request.status == 200)
        .map(|request| request.query)
        .filter(|query| query.contains("cyclephaseid"))
        .collect();
    lab.simulator.simulator.clear_requests();
    let ran = lab.run("source", &[]).expect(0);
    assert!(ran.report["slices"]["resumed"].as_i64().unwrap() >= 4, "{}", ran.report);
    let after: Vec<String> = lab.simulator.simulator.requests().into_iter().map(|request| request.query).collect();
    for query in before.iter().take(4) {
        assert!(!after.contains(query), "asked again: {query}");
    }
    let landed = lab.number("select count(*) from source.factExecution").await;
    assert_eq!(lab.simulator.simulator.truth()["visible"]["executions"], landed);
    assert_eq!(lab.number("select count(distinct recordId) from source.factExecution").await, landed);
}

/// Where in the one long listing each page asked for begins.
fn offsets(lab: &Lab) -> Vec<i64> {
    let calls = asked(lab).into_iter().filter(|(call, _)| call.contains("/execution?"));
    calls.map(|(call, _)| parameter(&call, "offset").unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_listing_is_gone_on_with_after_a_stop_and_after_trouble() {
    for is_moved in [false, true] {
        let config = SimulatorConfig {
            profile: Profile::Big,
            executions: Some(20_000),
            phase_rows: Some(20_000),
            latency_ms: 10,
            ..SimulatorConfig::default()
        };
        let mut lab = Lab::with(config).await;
        use_spec(&mut lab, &spec_of(&["project", "release", "cycle", "cyclePhase", "execution"], &HASTY));
        // Little memory, so that rows go to files early.
        let flags = ["--checkpoint-seconds", "0", "--memory", "64MiB", "--project", "1", "--page-size", "100"];
        lab.simulator.simulator.add_fault_text("/execution:90:503-html:0").unwrap();
        lab.run("source", &flags).expect(69);
        lab.simulator.simulator.clear_faults();
        lab.simulator.simulator.clear_requests();

        let child = lab.command("source").args(flags).spawn().unwrap();
        let begun = Instant::now();
        while offsets(&lab).len() < 80 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        finish(child, begun).expect(143);
        let second = offsets(&lab).into_iter().min().unwrap();
        assert!(second > 3_000, "after the trouble the listing begins again at row {second}");
        let calls = asked(&lab);
        let phase = calls.iter().find_map(|(call, _)| parameter(call, "cyclephaseid")).unwrap();
        lab.simulator.simulator.clear_requests();

        let rows = if is_moved { 19_999 } else { 20_000 };
        if is_moved {
            delete_execution(&lab, phase);
        }
        let ran = lab.run("source", &flags).expect(0);
        let third = offsets(&lab);
        let is_begun_anew = third.iter().skip(usize::from(is_moved)).any(|offset| *offset == 0);
        assert_eq!(
            is_begun_anew, is_moved,
            "what moved meanwhile is asked for from its beginning, and nothing else is"
        );
        let first = third.get(usize::from(is_moved)).unwrap();
        assert!(*first > second + 3_000, "after the stop the listing begins at row {first}, before that at {second}");
        assert_eq!(lab.number("select count(*) from source.factExecution").await, rows);
        assert_eq!(lab.number("select count(distinct recordId) from source.factExecution").await, rows);
        // What changed since the first run may be missing: it is as old as that one.
        let sql = format!(
            "select count(*) from log.slice as slice join log.run as run on slice.runId = run.runId
            where resource = 'factExecution' and run.status = 'started' and run.runId = '{}'
            and slice.walkedAt < run.startedAt",
            ran.text("runId")
        );
        assert_eq!(lab.number(&sql).await, i64::from(!is_moved));
        assert_eq!(lab.run("source", &flags).expect(0).text("status"), "unchanged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_walked_is_kept_while_a_slow_answer_is_waited_for() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault_text("/execution:5:slow-first-byte=1800").unwrap();
    let mut child = lab.command("source").args(["--checkpoint-seconds", "1", "--run-id", "slow"]).spawn().unwrap();
    let begun = Instant::now();
    let journal = lab.lake_path().join("Tables/log/slice/_delta_log/00000000000000000001.json");
    // Nothing ends before the slow answer comes, which is after this.
    while !journal.exists() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = lab.number("select count(*) from log.slice where runId = 'slow' and resource = 'factExecution'").await;
    assert_eq!(kept, 4, "those before the slow one");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_one_publishes_and_the_other_says_so() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run_all();
    for stage in STAGES {
        lab.advance(1);
        if stage != "source" {
            lab.run("source", &[]).expect(0);
            for earlier in STAGES.iter().skip(1).take_while(|earlier| **earlier != stage) {
                lab.run(earlier, &[]).expect(0);
            }
        }
        let before = newest(&lab, stage).await;
        let started = Instant::now();
        let runs: Vec<_> = (0..2).map(|_| lab.command(stage).args(["--force"]).spawn().unwrap()).collect();
        let ended: Vec<_> = runs.into_iter().map(|child| finish(child, started)).collect();
        let codes: Vec<i32> = ended.iter().map(|ran| ran.code.unwrap()).collect();
        let published = newest(&lab, stage).await - before;
        let winners = codes.iter().filter(|code| **code == 0).count() as i64;
        assert!(codes.iter().all(|code| *code == 0 || *code == 73), "{stage}: {codes:?} {}", ended[0].report);
        assert_eq!(published, winners, "{stage}: {codes:?}");
        assert!(winners >= 1);
    }
    let truth = lab.simulator.simulator.truth();
    assert_eq!(truth["visible"]["executions"], lab.number("select count(*) from refine.factExecution").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_to_stop_records_it_and_leaves() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault("/execution:3:slow-first-byte=1900:0".parse().unwrap());
    let child = lab.command("source").args(["--run-id", "told-to-stop"]).spawn().unwrap();
    let begun = Instant::now();
    while lab.simulator.simulator.requests().len() < 12 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let asked = Instant::now();
    let ran = finish(child, begun).expect(143);
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(ran.text("status"), "stopped");
    let recorded =
        lab.rows("select status, exitCode from log.run where runId = 'told-to-stop' and status = 'stopped'").await;
    assert_eq!(recorded[0]["exitCode"], 143);
    lab.simulator.simulator.clear_faults();
    lab.run("source", &[]).expect(0);
}
