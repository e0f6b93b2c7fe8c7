//! Upkeep of the lake: small files merged, checkpoints written, releases let go of, files deleted that nothing names.
//!
//! What is never touched: every file of a version that a kept release names, or that is a table's newest; files young
//! enough that a run may be about to name them or be reading them; files in the journal of a walk that can be gone on
//! with; anything that is not a table of this lake. The order makes it safe to be killed: a release is marked as gone
//! before the first of its files is.

pub mod merge;
mod retention;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::object_store::ObjectStore;
use deltalake::Path;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tracing::{debug, info, warn};

use crate::failure::{Exit, exit_of, failure, one_line};
use crate::lake::Lake;
use crate::log::{self, RunRow};
use crate::release::{self, Change, History, Pending, Release, Status, Terms};
use crate::run::{Outcome, Run, TableOutcome, Work};
use crate::session;
use crate::staging::RowGroup;
use retention::Policy;
use sweep::{Ages, Sweep};

/// More commits than this since a table's last checkpoint make the next one due.
const MOST_COMMITS: u64 = 20;

/// Entries of the logs of `log.*` are kept at least this long: they hold the journals of walks.
const JOURNAL_DAYS: u32 = 30;

/// What to keep.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Keep this many releases of every stage, and all they were built from
    #[arg(long, env = "SPECTRA_KEEP_RELEASES", value_name = "N", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_releases: u16,

    /// Keep releases younger than this as well
    #[arg(long, env = "SPECTRA_KEEP_DAYS", value_name = "N", default_value_t = 30)]
    pub keep_days: u32,

    /// Leave alone what was written or taken out of a table within this time: a run may be about to name or read it
    #[arg(long, env = "SPECTRA_ORPHAN_HOURS", value_name = "N", default_value_t = 24)]
    pub orphan_hours: u32,

    /// In source: fold what was superseded before this many days ago, so that history begins there
    #[arg(long, env = "SPECTRA_FOLD_DAYS", value_name = "N")]
    pub fold_days: Option<u32>,
}

/// What upkeep did, or with `--plan` would do.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Releases of the stage that are kept.
    pub kept_releases: Vec<i64>,
    /// Releases of the stage that were let go of.
    pub gone_releases: Vec<i64>,
    /// Small files that were merged into fewer.
    pub merged_file_count: usize,
    /// Rows of superseded versions that were folded away.
    pub folded_row_count: i64,
    /// Checkpoints written.
    pub checkpoint_count: usize,
    /// Data files deleted.
    pub deleted_file_count: usize,
    /// Entries of table logs deleted.
    pub deleted_entry_count: usize,
    /// Bytes of all that was deleted.
    pub deleted_byte_count: u64,
}

impl Figures {
    fn is_nothing(&self) -> bool {
        self.gone_releases.is_empty()
            && self.merged_file_count == 0
            && self.folded_row_count == 0
            && self.checkpoint_count == 0
            && self.deleted_file_count == 0
            && self.deleted_entry_count == 0
    }
}

/// Files of tables of the stage that no table names yet and a later run may go on with, by table.
pub type InUse = BTreeMap<String, BTreeSet<Path>>;

/// The tables that folding changes, each with the rows that go.
pub type Folded = Vec<(Pending, i64)>;

/// What only one stage has: files in journals, and rows that can be folded.
pub struct Particulars {
    /// Finds the files that are in use.
    pub in_use: fn(Lake) -> BoxFuture<'static, Result<InUse>>,
    /// Finds the tables that change when what was superseded before then is folded away, with the rows that go.
    pub fold: fn(Arc<Run>, Release, Timestamp) -> BoxFuture<'static, Result<Folded>>,
}

/// Upkeep, ready to begin.
///
/// # Errors
/// [`Exit::Usage`] for folding in a stage that has nothing to fold.
pub fn ready(arguments: Arguments, particulars: Option<Particulars>) -> Result<Work> {
    if arguments.fold_days.is_some() && particulars.is_none() {
        return Err(failure(
            Exit::Usage,
            "--fold-days: only source keeps what was superseded",
            "say it to spectra-source upkeep",
        ));
    }
    Ok(Work::inspection(move |run| Box::pin(work(run, arguments, particulars))))
}

async fn work(run: Arc<Run>, arguments: Arguments, particulars: Option<Particulars>) -> Result<Outcome> {
    if run.lake.latest_version("log", "run").await?.is_none() {
        return Err(failure(
            Exit::InputMissing,
            format!("there is no lake at {}", run.lake.display(run.lake.root())),
            "check --lake, or run spectra-source first",
        ));
    }
    let mut upkeep = Upkeep { run: run.clone(), arguments, figures: Figures::default(), tables: Vec::new() };
    let mut warnings = Vec::new();
    let released = run.until_stopped(upkeep.release(particulars.as_ref(), &mut warnings)).await?;
    run.until_stopped(upkeep.merge_logs()).await?;
    run.until_stopped(upkeep.let_go(particulars.as_ref())).await?;
    for warning in &warnings {
        warn!("{warning}");
    }
    upkeep.tell();
    let history = History::load(&run.lake).await?;
    let newest = history.newest(run.stage);
    Ok(Outcome {
        is_published: released,
        is_done: !upkeep.figures.is_nothing(),
        release: newest.map(|release| release.number),
        as_of: newest.and_then(|release| release.as_of).map(|date| date.to_string()),
        inputs: newest.map(|release| release.inputs.clone()).unwrap_or_default(),
        tables: upkeep.tables,
        upkeep: Some(upkeep.figures),
        warnings,
        ..Outcome::default()
    })
}

struct Upkeep {
    run: Arc<Run>,
    arguments: Arguments,
    figures: Figures,
    tables: Vec<TableOutcome>,
}

impl Upkeep {
    fn is_plan(&self) -> bool {
        self.run.settings.plan
    }

    fn before(&self, hours: u32) -> Timestamp {
        self.run.started_at - SignedDuration::from_hours(i64::from(hours))
    }

    /// Merges and folds tables of the stage's newest release, and publishes what came of it as the next.
    async fn release(&mut self, particulars: Option<&Particulars>, warnings: &mut Vec<String>) -> Result<bool> {
        let (run, stage) = (self.run.clone(), self.run.stage);
        let history = History::load(&run.lake).await?;
        let Some(last) = history.newest(stage) else { return Ok(false) };
        if !self.is_plan() && is_under_way(&run.lake, stage, self.before(24)).await? {
            warnings.push(format!("a run of {stage} is under way: its tables are merged another time"));
            return Ok(false);
        }
        let mut pending = match (self.arguments.fold_days, particulars) {
            (Some(days), Some(particulars)) => {
                let before = self.before(days.saturating_mul(24));
                let folded = (particulars.fold)(run.clone(), last.clone(), before).await.context("folding source")?;
                self.figures.folded_row_count = folded.iter().map(|(_, rows)| rows).sum();
                folded.into_iter().map(|(pending, _)| pending).collect()
            }
            _ => Vec::new(),
        };
        for (name, state) in &last.tables {
            let Some((schema, table)) = name.split_once('.') else { continue };
            if pending.iter().any(|pending: &Pending| pending.schema == schema && pending.table == table) {
                continue;
            }
            let delta = run.lake.open(schema, table, None).await?;
            let delta = delta.filter(|delta| delta.version() == Some(state.version));
            let files = delta.as_ref().map(merge::due).transpose()?.unwrap_or_default();
            let mut change = Change::Keep(state.clone());
            if let Some(delta) = delta.as_ref().filter(|_| !files.is_empty()) {
                self.figures.merged_file_count += files.len();
                info!(table = name, files = files.len(), "{name}: {} small files to merge", files.len());
                if !self.is_plan() {
                    let row_group = if schema == "source" { RowGroup::Wide } else { RowGroup::Typed };
                    let staged = merge::copy(&run.lake, delta, &files, row_group).await;
                    let staged = staged.with_context(|| format!("merging small files of {name}"))?;
                    let state = state.with_same_rows();
                    change = Change::Rewrite { state, actions: merge::exchange(&files, &staged), action: "merged" };
                }
            }
            pending.push(Pending::new(schema, table, delta, change, &state.fingerprint));
        }
        if pending.iter().all(|pending| matches!(pending.change, Change::Keep(_))) {
            return Ok(false);
        }
        if self.is_plan() {
            release::discard_all(&run, &pending).await;
            return Ok(false);
        }
        let number = history.next_number(stage).await?;
        let is_changed = |pending: &&Pending| !matches!(pending.change, Change::Keep(_));
        self.tables = pending.iter().filter(is_changed).map(Pending::outcome).collect();
        let terms = Terms::again(last, number, format!("upkeep of release {}", last.number));
        match release::publish_as(Status::Upkeep, &run, terms, pending, Vec::new()).await {
            Ok(()) => {
                info!(release = number, "published release {number}, which is release {} kept up", last.number);
                Ok(true)
            }
            Err(error) if exit_of(&error) == Exit::Lost => {
                warnings.push(format!("a run of {stage} published meanwhile: its tables are merged another time"));
                self.figures.merged_file_count = 0;
                self.figures.folded_row_count = 0;
                self.tables.clear();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Merges what many runs appended to the log tables.
    async fn merge_logs(&mut self) -> Result<()> {
        for table in log::TABLES {
            let Some(delta) = self.run.lake.open("log", table, None).await? else { continue };
            let due = merge::due(&delta)?.len();
            if self.is_plan() {
                self.figures.merged_file_count += due;
                continue;
            }
            match merge::log_table(&self.run.lake, &delta).await {
                Ok(None) => {}
                Ok(Some((before, after))) => {
                    self.figures.merged_file_count += before;
                    info!(table, "log.{table}: merged {before} small files into {after}");
                }
                Err(error) if log::is_conflict(&error) => {
                    debug!("log.{table} is merged another time: {}", one_line(&error));
                }
                Err(error) => return Err(error.context(format!("merging small files of log.{table}"))),
            }
        }
        Ok(())
    }

    /// Marks releases as gone, writes checkpoints, and deletes what nothing names any more.
    async fn let_go(&mut self, particulars: Option<&Particulars>) -> Result<()> {
        let (run, stage) = (self.run.clone(), self.run.stage);
        let policy = Policy { releases: usize::from(self.arguments.keep_releases), days: self.arguments.keep_days };
        let history = History::load(&run.lake).await?;
        let kept = retention::kept(history.all(), policy, run.started_at);
        let of_stage = history.all().iter().filter(|release| release.stage == stage);
        let (keep, gone): (Vec<&Release>, Vec<&Release>) =
            of_stage.partition(|release| kept.contains(&(stage, release.number)));
        self.figures.kept_releases = keep.iter().map(|release| release.number).collect();
        self.figures.gone_releases = gone.iter().map(|release| release.number).collect();
        let in_use = match particulars {
            Some(particulars) => {
                (particulars.in_use)(run.lake.clone()).await.context("looking for unfinished walks")?
            }
            None => InUse::new(),
        };
        // Everything is looked at before anything is deleted: what cannot be read may name anything.
        let mut sweeps: Vec<(String, String, Sweep)> = Vec::new();
        let nothing = BTreeSet::new();
        for (schema, table) in tables(&run.lake, stage).await? {
            let name = format!("{schema}.{table}");
            let named = keep.iter().filter_map(|release| Some(release.tables.get(&name)?.version));
            let is_log = schema == "log";
            let entry_days = self.arguments.keep_days.max(if is_log { JOURNAL_DAYS } else { 0 });
            let entry_hours = entry_days.saturating_mul(24).max(self.arguments.orphan_hours);
            let ages = Ages { file: self.before(self.arguments.orphan_hours), entry: self.before(entry_hours) };
            let in_use = in_use.get(&table).filter(|_| schema == "source").unwrap_or(&nothing);
            let sweep = sweep::look(&run.lake, &schema, &table, &named.collect(), in_use, ages).await?;
            sweeps.push((schema, table, sweep));
        }
        for (schema, table, sweep) in &sweeps {
            self.figures.deleted_file_count += sweep.files.len();
            self.figures.deleted_entry_count += sweep.entries.len();
            self.figures.deleted_byte_count += sweep.byte_count();
            self.figures.checkpoint_count += usize::from(sweep.commits_since_checkpoint > MOST_COMMITS);
            if sweep.files.is_empty() && sweep.entries.is_empty() {
                continue;
            }
            let (files, entries) = (sweep.files.len(), sweep.entries.len());
            let bytes = sweep.byte_count();
            info!(
                table = format!("{schema}.{table}"),
                files,
                entries,
                bytes,
                "{schema}.{table}: {files} files and {entries} log entries that no kept release needs, {bytes} bytes"
            );
        }
        if self.is_plan() {
            return Ok(());
        }
        let rows: Vec<RunRow> = gone
            .iter()
            .map(|release| RunRow { release: Some(release.number), exit_code: Some(0), ..run.row("gone") })
            .collect();
        if !rows.is_empty() {
            log::append(&run.lake, "run", &rows, None, HashMap::new()).await?;
        }
        for (schema, table, sweep) in &sweeps {
            if sweep.commits_since_checkpoint > MOST_COMMITS
                && let Some(delta) = run.lake.open(schema, table, None).await?
            {
                merge::checkpoint(&delta).await.with_context(|| format!("keeping up {schema}.{table}"))?;
            }
            sweep.go().await.with_context(|| format!("keeping up {schema}.{table}"))?;
        }
        Ok(())
    }

    fn tell(&self) {
        let figures = &self.figures;
        let would = if self.is_plan() { "would have " } else { "" };
        if figures.is_nothing() {
            info!("nothing to do: {} releases of {} are kept", figures.kept_releases.len(), self.run.stage);
            return;
        }
        info!(
            "{would}merged {} small files, folded {} rows, written {} checkpoints, let go of {} releases of {} and kept {}, \
             deleted {} files and {} log entries, {} bytes",
            figures.merged_file_count,
            figures.folded_row_count,
            figures.checkpoint_count,
            figures.gone_releases.len(),
            self.run.stage,
            figures.kept_releases.len(),
            figures.deleted_file_count,
            figures.deleted_entry_count,
            figures.deleted_byte_count
        );
    }
}

/// The folders of tables that a stage looks after: its own, those of rows it set aside, and the logs, which all share.
async fn tables(lake: &Lake, stage: &str) -> Result<Vec<(String, String)>> {
    let store = lake.store()?;
    let mut tables = Vec::new();
    for schema in [stage, "quarantine", "log"] {
        let folder = Path::from(format!("Tables/{schema}"));
        let found = store.list_with_delimiter(Some(&folder)).await;
        let found = found.with_context(|| format!("listing the tables of {schema}"))?;
        for table in found.common_prefixes.iter().filter_map(Path::filename) {
            let is_ours = schema != "quarantine"
                || table
                    .strip_prefix(stage)
                    .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
            if is_ours {
                tables.push((schema.to_owned(), table.to_owned()));
            }
        }
    }
    Ok(tables)
}

/// Whether the last run of a stage to begin, after `since`, has not ended as far as the log knows.
async fn is_under_way(lake: &Lake, stage: &str, since: Timestamp) -> Result<bool> {
    let Some(delta) = lake.open("log", "run", None).await? else { return Ok(false) };
    let context = session::new(256 << 20, 1)?;
    session::register_delta(&context, "log", "run", &delta).await?;
    let sql = format!(
        "with life as (
            select \"runId\", min(\"startedAt\") as begun,
                bool_or(status = 'started') as \"isRun\", bool_or(status not in ('started', 'publishing')) as \"hasEnded\"
            from log.run where stage = '{stage}' and \"startedAt\" >= timestamp '{since}' group by \"runId\")
        select * from life where \"isRun\" and not \"hasEnded\"
            and begun > coalesce((select max(begun) from life where \"hasEnded\"), timestamp '1970-01-01T00:00:00Z')"
    );
    let found = context.sql(&sql).await?.collect().await.context("reading log.run")?;
    Ok(found.iter().any(|batch| batch.num_rows() > 0))
}

/// Merges the small files of a log table after an append, when there are too many. Not worth failing for: the next
/// append finds as many.
pub async fn after_append(lake: &Lake, table: &str) {
    let done = async {
        match lake.open("log", table, None).await? {
            Some(delta) => merge::log_table(lake, &delta).await,
            None => Ok(None),
        }
    };
    match done.await {
        Ok(None) => {}
        Ok(Some((before, after))) => debug!("log.{table}: merged {before} small files into {after}"),
        Err(error) => debug!("log.{table} is merged another time: {}", one_line(&error)),
    }
}
