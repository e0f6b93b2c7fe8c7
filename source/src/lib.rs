//! The source stage: asks an API politely, loses nothing, lands what was said.
//!
//! - [`spec`]: the resource tree of an API as data
//! - [`client`]: credentials, time limits, tries
//! - [`page`]: one response, taken apart and checked
//! - [`slice`]: rows kept back until their slice is complete and has changed
//! - [`walk`]: depth first through the tree
//! - [`journal`]: what is kept so that a killed run can be gone on with
//! - [`version`]: what `source.slice` says, and what a run adds to it
//! - [`plan`]: what a walk would ask

pub mod client;
pub mod journal;
pub mod page;
pub mod plan;
pub mod slice;
pub mod spec;
pub mod version;
pub mod walk;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use clap::builder::FalseyValueParser;
use jiff::tz::TimeZone;
use spectra_common::log;
use spectra_common::release::{self, Change, History, Pending, Terms};
use spectra_common::run::{self, Outcome, Run, TableOutcome, Work};
use spectra_common::schema::TableSchema;
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::staging::{self, Staged};
use tracing::info;

use client::Client;
use spec::Spec;
use walk::{Request, Walk};

/// What the API said, as it said it: walk a hierarchical REST API politely and land its answers, slice by slice
#[derive(Parser)]
#[command(name = "spectra-source", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// Root of the API's server, such as https://tenant.yourzephyr.com
    #[arg(long, env = "SPECTRA_API_URL", value_name = "URL")]
    api_url: String,

    /// Walk the API that this file describes, not Zephyr Enterprise
    #[arg(long, env = "SPECTRA_SPEC", value_name = "FILE")]
    spec: Option<PathBuf>,

    /// Walk only what lies below these projects
    #[arg(long, env = "SPECTRA_PROJECT", value_name = "ID", value_delimiter = ',')]
    project: Vec<String>,

    /// Rows to ask for at a time
    #[arg(long, env = "SPECTRA_PAGE_SIZE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    page_size: Option<u32>,

    /// Requests to send at most, such as 300/min
    #[arg(long, env = "SPECTRA_RATE", value_name = "N/min", value_parser = per_minute)]
    rate: Option<u32>,

    /// Walk everything again, also what an unfinished run has already walked
    #[arg(long, env = "SPECTRA_FULL", value_parser = FalseyValueParser::new())]
    full: bool,

    /// Keep what was walked at least this often, so that a killed run goes on from there; 0 keeps every slice
    #[arg(long, env = "SPECTRA_CHECKPOINT_SECONDS", value_name = "N", default_value_t = 5)]
    checkpoint_seconds: u64,

    #[command(flatten)]
    shared: SharedArgs,
}

impl AsRef<SharedArgs> for Arguments {
    fn as_ref(&self) -> &SharedArgs {
        &self.shared
    }
}

fn per_minute(text: &str) -> Result<u32> {
    let number = text.trim().trim_end_matches("/min").trim();
    let count: u32 =
        number.parse().map_err(|_| anyhow::anyhow!("`{text}` is not a number of requests, such as 300/min"))?;
    anyhow::ensure!(count > 0, "a rate of 0 would never ask anything");
    Ok(count)
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    run::main("source", |arguments: Arguments| {
        let spec = Spec::load(arguments.spec.as_deref())?;
        let client = Client::new(&spec, &arguments.api_url, arguments.rate)?;
        let scope: HashSet<String> = arguments.project.iter().cloned().collect();
        let request = Request {
            fingerprint: fingerprint(&spec, &arguments),
            spec: Arc::new(spec),
            client,
            page_size: arguments.page_size.map(|size| size as usize),
            scope,
            checkpoint: Duration::from_secs(arguments.checkpoint_seconds),
        };
        let is_full = arguments.full;
        let work: Work = Box::new(move |run| Box::pin(work(run, request, is_full)));
        Ok(work)
    })
}

/// What must be the same for an unfinished walk to be gone on with.
fn fingerprint(spec: &Spec, arguments: &Arguments) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut projects = arguments.project.clone();
    projects.sort();
    for part in [env!("CARGO_PKG_VERSION"), &spec.text, &arguments.api_url, &projects.join(",")] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

async fn work(run: Arc<Run>, request: Request, is_full: bool) -> Result<Outcome> {
    let history = History::load(&run.lake).await?;
    let last = history.newest("source");
    if run.settings.plan {
        return plan::tell(&run, &request.spec, last).await;
    }
    let number = history.next_number("source").await?;
    let tables: Vec<String> = request.spec.tables().map(ToOwned::to_owned).collect();
    let fingerprint = request.fingerprint.clone();
    let mut bases = BTreeMap::new();
    for table in tables.iter().map(String::as_str).chain(["slice"]) {
        bases.insert(table.to_owned(), run.lake.open("source", table, None).await?);
    }
    let known = version::known(&run.lake, last, run.settings.memory).await?;
    let unfinished = if is_full {
        journal::Unfinished::default()
    } else {
        journal::unfinished(&run.lake, &fingerprint, history.finished_walks()).await?
    };
    if !unfinished.walked.is_empty() {
        info!(
            slices = unfinished.walked.len(),
            "going on where an earlier run stopped: {} slices are walked",
            unfinished.walked.len()
        );
    }
    let clock = Instant::now();
    let mut walk = Walk::new(run.clone(), request, known, unfinished, number);
    walk.go().await?;
    let today = run.started_at.to_zoned(TimeZone::get(&run.settings.time_zone)?).date();
    let as_of = run.settings.as_of.unwrap_or(today);
    let mut outcome = Outcome {
        release: last.map(|last| last.number),
        as_of: Some(as_of.to_string()),
        slices: walk.outcomes.clone(),
        request_count: Some(walk.request_count),
        warnings: first_few(&walk.warnings),
        ..Outcome::default()
    };
    info!(
        requests = walk.request_count,
        "walked {} slices with {} requests",
        walk.outcomes.values().sum::<i64>(),
        walk.request_count
    );
    if walk.versions.found().is_empty() && last.is_some() && !run.settings.force {
        info!("nothing changed since release {}", outcome.release.unwrap_or_default());
        return Ok(outcome);
    }
    let duration_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut pending = Vec::new();
    for table in tables {
        let staged = Staged::of(walk.staged.remove(&table).unwrap_or_default());
        pending.push(append(table, slice::record_columns()?, staged, &mut bases, &fingerprint, duration_ms));
    }
    let columns = version::columns()?;
    let rows = log::batch(&columns.arrow, walk.versions.found())?;
    let staged = staging::stage_batches(&run.lake.log_store("source", "slice")?, &columns, vec![rows]).await?;
    pending.push(append("slice".to_owned(), columns, staged, &mut bases, &fingerprint, 0));
    outcome.tables = pending.iter().map(table_outcome).collect();
    let terms = Terms { number, as_of: Some(as_of), fingerprint, inputs: BTreeMap::new() };
    release::publish(&run, terms, pending, Vec::new()).await?;
    outcome.is_published = true;
    outcome.release = Some(number);
    info!(
        release = number,
        slices = walk.versions.found().len(),
        "published release {number}: {} slices changed",
        walk.versions.found().len()
    );
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
    Pending {
        schema: "source".to_owned(),
        base: bases.remove(&table).flatten(),
        table,
        change: Change::Append(columns, staged),
        fingerprint: fingerprint.to_owned(),
        quarantined_count: 0,
        warning_count: 0,
        duration_ms,
    }
}

fn table_outcome(pending: &Pending) -> TableOutcome {
    let row_count = match &pending.change {
        Change::Append(_, staged) | Change::Overwrite(_, staged) => staged.row_count,
        Change::Keep(_) => 0,
    };
    let action = if row_count > 0 { "appended" } else { "unchanged" };
    TableOutcome { name: pending.table.clone(), action: action.to_owned(), row_count, ..TableOutcome::default() }
}

/// The report stays one short line however much is wrong; the log and `log.slice` have all of it.
fn first_few(warnings: &[String]) -> Vec<String> {
    let mut few: Vec<String> = warnings.iter().take(5).cloned().collect();
    if warnings.len() > few.len() {
        few.push(format!("and {} more, see log.slice", warnings.len() - few.len()));
    }
    few
}
