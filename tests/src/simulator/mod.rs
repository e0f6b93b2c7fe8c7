//! A Zephyr Enterprise server in a box: seeded, with the quirks of the real one behind switches, a clock that can be moved,
//! faults on demand and a log of every request.
//!
//! # Layout
//!
//! - [`profile`], [`generate`], [`recorded`]: the world as it stands when the clock starts
//! - [`world`], [`lifecycle`], [`change`], [`events`], [`census`]: what it holds and how it changes with the clock
//! - [`tree`], [`requirements`]: folders, test cases and requirements, computed when asked for
//! - [`rows`], [`execution_row`], [`testcase_row`], [`json`]: how it is written
//! - [`routes`], [`executions`], [`search`], [`testcases`], [`preferences`], [`summary`], [`request`], [`reply`]: the API
//! - [`auth`], [`signature`], [`limit`]: who may call it, and how often
//! - [`quirks`], [`faults`], [`spoil`], [`drift`], [`latency`], [`connection`]: how it misbehaves
//! - [`admin`], [`truth`], [`diary`], [`request_log`], [`figures`]: what tests ask of it, outside the API
//! - [`server`]: the listener's side

pub mod admin;
pub mod auth;
pub mod calendar;
pub mod census;
pub mod change;
pub mod connection;
pub mod diary;
pub mod drift;
pub mod events;
pub mod execution_row;
pub mod executions;
pub mod faults;
pub mod figures;
pub mod generate;
pub mod json;
pub mod latency;
pub mod lifecycle;
pub mod limit;
pub mod noise;
pub mod preferences;
pub mod profile;
pub mod quirks;
pub mod recorded;
pub mod reply;
pub mod request;
pub mod request_log;
pub mod requirements;
pub mod routes;
pub mod rows;
pub mod search;
pub mod server;
pub mod signature;
pub mod spoil;
pub mod summary;
pub mod testcase_row;
pub mod testcases;
pub mod tree;
pub mod truth;
pub mod words;
pub mod world;

#[cfg(test)]
mod design_tests;
#[cfg(test)]
mod diary_tests;
#[cfg(test)]
mod drift_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;

use self::auth::Gate;
pub use self::auth::{AuthConfig, AuthKind, Credentials};
use self::calendar::{DAY_MS, Day};
use self::diary::Access;
use self::drift::Withheld;
use self::faults::{Fault, Faults, Rule};
use self::figures::Figures;
use self::generate::Shape;
use self::limit::Bucket;
pub use self::limit::{Allowance, RetryAfterForm};
use self::profile::BIG_PHASE_ROWS;
pub use self::profile::Profile;
pub use self::quirks::{Quirk, Quirks};
use self::request_log::{Entry, RequestLog};
use self::routes::View;
pub use self::server::{Running, serve};
use self::world::World;

/// The instant the clock starts at unless told otherwise: the same seed and clock serve the same bytes.
pub const DEFAULT_CLOCK: &str = "2026-01-05T09:00:00Z";

/// How a simulator is set up.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// The seed of everything invented.
    pub seed: u64,
    /// The shape of the world.
    pub profile: Profile,
    /// How many executions there are at first; the profile's own number unless given.
    pub executions: Option<u64>,
    /// Rows per phase the big profile aims at; 1,200 unless given.
    pub phase_rows: Option<u64>,
    /// The instant the clock starts at.
    pub clock: Timestamp,
    /// The day the world is built around; the clock's own day unless given.
    pub epoch: Option<Day>,
    /// The quirks in force at first.
    pub quirks: Quirks,
    /// The faults in force at first.
    pub faults: Vec<Rule>,
    /// A folder with recorded bodies to serve for projects, releases and cycles.
    pub recorded: Option<PathBuf>,
    /// How much of the real server's delay answers have: zero for none, one for all of it.
    pub latency: f64,
    /// Milliseconds every answer takes on top of that.
    pub latency_ms: u64,
    /// How many calls are answered in a time; all, unless given.
    pub allow: Option<Allowance>,
    /// How many calls may come at once within that; what one second allows unless given.
    pub allow_burst: Option<u64>,
    /// How refusals and faults send `Retry-After`.
    pub retry_after: RetryAfterForm,
    /// The ways in which callers prove who they are.
    pub auth: AuthConfig,
    /// Who may call the API.
    pub credentials: Credentials,
    /// A file to log requests to, besides the log in memory.
    pub request_log: Option<PathBuf>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            profile: Profile::ProdShape,
            executions: None,
            phase_rows: None,
            clock: DEFAULT_CLOCK.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            epoch: None,
            quirks: Quirks::default(),
            faults: Vec::new(),
            recorded: None,
            latency: 0.0,
            latency_ms: 0,
            allow: None,
            allow_burst: None,
            retry_after: RetryAfterForm::default(),
            auth: AuthConfig::default(),
            credentials: Credentials::default(),
            request_log: None,
        }
    }
}

/// The part of a simulator that admin calls change.
#[derive(Clone)]
struct State {
    world: Arc<World>,
    quirks: Quirks,
    forbidden: Arc<BTreeSet<i64>>,
    change_log: Arc<Value>,
    access: Arc<Vec<Access>>,
}

impl State {
    /// The ids of the projects that answer 403, whoever closed them.
    fn closed(&self) -> Arc<BTreeSet<i64>> {
        if self.world.events.closed.is_empty() {
            return Arc::clone(&self.forbidden);
        }
        Arc::new(self.forbidden.union(&self.world.events.closed).copied().collect())
    }

    /// Closes or opens projects to the owner of the token, and keeps it in mind for the diary.
    fn set_access(&mut self, projects: impl IntoIterator<Item = i64>, is_forbidden: bool) {
        let forbidden = Arc::make_mut(&mut self.forbidden);
        for project_id in projects {
            let is_new = if is_forbidden { forbidden.insert(project_id) } else { forbidden.remove(&project_id) };
            if is_new {
                let access = Access { at_ms: self.world.clock_ms, project_id, is_forbidden };
                Arc::make_mut(&mut self.access).push(access);
            }
        }
    }
}

/// A simulated server.
pub struct Simulator {
    config: SimulatorConfig,
    state: RwLock<State>,
    faults: Mutex<Faults>,
    withheld: Mutex<Vec<Withheld>>,
    gate: Gate,
    bucket: Option<Bucket>,
    figures: Figures,
    log: RequestLog,
    calls: AtomicU64,
}

impl Simulator {
    /// Builds the world and everything around it.
    pub fn new(config: SimulatorConfig) -> Result<Self> {
        let world = build(&config, config.quirks)?;
        let mut faults = Faults::default();
        for rule in &config.faults {
            faults.add(rule.clone());
        }
        let forbidden = if config.quirks.has(Quirk::ForbiddenProjects) {
            world.projects_to_forbid().into_iter().collect()
        } else {
            BTreeSet::new()
        };
        Ok(Self {
            log: RequestLog::new(config.request_log.as_deref())?,
            state: RwLock::new(State {
                change_log: Arc::new(Value::Null),
                access: Arc::default(),
                world: Arc::new(world),
                quirks: config.quirks,
                forbidden: Arc::new(forbidden),
            }),
            faults: Mutex::new(faults),
            withheld: Mutex::default(),
            gate: Gate::new(&config.credentials, &config.auth),
            bucket: config.allow.map(|allowance| Bucket::new(allowance, config.allow_burst)),
            figures: Figures::default(),
            calls: AtomicU64::new(0),
            config,
        })
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state)
    }

    /// The server as the next call sees it.
    pub fn view(&self, fault: Option<Fault>) -> View {
        let call = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        View { fault, call, ..self.look() }
    }

    /// The server as it is, without a call.
    fn look(&self) -> View {
        let state = self.state();
        let forbidden = state.closed();
        View { world: state.world, quirks: state.quirks, forbidden, fault: None, call: 0 }
    }

    /// Lets a call pass the rate that is served, or answers after how many seconds it may come again.
    fn take_turn(&self) -> Result<(), u64> {
        self.bucket.as_ref().map_or(Ok(()), Bucket::take)
    }

    /// The world as it is now.
    pub fn world(&self) -> Arc<World> {
        self.state().world
    }

    /// Moves the clock to an instant; what changed is in [`Simulator::change_log`].
    pub fn set_clock(&self, instant_ms: i64) -> Result<()> {
        self.change(|state| {
            let mut world = if instant_ms < state.world.clock_ms {
                build(&self.config, state.quirks)?
            } else {
                (*state.world).clone()
            };
            world.advance(instant_ms);
            state.change_log = Arc::new(truth::changes(&state.world, &world));
            state.world = Arc::new(world);
            Ok(())
        })
    }

    /// Moves the clock by whole days.
    pub fn advance_days(&self, days: i64) -> Result<()> {
        self.set_clock(self.world().clock_ms + days * DAY_MS)
    }

    /// Closes a project to the owner of the token, or opens it.
    pub fn set_forbidden(&self, project_id: i64, is_forbidden: bool) -> Result<()> {
        self.change(|state| {
            let projects = &state.world.index.project;
            anyhow::ensure!(projects.contains_key(&project_id), "there is no project {project_id}");
            state.set_access([project_id], is_forbidden);
            Ok(())
        })
    }

    /// Switches a quirk.
    pub fn set_quirk(&self, quirk: Quirk, on: bool) -> Result<()> {
        self.change(|state| {
            state.quirks.set(quirk, on);
            match quirk {
                Quirk::ForbiddenProjects => {
                    let chosen =
                        if on { state.world.projects_to_forbid() } else { state.forbidden.iter().copied().collect() };
                    state.set_access(chosen, on);
                }
                Quirk::OverlappingIds | Quirk::RepeatedNames | Quirk::SharedTestcases | Quirk::EventfulDays => {
                    let mut world = build(&self.config, state.quirks)?;
                    world.advance(state.world.clock_ms);
                    state.world = Arc::new(world);
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// Adds a fault.
    pub fn add_fault(&self, rule: Rule) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).add(rule);
    }

    /// Adds a fault as typed on the command line: `path-substring:nth:kind[=amount][:times]`.
    pub fn add_fault_text(&self, rule: &str) -> Result<()> {
        self.add_fault(rule.parse()?);
        Ok(())
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The calls of the API so far.
    pub fn requests(&self) -> Vec<Entry> {
        self.log.entries()
    }

    /// Forgets the calls so far.
    pub fn clear_requests(&self) {
        self.log.clear();
    }

    /// Ends every session and every token that was given out.
    pub fn expire(&self) {
        self.gate.expire();
    }

    /// Admits another bearer token instead of the one before.
    pub fn rotate(&self, token: &str) {
        self.gate.rotate(token);
    }

    /// Requests, answers per status, seconds since the first request, and what else benchmarks need.
    pub fn figures(&self) -> Value {
        let mut figures = self.figures.to_json();
        figures["tokensGivenOut"] = self.gate.given_out().into();
        figures
    }

    /// Begins the figures anew.
    pub fn clear_figures(&self) {
        self.figures.clear();
    }

    /// The counts a complete extraction must arrive at.
    pub fn truth(&self) -> Value {
        let state = self.state();
        truth::truth(&state.world, &state.closed(), state.quirks, self.config.profile.name())
    }

    /// What happened on each day since the clock started, save for what faults moved.
    pub fn diary(&self) -> Result<Value> {
        let state = self.state();
        Ok(diary::diary(build(&self.config, state.quirks)?, state.world.clock_ms, &state.access))
    }

    /// What the last move of the clock changed.
    pub fn change_log(&self) -> Arc<Value> {
        self.state().change_log
    }
}

fn build(config: &SimulatorConfig, quirks: Quirks) -> Result<World> {
    let clock_ms = config.clock.as_millisecond();
    let epoch = match config.epoch {
        Some(epoch) => epoch,
        None => Day::try_from(clock_ms.div_euclid(DAY_MS)).context("the clock is out of range")?,
    };
    let default =
        if config.recorded.is_some() { recorded::RECORDED_EXECUTIONS } else { config.profile.default_executions() };
    let shape = Shape {
        seed: config.seed,
        profile: config.profile,
        executions: config.executions.unwrap_or(default),
        phase_rows: config.phase_rows.unwrap_or(BIG_PHASE_ROWS),
        epoch,
        clock_ms,
        quirks,
    };
    let mut world = match &config.recorded {
        Some(folder) => recorded::load(folder, shape)?,
        None => generate::generate(shape),
    };
    // the first user owns the token
    if let Some(owner) = world.users.first_mut() {
        owner.username.clone_from(&config.credentials.user);
    }
    world.advance(clock_ms);
    Ok(world)
}
