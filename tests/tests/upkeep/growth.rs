//! A lake after many runs: small files are merged without a row lost and without work for the stages after.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{Rows, eventful_lab, figure, lake, read_all, releases, rows_at, upkeep};
use crate::support::Lab;

/// Data files of a table's newest version.
async fn file_count(lab: &Lab, schema: &str, table: &str) -> usize {
    let delta = lake(lab).open(schema, table, None).await.unwrap().unwrap();
    delta.snapshot().unwrap().snapshot().log_data().num_files()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_become_few_and_nothing_is_built_again_for_it() {
    let mut lab = eventful_lab().await;
    let mut publishings = 0;
    for day in 0..56 {
        publishings += i64::from(lab.run("source", &[]).expect(0).text("status") == "published");
        if day < 55 {
            lab.advance(1);
        }
    }
    assert!(publishings > 52, "there is something new every day: {publishings}");
    // As policy: no table of the logs is ever left with many small files.
    for table in ["run", "table", "slice"] {
        let count = file_count(&lab, "log", table).await;
        assert!(count <= 52, "log.{table} has {count} files");
    }
    assert_eq!(lab.number("select count(*) from log.run where status = 'started'").await, 56);
    assert_eq!(lab.number("select count(*) from log.run where status = 'published'").await, publishings);

    lab.run("prepare", &[]).expect(0);
    let mut known = Rows::new();
    read_all(&lab, &mut known, false).await;
    let before = releases(&lab).await;
    let last = before.keys().filter(|(stage, _)| stage == "source").map(|(_, number)| *number).max().unwrap();
    assert!(file_count(&lab, "source", "slice").await > 50);
    let ran = upkeep(&lab, "source", &[]).expect(0);
    assert!(figure(&ran, "mergedFileCount") > 50, "{}", ran.report);
    assert!(file_count(&lab, "source", "slice").await < 5);
    let after = releases(&lab).await;
    let merged = &after[&("source".to_owned(), last + 1)];
    for (name, version) in &before[&("source".to_owned(), last)] {
        assert!(known[&(name.clone(), *version)] == rows_at(&lab, name, merged[name]).await, "{name}");
    }
    read_all(&lab, &mut known, true).await;
    // The same rows are no news, for nobody.
    assert_eq!(lab.run("prepare", &[]).expect(0).text("status"), "unchanged");
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged");
    // The runs in between may have left the logs due; the tables of source are not.
    assert_ne!(upkeep(&lab, "source", &[]).expect(0).text("status"), "published");
    assert_eq!(upkeep(&lab, "source", &[]).expect(0).text("status"), "unchanged");
    lab.advance(1);
    lab.run_all();
    let truth = lab.simulator.simulator.truth();
    assert_eq!(truth["visible"]["executions"], lab.number("select count(*) from refine.factExecution").await);
}

/// Seconds of a run that finds nothing to do, the best of three.
fn no_op_seconds(lab: &Lab, stage: &str) -> f64 {
    let one = || {
        let begun = Instant::now();
        assert_eq!(lab.run(stage, &[]).expect(0).text("status"), "unchanged");
        begun.elapsed().as_secs_f64()
    };
    (0..3).map(|_| one()).fold(f64::INFINITY, f64::min)
}

/// Appends the row of the last run again and again, in commits and files of their own as every run does, and as if none
/// had ever been merged, a while ago.
fn pretend(lab: &Lab, count: usize) {
    let table = lab.lake_path().join("Tables/log/run");
    let name = |version: usize| table.join(format!("_delta_log/{version:020}.json"));
    let last = (0..).find(|version| !name(version + 1).exists()).unwrap();
    let commit = std::fs::read_to_string(name(last)).unwrap();
    let mut actions = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let add = actions.find_map(|action| action["add"]["path"].as_str().map(ToOwned::to_owned)).unwrap();
    let age = |file: &std::fs::File| file.set_modified(SystemTime::now() - Duration::from_secs(40 * 86_400)).unwrap();
    (0..=last).for_each(|version| age(&std::fs::File::open(name(version)).unwrap()));
    for number in 0..2 * count {
        let copy = format!("part-00000-{number:08}-c000.zstd.parquet");
        std::fs::hard_link(table.join(&add), table.join(&copy)).unwrap();
        let mut entry = std::fs::File::create(name(last + 1 + number)).unwrap();
        entry.write_all(commit.replace(&add, &copy).as_bytes()).unwrap();
        age(&entry);
    }
}

/// `SPECTRA_TEST_RUNS` says how many runs there were; ten thousand take a minute.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the figures are asked for")]
async fn a_run_is_as_fast_after_many_as_after_few() {
    let lab = eventful_lab().await;
    lab.run_all();
    let before = no_op_seconds(&lab, "clean");
    let rows = lab.number("select count(*) from log.run").await;
    let count: usize = std::env::var("SPECTRA_TEST_RUNS").map_or(500, |count| count.parse().unwrap());
    pretend(&lab, count);
    let begun = Instant::now();
    lab.run("clean", &[]).expect(0);
    let merging = begun.elapsed().as_secs_f64();
    let files = file_count(&lab, "log", "run").await;
    assert_eq!(lab.number("select count(*) from log.run").await, rows + 2 * count as i64 + 2);
    let after = no_op_seconds(&lab, "clean");
    upkeep(&lab, "clean", &["--orphan-hours", "0"]).expect(0);
    let kept_up = no_op_seconds(&lab, "clean");
    eprintln!(
        "a run without news: {before:.3} s; after {count} runs that merged nothing {merging:.3} s, which merges ({files} files \
         are left); then {after:.3} s; after upkeep {kept_up:.3} s"
    );
    assert!(files < 10, "{files}");
    assert!(after < before * 2.0 + 1.0, "{before} -> {after}");
}
