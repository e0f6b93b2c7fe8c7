//! A hundred kills at random moments: what is landed in the end is what one undisturbed run lands, and a kill costs no
//! more than the slices that were under way and those not yet kept.
//!
//! `SPECTRA_TEST_SEED` chooses the moments, `SPECTRA_TEST_KILLS` how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use spectra_tests::simulator::noise::{Kind, Noise};
use spectra_tests::simulator::request_log::Entry;
use spectra_tests::simulator::{Profile, Running, SimulatorConfig};
use tokio::task::block_in_place;

use crate::support::Lab;
use crate::walked::{content, text};

/// Slices of one level that may be under way or waiting for their turn, for each that may be asked for at once.
const SLICES_AHEAD: usize = 4;

/// Levels of the built-in spec: roots, below projects, releases, cycles or folders, and phases.
const LEVELS: usize = 5;

/// A way to walk, and its share of the kills.
struct Way {
    profile: Profile,
    latency_ms: u64,
    concurrency: usize,
    checkpoint_s: u64,
    percent: u64,
    /// Longest time a run is left alive after its first request.
    longest_ms: u64,
}

static WAYS: [Way; 4] = [
    Way { profile: Profile::Small, latency_ms: 5, concurrency: 1, checkpoint_s: 0, percent: 25, longest_ms: 600 },
    Way { profile: Profile::Small, latency_ms: 5, concurrency: 4, checkpoint_s: 0, percent: 25, longest_ms: 600 },
    Way { profile: Profile::Small, latency_ms: 30, concurrency: 1, checkpoint_s: 1, percent: 25, longest_ms: 2_000 },
    Way { profile: Profile::ProdShape, latency_ms: 5, concurrency: 4, checkpoint_s: 1, percent: 25, longest_ms: 2_000 },
];

/// The slice a call was about, by the call that lists it; none for the probe.
fn slice_of(entry: &Entry) -> Option<String> {
    let path = ["/v3", "/v4"].iter().find_map(|version| entry.path.split_once(version)).map(|(_, path)| path)?;
    let parameters = entry.query.split('&').filter_map(|pair| pair.split_once('='));
    let telling = ["key", "cyclephaseid", "projectId", "requirementtreeid"];
    let parameter = parameters.into_iter().find(|(name, _)| telling.contains(name));
    (path != "/user/current").then(|| match parameter {
        Some((name, value)) => format!("{path}?{name}={value}"),
        None => path.to_owned(),
    })
}

/// The call that lists a slice of a table.
fn call_of(table: &str, key: &str) -> String {
    let ids: Value = serde_json::from_str(key).unwrap();
    let id = |name: &str| ids[name].as_str().map_or_else(|| ids[name].to_string(), ToOwned::to_owned);
    match table {
        "dimExecutionStatus" => "/admin/preference?key=testresult.testresultStatus.LOV".to_owned(),
        "dimListOfValues" => format!("/admin/preference?key={}", id("listName")),
        "dimTester" => "/user/filter".to_owned(),
        "dimProject" => "/project/details".to_owned(),
        "dimReleaseAll" => "/release".to_owned(),
        "dimRelease" => format!("/release/project/{}", id("projectId")),
        "dimCycle" => format!("/cycle/release/{}", id("releaseId")),
        "factExecution" => format!("/execution?cyclephaseid={}", id("cyclePhaseId")),
        "releaseSummary" => format!("/summary/release/{}", id("releaseId")),
        "dimFolder" => format!("/testcasetree/phases/{}", id("releaseId")),
        "dimFolderRepository" => format!("/testcasetree/projectrepository/{}", id("projectId")),
        "dimTestcase" | "dimTestcaseRepository" => format!("/testcase/tree/{}", id("folderId")),
        "dimRequirementFolder" => format!("/requirementtree?projectId={}", id("projectId")),
        "dimRequirement" => format!("/requirement?requirementtreeid={}", id("requirementFolderId")),
        other => panic!("how is {other} asked for?"),
    }
}

/// What `log.slice` keeps for the next run, read from its commits.
#[derive(Default)]
struct Journal {
    next_version: u64,
    /// Slices that were kept, by their calls.
    kept: BTreeSet<String>,
    /// When something was last kept.
    last: Option<Timestamp>,
}

impl Journal {
    fn read(&mut self, lab: &Lab) {
        let folder = lab.lake_path().join("Tables/log/slice/_delta_log");
        while let Ok(commit) = std::fs::read_to_string(folder.join(format!("{:020}.json", self.next_version))) {
            self.next_version += 1;
            for action in commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
                let Some(state) = action["commitInfo"]["spectra.walk"].as_str() else { continue };
                let entry: Value = serde_json::from_str(state).unwrap();
                self.last = Some(text(&entry, "recordedAt").parse().unwrap());
                for walked in entry["walked"].as_array().unwrap() {
                    self.kept.insert(call_of(&text(walked, "resource"), &text(walked, "sliceKey")));
                }
            }
        }
    }

    /// A walk begins anew.
    fn forget(&mut self) {
        self.kept.clear();
        self.last = None;
    }
}

/// Notes when calls came, to within a few milliseconds.
struct Watch {
    times: std::thread::JoinHandle<Vec<Timestamp>>,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    fn new(lab: &Lab) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (simulator, over) = (lab.simulator.simulator.clone(), is_over.clone());
        let times = std::thread::spawn(move || {
            let mut times = Vec::new();
            loop {
                let is_last = over.load(Ordering::Relaxed);
                let count = simulator.figures()["requests"].as_u64().unwrap() as usize;
                times.resize(times.len().max(count), Timestamp::now());
                if is_last {
                    return times;
                }
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        Self { times, is_over }
    }

    fn end(self) -> Vec<Timestamp> {
        self.is_over.store(true, Ordering::Relaxed);
        self.times.join().unwrap()
    }
}

/// What kills cost.
#[derive(Default)]
struct Cost {
    kills: u64,
    rounds: u64,
    lost_slices: Vec<usize>,
    repeated: Vec<usize>,
}

struct Siege {
    way: &'static Way,
    lab: Lab,
    reference: Lab,
    flags: Vec<String>,
    journal: Journal,
    cost: Cost,
    lives: u64,
    name: String,
}

impl Siege {
    fn run_id(&self) -> String {
        format!("life-{}", self.lives)
    }

    /// Whether the run killed last had published before that.
    async fn had_ended(&self) -> bool {
        if !self.lab.lake_path().join("Tables/log/run").exists() {
            return false;
        }
        let sql = format!(
            "select count(*) from log.run where status in ('published', 'unchanged') and runId = 'life-{}'",
            self.lives - 1
        );
        self.lab.number(&sql).await > 0
    }

    /// Starts source and kills it after a while; says whether it ended by itself before that.
    fn life(&mut self, noise: &mut Noise) -> bool {
        self.lab.simulator.simulator.clear_requests();
        self.lab.simulator.simulator.clear_figures();
        let watch = Watch::new(&self.lab);
        // One of five before it asks for anything, perhaps.
        let is_early = noise.chance(200);
        let alive = Duration::from_millis(noise.between(0, self.way.longest_ms as i64) as u64);
        let said = std::fs::File::create(self.lab.folder.path().join("said")).unwrap();
        let mut command = self.lab.command("source");
        let run_id = self.run_id();
        command.args(&self.flags).args(["--run-id", &run_id]).stdout(Stdio::null()).stderr(said);
        let mut child = command.spawn().unwrap();
        let simulator = self.lab.simulator.simulator.clone();
        let mut begun = is_early.then(Instant::now);
        while begun.is_none_or(|begun| begun.elapsed() < alive) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
            if begun.is_none() && simulator.figures()["requests"] != 0 {
                begun = Some(Instant::now());
            }
        }
        // Of no effect on one that has ended.
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let times = watch.end();
        self.lives += 1;
        if let Some(code) = status.code() {
            let said = std::fs::read_to_string(self.lab.folder.path().join("said")).unwrap();
            assert_eq!(code, 0, "{}: {said}", self.name);
            return true;
        }
        self.cost.kills += 1;
        self.count(&times);
        false
    }

    /// What the last life cost: nothing that was kept before is asked for again, and what it asked for is kept but for
    /// the slices that were under way when it last kept something, and those begun since.
    fn count(&mut self, times: &[Timestamp]) {
        let entries = self.lab.simulator.simulator.requests();
        let again = entries.iter().filter_map(slice_of).find(|call| self.journal.kept.contains(call));
        assert_eq!(again, None, "{}: asked for again although it was kept", self.name);
        self.journal.last = None;
        self.journal.read(&self.lab);
        let lost: Vec<(usize, String)> = entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at, slice_of(entry)?)))
            .filter(|(_, call)| !self.journal.kept.contains(call))
            .collect();
        let slices: BTreeSet<&String> = lost.iter().map(|(_, call)| call).collect();
        let mut begun: BTreeMap<&String, Timestamp> = BTreeMap::new();
        for (at, call) in &lost {
            begun.entry(call).or_insert(times.get(*at).copied().unwrap_or(Timestamp::MAX));
        }
        let last = self.journal.last.unwrap_or(Timestamp::MIN);
        let before = begun.values().filter(|at| **at < last).count();
        // Those under way and those waiting for their turn, and the one just taken.
        let ahead = if self.way.concurrency > 1 { self.way.concurrency * SLICES_AHEAD * LEVELS } else { 1 };
        assert!(before <= ahead + 1, "{}: {before} slices were done and not kept: {slices:?}", self.name);
        if self.way.checkpoint_s == 0 {
            assert!(slices.len() <= ahead + 1, "{}: a kill lost {} slices: {slices:?}", self.name, slices.len());
        }
        self.cost.lost_slices.push(slices.len());
        self.cost.repeated.push(lost.len());
    }

    /// A walk has ended: it is as if nobody had disturbed it. Then there is a new day.
    async fn compare(&mut self) {
        self.cost.rounds += 1;
        block_in_place(|| self.reference.run("source", &[])).expect(0);
        let (found, wanted) = (content(&self.lab).await, content(&self.reference).await);
        assert!(found.rows == wanted.rows, "{}: other rows than those of an undisturbed run", self.name);
        let slices: Vec<_> = found.slices.iter().map(|(slice, version)| (slice, &version.status)).collect();
        let wanted: Vec<_> = wanted.slices.iter().map(|(slice, version)| (slice, &version.status)).collect();
        assert_eq!(slices, wanted, "{}", self.name);
        self.journal.read(&self.lab);
        self.journal.forget();
        self.lab.simulator.simulator.advance_days(1).unwrap();
    }
}

async fn besiege(way: &'static Way, kills: u64, seed: u64) -> Cost {
    let executions = (way.profile == Profile::ProdShape).then_some(2_000);
    let config =
        SimulatorConfig { profile: way.profile, executions, latency_ms: way.latency_ms, ..SimulatorConfig::default() };
    let lab = Lab::with(config).await;
    // Asks the same simulator; its own is never asked.
    let folder = tempfile::tempdir().unwrap();
    let mut variables = lab.variables.clone();
    variables.insert("SPECTRA_LAKE".to_owned(), folder.path().join("lake").display().to_string());
    let reference = Lab {
        simulator: Running::start(SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() })
            .await
            .unwrap(),
        folder,
        variables,
    };
    let flags = ["--concurrency", &way.concurrency.to_string(), "--checkpoint-seconds", &way.checkpoint_s.to_string()];
    let name = format!("seed {seed}, {:?}, {}", way.profile, flags.join(" "));
    let flags = flags.map(ToOwned::to_owned).to_vec();
    let mut siege =
        Siege { way, lab, reference, flags, journal: Journal::default(), cost: Cost::default(), lives: 0, name };
    let mut noise = Noise::of(seed, Kind::Shuffle, (way.concurrency as u64 * 10 + way.checkpoint_s) as i64);
    while siege.cost.kills < kills {
        let is_over = block_in_place(|| siege.life(&mut noise));
        if is_over || siege.had_ended().await {
            siege.compare().await;
        }
    }
    let flags: Vec<&str> = siege.flags.iter().map(String::as_str).collect();
    block_in_place(|| siege.lab.run("source", &flags)).expect(0);
    siege.compare().await;
    siege.cost
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::print_stderr,
    reason = "the seed is what it takes to see a failure again, and the figures are asked for"
)]
async fn a_hundred_kills_cost_little_and_change_nothing() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("SPECTRA_TEST_KILLS").unwrap_or(100);
    let seed = number("SPECTRA_TEST_SEED").unwrap_or_else(|| Timestamp::now().as_second() as u64);
    eprintln!("SPECTRA_TEST_SEED={seed}");
    // All at once: a run that is about to be killed mostly waits.
    let sieges = WAYS.iter().map(|way| tokio::spawn(besiege(way, kills * way.percent / 100, seed)));
    for (way, cost) in WAYS.iter().zip(futures::future::join_all(sieges).await) {
        let cost = cost.unwrap();
        let most = |counts: &[usize]| counts.iter().copied().max().unwrap_or(0);
        eprintln!(
            "{:?}, {} at once, kept every {} s: {} kills of {} walks; a kill cost at most {} requests of {} slices, {} on average",
            way.profile,
            way.concurrency,
            way.checkpoint_s,
            cost.kills,
            cost.rounds,
            most(&cost.repeated),
            most(&cost.lost_slices),
            cost.repeated.iter().sum::<usize>() / cost.repeated.len().max(1),
        );
    }
}
