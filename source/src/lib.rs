//! The source stage: asks an API politely, loses nothing, lands what was said.
//!
//! - [`spec`]: an API as data: its resource tree, pagers, credentials and policy
//! - [`client`], [`auth`], [`pace`], [`exchange`], [`body`]: one request and its answer: signed, in time, recorded
//! - [`files`]: a resource that lies in files
//! - [`fetch`], [`pager`], [`page`]: one slice: page after page, taken apart and checked
//! - [`walk`], [`tree`], [`parents`], [`skip`]: depth first through the tree, and what need not be asked for
//! - [`slice`], [`current`], [`journal`], [`version`]: what is landed, kept for a killed run, and said in `source.slice`
//! - [`fold`]: taking out of the log of slices what was superseded long ago
//! - [`plan`], [`doctor`], [`progress`]: what a person sees

pub mod arguments;
pub mod auth;
pub mod body;
pub mod client;
pub mod current;
pub mod doctor;
pub mod exchange;
pub mod fetch;
pub mod files;
pub mod fold;
pub mod journal;
pub mod pace;
pub mod page;
pub mod pager;
pub mod parents;
pub mod plan;
pub mod progress;
pub mod skip;
pub mod slice;
pub mod spec;
pub mod tree;
pub mod version;
pub mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::tz::TimeZone;
use spectra_common::command::StageCommand;
use spectra_common::failure::{Exit, failure};
use spectra_common::release::{self, Change, History, Pending, Terms};
use spectra_common::run::{self, Outcome, Run, Work};
use spectra_common::schema::TableSchema;
use spectra_common::staging::Staged;
use spectra_common::upkeep::{self, Particulars};
use tokio::sync::mpsc::UnboundedSender;
use tracing::info;
use url::Url;

use arguments::{Arguments, Command};
use auth::Authenticator;
use client::{Certificates, Client, Line};
use current::Current;
use exchange::{Recorder, Replay};
use fetch::{Fetcher, Origin};
use files::Files;
use journal::Half;
use pace::{Learned, Pace};
use spec::Spec;
use tree::Scope;
use walk::{Before, Request, Walk};

/// Largest part of one body, and of one slice's rows, that is held in memory however much of it there is.
const LARGEST_HELD_BYTES: u64 = 8 << 20;

/// The whole life of the process.
pub fn main() -> ExitCode {
    run::main("source", |mut arguments: Arguments| {
        let is_doctor = match arguments.command.take() {
            // No API is asked, so none need be given.
            Some(Command::Stage(StageCommand::Upkeep(arguments))) => {
                let particulars = Particulars {
                    in_use: |lake| Box::pin(journal::in_use(lake)),
                    fold: |run, last, before| Box::pin(fold::fold(run, last, before)),
                };
                return upkeep::ready(arguments, Some(particulars));
            }
            Some(Command::Stage(command)) => return command.ready(None, &arguments.shared),
            command => command.is_some(),
        };
        let spec = Arc::new(Spec::load(arguments.spec.as_deref())?);
        check_names(&spec, &arguments)?;
        let far = Far::new(&spec, &arguments);
        if is_doctor {
            // What is wrong with the far end is a finding, next to others.
            return Ok(Work::inspection(move |run| Box::pin(doctor::examine(run, spec, far, arguments))));
        }
        let far = far?;
        Ok(Work::recorded(move |run| Box::pin(work(run, spec, far, arguments))))
    })
}

/// Refuses names that mean nothing to the spec, which would change nothing without a word.
fn check_names(spec: &Spec, arguments: &Arguments) -> Result<()> {
    let tables: Vec<&str> = spec.tables().collect();
    if let Some(name) = arguments.accept_empty.iter().find(|name| !tables.contains(&name.as_str())) {
        return Err(failure(
            Exit::Usage,
            format!("--accept-empty {name}: the spec has no such table"),
            format!("its tables are {}", tables.join(", ")),
        ));
    }
    if !arguments.project.is_empty() && spec.scope.is_none() {
        return Err(failure(
            Exit::Usage,
            "--project: the spec does not say what it chooses by",
            "name the key of a resource as the spec's `scope`, or leave --project out",
        ));
    }
    Ok(())
}

/// The far end: where answers will come from, checked as far as that goes without asking.
pub enum Far {
    /// A server.
    Server {
        /// Connections.
        http: reqwest::Client,
        /// Everything lies below it.
        base: Url,
        /// Signs requests.
        auth: Box<Authenticator>,
        /// Keeps what is said.
        recorder: Option<Recorder>,
    },
    /// A recording.
    Replay(Replay, Url),
    /// Files.
    Files(Files),
}

impl Far {
    fn new(spec: &Spec, arguments: &Arguments) -> Result<Self> {
        let root = |base: &Url| {
            let mut root = base.clone();
            root.set_path(base.path().strip_suffix(&spec.base_path).unwrap_or_default());
            root
        };
        if let Some(folder) = &arguments.replay {
            let replay = Replay::open(folder)?;
            let base = client::base_url(arguments.api_url.as_deref().unwrap_or(replay.api()), &spec.base_path)?;
            return Ok(Self::Replay(replay.at(root(&base)), base));
        }
        let Some(api_url) = &arguments.api_url else {
            return Err(failure(
                Exit::Usage,
                "there is nothing to ask: --api-url is not given",
                "give the root of the API's server with --api-url or SPECTRA_API_URL",
            ));
        };
        let reads_files = spec.resource.iter().any(|resource| resource.files.is_some());
        if Files::is_files(api_url) != reads_files {
            let (spec_wants, url_is) = match reads_files {
                true => ("reads files", "not a folder of them"),
                false => ("asks a server", "a folder"),
            };
            return Err(failure(
                Exit::Configuration,
                format!("the spec `{}` {spec_wants}, and --api-url {api_url} is {url_is}", spec.name),
                "give the --api-url that belongs to --spec",
            ));
        }
        if reads_files {
            return Ok(Self::Files(Files::open(api_url)?));
        }
        let certificates =
            Certificates { authority: arguments.ca_file.clone(), client: arguments.client_certificate.clone() };
        let http = client::http(spec, &certificates)?;
        let base = client::base_url(api_url, &spec.base_path)?;
        let server = root(&base);
        let auth = Box::new(Authenticator::new(&spec.auth, arguments.auth.as_deref(), &server, &base, http.clone())?);
        let recorder = match &arguments.record {
            None => None,
            Some(folder) => {
                if let Some(field) = arguments.record_mask.iter().find(|field| spec.needs(field)) {
                    return Err(failure(
                        Exit::Configuration,
                        format!(
                            "--record-mask {field}: the spec needs this field, so the recording could not be replayed"
                        ),
                        "mask only fields that neither identify a record nor page a listing",
                    ));
                }
                let hash = blake3::hash(spec.text.as_bytes()).to_hex()[..32].to_owned();
                Some(Recorder::create(folder, &arguments.record_mask, &server, &hash)?)
            }
        };
        Ok(Self::Server { http, base, auth, recorder })
    }

    /// The server's name, by which it is remembered.
    fn host(&self) -> Option<String> {
        match self {
            Self::Server { base, .. } => Some(tree::host(base)),
            _ => None,
        }
    }

    /// Everything a walk needs to ask for slices.
    fn fetcher(
        self,
        run: &Arc<Run>,
        spec: &Arc<Spec>,
        arguments: &Arguments,
        learned: Option<Learned>,
        halves: UnboundedSender<Half>,
    ) -> Fetcher {
        let concurrency = usize::from(arguments.concurrency);
        // Half of the memory for what is under way: a body and the rows of its slice for each.
        let share = run.settings.memory / 4 / concurrency as u64;
        let largest_held_bytes = usize::try_from(share.min(LARGEST_HELD_BYTES)).unwrap_or(usize::MAX);
        let rate = arguments.rate.or(spec.rate);
        let client = |http, base, line, pace| Client::new(spec, http, base, line, pace, largest_held_bytes);
        let origin = match self {
            Self::Files(files) => Origin::Files(files),
            Self::Replay(replay, base) => {
                let pace = Pace::new(None, concurrency, &spec.retry, None);
                Origin::Api(Box::new(client(reqwest::Client::new(), base, Line::Replay(replay), pace)))
            }
            Self::Server { http, base, auth, recorder } => {
                let pace = Pace::new(rate, concurrency, &spec.retry, learned);
                Origin::Api(Box::new(client(http, base, Line::Server { auth, recorder }, pace)))
            }
        };
        Fetcher {
            run: run.clone(),
            spec: spec.clone(),
            origin,
            page_size: arguments.page_size.map(|size| size as usize),
            largest_held_bytes,
            all_held: Arc::default(),
            checkpoint: Duration::from_secs(arguments.checkpoint_seconds),
            halves,
            sizes: Mutex::new(HashMap::new()),
        }
    }
}

/// What must be the same for an unfinished walk to be gone on with.
fn fingerprint(spec: &Spec, arguments: &Arguments) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut projects = arguments.project.clone();
    projects.sort();
    let api_url = arguments.api_url.clone().unwrap_or_default();
    for part in [env!("CARGO_PKG_VERSION"), &spec.text, &api_url, &projects.join(",")] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

async fn work(run: Arc<Run>, spec: Arc<Spec>, far: Far, arguments: Arguments) -> Result<Outcome> {
    let history = History::load(&run.lake).await?;
    let last = history.newest("source");
    let number = history.next_number("source").await?;
    let tables: Vec<String> = spec.tables().map(ToOwned::to_owned).collect();
    let fingerprint = fingerprint(&spec, &arguments);
    let mut bases = BTreeMap::new();
    for table in tables.iter().map(String::as_str).chain(["slice"]) {
        let base = run.lake.open("source", table, None).await?;
        if let Some(state) = last.and_then(|last| last.tables.get(&format!("source.{table}"))) {
            // What the API said is nowhere else: nothing is begun over a table that has lost some of it.
            let is_whole = base.as_ref().is_some_and(|base| state.is_of(base));
            if !is_whole {
                release::open(&run.lake, "source", table, state).await?;
            }
        }
        bases.insert(table.to_owned(), base);
    }
    let memory_bytes = run.settings.memory;
    let recheck_closed = Some(arguments.recheck_closed).filter(|cadence| !cadence.is_zero());
    let mut before = Before {
        known: version::known(&run.lake, last, memory_bytes).await?,
        unfinished: journal::unfinished(&run.lake, &fingerprint, history.finished_walks()).await?,
        pasts: skip::pasts(&run.lake, &spec, recheck_closed.is_some(), memory_bytes).await?,
        current: Current::new(&run.lake, last, memory_bytes),
    };
    if arguments.full {
        before.unfinished.walked.clear();
        before.unfinished.staged.clear();
        before.unfinished.halves.clear();
    }
    let learned = far.host().and_then(|host| before.unfinished.learned.get(&host).copied());
    if let Some(per_minute) = learned.and_then(|learned| learned.per_minute) {
        info!("an earlier run learned that this server allows about {per_minute:.0} requests/min");
    }
    let (sender, halves) = tokio::sync::mpsc::unbounded_channel();
    let fetcher = Arc::new(far.fetcher(&run, &spec, &arguments, learned, sender));
    let request = Request {
        fetcher: fetcher.clone(),
        concurrency: usize::from(arguments.concurrency),
        scope: Arc::new(Scope(arguments.project.iter().cloned().collect())),
        halves,
        fingerprint: fingerprint.clone(),
        is_full: arguments.full,
        recheck_closed,
        may_be_empty: arguments.accept_empty.iter().cloned().collect(),
    };
    let rate = arguments.rate.or(spec.rate);
    if run.settings.plan {
        return plan::tell(&request, &before, last, rate).await;
    }
    if let (Some(path), Origin::Api(client)) = (&spec.probe, &fetcher.origin) {
        fetcher.probe(client, path).await?;
    }
    let planned = plan::expected(&request, &before, last, rate).await?;
    if !before.unfinished.walked.is_empty() {
        let slices = before.unfinished.walked.len();
        info!(slices, "going on where an earlier run stopped: {slices} slices are walked");
    }
    let clock = Instant::now();
    let mut walk = Walk::new(run.clone(), request, before, number);
    walk.go().await?;
    let today = run.started_at.to_zoned(TimeZone::get(&run.settings.time_zone)?).date();
    let as_of = run.settings.as_of.unwrap_or(today);
    let mut outcome = Outcome {
        release: last.map(|last| last.number),
        as_of: Some(as_of.to_string()),
        slices: walk.outcomes.clone(),
        request_count: Some(walk.request_count()),
        warnings: first_few(&walk.warnings),
        planned,
        ..Outcome::default()
    };
    if let Origin::Api(client) = &fetcher.origin {
        let waited = client.pace.waited().as_secs_f64();
        outcome.waited_seconds = Some((waited * 1000.0).round() / 1000.0);
        if let Some(sentence) = client.pace.sentence() {
            info!("{sentence}");
        }
    }
    info!(
        requests = walk.request_count(),
        "walked {} slices with {} requests",
        walk.outcomes.values().sum::<i64>(),
        walk.request_count()
    );
    if walk.versions.found_count() == 0 && last.is_some() && !run.settings.force {
        info!("nothing changed since release {}", outcome.release.unwrap_or_default());
        plan::compare(planned, walk.request_count(), run.elapsed_ms());
        return Ok(outcome);
    }
    let duration_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut pending = Vec::new();
    for table in tables {
        let staged = Staged::of(walk.staged.remove(&table).unwrap_or_default());
        pending.push(append(table, slice::record_columns()?, staged, &mut bases, &fingerprint, duration_ms));
    }
    let columns = version::columns()?;
    let staged = walk.found().await?;
    pending.push(append("slice".to_owned(), columns, staged, &mut bases, &fingerprint, 0));
    outcome.tables = pending.iter().map(Pending::outcome).collect();
    let terms = Terms {
        number,
        as_of: Some(as_of),
        fingerprint,
        inputs: BTreeMap::new(),
        carried: BTreeSet::new(),
        note: None,
    };
    release::publish(&run, terms, pending, Vec::new()).await?;
    outcome.is_published = true;
    outcome.release = Some(number);
    info!(
        release = number,
        slices = walk.versions.found_count(),
        "published release {number}: {} slices changed",
        walk.versions.found_count()
    );
    plan::compare(planned, walk.request_count(), run.elapsed_ms());
    Ok(outcome)
}

fn append(
    table: String,
    columns: TableSchema,
    staged: Staged,
    bases: &mut BTreeMap<String, Option<deltalake::DeltaTable>>,
    fingerprint: &str,
    duration_ms: i64,
) -> Pending {
    let base = bases.remove(&table).flatten();
    Pending { duration_ms, ..Pending::new("source", &table, base, Change::Append(columns, staged), fingerprint) }
}

/// The report stays one short line however much is wrong; the log and `log.slice` have all of it.
fn first_few(warnings: &[String]) -> Vec<String> {
    let mut few: Vec<String> = warnings.iter().take(5).cloned().collect();
    if warnings.len() > few.len() {
        few.push(format!("and {} more, see log.slice", warnings.len() - few.len()));
    }
    few
}
