//! One execution of one stage: it is recorded in `log.run` when it starts and when it ends, whatever its end, and
//! its last line of output is one JSON object that says what happened.

mod report;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use crate::failure::{Exit, Failure, exit_of, failure, hint_of, one_line};
use crate::lake::Lake;
use crate::log::{self, RunRow};
use crate::logging::{self, Progress};
use crate::memory;
use crate::settings::{self, SharedArgs};
use crate::upkeep::Figures;
use report::{Output, refuse_usage, report, status_of};

/// A run that has begun.
pub struct Run {
    /// The stage this is a run of.
    pub stage: &'static str,
    /// Its name in the logs.
    pub id: String,
    /// What the caller asked for.
    pub settings: SharedArgs,
    /// Where it reads and writes.
    pub lake: Lake,
    /// When it began.
    pub started_at: Timestamp,
    /// Cancelled when the run is asked to end.
    pub stop: CancellationToken,
    /// Where progress is drawn.
    pub progress: Progress,
    clock: Instant,
}

impl Run {
    /// Time since the start, in milliseconds.
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.clock.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// A row of `log.run` for this run, with `status`.
    pub fn row(&self, status: &str) -> RunRow {
        RunRow {
            run_id: self.id.clone(),
            stage: self.stage.to_owned(),
            status: status.to_owned(),
            started_at: self.started_at.to_string(),
            recorded_at: Timestamp::now().to_string(),
            time_zone: Some(self.settings.time_zone.clone()),
            duration_ms: Some(self.elapsed_ms()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..RunRow::default()
        }
    }

    /// Runs `work` unless and until the run is asked to stop.
    ///
    /// # Errors
    /// [`Exit::Stopped`] when it was, else what `work` returns.
    pub async fn until_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped()),
            done = work => done,
        }
    }
}

/// The error of a run that was asked to end.
pub fn stopped() -> anyhow::Error {
    Failure::new(Exit::Stopped, "stopped by a signal before anything was published").hint("run again to go on").into()
}

/// What a run did, for its report.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether a new release was published.
    pub is_published: bool,
    /// The release that is current now.
    pub release: Option<i64>,
    /// The day the figures are for.
    pub as_of: Option<String>,
    /// The releases it is built from.
    pub inputs: BTreeMap<String, i64>,
    /// What happened to each table.
    pub tables: Vec<TableOutcome>,
    /// What happened to the slices, counted by outcome.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, i64>,
    /// HTTP requests made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_count: Option<i64>,
    /// Files for people that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Things a person should know although the run went well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was expected before the work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    /// Time spent waiting because the API may not be asked more often, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_seconds: Option<f64>,
    /// What an inspection found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What upkeep did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upkeep: Option<Figures>,
    /// Whether something was done although nothing was published.
    #[serde(skip)]
    pub is_done: bool,
    /// Set by an [`Work::inspection`]: nothing was built or looked for to be built.
    #[serde(skip)]
    pub is_inspection: bool,
    /// How an inspection ends that found something wrong.
    #[serde(skip)]
    pub wrong: Option<Exit>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether that is good.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// How long it took.
    pub seconds: f64,
}

/// What was found of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// A run would go well, and yet.
    Warning,
    /// A run would not go well.
    Failed,
    /// It could not be looked at, or there is nothing to look at.
    Skipped,
}

/// What a run expects of itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// HTTP requests.
    pub request_count: i64,
    /// Rows asked for.
    pub row_count: i64,
    /// Time from start to end, in seconds.
    pub seconds: f64,
}

/// What happened to one table.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableOutcome {
    /// The table, without its schema.
    pub name: String,
    /// rebuilt, appended, restored, merged, folded or unchanged.
    pub action: String,
    /// Rows written.
    pub row_count: i64,
    /// Rows set aside.
    pub quarantined_count: i64,
    /// Rows that broke an expectation of severity warn.
    pub warning_count: i64,
}

/// The work of a run, ready to begin.
pub struct Work {
    steps: Box<dyn FnOnce(Arc<Run>) -> BoxFuture<'static, Result<Outcome>> + Send>,
    is_recorded: bool,
    is_question: bool,
}

impl Work {
    /// Work that `log.run` tells of, unless it is only planned.
    pub fn recorded(steps: impl FnOnce(Arc<Run>) -> BoxFuture<'static, Result<Outcome>> + Send + 'static) -> Self {
        Self { steps: Box::new(steps), is_recorded: true, is_question: false }
    }

    /// A look at something, which leaves no trace in the lake.
    pub fn inspection(steps: impl FnOnce(Arc<Run>) -> BoxFuture<'static, Result<Outcome>> + Send + 'static) -> Self {
        Self { steps: Box::new(steps), is_recorded: false, is_question: false }
    }

    /// A question to the lake, which leaves no trace there. Standard output holds the answer and nothing else, so the
    /// report is the last line of standard error.
    pub fn question(steps: impl FnOnce(Arc<Run>) -> BoxFuture<'static, Result<Outcome>> + Send + 'static) -> Self {
        Self { steps: Box::new(steps), is_recorded: false, is_question: true }
    }
}

/// The whole life of a stage's process: parse, check, record, work, record, report.
///
/// `ready` turns the arguments into work and refuses what can be refused before the lake is touched: a broken model,
/// a broken spec, a missing secret.
pub fn main<Arguments>(stage: &'static str, ready: impl FnOnce(Arguments) -> Result<Work>) -> ExitCode
where
    Arguments: Parser + AsRef<SharedArgs>,
{
    let clock = Instant::now();
    let arguments = match settings::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(refusal) => return refuse_usage(stage, &refusal),
    };
    let mut settings = arguments.as_ref().clone();
    let progress = logging::start(settings.log_format);
    logging::hush_caught_panics();
    let (memory, there_is) = memory::within_reach(settings.memory);
    if let Some(there_is) = there_is {
        let mebibytes = |bytes: u64| bytes >> 20;
        warn!(
            "of --memory {} MiB, {} MiB are used: there are {} MiB",
            mebibytes(settings.memory),
            mebibytes(memory),
            mebibytes(there_is)
        );
    }
    settings.memory = memory;
    let asks = Arc::new(AtomicBool::new(false));
    let id = settings.run_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.thread_count())
        .enable_all()
        .build()
        .context("starting the runtime")
        .and_then(|runtime| {
            let run_id = id.clone();
            let settings = settings.clone();
            let asks = Arc::clone(&asks);
            let life = async move {
                settings.check_engine()?;
                let lake = Lake::new(&settings.lake)?;
                let work = ready(arguments)?;
                asks.store(work.is_question, Ordering::Relaxed);
                let run = Arc::new(Run {
                    stage,
                    id: run_id,
                    settings,
                    lake,
                    started_at: Timestamp::now(),
                    stop: CancellationToken::new(),
                    progress,
                    clock,
                });
                listen(&run.stop)?;
                let span = info_span!(target: "spectra_run", "run", stage, id = %run.id);
                // In a task of its own, so that a panic becomes an exit code and a report.
                match tokio::spawn(record(run, work).instrument(span)).await {
                    Ok(result) => result,
                    Err(panic) => Err(Failure::new(Exit::Bug, format!("{stage} failed in an unforeseen way: {panic}"))
                        .hint("this is a mistake of ours: please report it with the log above")
                        .into()),
                }
            };
            let result = runtime.block_on(life);
            runtime.shutdown_background();
            result
        });
    let output = if asks.load(Ordering::Relaxed) { Output::Error } else { Output::Standard };
    report(stage, Some(id), &settings, clock, result, output)
}

/// The first SIGTERM (or Ctrl-C) asks the run to end; the second ends it.
fn listen(stop: &CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(i32::from(Exit::Stopped.code()));
            }
            warn!("stopping: finishing what is in hand; a second signal leaves at once");
            stop.cancel();
        }
    });
    Ok(())
}

async fn record(run: Arc<Run>, work: Work) -> Result<Outcome> {
    if run.settings.plan || !work.is_recorded {
        return (work.steps)(run).await;
    }
    if run.lake.latest_version("log", "run").await?.is_none() {
        // What a lake consists of is in log.run: beginning anew over tables that are there would mix up their rows.
        if run.lake.latest_version("source", "slice").await?.is_some() {
            return Err(failure(
                Exit::LakeUnavailable,
                format!(
                    "table log.run is gone from the lake at {}, and other tables are there",
                    run.lake.display(run.lake.root())
                ),
                "restore it from a copy, or begin a new lake with another --lake",
            ));
        }
        // Only source may begin a lake: anything else has nothing to read there.
        if run.stage != "source" {
            return Err(no_lake(&run));
        }
    }
    let started = RunRow { duration_ms: None, ..run.row("started") };
    log::append(&run.lake, "run", &[started], None, HashMap::new())
        .await
        .map_err(|error| lake_unwritable(&run, error))?;
    info!("started");
    let result = (work.steps)(run.clone()).await;
    let end = match &result {
        Ok(outcome) if outcome.is_published => None,
        Ok(outcome) => Some(RunRow {
            release: outcome.release,
            as_of: outcome.as_of.clone(),
            exit_code: Some(0),
            ..run.row("unchanged")
        }),
        Err(error) => {
            let exit = exit_of(error);
            Some(RunRow {
                exit_code: Some(i32::from(exit.code())),
                message: Some(one_line(error)),
                ..run.row(status_of(exit))
            })
        }
    };
    if let Some(end) = end
        && let Err(error) = log::append(&run.lake, "run", &[end], None, HashMap::new()).await
    {
        warn!("the end of this run could not be recorded: {}", one_line(&error));
    }
    result
}

fn no_lake(run: &Run) -> anyhow::Error {
    failure(
        Exit::InputMissing,
        format!("there is no lake at {}", run.lake.display(run.lake.root())),
        "check --lake, or run spectra-source first",
    )
}

fn lake_unwritable(run: &Run, error: anyhow::Error) -> anyhow::Error {
    if exit_of(&error) == Exit::TryAgain {
        return error;
    }
    let hint =
        hint_of(&error).unwrap_or_else(|| "check that --lake is right and that this user may write there".into());
    failure(
        Exit::LakeUnavailable,
        format!("recording the run in the lake at {}: {}", run.lake.display(run.lake.root()), one_line(&error)),
        hint,
    )
}
