//! How a run publishes a release: claim the number, commit each table, record what was done, write the row that makes it one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add};
use jiff::Timestamp;
use jiff::civil::Date;

use super::{History, Release, Status, TableState, files_of, whole};
use crate::log::{self, Claim, ExpectationRow, RunRow, TableRow};
use crate::run::{Run, TableOutcome};
use crate::schema::TableSchema;
use crate::staging::{self, Staged, Write};
use crate::upkeep::merge;
use crate::verified;

/// The Delta application whose transactions are the numbers of a stage's releases.
pub(super) fn application(stage: &str) -> String {
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
    /// For `log.table`: rows set aside.
    pub quarantined_count: i64,
    /// Rows that broke an expectation of severity warn.
    pub warning_count: i64,
    /// Time spent on it.
    pub duration_ms: i64,
    /// The expectations that some of its rows broke.
    pub broken: Vec<Broken>,
}

impl Pending {
    /// A table of which there is nothing more to say than what is done to it.
    pub fn new(schema: &str, table: &str, base: Option<DeltaTable>, change: Change, fingerprint: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            base,
            change,
            fingerprint: fingerprint.to_owned(),
            quarantined_count: 0,
            warning_count: 0,
            duration_ms: 0,
            broken: Vec::new(),
        }
    }

    /// What the run report says of it.
    pub fn outcome(&self) -> TableOutcome {
        let is_quarantine = self.schema == "quarantine";
        let row_count = match &self.change {
            Change::Keep(_) => 0,
            Change::Restore(state, _) | Change::Rewrite { state, .. } => state.rows,
            Change::Overwrite(_, staged, kept) => staged.row_count + staging::row_count(kept),
            Change::Append(_, staged) => staged.row_count,
        };
        TableOutcome {
            name: if is_quarantine { format!("quarantine.{}", self.table) } else { self.table.clone() },
            action: self.change.action().to_owned(),
            row_count,
            quarantined_count: self.quarantined_count,
            warning_count: self.warning_count,
        }
    }
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
    /// Replaces its rows, but for those in these files of the version before.
    Overwrite(TableSchema, Staged, Vec<Add>),
    /// Adds rows; a release with nothing to add only makes sure that the table is there.
    Append(TableSchema, Staged),
    /// Makes its newest version what it was at an older one, which the state tells of, by these actions.
    Restore(TableState, Vec<Action>),
    /// Puts its rows, or most of them, into other files.
    Rewrite {
        /// What it then is, but for the version.
        state: TableState,
        /// Takes out files and adds new ones.
        actions: Vec<Action>,
        /// merged or folded.
        action: &'static str,
    },
}

impl Change {
    /// What the logs and the run report call it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Keep(_) => "unchanged",
            Self::Overwrite(_, _, kept) if kept.is_empty() => "rebuilt",
            Self::Overwrite(..) => "renewed",
            Self::Append(_, staged) if staged.row_count > 0 => "appended",
            Self::Append(..) => "unchanged",
            Self::Restore(..) => "restored",
            Self::Rewrite { action, .. } => action,
        }
    }
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

impl Terms {
    /// Those of a release whose tables are published again under a new number.
    pub fn again(release: &Release, number: i64, note: String) -> Self {
        let carried = release.tables.iter().filter(|(_, state)| state.is_carried);
        Self {
            number,
            as_of: release.as_of,
            fingerprint: release.fingerprint.clone(),
            inputs: release.inputs.clone(),
            carried: carried.map(|(name, _)| name.clone()).collect(),
            note: Some(note),
        }
    }
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
    publish_as(Status::Published, run, terms, tables, files).await
}

/// As [`publish`], saying how the release came about.
///
/// # Errors
/// As [`publish`].
pub async fn publish_as(status: Status, run: &Run, terms: Terms, tables: Vec<Pending>, files: Files) -> Result<()> {
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
    // What is appended to is the last release, not whatever somebody made of the table since.
    let appends = tables.iter().any(|pending| matches!(pending.change, Change::Append(..)));
    let before = if appends { History::load(&run.lake).await?.newest(run.stage).cloned() } else { None };
    let mut states = BTreeMap::new();
    let mut activity = Vec::new();
    let mut unmet = Vec::new();
    let mut row_count = 0;
    for pending in tables {
        let name = format!("{}.{}", pending.schema, pending.table);
        let released = before.as_ref().and_then(|before| before.tables.get(&name));
        let (action, written, mut state) = commit(run, &pending, released, &metadata).await.map_err(|error| {
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
        ..run.row(status.as_str())
    };
    log::append(&run.lake, "run", &[published], None, HashMap::new()).await
}

async fn commit(
    run: &Run,
    pending: &Pending,
    released: Option<&TableState>,
    metadata: &HashMap<String, serde_json::Value>,
) -> Result<(&'static str, Option<Staged>, TableState)> {
    let (schema, staged, write) = match &pending.change {
        Change::Keep(state) => return Ok((pending.change.action(), None, state.clone())),
        Change::Overwrite(schema, staged, _) => (schema, staged, Write::Overwrite),
        Change::Append(schema, staged) => (schema, staged, Write::Append),
        Change::Restore(state, actions) => {
            let base = pending.base.as_ref().context("there is no table to restore")?;
            let version = staging::commit(base, actions.clone(), Write::Overwrite, None, metadata.clone()).await?;
            let files = whole::files_after(base, actions)?;
            return Ok((pending.change.action(), None, TableState { version, files, ..state.clone() }));
        }
        Change::Rewrite { state, actions, .. } => {
            let base = pending.base.as_ref().context("there is no table to rewrite")?;
            let actions = verified::sealed(&base.log_store(), actions).await?;
            let version = merge::commit(base, actions.clone(), 0, metadata.clone()).await?;
            let files = whole::files_after(base, &actions)?;
            return Ok((pending.change.action(), None, TableState { version, files, ..state.clone() }));
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
    let staged = verified::seal(&base.log_store(), staged).await?;
    let kept: &[Add] = if let Change::Overwrite(.., kept) = &pending.change { kept } else { &[] };
    let (action, version, files) = match write {
        Write::Overwrite => {
            let version = staging::overwrite(base, schema, &staged, kept, metadata.clone()).await?;
            (pending.change.action(), version, files_of(kept.iter().chain(&staged.adds)))
        }
        Write::Append => {
            let name = (pending.schema.as_str(), pending.table.as_str());
            let (actions, files) = whole::appended(&run.lake, name, base, released, schema, &staged).await?;
            let is_append = actions.iter().all(|action| matches!(action, Action::Add(_)));
            let write = if is_append { Write::Append } else { Write::Overwrite };
            match actions.is_empty() {
                true => ("unchanged", base.version().unwrap_or_default(), files),
                false => ("appended", staging::commit(base, actions, write, None, metadata.clone()).await?, files),
            }
        }
    };
    let state = TableState {
        version,
        fingerprint: pending.fingerprint.clone(),
        rows: staged.row_count + staging::row_count(kept),
        is_carried: false,
        files,
        same_as: None,
        same_files: String::new(),
    };
    Ok((action, Some(staged), state))
}

/// Deletes what a run has written and will not publish. Files to append stay: a later run may go on with them.
pub async fn discard_all(run: &Run, tables: &[Pending]) {
    for pending in tables {
        let written: Vec<Add> = match &pending.change {
            Change::Overwrite(_, staged, _) => staged.adds.clone(),
            Change::Rewrite { actions, .. } => actions.iter().filter_map(added).cloned().collect(),
            Change::Keep(_) | Change::Append(..) | Change::Restore(..) => continue,
        };
        if let Ok(store) = run.lake.log_store(&pending.schema, &pending.table) {
            staging::discard(&store, &written).await;
        }
    }
}

fn added(action: &Action) -> Option<&Add> {
    match action {
        Action::Add(add) => Some(add),
        _ => None,
    }
}
