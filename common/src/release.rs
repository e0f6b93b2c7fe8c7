//! Releases: which versions of which tables belong together, and how a run publishes a new one.
//!
//! Delta commits one table at a time; a stage writes many. The row in `log.run` with status `published` is the
//! release. The order is: claim the number, commit each table, record what was done, write that row. A run that is
//! killed in between leaves table versions that no release names.

mod command;
mod compare;
mod diff;
mod list;
mod presence;
mod revert;
mod show;

pub use command::ReleaseCommand;
pub use presence::{Presence, Presences, look};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context, Result};
use deltalake::DeltaTable;
use deltalake::kernel::Action;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::log::{self, Claim, ExpectationRow, RunRow, TableRow};
use crate::run::Run;
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, Staged, Write};

/// The stages in order.
pub const STAGES: [&str; 6] = ["source", "prepare", "clean", "transform", "refine", "analyse"];

/// One published release.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its number within the stage, rising.
    pub number: i64,
    /// The stage it is a release of.
    pub stage: String,
    /// The run that published it.
    pub run_id: String,
    /// The day its figures are for.
    pub as_of: Option<Date>,
    /// Hash of everything it is a function of.
    pub fingerprint: String,
    /// The releases it is built from, by stage, back to source.
    pub inputs: BTreeMap<String, i64>,
    /// Its tables, by `schema.table`.
    pub tables: BTreeMap<String, TableState>,
    /// When it was published.
    pub published_at: Timestamp,
    /// Rows its run wrote.
    pub row_count: i64,
    /// What is particular about it, such as the release it is a copy of.
    pub note: Option<String>,
}

/// A table within a release.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TableState {
    /// Delta version.
    pub version: u64,
    /// Hash of the model and its inputs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Rows in it.
    #[serde(default)]
    pub rows: i64,
    /// Whether every later stage may read it, not only the next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_carried: bool,
}

/// All releases of a lake, and when source last looked.
pub struct History {
    releases: Vec<Release>,
    /// Newest end of a source run, by the release that was current then.
    walks: BTreeMap<i64, Timestamp>,
    finished: HashSet<String>,
    log: Option<DeltaTable>,
}

impl History {
    /// Reads `log.run`.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it cannot be read.
    pub async fn load(lake: &Lake) -> Result<Self> {
        let Some(log) = lake.open("log", "run", None).await? else {
            return Ok(Self { releases: Vec::new(), walks: BTreeMap::new(), finished: HashSet::new(), log: None });
        };
        let context = session::new(256 << 20, 1)?;
        session::register_delta(&context, "log", "run", &log).await?;
        let sql = "select * from log.run where status in ('published', 'unchanged') and (status = 'published' or stage = 'source')";
        let rows: Vec<RunRow> = log::rows(&context.sql(sql).await?.collect().await.context("reading log.run")?)?;
        let mut history =
            Self { releases: Vec::new(), walks: BTreeMap::new(), finished: HashSet::new(), log: Some(log) };
        for row in rows {
            history.take(row)?;
        }
        history.releases.sort_by_key(|release| release.number);
        Ok(history)
    }

    fn take(&mut self, row: RunRow) -> Result<()> {
        let Some(number) = row.release else { return Ok(()) };
        if row.stage == "source" {
            self.finished.insert(row.run_id.clone());
            let ended: Timestamp = row.recorded_at.parse().context("reading log.run: recordedAt")?;
            let newest = self.walks.entry(number).or_insert(ended);
            *newest = ended.max(*newest);
        }
        if row.status != "published" {
            return Ok(());
        }
        let name = || format!("reading release {number} of {} in log.run", row.stage);
        self.releases.push(Release {
            number,
            run_id: row.run_id.clone(),
            as_of: row.as_of.as_deref().map(str::parse).transpose().with_context(name)?,
            fingerprint: row.fingerprint.clone().unwrap_or_default(),
            inputs: serde_json::from_str(row.inputs.as_deref().unwrap_or("{}")).with_context(name)?,
            tables: serde_json::from_str(row.tables.as_deref().unwrap_or("{}")).with_context(name)?,
            stage: row.stage.clone(),
            published_at: row.recorded_at.parse().with_context(name)?,
            row_count: row.row_count.unwrap_or_default(),
            note: row.message.clone(),
        });
        Ok(())
    }

    /// All releases of a stage, the newest first.
    pub fn of(&self, stage: &str) -> impl Iterator<Item = &Release> {
        self.releases.iter().rev().filter(move |release| release.stage == stage)
    }

    /// The newest release of a stage.
    pub fn newest(&self, stage: &str) -> Option<&Release> {
        self.of(stage).next()
    }

    /// A release by number.
    pub fn find(&self, stage: &str, number: i64) -> Option<&Release> {
        self.releases.iter().find(|release| release.stage == stage && release.number == number)
    }

    /// The release to build on: `wanted`, else the newest.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is none, or not that one.
    pub fn pin(&self, stage: &str, wanted: Option<i64>) -> Result<&Release> {
        match wanted {
            None => self.newest(stage).ok_or_else(|| {
                failure(
                    Exit::InputMissing,
                    format!("there is no release of {stage} to build on"),
                    format!("run spectra-{stage} first"),
                )
            }),
            Some(number) => self.find(stage, number).ok_or_else(|| {
                let known: Vec<String> = self
                    .releases
                    .iter()
                    .filter(|release| release.stage == stage)
                    .map(|release| release.number.to_string())
                    .collect();
                failure(
                    Exit::InputMissing,
                    format!("there is no release {number} of {stage}"),
                    if known.is_empty() {
                        format!("run spectra-{stage} first")
                    } else {
                        format!("releases of {stage}: {}", known.join(", "))
                    },
                )
            }),
        }
    }

    /// When source last ended a walk whose result was this release of source.
    pub fn walked_at(&self, source_release: i64) -> Option<Timestamp> {
        self.walks.get(&source_release).copied()
    }

    /// Runs of source that ended well: what they walked is in a release, or was in it already.
    pub fn finished_walks(&self) -> &HashSet<String> {
        &self.finished
    }

    /// The number the next release of a stage claims: one above every number published or claimed.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the log cannot be read.
    pub async fn next_number(&self, stage: &str) -> Result<i64> {
        let claimed = match &self.log {
            Some(log) => log::claimed_release(log, &application(stage)).await?.unwrap_or(0),
            None => 0,
        };
        Ok(claimed.max(self.newest(stage).map_or(0, |release| release.number)) + 1)
    }
}

fn application(stage: &str) -> String {
    format!("spectra/{stage}")
}

/// A table of the release to be.
pub struct Pending {
    /// Schema of the lake.
    pub schema: String,
    /// Table in it.
    pub table: String,
    /// The table as it was when the run began; `None` when there was none.
    pub base: Option<DeltaTable>,
    /// What the run does to it.
    pub change: Change,
    /// Hash of the model and its inputs.
    pub fingerprint: String,
    /// For `log.table`: rows set aside and rows warned about.
    pub quarantined_count: i64,
    /// Rows that broke an expectation of severity warn.
    pub warning_count: i64,
    /// Time spent on it.
    pub duration_ms: i64,
    /// The expectations that some of its rows broke.
    pub broken: Vec<Broken>,
}

/// An expectation that rows broke without making the stage fail.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The rule.
    pub expectation: String,
    /// warn or quarantine.
    pub otherwise: &'static str,
    /// Rows that broke it.
    pub count: i64,
    /// Keys of some of them.
    pub examples: String,
}

/// What a run does to a table.
pub enum Change {
    /// Nothing: the release names the version of the one before.
    Keep(TableState),
    /// Replaces its rows.
    Overwrite(TableSchema, Staged),
    /// Adds rows; a release with nothing to add only makes sure that the table is there.
    Append(TableSchema, Staged),
    /// Makes its newest version what it was at an older one, which the state tells of, by these actions.
    Restore(TableState, Vec<Action>),
}

/// What is true of a release as a whole.
pub struct Terms {
    /// The number to claim.
    pub number: i64,
    /// The day its figures are for.
    pub as_of: Option<Date>,
    /// Hash of everything it is a function of.
    pub fingerprint: String,
    /// The releases it is built from.
    pub inputs: BTreeMap<String, i64>,
    /// Its tables, by `schema.table`, that every later stage may read.
    pub carried: BTreeSet<String>,
    /// What is particular about it.
    pub note: Option<String>,
}

/// Files for people that belong to a release: paths under `<lake>/Files/` and their content.
pub type Files = Vec<(String, Vec<u8>)>;

/// Publishes a release. Its files are put after its tables and before the row that makes it one, so that a run killed
/// in between is done again.
///
/// # Errors
/// [`Exit::Lost`] when another run of the stage claimed the number first or changed a table in between; in the first
/// case nothing of this run is visible and its files are deleted.
pub async fn publish(run: &Run, terms: Terms, tables: Vec<Pending>, files: Files) -> Result<()> {
    let claim = Claim { application: application(run.stage), release: terms.number };
    let claiming = RunRow { release: Some(terms.number), ..run.row("publishing") };
    if let Err(error) = log::append(&run.lake, "run", &[claiming], Some(&claim), HashMap::new()).await {
        discard_all(run, &tables).await;
        return Err(error);
    }
    let metadata = HashMap::from([
        ("spectra.runId".to_owned(), serde_json::Value::from(run.id.clone())),
        ("spectra.release".to_owned(), serde_json::Value::from(terms.number)),
    ]);
    let mut states = BTreeMap::new();
    let mut activity = Vec::new();
    let mut unmet = Vec::new();
    let mut row_count = 0;
    for pending in tables {
        let name = format!("{}.{}", pending.schema, pending.table);
        let (action, written, mut state) = commit(run, &pending, &metadata).await.map_err(|error| {
            if log::is_conflict(&error) {
                log::lost(&claim.application).context(format!("committing {name}"))
            } else {
                error.context(format!("committing {name}"))
            }
        })?;
        row_count += written.as_ref().map_or(0, |staged| staged.row_count);
        activity.push(TableRow {
            run_id: run.id.clone(),
            stage: run.stage.to_owned(),
            table_name: if pending.schema == run.stage { pending.table.clone() } else { name.clone() },
            action: action.to_owned(),
            row_count: written.as_ref().map(|staged| staged.row_count),
            quarantined_count: Some(pending.quarantined_count),
            warning_count: Some(pending.warning_count),
            byte_count: written.as_ref().map(Staged::byte_count),
            file_count: written.as_ref().map(|staged| staged.adds.len() as i64),
            delta_version: Some(state.version as i64),
            duration_ms: Some(pending.duration_ms),
            recorded_at: Timestamp::now().to_string(),
        });
        unmet.extend(pending.broken.into_iter().map(|broken| ExpectationRow {
            run_id: run.id.clone(),
            stage: run.stage.to_owned(),
            table_name: pending.table.clone(),
            expectation: broken.expectation,
            otherwise: broken.otherwise.to_owned(),
            broken_count: broken.count,
            examples: broken.examples,
            recorded_at: Timestamp::now().to_string(),
        }));
        state.is_carried = terms.carried.contains(&name);
        states.insert(name, state);
    }
    log::append(&run.lake, "table", &activity, None, HashMap::new()).await?;
    if !unmet.is_empty() {
        log::append(&run.lake, "expectation", &unmet, None, HashMap::new()).await?;
    }
    for (path, content) in files {
        run.lake.put_file(&path, content).await?;
    }
    let published = RunRow {
        release: Some(terms.number),
        as_of: terms.as_of.map(|date| date.to_string()),
        fingerprint: Some(terms.fingerprint),
        inputs: Some(serde_json::to_string(&terms.inputs)?),
        tables: Some(serde_json::to_string(&states)?),
        exit_code: Some(0),
        row_count: Some(row_count),
        message: terms.note,
        ..run.row("published")
    };
    log::append(&run.lake, "run", &[published], None, HashMap::new()).await
}

async fn commit(
    run: &Run,
    pending: &Pending,
    metadata: &HashMap<String, serde_json::Value>,
) -> Result<(&'static str, Option<Staged>, TableState)> {
    let (schema, staged, write) = match &pending.change {
        Change::Keep(state) => return Ok(("unchanged", None, state.clone())),
        Change::Overwrite(schema, staged) => (schema, staged, Write::Overwrite),
        Change::Append(schema, staged) => (schema, staged, Write::Append),
        Change::Restore(state, actions) => {
            let base = pending.base.as_ref().context("there is no table to restore")?;
            let version = staging::commit(base, actions.clone(), Write::Overwrite, None, metadata.clone()).await?;
            return Ok(("restored", None, TableState { version, ..state.clone() }));
        }
    };
    let created;
    let base = match &pending.base {
        Some(base) => base,
        None => {
            created = run.lake.open_or_create(&pending.schema, &pending.table, &schema.delta).await?;
            &created
        }
    };
    let version = match write {
        Write::Overwrite => staging::overwrite(base, schema, staged, metadata.clone()).await?,
        Write::Append if staged.adds.is_empty() => base.version().unwrap_or_default(),
        Write::Append => {
            let actions = staged.adds.iter().cloned().map(Action::Add).collect();
            staging::commit(base, actions, Write::Append, None, metadata.clone()).await?
        }
    };
    let action = match write {
        Write::Overwrite => "rebuilt",
        Write::Append if staged.adds.is_empty() => "unchanged",
        Write::Append => "appended",
    };
    let state =
        TableState { version, fingerprint: pending.fingerprint.clone(), rows: staged.row_count, is_carried: false };
    Ok((action, Some(staged.clone()), state))
}

/// Deletes what a run has written and will not publish. Files to append stay: a later run may go on with them.
pub async fn discard_all(run: &Run, tables: &[Pending]) {
    for pending in tables {
        if let Change::Overwrite(_, staged) = &pending.change
            && let Ok(store) = run.lake.log_store(&pending.schema, &pending.table)
        {
            staging::discard(&store, &staged.adds).await;
        }
    }
}
