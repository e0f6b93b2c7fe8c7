//! Upkeep: what is kept stays readable row for row, what is let go of is told as gone, and nothing a run needs is touched,
//! whenever upkeep runs and whenever it is killed.

mod folding;
mod growth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::release::History;
use spectra_common::{log, session};
use spectra_tests::simulator::noise::{Kind, Noise};
use spectra_tests::simulator::{Profile, Quirk, SimulatorConfig};

use crate::support::{Lab, Ran, STAGES, finish};
use crate::walked::content;

/// Lets go of everything that may be let go of.
const STRICT: [&str; 6] = ["--keep-releases", "2", "--keep-days", "0", "--orphan-hours", "0"];

fn upkeep(lab: &Lab, stage: &str, flags: &[&str]) -> Ran {
    lab.run(stage, &[&["upkeep"], flags].concat())
}

fn figure(ran: &Ran, name: &str) -> i64 {
    ran.report["upkeep"][name].as_i64().unwrap_or_else(|| panic!("no {name}: {}", ran.report))
}

fn lake(lab: &Lab) -> Lake {
    Lake::new(&lab.variables["SPECTRA_LAKE"]).unwrap()
}

/// The rows of a version of a table, as sorted JSON.
async fn rows_at(lab: &Lab, name: &str, version: u64) -> Vec<String> {
    let (schema, table) = name.split_once('.').unwrap();
    let delta = lake(lab).open(schema, table, Some(version)).await.unwrap();
    let delta = delta.unwrap_or_else(|| panic!("{name} is gone"));
    let context = session::new(512 << 20, 2).unwrap();
    session::register_delta(&context, schema, table, &delta).await.unwrap();
    let batches = context.sql(&format!("select * from {name}")).await.unwrap().collect().await.unwrap();
    let mut rows: Vec<String> = log::rows::<Value>(&batches).unwrap().iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

/// Every table version a release names, with its rows.
type Rows = BTreeMap<(String, u64), Vec<String>>;

/// The releases there are, by stage and number, with the versions each names.
async fn releases(lab: &Lab) -> BTreeMap<(String, i64), BTreeMap<String, u64>> {
    let history = History::load(&lake(lab)).await.unwrap();
    let versions = |release: &spectra_common::release::Release| {
        release.tables.iter().map(|(name, state)| (name.clone(), state.version)).collect()
    };
    let all = STAGES.iter().flat_map(|stage| history.of(stage));
    all.map(|release| ((release.stage.clone(), release.number), versions(release))).collect()
}

/// Reads what `known` does not have yet; what it has must be the same.
async fn read_all(lab: &Lab, known: &mut Rows, is_again: bool) {
    let named: BTreeSet<(String, u64)> = releases(lab).await.into_values().flatten().collect();
    for (name, version) in named {
        let place = (name.clone(), version);
        if !is_again && known.contains_key(&place) {
            continue;
        }
        let rows = rows_at(lab, &name, version).await;
        let before = known.entry(place).or_insert_with(|| rows.clone());
        assert!(*before == rows, "{name} at version {version} has other rows");
    }
}

async fn eventful_lab() -> Lab {
    let mut config = SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() };
    config.quirks.set(Quirk::EventfulDays, true);
    Lab::with(config).await
}

/// Everything in the lake's folder and beside it.
fn all_files(lab: &Lab) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![lab.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_read_as_before_and_what_is_gone_is_told_as_gone() {
    let mut lab = eventful_lab().await;
    let mut known = Rows::new();
    for _ in 0..4 {
        lab.run_all();
        lab.advance(1);
    }
    // Built on an old release: what it was built from is kept with it.
    lab.run("clean", &["--from-release", "1"]).expect(0);
    read_all(&lab, &mut known, false).await;
    let lake_path = lab.lake_path();
    let orphan = lake_path.join("Tables/clean/dimCycle/part-00000-orphan-c000.zstd.parquet");
    let strangers = [
        "Tables/clean/dimCycle/notes.txt",
        "Tables/other/table/part-1.parquet",
        "Files/part-1.parquet",
        "../part-1.parquet",
    ];
    for stranger in strangers {
        let path = lake_path.join(stranger);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "somebody's").unwrap();
    }
    std::fs::write(&orphan, "left behind").unwrap();

    let before = all_files(&lab);
    let plan = upkeep(&lab, "clean", &[&STRICT[..], &["--plan"]].concat()).expect(0);
    assert_eq!(plan.text("status"), "planned");
    assert_eq!(all_files(&lab), before, "a plan changes nothing");
    let young = upkeep(&lab, "clean", &STRICT[..4]).expect(0);
    assert_eq!(figure(&young, "deletedFileCount"), 0, "what is young is left alone: {}", young.report);

    for stage in STAGES {
        let ran = upkeep(&lab, stage, &STRICT).expect(0);
        assert_eq!(ran.text("status"), "done", "{stage}: {}", ran.report);
        assert!(figure(&ran, "deletedByteCount") >= 0);
    }
    let gone: Vec<PathBuf> = before.difference(&all_files(&lab)).cloned().collect();
    assert!(gone.contains(&orphan));
    for path in &gone {
        assert!(path.starts_with(lake_path.join("Tables")), "deleted {}", path.display());
        assert!(path.extension().unwrap() == "parquet" && !path.to_string_lossy().contains("_delta_log"));
    }
    for stranger in strangers {
        assert!(lake_path.join(stranger).exists(), "{stranger}");
    }
    let kept = releases(&lab).await;
    let numbers = |stage: &str| kept.keys().filter(|(of, _)| of == stage).map(|(_, n)| *n).collect::<Vec<_>>();
    assert_eq!(numbers("analyse").len(), 2);
    assert!(numbers("prepare").contains(&1) && numbers("source").contains(&1), "clean was built on them: {kept:?}");
    read_all(&lab, &mut known, true).await;

    let refused = lab.run("transform", &["--from-release", "1"]).expect(66);
    assert!(refused.text("message").contains("release 1 of clean is gone: upkeep let go of it"), "{}", refused.report);
    assert!(refused.text("hint").contains("releases of clean"), "{}", refused.report);

    let files = all_files(&lab);
    for stage in STAGES {
        let again = upkeep(&lab, stage, &STRICT).expect(0);
        assert_eq!(again.text("status"), "unchanged", "{stage}: {}", again.report);
        assert_eq!(again.report["noop"], true);
    }
    assert_eq!(all_files(&lab), files, "there is nothing left to do");
    lab.run_all();
    for stage in STAGES {
        assert_eq!(lab.run(stage, &[]).expect(0).text("status"), "unchanged", "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upkeep_beside_a_run_hurts_neither() {
    let mut lab = eventful_lab().await;
    lab.run_all();
    for _ in 0..2 {
        lab.advance(1);
        for stage in STAGES {
            let begun = Instant::now();
            let child = lab.command(stage).args(["--force"]).spawn().unwrap();
            for other in STAGES {
                upkeep(&lab, other, &STRICT[..4]).expect(0);
            }
            finish(child, begun).expect(0);
        }
    }
    let truth = lab.simulator.simulator.truth();
    assert_eq!(truth["visible"]["executions"], lab.number("select count(*) from refine.factExecution").await);
    read_all(&lab, &mut Rows::new(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_walk_is_gone_on_with_after_upkeep() {
    let config = SimulatorConfig { profile: Profile::Small, latency_ms: 5, ..SimulatorConfig::default() };
    let lab = Lab::with(config).await;
    let reference = lab.folder.path().join("reference");
    let mut child = lab.command("source").args(["--checkpoint-seconds", "0"]).spawn().unwrap();
    let begun = Instant::now();
    while lab.simulator.simulator.requests().len() < 40 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    upkeep(&lab, "source", &STRICT).expect(0);
    let ran = lab.run("source", &[]).expect(0);
    assert!(ran.report["slices"]["resumed"].as_i64().unwrap() > 5, "{}", ran.report);
    let found = content(&lab).await;
    let mut undisturbed = lab;
    undisturbed.variables.insert("SPECTRA_LAKE".to_owned(), reference.display().to_string());
    undisturbed.run("source", &[]).expect(0);
    assert!(found.rows == content(&undisturbed).await.rows, "other rows than those of an undisturbed walk");
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the seed is what it takes to see a failure again")]
async fn upkeep_killed_at_any_moment_leaves_the_lake_whole() {
    let mut lab = eventful_lab().await;
    let seed = std::env::var("SPECTRA_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    eprintln!("SPECTRA_TEST_SEED={seed}");
    let mut noise = Noise::of(seed, Kind::Shuffle, 5);
    let mut known = Rows::new();
    lab.run_all();
    for _ in 0..2 {
        lab.advance(1);
        lab.run_all();
        read_all(&lab, &mut known, false).await;
        for stage in STAGES {
            let mut child =
                lab.command(stage).arg("upkeep").args(["--keep-releases", "1"]).args(&STRICT[2..]).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(noise.below(400)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        read_all(&lab, &mut known, true).await;
    }
    for stage in STAGES {
        upkeep(&lab, stage, &STRICT).expect(0);
    }
    read_all(&lab, &mut known, true).await;
    lab.advance(1);
    lab.run_all();
    let truth = lab.simulator.simulator.truth();
    assert_eq!(truth["visible"]["executions"], lab.number("select count(*) from refine.factExecution").await);
}

/// A folder nobody may change, as long as this lives.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(folder: PathBuf) -> Option<Self> {
        let made = Command::new("chattr").args(["-R", "+i"]).arg(&folder).status();
        made.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("chattr").args(["-R", "-i"]).arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_written_is_named() {
    let mut lab = eventful_lab().await;
    for _ in 0..3 {
        lab.run_all();
        lab.advance(1);
    }
    let Some(read_only) = ReadOnly::new(lab.lake_path().join("Tables/analyse/burndown")) else { return };
    let refused = upkeep(&lab, "analyse", &["--keep-releases", "1", "--keep-days", "0", "--orphan-hours", "0"]);
    drop(read_only);
    let refused = refused.expect(74);
    assert!(refused.text("message").contains("analyse.burndown"), "{}", refused.report);
    upkeep(&lab, "analyse", &STRICT).expect(0);
}
