//! Releases as things to list, look at, compare and go back to.
//!
//! What a difference is, is computed here a second time: both versions of every table are read whole and compared in Rust.

mod rerun;
mod revert;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use datafusion::prelude::SessionContext;
use serde_json::Value;
use spectra_common::dictionary;
use spectra_common::lake::Lake;
use spectra_common::model::TableName;
use spectra_common::{log, session};
use spectra_tests::simulator::Profile;

use crate::support::{Lab, STAGES};

/// A command that has ended.
pub struct Answer {
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// The run report, wherever it was.
    pub report: Value,
}

/// `spectra-<stage> release …`.
pub fn release(lab: &Lab, stage: &str, words: &[&str]) -> Answer {
    let mut command = lab.command(stage);
    command.arg("release").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = command.output().unwrap();
    let (output, log) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    let last = |text: &str| text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let is_report = |value: &Value| value["exitCode"].is_number();
    let report = last(&output).filter(is_report).or_else(|| last(&log).filter(is_report));
    Answer { code: done.status.code().unwrap(), output, report: report.unwrap_or_else(|| panic!("no report: {log}")) }
}

/// The answer as JSON; the command must end well.
pub fn answer(lab: &Lab, stage: &str, words: &[&str]) -> Value {
    let answer = release(lab, stage, &[words, &["--format", "json"]].concat());
    assert_eq!(answer.code, 0, "{stage} {words:?}: {}", answer.report);
    serde_json::from_str(&answer.output).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", answer.output))
}

/// A release as `log.run` tells of it.
pub struct Published {
    pub number: i64,
    pub run_id: String,
    pub inputs: BTreeMap<String, i64>,
    /// Versions by `schema.table`.
    pub tables: BTreeMap<String, u64>,
}

/// The releases of a stage, the oldest first.
pub async fn published(lab: &Lab, stage: &str) -> Vec<Published> {
    let sql = format!("select * from log.run where status = 'published' and stage = '{stage}' order by release");
    let json = |row: &Value, field: &str| serde_json::from_str::<Value>(row[field].as_str().unwrap()).unwrap();
    let tables = |row: &Value| {
        let tables = json(row, "tables");
        let states = tables.as_object().unwrap().iter();
        states.map(|(name, state)| (name.clone(), state["version"].as_u64().unwrap())).collect()
    };
    let rows = lab.rows(&sql).await;
    rows.iter()
        .map(|row| Published {
            number: row["release"].as_i64().unwrap(),
            run_id: row["runId"].as_str().unwrap().to_owned(),
            inputs: serde_json::from_value(json(row, "inputs")).unwrap(),
            tables: tables(row),
        })
        .collect()
}

/// All rows of a table at a version, or at its newest, sorted.
pub async fn content(lab: &Lab, table: &str, version: Option<u64>) -> Vec<String> {
    read(&session::new(512 << 20, 2).unwrap(), lab, table, version).await
}

async fn read(context: &SessionContext, lab: &Lab, table: &str, version: Option<u64>) -> Vec<String> {
    let (schema, name) = table.split_once('.').unwrap();
    let lake = Lake::new(&lab.variables["SPECTRA_LAKE"]).unwrap();
    let delta = lake.open(schema, name, version).await.unwrap().unwrap_or_else(|| panic!("{table} is not there"));
    session::register_delta(context, schema, name, &delta).await.unwrap();
    let batches = context.sql(&format!("select * from {table}")).await.unwrap().collect().await.unwrap();
    let mut rows: Vec<String> = log::rows::<Value>(&batches).unwrap().into_iter().map(|row| row.to_string()).collect();
    rows.sort();
    rows
}

/// What a release holds, table by table.
pub async fn contents(lab: &Lab, release: &Published) -> BTreeMap<String, Vec<String>> {
    let context = session::new(512 << 20, 2).unwrap();
    let mut contents = BTreeMap::new();
    for (table, version) in &release.tables {
        contents.insert(table.clone(), read(&context, lab, table, Some(*version)).await);
    }
    contents
}

/// Three days, each walked and taken through all stages.
async fn three_days() -> Lab {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run_all();
    for _ in 0..2 {
        lab.advance(1);
        lab.run_all();
    }
    lab
}

/// Rows without what says where they were landed, unless that is what tells them apart.
fn without_place(rows: &[String], key: &[String]) -> Vec<String> {
    let is_compared = |name: &String| name != "recordKey" || key.contains(name);
    let stripped = |row: &String| {
        let mut row: serde_json::Map<String, Value> = serde_json::from_str(row).unwrap();
        row.retain(|name, _| is_compared(name));
        Value::from(row).to_string()
    };
    rows.iter().map(stripped).collect()
}

/// Rows added, removed and changed, by the columns that tell them apart; without any, whole rows are counted.
fn difference(before: &[String], after: &[String], key: &[String]) -> [usize; 3] {
    let [before, after] = [before, after].map(|rows| without_place(rows, key));
    if key.is_empty() {
        let counts = |rows: &[String]| {
            rows.iter().fold(BTreeMap::<String, usize>::new(), |mut counts, row| {
                *counts.entry(row.clone()).or_default() += 1;
                counts
            })
        };
        let (old, new) = (counts(&before), counts(&after));
        let surplus = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
            one.iter().map(|(row, count)| count.saturating_sub(other.get(row).copied().unwrap_or(0))).sum::<usize>()
        };
        return [surplus(&new, &old), surplus(&old, &new), 0];
    }
    let by_key = |rows: &[String]| -> BTreeMap<Vec<String>, Value> {
        let rows = rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap());
        rows.map(|row| (key.iter().map(|name| row[name].to_string()).collect(), row)).collect()
    };
    let (old, new) = (by_key(&before), by_key(&after));
    let changed = new.iter().filter(|(key, row)| old.get(*key).is_some_and(|old| old != *row)).count();
    let added = new.keys().filter(|key| !old.contains_key(*key)).count();
    [added, old.keys().filter(|key| !new.contains_key(*key)).count(), changed]
}

/// What of a table of source is current: by slice and record the hash of what the API said of it.
async fn current(lab: &Lab, release: &Published, table: &str) -> Vec<String> {
    let mut newest: BTreeMap<(String, String), Value> = BTreeMap::new();
    for row in content(lab, "source.slice", Some(release.tables["source.slice"])).await {
        let row: Value = serde_json::from_str(&row).unwrap();
        let slice = (row["resource"].to_string(), row["sliceKey"].to_string());
        let is_newer = |old: &Value| old["release"].as_i64() < row["release"].as_i64();
        if newest.get(&slice).is_none_or(is_newer) {
            newest.insert(slice, row);
        }
    }
    let pick = |row: &Value, names: &[&str]| -> Value {
        names.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect::<serde_json::Map<_, _>>().into()
    };
    if table == "source.slice" {
        let names = ["resource", "sliceKey", "status", "rowCount", "contentHash", "reason"];
        return newest.values().map(|row| pick(row, &names).to_string()).collect();
    }
    let resource = Value::from(table.strip_prefix("source.").unwrap()).to_string();
    let mut rows = Vec::new();
    for row in content(lab, table, Some(release.tables[table])).await {
        let row: Value = serde_json::from_str(&row).unwrap();
        let slice = newest.get(&(resource.clone(), row["sliceKey"].to_string()));
        if slice.is_some_and(|slice| slice["contentRunId"] == row["runId"]) {
            rows.push(pick(&row, &["sliceKey", "recordId", "payloadHash"]).to_string());
        }
    }
    rows
}

/// What tells the rows of a table apart.
fn key(table: &str) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match table.split_once('.').unwrap() {
        ("quarantine", _) => Vec::new(),
        ("source", "slice") => names(&["resource", "sliceKey"]),
        ("source", _) => names(&["sliceKey", "recordId"]),
        (schema, table) => {
            let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
            dictionary::built_in().unwrap().find(&name).unwrap().key
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_listed_shown_compared_and_made_again() {
    let lab = three_days().await;
    listed_and_shown(&lab).await;
    compared(&lab).await;
    rerun::made_again(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_gone_back_to() {
    let lab = three_days().await;
    revert::published_again(&lab).await;
    revert::two_at_once(&lab).await;
    revert::killed(&lab).await;
    revert::deleted(&lab).await;
}

async fn listed_and_shown(lab: &Lab) {
    for stage in STAGES {
        let told = published(lab, stage).await;
        let list = answer(lab, stage, &["list"]);
        let numbers = |list: &Value| -> Vec<i64> {
            list.as_array().unwrap().iter().map(|row| row["release"].as_i64().unwrap()).collect()
        };
        let expected: Vec<i64> = told.iter().rev().map(|release| release.number).collect();
        assert_eq!(numbers(&list), expected, "{stage}");
        for (row, release) in list.as_array().unwrap().iter().zip(told.iter().rev()) {
            assert_eq!(row["runId"], release.run_id.as_str());
            assert_eq!(row["isReadable"], true, "{row}");
            assert_eq!(serde_json::from_value::<BTreeMap<String, i64>>(row["inputs"].clone()).unwrap(), release.inputs);
            assert_eq!(row["tableCount"], release.tables.len());
        }
        assert_eq!(numbers(&answer(lab, stage, &["list", "--limit", "1"])), expected[..1]);
        let newest = told.last().unwrap();
        let shown = answer(lab, stage, &["show"]);
        assert_eq!(shown["release"], newest.number);
        let first = answer(lab, stage, &["show", "1"]);
        for (shown, release) in [(&shown, newest), (&first, &told[0])] {
            let contents = contents(lab, release).await;
            let tables = shown["tables"].as_array().unwrap();
            assert_eq!(tables.len(), contents.len());
            for table in tables {
                let name = table["table"].as_str().unwrap();
                assert_eq!(table["version"], release.tables[name], "{name}");
                assert_eq!(table["rowCount"], contents[name].len(), "{name}");
            }
        }
        let missing = release(lab, stage, &["show", "9"]);
        assert_eq!(missing.code, 66, "{}", missing.report);
        assert_eq!(missing.report["message"], format!("there is no release 9 of {stage}"));
        assert!(missing.report["hint"].as_str().unwrap().contains("1, 2, 3"), "{}", missing.report);
    }
    let table = release(lab, "clean", &["list"]);
    assert!(table.output.contains("| release | published"), "{}", table.output);
    assert!(!table.output.contains("exitCode"), "the report must not stand among the rows");
    let csv = release(lab, "clean", &["list", "--format", "csv"]);
    assert_eq!(csv.output.lines().count(), 4, "{}", csv.output);
    assert_eq!(release(lab, "clean", &["list", "--limit", "0"]).code, 64);
    assert_eq!(release(lab, "clean", &["show", "two"]).code, 64);
    assert_eq!(release(lab, "clean", &[]).code, 64);
}

async fn compared(lab: &Lab) {
    let mut differing = BTreeSet::new();
    for stage in STAGES {
        let told = published(lab, stage).await;
        let mut rows: BTreeMap<i64, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for release in &told {
            let mut contents = contents(lab, release).await;
            if stage == "source" {
                for (table, rows) in &mut contents {
                    *rows = current(lab, release, table).await;
                }
            }
            rows.insert(release.number, contents);
        }
        for (before, after) in [(0, 1), (1, 2), (0, 2), (2, 0)] {
            let (before, after) = (&told[before], &told[after]);
            let diff = answer(lab, stage, &["diff", &before.number.to_string(), &after.number.to_string()]);
            let tables = diff["tables"].as_array().unwrap();
            assert_eq!(tables.len(), before.tables.len());
            for table in tables {
                let name = table["table"].as_str().unwrap();
                let of = |field: &str| table[field].as_u64().unwrap() as usize;
                let of_side = |release: &Published| &rows[&release.number][name];
                let expected = difference(of_side(before), of_side(after), &key(name));
                let numbers = format!("{name} {} → {}: {table}", before.number, after.number);
                assert_eq!([of("added"), of("removed"), of("changed")], expected, "{numbers}");
                let what = match (before.tables[name] == after.tables[name], expected) {
                    (true, _) => "same version",
                    (false, [0, 0, 0]) => "same rows",
                    _ => "different",
                };
                assert_eq!(table["what"], what, "{numbers}");
                if what == "different" {
                    differing.insert(name.to_owned());
                }
            }
        }
        let newest = answer(lab, stage, &["diff"]);
        assert_eq!((&newest["before"], &newest["after"]), (&Value::from(2), &Value::from(3)));
    }
    // Days are not alike, or nothing was tested.
    for table in ["source.factExecution", "prepare.factExecution", "clean.factExecution", "refine.dimCycle"] {
        assert!(differing.contains(table), "{table} never differed");
    }

    let rows = answer(lab, "clean", &["diff", "1", "3", "--table", "factExecution", "--limit", "100000"]);
    let told = published(lab, "clean").await;
    let of = |at: usize| content(lab, "clean.factExecution", Some(told[at].tables["clean.factExecution"]));
    let key = key("clean.factExecution");
    let (old, new) = (without_place(&of(0).await, &key), without_place(&of(2).await, &key));
    let find = |rows: &[String], wanted: &Value| {
        let rows = rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap());
        let is_it = |row: &Value| {
            key.iter().all(|name| {
                let value = row[name].to_string();
                value == wanted[name].as_str().unwrap()
            })
        };
        rows.into_iter().find(is_it)
    };
    let shown = rows["rows"].as_array().unwrap();
    assert_eq!(shown.len(), difference(&old, &new, &key).iter().sum::<usize>());
    assert_eq!(rows["hasMore"], false);
    for row in shown {
        let (before, after) = (find(&old, &row["key"]), find(&new, &row["key"]));
        match row["change"].as_str().unwrap() {
            "added" => assert!(before.is_none() && after.is_some(), "{row}"),
            "removed" => assert!(before.is_some() && after.is_none(), "{row}"),
            "changed" => {
                let (before, after) = (before.unwrap(), after.unwrap());
                let names: BTreeSet<&String> =
                    [&before, &after].iter().flat_map(|row| row.as_object().unwrap().keys()).collect();
                let differs = |name: &&&String| before[name.as_str()] != after[name.as_str()];
                let expected: BTreeSet<&str> = names.iter().filter(differs).map(|name| name.as_str()).collect();
                let cells = row["columns"].as_array().unwrap();
                let found: BTreeSet<&str> = cells.iter().map(|cell| cell["column"].as_str().unwrap()).collect();
                assert_eq!(found, expected, "{row}");
            }
            other => panic!("{other}: {row}"),
        }
    }
    let few = answer(lab, "clean", &["diff", "1", "3", "--table", "clean.factExecution", "--limit", "1"]);
    assert_eq!((few["rows"].as_array().unwrap().len(), &few["hasMore"]), (1, &Value::from(true)));
    let nothing = release(lab, "clean", &["diff", "--table", "nothing"]);
    assert_eq!(nothing.code, 66, "{}", nothing.report);
    assert!(nothing.report["hint"].as_str().unwrap().contains("clean.dimCycle"), "{}", nothing.report);
    assert_eq!(release(lab, "clean", &["diff", "1", "7"]).code, 66);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_came_went_or_changed_are_told() {
    let lab = Lab::new(Profile::Small).await;
    for stage in ["source", "prepare", "clean"] {
        lab.run(stage, &[]).expect(0);
    }
    let alone = release(&lab, "clean", &["diff"]);
    assert_eq!(alone.code, 66, "{}", alone.report);
    let folder = lab.copied("clean/models");
    let model = folder.join("dimCycle.sql");
    let text = std::fs::read_to_string(&model).unwrap();
    let changed = text
        .replace("cast(duplicateNumber as int) as duplicateNumber", "duplicateNumber")
        .replace("select * from final", "select final.* except (revision), cycleName as cycleLabel from final");
    std::fs::write(&model, changed).unwrap();
    let flags = ["--models", folder.to_str().unwrap()];
    lab.run("clean", &flags).expect(0);
    let diff = answer(&lab, "clean", &["diff"]);
    let tables = diff["tables"].as_array().unwrap();
    let cycle = tables.iter().find(|table| table["table"] == "clean.dimCycle").unwrap();
    let columns: BTreeSet<&str> =
        cycle["columns"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(columns.contains("+cycleLabel string"), "{columns:?}");
    assert!(columns.iter().any(|note| note.starts_with("-revision ")), "{columns:?}");
    assert!(columns.contains("duplicateNumber int → bigint"), "{columns:?}");
    assert_eq!(cycle["what"], "different");
    assert_eq!((&cycle["added"], &cycle["removed"], &cycle["changed"]), (&0.into(), &0.into(), &0.into()));
    let differing = tables.iter().filter(|table| table["what"] == "different");
    let differing: Vec<&Value> = differing.map(|table| &table["table"]).collect();
    assert_eq!(differing, ["clean.dimCycle", "quarantine.cleanDimCycle"], "only one model was changed");

    // With its columns the table goes back too.
    let before =
        content(&lab, "clean.dimCycle", Some(published(&lab, "clean").await[0].tables["clean.dimCycle"])).await;
    assert_ne!(content(&lab, "clean.dimCycle", None).await, before);
    assert_eq!(release(&lab, "clean", &["revert", "1"]).code, 0);
    assert_eq!(content(&lab, "clean.dimCycle", None).await, before);
    assert_eq!(lab.run("clean", &[]).expect(0).text("status"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_it_is_said() {
    let lab = Lab::new(Profile::Small).await;
    for stage in STAGES {
        for words in [["list"].as_slice(), &["show"], &["show", "1"], &["diff"], &["diff", "1", "2"]] {
            let refused = release(&lab, stage, words);
            assert_eq!(refused.code, 66, "{stage} {words:?}: {}", refused.report);
            assert!(refused.report["message"].as_str().unwrap().contains(&format!("no release of {stage}")));
        }
        let revert = release(&lab, stage, &["revert", "1"]);
        assert_eq!(revert.code, if stage == "source" { 64 } else { 66 }, "{}", revert.report);
        assert!(!revert.report["hint"].as_str().unwrap().is_empty());
    }
    assert!(!lab.lake_path().exists(), "asking for what is not there must not make it");
    lab.run("source", &[]).expect(0);
    let refused = release(&lab, "clean", &["revert", "1"]);
    assert_eq!(refused.code, 66, "{}", refused.report);
    let before = lab.table_files();
    let source = release(&lab, "source", &["revert", "1"]);
    assert_eq!(source.code, 64);
    assert!(source.report["hint"].as_str().unwrap().contains("spectra-prepare --from-release 1"), "{}", source.report);
    assert_eq!(lab.table_files(), before);
}
