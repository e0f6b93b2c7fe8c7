//! Where storms are made: lakes that stand ready before each stage of a day with news, and what an undisturbed run makes
//! of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::release::{self, History};
use spectra_common::{log, session};
use spectra_tests::simulator::Profile;
use spectra_tests::simulator::noise::{Kind, Noise};

use super::damage::Fault;
use super::matrix::Outcome;
use super::scene::{Expected, Mended, Scene};
use crate::support::{Lab, Ran, STAGES, finish};

/// Columns that say when and by which run something was walked, and so differ from one run to the next.
const OF_THE_RUN: [&str; 6] = ["runId", "extractedAt", "walkedAt", "contentRunId", "baseRunId", "release"];

/// Marts that tell of `log.*`, and so of the runs that failed too.
const OF_THE_LOG: [&str; 4] =
    ["analyse.apiHealth", "analyse.dataQuality", "analyse.freshness", "analyse.operationsHealth"];

/// What no message of ours says.
const NEVER_SAID: [&str; 7] = ["panicked", "unforeseen", "Some(", "ParsedLogPath", "buoyant", "Error {", "::"];

/// The rows of each table of a release, without what differs from run to run.
pub type Content = BTreeMap<String, Vec<String>>;

/// A simulator, and a lake before each stage and after the last.
pub struct Site {
    pub lab: Lab,
    pub seed: u64,
    before: BTreeMap<&'static str, PathBuf>,
    wanted: BTreeMap<&'static str, Content>,
    pub took: BTreeMap<&'static str, Duration>,
    cell_count: u64,
}

/// The stage that a stage reads.
pub fn upstream(stage: &str) -> &'static str {
    let at = STAGES.iter().position(|each| *each == stage).unwrap();
    STAGES[at.saturating_sub(1)]
}

pub fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "copying {} to {}", from.display(), to.display());
}

/// The newest release of a stage, and how many there are.
pub async fn newest(lake: &Path, stage: &str) -> (i64, usize) {
    let history = History::load(&Lake::new(lake.to_str().unwrap()).unwrap()).await.unwrap();
    (history.newest(stage).map_or(0, |release| release.number), history.of(stage).count())
}

/// Every table of a stage's newest release, at the version that it names, read whole.
pub async fn content(lake: &Path, stage: &str, but: &BTreeSet<String>) -> Content {
    let lake = Lake::new(lake.to_str().unwrap()).unwrap();
    let history = History::load(&lake).await.unwrap();
    let mut content = Content::new();
    let Some(release) = history.newest(stage) else { return content };
    let context = session::new(512 << 20, 2).unwrap();
    for (name, state) in release.tables.iter().filter(|(name, _)| !but.contains(*name)) {
        let (schema, table) = name.split_once('.').unwrap();
        let delta = release::open(&lake, schema, table, state).await;
        let delta = delta.unwrap_or_else(|error| panic!("{name} of the newest release of {stage}: {error:#}"));
        session::register_delta(&context, schema, table, &delta).await.unwrap();
        let batches = context.sql(&format!("select * from {schema}.\"{table}\"")).await.unwrap().collect().await;
        let batches =
            batches.unwrap_or_else(|error| panic!("reading {name} of the newest release of {stage}: {error}"));
        let mut rows: Vec<String> = Vec::new();
        for mut row in log::rows::<Value>(&batches).unwrap() {
            if schema == "source" {
                OF_THE_RUN.iter().for_each(|column| drop(row.as_object_mut().unwrap().remove(*column)));
            }
            rows.push(row.to_string());
        }
        rows.sort();
        if !OF_THE_LOG.contains(&name.as_str()) {
            content.insert(name.clone(), rows);
        }
    }
    content
}

type Files = BTreeMap<PathBuf, (u64, SystemTime)>;

/// The files of each table.
fn tables(lake: &Path) -> BTreeMap<String, Files> {
    let mut found = BTreeMap::new();
    let list = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    for table in list(&lake.join("Tables")).flat_map(|schema| list(&schema).collect::<Vec<_>>()) {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let files = list(&table).chain(list(&table.join("_delta_log"))).filter(|path| path.is_file());
        let files = files.map(|path| {
            let found = path.metadata().unwrap();
            (path.strip_prefix(&table).unwrap().to_owned(), (found.len(), found.modified().unwrap()))
        });
        found.insert(format!("{}.{}", name(table.parent().unwrap()), name(&table)), files.collect());
    }
    found
}

/// The newest version of each table but the logs.
fn versions(lake: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for schema in std::fs::read_dir(lake.join("Tables")).unwrap().map(|entry| entry.unwrap().path()) {
        if schema.ends_with("log") {
            continue;
        }
        for table in std::fs::read_dir(schema).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(entries) = std::fs::read_dir(table.join("_delta_log")) else { continue };
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let newest = names.filter(|name| name.ends_with(".json")).max().unwrap_or_default();
            found.insert(table, newest);
        }
    }
    found
}

/// Says where two contents differ.
pub fn assert_same(what: &str, found: &Content, wanted: &Content) {
    let names = |content: &Content| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "{what}: other tables");
    for (table, rows) in wanted {
        let found = &found[table];
        if found != rows {
            let odd = found.iter().find(|row| !rows.contains(row));
            let gone = rows.iter().find(|row| !found.contains(row));
            let counts = (found.len(), rows.len());
            panic!("{what}: {table} has {} rows in place of {}: {odd:?} in place of {gone:?}", counts.0, counts.1);
        }
    }
}

impl Site {
    /// A day goes by undisturbed, then there is news, and each stage is looked at before and after it runs.
    pub async fn new(seed: u64) -> Self {
        let mut lab = Lab::new(Profile::Small).await;
        lab.run_all();
        lab.advance(1);
        let mut site =
            Self { seed, before: BTreeMap::new(), wanted: BTreeMap::new(), took: BTreeMap::new(), cell_count: 0, lab };
        for stage in STAGES {
            let place = site.lab.folder.path().join(format!("before-{stage}"));
            copy(&site.lab.lake_path(), &place);
            site.before.insert(stage, place);
            let ran = site.lab.run(stage, &[]).expect(0);
            site.took.insert(stage, ran.took);
            site.wanted.insert(stage, content(&site.lab.lake_path(), stage, &BTreeSet::new()).await);
        }
        site
    }

    /// A fresh lake before a stage; the one of the last fault is dropped.
    pub fn fresh(&mut self, stage: &str) -> PathBuf {
        let old = self.lab.folder.path().join(format!("lake-{}", self.cell_count));
        let _ = std::fs::remove_dir_all(old);
        self.cell_count += 1;
        let lake = self.lab.folder.path().join(format!("lake-{}", self.cell_count));
        copy(&self.before[stage], &lake);
        self.lab.variables.insert("SPECTRA_LAKE".to_owned(), lake.display().to_string());
        lake
    }

    pub fn run(&self, stage: &str, flags: &[&str]) -> Ran {
        tokio::task::block_in_place(|| self.lab.run(stage, flags))
    }

    pub async fn assert_undisturbed(&self, what: &str, lake: &Path, stage: &'static str) {
        assert_same(what, &content(lake, stage, &BTreeSet::new()).await, &self.wanted[stage]);
    }

    /// Everything published is there, at the version that its release names, but for what the fault itself destroyed.
    /// Tables of which every file is as it was before, when all of them were read, are not read again.
    pub async fn assert_readable(&self, lake: &Path, stage: &str, but: &BTreeSet<String>) {
        let mut same = but.clone();
        for (table, files) in tables(lake) {
            if tables(&self.before[stage]).get(&table) == Some(&files) {
                same.insert(table);
            }
        }
        for stage in STAGES {
            content(lake, stage, &same).await;
        }
    }

    /// Makes a fault happen to a stage, looks at how it ends, mends it and looks again.
    pub async fn strike(&mut self, fault: &Fault, stage: &'static str) -> Outcome {
        let what = format!("seed {}: {} / {stage}", self.seed, fault.name);
        let lake = self.fresh(stage);
        // The same whatever else runs, so that one cell can be looked at alone.
        let cell = [fault.name, stage]
            .concat()
            .bytes()
            .fold(7, |sum: i64, byte| sum.wrapping_mul(31).wrapping_add(i64::from(byte)));
        let noise = Noise::of(self.seed, Kind::Fault, cell);
        let mut scene = Scene::new(lake.clone(), stage, noise);
        let before = newest(&lake, stage).await;
        let expected = tokio::task::block_in_place(|| (fault.strike)(&mut scene));
        let Expected { code, says } = match expected {
            Ok(expected) => expected,
            Err(reason) => return Outcome::Skipped(reason),
        };
        let standing = versions(&scene.lake);
        self.lab.variables.insert("SPECTRA_LAKE".to_owned(), scene.lake.display().to_string());
        let ran = tokio::task::block_in_place(|| {
            let mut command = scene.command(self.lab.command(stage));
            let child = command.spawn().unwrap();
            let begun = Instant::now();
            scene.meanwhile(&self.lab);
            finish(child, begun)
        });
        let (message, hint) = (ran.text("message"), ran.text("hint"));
        let told = format!("{what}: {}\n{}", ran.report, ran.log);
        assert_eq!(ran.code, Some(code), "{told}");
        assert!(!ran.log.contains("panicked"), "{told}");
        for never in NEVER_SAID {
            assert!(!message.contains(never) && !hint.contains(never), "{told}");
        }
        for part in says.iter().map(|part| scene.filled(part)) {
            assert!(format!("{message}; {hint}").contains(&part), "expected `{part}`: {told}");
        }
        if code != 0 {
            assert!(!hint.is_empty(), "no hint: {told}");
            scene.calm();
            if !scene.destroyed.contains("log.run") {
                assert_eq!(newest(&scene.lake, stage).await, before, "published although it failed: {told}");
                self.assert_readable(&scene.lake, stage, &scene.destroyed).await;
            }
            if !scene.is_late {
                assert_eq!(versions(&scene.lake), standing, "a table changed: {told}");
            }
        }
        scene.calm();
        let remedy = self.mend(&mut scene, stage, code).await;
        self.assert_undisturbed(&what, &scene.lake, stage).await;
        self.assert_readable(&scene.lake, stage, &BTreeSet::new()).await;
        Outcome::Met { code, message: scene.told(&message), hint: scene.told(&hint), remedy }
    }

    /// Mends what is mended by hand, and runs the stage again.
    async fn mend(&mut self, scene: &mut Scene, stage: &'static str, code: i32) -> &'static str {
        let what = format!("seed {}: mending what was done to {stage}", self.seed);
        let remedy = match scene.mended.clone() {
            Mended::ByItself => "none needed",
            Mended::Rerun => "run again",
            Mended::Restore(tables) => {
                for table in tables {
                    let place = scene.lake.join("Tables").join(&table);
                    let _ = std::fs::remove_dir_all(&place);
                    copy(&self.before[stage].join("Tables").join(&table), &place);
                }
                "restore, run again"
            }
            Mended::Remove(files) => {
                files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
                "delete the file, run again"
            }
            Mended::Rebuild(maker, tables) => {
                for table in tables {
                    let _ = std::fs::remove_dir_all(scene.lake.join("Tables").join(&table));
                }
                let ran = self.run(maker, &[]);
                assert_eq!(ran.code, Some(0), "{what}: {} {}", ran.report, ran.log);
                if maker == stage {
                    "move the table away, run again"
                } else {
                    "move the table away, run the stage before"
                }
            }
        };
        if code != 0 || scene.runs_again {
            let ran = self.run(stage, &[]);
            assert_eq!(ran.code, Some(0), "{what}: {} {}", ran.report, ran.log);
        }
        remedy
    }
}
