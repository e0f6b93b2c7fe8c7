//! What is renewed part by part comes out as if it had been built whole: day by day, all stages each day, and on a copy of
//! the lake everything built anew. `SPECTRA_TEST_DAYS` says for how many days; a month is `SPECTRA_TEST_DAYS=30`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use spectra_common::lake::Lake;
use spectra_common::session;
use spectra_tests::simulator::quirks::Quirk;
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::fortnight::shift_clock;
use crate::support::{Lab, Ran, STAGES, made_of_logs};

const DAYS: usize = 4;

/// Every table of the stages after source, and of the quarantine, but those that tell of runs, which are others in a copy.
fn tables(lake: &Path) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let about_runs = made_of_logs();
    for schema in ["prepare", "clean", "transform", "refine", "analyse", "quarantine"] {
        let Ok(entries) = std::fs::read_dir(lake.join("Tables").join(schema)) else { continue };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_compared = |table: &String| !about_runs.contains(&format!("{schema}.{table}"));
        found.extend(names.filter(is_compared).map(|table| (schema.to_owned(), table)));
    }
    found
}

/// What is in each table, whatever the order of its rows: how many, and a sum over their hashes.
async fn contents(lake: &Path) -> BTreeMap<String, String> {
    let opened = Lake::new(lake.to_str().unwrap()).unwrap();
    let mut contents = BTreeMap::new();
    for (schema, table) in tables(lake) {
        let context = session::new(512 << 20, 1).unwrap();
        let delta = opened.open(&schema, &table, None).await.unwrap().unwrap();
        session::register_delta(&context, &schema, &table, &delta).await.unwrap();
        let frame = context.sql(&format!("select * from {schema}.\"{table}\"")).await.unwrap();
        let columns: Vec<String> = frame
            .schema()
            .fields()
            .iter()
            .map(|field| format!("coalesce(cast(\"{}\" as string), chr(0))", field.name()))
            .collect();
        let sql = format!(
            "select concat(count(*), ' rows, ', coalesce(sum(cast(xxhash64({}) as decimal(38, 0))), 0)) as content
             from {schema}.\"{table}\"",
            columns.join(", ")
        );
        let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
        let content = datafusion::arrow::util::display::array_value_to_string(batches[0].column(0), 0).unwrap();
        contents.insert(format!("{schema}.{table}"), content);
    }
    contents
}

/// A copy of the lake in which every stage after source is built whole, and what the runs told of each table.
fn built_whole(lab: &Lab, flags: &BTreeMap<&str, Vec<String>>) -> (PathBuf, BTreeMap<String, (i64, i64)>) {
    let copy = lab.folder.path().join("whole");
    let _ = std::fs::remove_dir_all(&copy);
    let copied = Command::new("cp").arg("-r").arg(lab.lake_path()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let mut told = BTreeMap::new();
    for stage in &STAGES[1..] {
        let mut command = lab.command(stage);
        command.env("SPECTRA_LAKE", &copy).arg("--force").args(&flags[stage]);
        let ran = crate::support::finish(command.spawn().unwrap(), std::time::Instant::now()).expect(0);
        told.extend(figures(stage, &ran));
    }
    (copy, told)
}

/// Rows set aside and warned about, of each table that was built.
fn figures(stage: &str, ran: &Ran) -> BTreeMap<String, (i64, i64)> {
    let tables = ran.report["tables"].as_array().unwrap().iter().filter(|table| table["action"] != "unchanged");
    let figure = |table: &serde_json::Value, name: &str| table[name].as_i64().unwrap_or_default();
    tables
        .map(|table| {
            let name = format!("{stage}.{}", table["name"].as_str().unwrap());
            (name, (figure(table, "quarantinedCount"), figure(table, "warningCount")))
        })
        .collect()
}

/// A copy of a folder of the repository with some text in one of its files replaced.
fn changed(lab: &Lab, folder: &str, file: &str, from: &str, to: &str) -> String {
    let copy = lab.copied(folder);
    let text = std::fs::read_to_string(copy.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    std::fs::write(copy.join(file), text.replace(from, to)).unwrap();
    copy.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_is_what_would_have_been_built() {
    let days = std::env::var("SPECTRA_TEST_DAYS").map_or(DAYS, |days| days.parse().unwrap());
    let mut config = SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() };
    config.quirks.set(Quirk::EventfulDays, true);
    let mut lab = Lab::with(config).await;
    let mut flags: BTreeMap<&str, Vec<String>> = STAGES.iter().map(|stage| (*stage, Vec::new())).collect();
    let (mut renewed, mut kept): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    for day in 0..=days {
        if day > 0 {
            lab.advance(1);
        }
        match day {
            3 => {
                let (from, to) = ("'absent') as statusCode", "'0') as statusCode");
                let other = changed(&lab, "prepare/models", "factExecution.sql", from, to);
                flags.get_mut("prepare").unwrap().extend(["--models".to_owned(), other]);
            }
            4 => {
                lab.simulator.simulator.set_quirk(Quirk::ExtraFields, true).unwrap();
                let other =
                    changed(&lab, "prepare/reference", "controls.csv", "executionTimeUnit,ms", "executionTimeUnit,s");
                flags.get_mut("prepare").unwrap().extend(["--reference".to_owned(), other]);
            }
            _ => {}
        }
        shift_clock(&mut lab);
        let mut told = BTreeMap::new();
        for stage in STAGES {
            let arguments: Vec<&str> = flags[stage].iter().map(String::as_str).collect();
            let ran = lab.run(stage, &arguments).expect(0);
            let said = ran.log.lines().filter_map(|line| line.split_once("renewing ")?.1.split(' ').next());
            renewed.extend(said.map(ToOwned::to_owned));
            let tables = ran.report["tables"].as_array().unwrap().iter();
            let unchanged = tables.filter(|table| day > 0 && table["action"] == "unchanged");
            kept.extend(unchanged.map(|table| format!("{stage}.{}", table["name"].as_str().unwrap())));
            told.extend(figures(stage, &ran));
        }
        let (whole, told_whole) = built_whole(&lab, &flags);
        let (here, there) = (contents(&lab.lake_path()).await, contents(&whole).await);
        let differing: Vec<_> = here.iter().filter(|(table, content)| there.get(*table) != Some(content)).collect();
        assert!(differing.is_empty() && here.len() == there.len(), "on day {day}: {differing:?}");
        for (table, figures) in told.iter().filter(|(table, _)| !table.starts_with("source.")) {
            assert_eq!(Some(figures), told_whole.get(table), "{table} on day {day}");
        }
    }
    for table in [
        "prepare.factExecution",
        "prepare.factExecutionRemoval",
        "prepare.testcasePlacement",
        "prepare.recordChange",
        "prepare.dimTestcase",
        "prepare.dimTestcaseHistory",
        "clean.factExecution",
        "transform.factExecution",
        "transform.recordVersion",
        "transform.bridgeTestcaseCycle",
        "refine.testcaseActivity",
    ] {
        assert!(renewed.contains(table), "{table}: {renewed:?}");
    }
    // What nothing happened to is not built although tables it reads were.
    for table in ["clean.dimFolder", "transform.dimCyclePhase", "refine.bridgeTestcaseFolder"] {
        assert!(kept.contains(table), "{table}: {kept:?}");
    }
}
