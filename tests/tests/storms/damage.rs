//! The faults: what each does, and how a run must end that meets it.

use std::fs;

use serde_json::{Value, json};
use spectra_common::lake::Lake;
use spectra_common::log::{self, RunRow};

use super::scene::{Expected, Mended, Rights, Scene};

const ALL: &[&str] = &["source", "prepare", "clean", "transform", "refine", "analyse"];
const BUILT: &[&str] = &["prepare", "clean", "transform", "refine", "analyse"];
const SOURCE: &[&str] = &["source"];

/// Something that can happen to a lake.
pub struct Fault {
    /// What, for people.
    pub name: &'static str,
    pub stages: &'static [&'static str],
    /// Makes it happen; says why where it cannot be made to happen here.
    pub strike: fn(&mut Scene) -> Result<Expected, String>,
}

const fn fault(
    name: &'static str,
    stages: &'static [&'static str],
    strike: fn(&mut Scene) -> Result<Expected, String>,
) -> Fault {
    Fault { name, stages, strike }
}

fn refused(says: &'static [&'static str]) -> Result<Expected, String> {
    Ok(Expected { code: 74, says })
}

fn fine() -> Result<Expected, String> {
    Ok(Expected { code: 0, says: &[] })
}

/// It goes well, and nothing has to be mended.
fn healed(scene: &mut Scene) -> Result<Expected, String> {
    scene.mended = Mended::ByItself;
    fine()
}

pub static FAULTS: &[Fault] = &[
    fault("a data file it reads is cut short", ALL, |scene| {
        scene.choose_input();
        scene.choose_data_file();
        let file = fs::OpenOptions::new().write(true).open(&scene.file).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(scene.noise.below(length)).unwrap();
        refused(&["the data file {file} of table {table} has ", " bytes, and "])
    }),
    fault("a data file it reads is missing", ALL, |scene| {
        scene.choose_input();
        scene.choose_data_file();
        fs::remove_file(&scene.file).unwrap();
        refused(&["the data file {file} of table {table} is missing"])
    }),
    fault("a bit flips in a data file it reads", ALL, |scene| {
        scene.choose_input();
        scene.choose_data_file();
        scene.flip_a_bit();
        refused(&["the data file {file} of table {table} is damaged"])
    }),
    fault("a data file of the table it replaces is missing", BUILT, |scene| {
        scene.choose_own();
        scene.choose_data_file();
        fs::remove_file(&scene.file).unwrap();
        healed(scene)
    }),
    fault("a bit flips in a data file of the table it replaces", BUILT, |scene| {
        scene.choose_own();
        scene.choose_data_file();
        scene.flip_a_bit();
        healed(scene)
    }),
    fault("a log entry of a table it reads is no JSON", ALL, |scene| {
        scene.choose_input();
        scene.choose_entry(scene.version());
        fs::write(&scene.file, "not what it was\n").unwrap();
        refused(&["table {table}", "{file} is damaged: line 1"])
    }),
    fault("a log entry of a table it reads is cut short", ALL, |scene| {
        scene.choose_input();
        scene.choose_entry(scene.version());
        let text = fs::read(&scene.file).unwrap();
        fs::write(&scene.file, &text[..text.len() - 20]).unwrap();
        refused(&["table {table}", "{file} is damaged: line "])
    }),
    fault("a log entry of a table it reads is empty", ALL, |scene| {
        scene.choose_input();
        scene.choose_entry(scene.version());
        fs::write(&scene.file, "").unwrap();
        refused(&["table {table}", "{file} is empty"])
    }),
    fault("the newest log entry of a table it reads is missing", ALL, |scene| {
        scene.choose_input();
        scene.choose_entry(scene.version());
        fs::remove_file(&scene.file).unwrap();
        refused(&["table {table}", "{file} is missing"])
    }),
    fault("a log entry in the middle is missing from a table it reads", BUILT, |scene| {
        scene.choose_input();
        scene.choose_entry(scene.version() - 1);
        fs::remove_file(&scene.file).unwrap();
        refused(&["table {table}", "{file} is missing"])
    }),
    fault("the newest log entry of a table it writes is no JSON", ALL, |scene| {
        scene.choose_own();
        scene.choose_entry(scene.version());
        fs::write(&scene.file, "not what it was\n").unwrap();
        refused(&["table {table}", "{file} is damaged: line 1"])
    }),
    fault("the newest log entry of a table it replaces is missing", BUILT, |scene| {
        scene.choose_own();
        fs::remove_file(scene.entry(scene.version())).unwrap();
        healed(scene)
    }),
    fault("the newest log entry of a table it adds to is missing", SOURCE, |scene| {
        scene.choose_own();
        scene.choose_entry(scene.version());
        fs::remove_file(&scene.file).unwrap();
        refused(&["table {table}", "{file} is missing"])
    }),
    fault("a log entry of log.run is no JSON", ALL, |scene| {
        scene.choose("log/run");
        scene.choose_entry(scene.version());
        fs::write(&scene.file, "not what it was\n").unwrap();
        refused(&["table {table}", "{file} is damaged: line 1"])
    }),
    fault("a log entry of log.run is missing in the middle", ALL, |scene| {
        scene.choose("log/run");
        let version = scene.noise.below(scene.version() - 1) + 1;
        scene.choose_entry(version);
        fs::remove_file(&scene.file).unwrap();
        refused(&["table {table}", "{file} is missing"])
    }),
    fault("a data file of log.run is missing", ALL, |scene| {
        scene.choose("log/run");
        scene.choose_data_file();
        fs::remove_file(&scene.file).unwrap();
        refused(&["the data file {file} of table {table} is missing"])
    }),
    fault("log.run is gone", ALL, |scene| {
        scene.choose("log/run");
        fs::remove_dir_all(scene.place()).unwrap();
        refused(&["table log.run is gone from the lake at "])
    }),
    fault("log.table and log.expectation are gone", ALL, |scene| {
        for table in ["table", "expectation"] {
            fs::remove_dir_all(scene.lake.join("Tables/log").join(table)).unwrap();
        }
        healed(scene)
    }),
    fault("_last_checkpoint names a checkpoint that is missing", ALL, |scene| {
        scene.choose_input();
        scene.file = scene.log().join("_last_checkpoint");
        fs::write(&scene.file, json!({"version": scene.version(), "size": 5}).to_string()).unwrap();
        scene.mended = Mended::Remove(vec![scene.file.clone()]);
        refused(&["table {table}", "{file} names version ", "of which there is no checkpoint", "delete it"])
    }),
    fault("a checkpoint is damaged", ALL, |scene| {
        scene.choose_input();
        scene.file = scene.log().join(format!("{:020}.checkpoint.parquet", scene.version()));
        fs::write(&scene.file, "not what it was").unwrap();
        scene.mended = Mended::Remove(vec![scene.file.clone()]);
        refused(&["table {table}", "the checkpoint {file} cannot be read", "delete it"])
    }),
    fault("a checkpoint says something else than the log", BUILT, |scene| {
        scene.choose_input();
        let (newest, name) = (scene.version(), scene.name());
        let (schema, table) = name.split_once('.').unwrap();
        tokio::runtime::Handle::current().block_on(async {
            let lake = Lake::new(scene.lake.to_str().unwrap()).unwrap();
            let older = lake.open(schema, table, Some(newest - 1)).await.unwrap().unwrap();
            deltalake::checkpoints::create_checkpoint(&older, None).await.unwrap();
        });
        scene.file = scene.log().join(format!("{newest:020}.checkpoint.parquet"));
        fs::rename(scene.log().join(format!("{:020}.checkpoint.parquet", newest - 1)), &scene.file).unwrap();
        fs::remove_file(scene.log().join("_last_checkpoint")).unwrap();
        refused(&["table {table} at version ", " is not what its release published"])
    }),
    fault("a table it reads is dropped", ALL, |scene| {
        scene.choose_input();
        fs::remove_dir_all(scene.place()).unwrap();
        refused(&["table {table} is gone although a release names it"])
    }),
    fault("a table it reads is a folder without a log", ALL, |scene| {
        scene.choose_input();
        fs::remove_dir_all(scene.log()).unwrap();
        refused(&["table {table} is gone although a release names it"])
    }),
    fault("a table it reads is made anew by another program", ALL, |scene| {
        scene.choose_input();
        let first = fs::read_to_string(scene.entry(0)).unwrap();
        let id = first.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let first = first.replace(id, "00000000-0000-4000-8000-000000000000");
        let (adds, newest) = (scene.adds(), scene.version());
        fs::remove_dir_all(scene.log()).unwrap();
        fs::create_dir(scene.log()).unwrap();
        fs::write(scene.entry(0), first).unwrap();
        for _ in 1..newest {
            scene.commit(Vec::new());
        }
        scene.commit(vec![scene.double(&adds[0])]);
        refused(&["table {table} at version ", " is not what its release published"])
    }),
    fault("a table it replaces is dropped", BUILT, |scene| {
        scene.choose_own();
        fs::remove_dir_all(scene.place()).unwrap();
        healed(scene)
    }),
    fault("a table it adds to is dropped", SOURCE, |scene| {
        scene.choose_own();
        fs::remove_dir_all(scene.place()).unwrap();
        refused(&["table {table} is gone although a release names it"])
    }),
    fault("another program deletes rows of a table it reads", BUILT, |scene| {
        scene.choose_input();
        let gone = scene.adds().iter().map(remove).collect();
        scene.commit(gone);
        healed(scene)
    }),
    fault("another program adds rows to a table it reads", BUILT, |scene| {
        scene.choose_input();
        scene.commit(scene.adds().iter().map(|add| scene.double(add)).collect());
        healed(scene)
    }),
    fault("another program deletes rows of a table it writes", ALL, |scene| {
        scene.choose_own();
        let gone = scene.adds().iter().map(remove).collect();
        scene.commit(gone);
        healed(scene)
    }),
    fault("another program adds rows to a table it writes", ALL, |scene| {
        scene.choose_own();
        scene.commit(scene.adds().iter().map(|add| scene.double(add)).collect());
        healed(scene)
    }),
    fault("a table it reads gets a feature we do not know", BUILT, |scene| {
        scene.choose_input();
        scene.commit(vec![unknown_feature()]);
        healed(scene)
    }),
    fault("a table it writes gets a feature we do not know", ALL, |scene| {
        scene.choose_own();
        scene.commit(vec![unknown_feature()]);
        refused(&["table {table}", "timeTravelByTea"])
    }),
    fault("a newer version of us published a release", ALL, |scene| {
        scene.choose("log/run");
        note(scene, RunRow { status: "published".into(), release: Some(99), ..RunRow::default() });
        refused(&["was published by spectra 99.0.0, which is newer than this one", "install spectra 99.0.0"])
    }),
    fault("log.run has statuses and columns we do not know", ALL, |scene| {
        scene.choose("log/run");
        note(scene, RunRow { status: "dreamt".into(), release: Some(99), ..RunRow::default() });
        let first = fs::read_to_string(scene.entry(0)).unwrap();
        let metadata = first.lines().find(|line| line.contains("\"metaData\"")).unwrap();
        let mut metadata: Value = serde_json::from_str(metadata).unwrap();
        let mut columns: Value = serde_json::from_str(metadata["metaData"]["schemaString"].as_str().unwrap()).unwrap();
        let mood = json!({"name": "mood", "type": "string", "nullable": true, "metadata": {}});
        columns["fields"].as_array_mut().unwrap().push(mood);
        metadata["metaData"]["schemaString"] = columns.to_string().into();
        scene.commit(vec![metadata]);
        healed(scene)
    }),
    fault("the clock jumps 40 days ahead, then back", ALL, |scene| {
        scene.shift_clock(40)?;
        scene.runs_again = true;
        healed(scene)
    }),
    fault("the clock jumps 40 days back, then ahead", ALL, |scene| {
        scene.shift_clock(-40)?;
        scene.runs_again = true;
        healed(scene)
    }),
    fault("the lake is read-only", ALL, |scene| {
        scene.take_rights(Rights::None)?;
        refused(&["recording the run in the lake at ", "Permission denied", "let this user write"])
    }),
    fault("the permission to write is lost in mid-run", ALL, |scene| {
        scene.take_rights(Rights::AtFirst)?;
        scene.is_late = true;
        refused(&["Permission denied", "let this user write"])
    }),
    fault("the disk is full from the start", ALL, |scene| {
        scene.fill_disk(0)?;
        refused(&["recording the run in the lake at ", "No space left", "make some"])
    }),
    fault("the disk is full in mid-run", ALL, |scene| {
        let room = if scene.stage == "source" { 24 << 10 } else { (32 + scene.noise.below(160)) << 10 };
        scene.fill_disk(room)?;
        scene.is_late = true;
        refused(&["No space left", "make some"])
    }),
];

fn remove(add: &Value) -> Value {
    json!({"remove": {"path": add["path"], "deletionTimestamp": 1_767_600_000_000_u64, "dataChange": true}})
}

fn unknown_feature() -> Value {
    let features = ["timeTravelByTea"];
    json!({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features
    }})
}

/// Adds a row to log.run that a version of us wrote which is yet to come.
fn note(scene: &Scene, row: RunRow) {
    let now = "2026-01-06T09:00:00Z".to_owned();
    let row = RunRow {
        run_id: "yet-to-come".into(),
        stage: scene.stage.into(),
        started_at: now.clone(),
        recorded_at: now,
        version: "99.0.0".into(),
        ..row
    };
    let lake = Lake::new(scene.lake.to_str().unwrap()).unwrap();
    let rows = [row];
    let done = log::append(&lake, "run", &rows, None, std::collections::HashMap::new());
    tokio::runtime::Handle::current().block_on(done).unwrap();
}
