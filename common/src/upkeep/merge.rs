//! Merging small files: the same rows in fewer files, read faster and listed faster.
//!
//! Rows are copied file after file through the writer every other row goes through, so that row groups stay as large as
//! a reader's memory allows and neighbours stay neighbours: what one run landed lies together and can be skipped by its
//! statistics. A ready-made bin-packing would choose the files itself, also those no release names yet.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use datafusion::prelude::ParquetReadOptions;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, LogicalFileView};
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, Path};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{JOURNAL_DAYS, sweep};
use crate::lake::Lake;
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, RowGroup, Staged, Writer};

/// Files below this size are worth merging.
const SMALL_BYTES: i64 = 16 << 20;

/// A table with more small files than this is due.
const MOST_SMALL_FILES: usize = 50;

/// The mark of a commit that only upkeep made, in its commit information.
pub const MARK: &str = "spectra.upkeep";

/// What copying rows may use of memory: one open row group and one batch.
const MEMORY_BYTES: u64 = 256 << 20;

/// The small files of a table, the oldest first; none where there are too few to be worth the work.
///
/// # Errors
/// When the table was opened without its files: our own mistake.
pub fn due(delta: &DeltaTable) -> Result<Vec<LogicalFileView>> {
    let files = delta.snapshot()?.snapshot().try_log_data()?;
    if files.num_files() <= MOST_SMALL_FILES {
        return Ok(Vec::new());
    }
    let mut small: Vec<LogicalFileView> = files.iter().filter(|file| file.size() < SMALL_BYTES).collect();
    if small.len() <= MOST_SMALL_FILES {
        return Ok(Vec::new());
    }
    small.sort_by_cached_key(|file| (file.modification_time(), file.path().into_owned()));
    Ok(small)
}

/// The rows of some files of a table, copied into new ones that no table names yet.
///
/// # Errors
/// When a file cannot be read, which is named, or a new one not be written.
pub async fn copy(lake: &Lake, delta: &DeltaTable, files: &[LogicalFileView], row_group: RowGroup) -> Result<Staged> {
    let context = session::new(MEMORY_BYTES, 1)?;
    session::register_store(&context, lake)?;
    let columns = TableSchema::of(delta.snapshot()?.snapshot().arrow_schema().as_ref())?;
    let store = delta.log_store();
    let mut writer = Writer::new(&store, &columns, row_group);
    for file in files {
        let url = delta.table_url().join(&file.path())?;
        let reading = || format!("reading {}", lake.display(&url));
        let options = ParquetReadOptions::default().schema(columns.arrow.as_ref());
        let copied = async {
            writer.write_all(context.read_parquet(url.as_str(), options).await?.execute_stream().await?).await
        };
        if let Err(error) = copied.await {
            writer.abort().await;
            return Err(error.context(reading()));
        }
    }
    let mut staged = Staged::of(writer.close().await?);
    let wanted: Option<usize> = files.iter().map(LogicalFileView::num_records).sum();
    if wanted.is_some_and(|wanted| i64::try_from(wanted) != Ok(staged.row_count)) {
        staging::discard(&store, &staged.adds).await;
        anyhow::bail!("copied {} rows of {} where the log counts {wanted:?}", staged.row_count, delta.table_url());
    }
    for add in &mut staged.adds {
        add.data_change = false;
    }
    Ok(staged)
}

/// The actions that put the copied files in the place of those they were copied from.
pub fn exchange(files: &[LogicalFileView], staged: &Staged) -> Vec<Action> {
    let removed = files.iter().map(|file| Action::Remove(file.remove_action(false)));
    removed.chain(staged.adds.iter().cloned().map(Action::Add)).collect()
}

/// Commits an exchange of files. With `retries` it goes through although others append meanwhile.
///
/// # Errors
/// A conflict (see [`crate::log::is_conflict`]) when somebody changed the same files; otherwise what the store says.
pub async fn commit(
    delta: &DeltaTable,
    actions: Vec<Action>,
    retries: usize,
    mut metadata: HashMap<String, Value>,
) -> Result<u64> {
    metadata.insert(MARK.to_owned(), Value::from(true));
    let properties = CommitProperties::default()
        .with_max_retries(retries)
        .with_cleanup_expired_logs(Some(false))
        .with_metadata(metadata);
    let has_same_rows = !actions.iter().any(|action| matches!(action, Action::Remove(removed) if removed.data_change));
    let operation = match has_same_rows {
        true => DeltaOperation::Optimize { predicate: None, target_size: SMALL_BYTES },
        false => DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None },
    };
    let done = CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(delta.snapshot()?.snapshot()), delta.log_store(), operation)
        .await?;
    Ok(done.version())
}

/// Merges the small files of a log table where they are too many, writes a checkpoint, and deletes what its log says of the
/// time before, once it is old enough: reading a log begins with listing it. Nothing names versions of log
/// tables, so it may be done at any time, beside any number of runs that append.
///
/// Returns how many files became how many.
///
/// # Errors
/// A conflict when another run did the same meanwhile; otherwise what the store says. Nothing has changed then.
pub async fn log_table(lake: &Lake, delta: &DeltaTable) -> Result<Option<(usize, usize)>> {
    let files = due(delta)?;
    if files.is_empty() {
        return Ok(None);
    }
    let staged = copy(lake, delta, &files, RowGroup::Typed).await?;
    let actions = exchange(&files, &staged);
    if let Err(error) = commit(delta, actions, 15, HashMap::new()).await {
        staging::discard(&delta.log_store(), &staged.adds).await;
        return Err(error);
    }
    let mut newest = delta.clone();
    newest.update_state().await?;
    checkpoint(&newest).await?;
    let age = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(JOURNAL_DAYS));
    sweep::log_only(&newest, age).await?;
    Ok(Some((files.len(), staged.adds.len())))
}

/// Writes a checkpoint of the version a table was opened at.
///
/// # Errors
/// When it cannot be written.
pub async fn checkpoint(delta: &DeltaTable) -> Result<()> {
    create_checkpoint(delta, None).await.with_context(|| format!("writing a checkpoint of {}", delta.table_url()))
}

/// Where the files are that a version of a table consists of.
///
/// # Errors
/// When the table was opened without its files: our own mistake.
pub fn paths(delta: &DeltaTable) -> Result<BTreeSet<Path>> {
    Ok(delta.snapshot()?.snapshot().try_log_data()?.iter().map(|file| file.object_store_path()).collect())
}
