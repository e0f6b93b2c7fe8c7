//! What a run has walked so far, kept in the log of `log.slice` so that a killed run can be gone on with.
//!
//! Every few seconds the walks since the last time are appended to `log.slice`; the same commit carries the data
//! files they landed in, which no table names yet. The next run finds the commits of runs that did not end well,
//! takes over their slices and files, and publishes them as its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use datafusion::object_store::ObjectStoreExt;
use deltalake::Path;
use deltalake::kernel::{Action, Add};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::log::{self, Appender, SliceRow};
use spectra_common::session;
use spectra_common::upkeep::InUse;
use spectra_common::upkeep::merge::MARK;
use tracing::warn;

use crate::pace::Learned;
use crate::pager::Position;
use crate::parents::Parent;
use crate::slice::Begun;

/// Unfinished walks older than this are made anew.
const LONGEST_PAUSE_HOURS: i64 = 24;

const STATE: &str = "spectra.walk";

/// A slice walked to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Walked {
    /// Table it lands in.
    pub resource: String,
    /// Its key.
    pub slice_key: String,
    /// Run that walked it.
    pub run_id: String,
    /// Hash of its content.
    pub content_hash: String,
    /// Records in it.
    pub row_count: i64,
    /// When.
    pub walked_at: Timestamp,
    /// Whether only what changed was asked for.
    #[serde(default)]
    pub is_partial: bool,
    /// Its records, as far as slices below it need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
}

/// A slice that is not whole yet, with what it takes to go on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Half {
    /// Table it lands in.
    pub resource: String,
    /// Its key.
    pub slice_key: String,
    /// What came so far.
    pub begun: Begun,
    /// Where the listing stands.
    pub position: Position,
}

/// What one commit of `log.slice` carries besides its rows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    run_id: String,
    fingerprint: String,
    recorded_at: Timestamp,
    walked: Vec<Walked>,
    staged: BTreeMap<String, Vec<Add>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    halves: Vec<Half>,
    /// What was found out about how often servers may be asked, by host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    learned: BTreeMap<String, Learned>,
    /// Tables whose walks so far are not to be gone on from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<String>,
}

/// Slices and files of runs that did not end well.
#[derive(Default)]
pub struct Unfinished {
    /// Slices, by table and key.
    pub walked: HashMap<(String, String), Walked>,
    /// Files, by table.
    pub staged: BTreeMap<String, Vec<Add>>,
    /// Slices that are not whole yet, by table and key.
    pub halves: HashMap<(String, String), Half>,
    /// What the newest run found out about how often servers may be asked, by host.
    pub learned: BTreeMap<String, Learned>,
}

/// What is kept at a time.
#[derive(Default)]
pub struct Kept {
    /// Rows of `log.slice`.
    pub rows: Vec<SliceRow>,
    /// Slices walked to their end.
    pub walked: Vec<Walked>,
    /// Files they landed in, by table.
    pub staged: BTreeMap<String, Vec<Add>>,
    /// Slices that are not whole yet.
    pub halves: Vec<Half>,
    /// What is known about how often servers may be asked, by host.
    pub learned: BTreeMap<String, Learned>,
    /// Tables that are to be walked again, because what came for them is hard to believe.
    pub doubted: Vec<String>,
}

/// Keeps what was walked since the last time.
///
/// # Errors
/// When `log.slice` cannot be written.
pub async fn keep(journal: &mut Appender, run_id: &str, fingerprint: &str, kept: Kept) -> Result<()> {
    let entry = Entry {
        run_id: run_id.to_owned(),
        fingerprint: fingerprint.to_owned(),
        recorded_at: Timestamp::now(),
        walked: kept.walked,
        staged: kept.staged,
        halves: kept.halves,
        learned: kept.learned,
        doubted: kept.doubted,
    };
    // As text: the log's own format must not depend on what we put into it.
    let metadata = HashMap::from([(STATE.to_owned(), Value::from(serde_json::to_string(&entry)?))]);
    journal.append(&kept.rows, None, metadata).await.context("keeping the walk so far")
}

/// What runs since the last one in `finished` have walked of the same thing.
///
/// # Errors
/// When `log.slice` cannot be read.
pub async fn unfinished(lake: &Lake, fingerprint: &str, finished: &HashSet<String>) -> Result<Unfinished> {
    let mut found = Unfinished::default();
    let Some(table) = lake.open("log", "slice", None).await? else { return Ok(found) };
    let store = table.log_store();
    let oldest = Timestamp::now() - jiff::SignedDuration::from_hours(LONGEST_PAUSE_HOURS);
    let mut entries = Vec::new();
    for version in (1..=table.version().unwrap_or(0)).rev() {
        let Some(bytes) = store.read_commit_entry(version).await? else { break };
        let actions = deltalake::logstore::get_actions(version, &bytes)?;
        let state = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => info.info.get(STATE).and_then(|state| state.as_str()),
            _ => None,
        });
        if state.is_none() && is_upkeep(&actions) {
            continue;
        }
        let Some(entry) = state.and_then(|state| serde_json::from_str::<Entry>(state).ok()) else { break };
        if found.learned.is_empty() {
            found.learned.clone_from(&entry.learned);
        }
        if finished.contains(&entry.run_id) || entry.recorded_at < oldest {
            break;
        }
        if entry.fingerprint == fingerprint {
            entries.push(entry);
        }
    }
    for entry in entries.into_iter().rev() {
        for half in entry.halves {
            found.halves.insert((half.resource.clone(), half.slice_key.clone()), half);
        }
        for walked in entry.walked {
            let slice = (walked.resource.clone(), walked.slice_key.clone());
            found.halves.remove(&slice);
            found.walked.insert(slice, walked);
        }
        for (table, adds) in entry.staged {
            found.staged.entry(table).or_default().extend(adds);
        }
        found.walked.retain(|(table, _), _| !entry.doubted.contains(table));
    }
    if !are_there(lake, &found.staged).await? {
        warn!("files of an unfinished run are gone: walking everything again");
        return Ok(Unfinished { learned: found.learned, ..Unfinished::default() });
    }
    // What was begun may have been given up since: then the slice is simply asked for from its beginning.
    let mut halves = HashMap::new();
    for (slice, half) in std::mem::take(&mut found.halves) {
        let files = BTreeMap::from([(half.resource.clone(), half.begun.adds.clone())]);
        if are_there(lake, &files).await? {
            halves.insert(slice, half);
        }
    }
    found.halves = halves;
    Ok(found)
}

/// Whether a commit only merged files: it says nothing of any walk.
fn is_upkeep(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::CommitInfo(info) if info.info.contains_key(MARK)))
}

/// Files that no table names yet and that a walk, under way or killed, may still publish, by table.
///
/// A walk is made of what was kept within a day before it began, so the journal is read back to that point of the oldest
/// walk that may be under way: one that kept something within a day and has not ended.
///
/// # Errors
/// When `log.slice` or `log.run` cannot be read.
pub async fn in_use(lake: Lake) -> Result<InUse> {
    let mut in_use = InUse::new();
    let Some(table) = lake.open("log", "slice", None).await? else { return Ok(in_use) };
    let open = open_runs(&lake).await?;
    let store = table.log_store();
    let pause = jiff::SignedDuration::from_hours(LONGEST_PAUSE_HOURS);
    let mut oldest = Timestamp::now() - pause;
    for version in (1..=table.version().unwrap_or(0)).rev() {
        let Some(bytes) = store.read_commit_entry(version).await? else { break };
        let actions = deltalake::logstore::get_actions(version, &bytes)?;
        let state = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => info.info.get(STATE).and_then(|state| state.as_str()),
            _ => None,
        });
        let Some(entry) = state.and_then(|state| serde_json::from_str::<Entry>(state).ok()) else { continue };
        if entry.recorded_at < oldest {
            break;
        }
        if let Some(begun) = open.get(&entry.run_id) {
            oldest = oldest.min(*begun - pause);
        }
        let halves = entry.halves.iter().map(|half| (&half.resource, &half.begun.adds));
        for (table, adds) in entry.staged.iter().chain(halves) {
            let paths = adds.iter().filter_map(|add| Path::from_url_path(&add.path).ok());
            in_use.entry(table.clone()).or_default().extend(paths);
        }
    }
    Ok(in_use)
}

/// Runs of source that have not ended as far as the log knows, with when they began.
async fn open_runs(lake: &Lake) -> Result<HashMap<String, Timestamp>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Open {
        run_id: String,
        begun: Timestamp,
    }
    let Some(table) = lake.open("log", "run", None).await? else { return Ok(HashMap::new()) };
    let context = session::new(256 << 20, 1)?;
    session::register_delta(&context, "log", "run", &table).await?;
    let sql = "select \"runId\", min(\"startedAt\") as begun from log.run where stage = 'source' group by \"runId\"
        having bool_and(status in ('started', 'publishing'))";
    let open: Vec<Open> = log::rows(&context.sql(sql).await?.collect().await.context("reading log.run")?)?;
    Ok(open.into_iter().map(|run| (run.run_id, run.begun)).collect())
}

async fn are_there(lake: &Lake, staged: &BTreeMap<String, Vec<Add>>) -> Result<bool> {
    for (table, adds) in staged {
        let objects = lake.log_store("source", table)?.object_store(None);
        for add in adds {
            match objects.head(&Path::from_url_path(&add.path)?).await {
                Ok(meta) if i64::try_from(meta.size) == Ok(add.size) => {}
                Ok(_) | Err(deltalake::ObjectStoreError::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(error).with_context(|| format!("looking for {} of source.{table}", add.path)),
            }
        }
    }
    Ok(true)
}
