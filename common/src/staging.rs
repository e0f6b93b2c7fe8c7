//! Data files that are written but not committed: nobody sees them until [`commit`] names them in a table's log.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

use anyhow::{Context, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::object_store::ObjectStoreExt;
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::schema::cast::cast_record_batch;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, MetadataExt, StructType, Transaction};
use deltalake::logstore::LogStoreRef;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, Path};
use futures::StreamExt;
use url::Url;

use crate::schema::TableSchema;

mod readable;

pub use readable::provider;

/// A data file is closed when it reaches about this size.
const TARGET_FILE_BYTES: NonZeroU64 = NonZeroU64::new(128 << 20).unwrap();

/// Rows of a Parquet row group for wide text (payloads) and for typed columns: an open group is held in memory,
/// and nothing else bounds what a writer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowGroup {
    /// Rows of about a kilobyte.
    Wide = 4 * 1024,
    /// Rows of typed columns.
    Typed = 128 * 1024,
}

/// Files of one table, written and not committed.
#[derive(Clone, Debug)]
pub struct Staged {
    /// One action per file, with statistics.
    pub adds: Vec<Add>,
    /// Rows in all files.
    pub row_count: i64,
}

impl Staged {
    /// From the writer's own account.
    pub fn of(adds: Vec<Add>) -> Self {
        let row_count = row_count(&adds);
        Self { adds, row_count }
    }

    /// Bytes in all files.
    pub fn byte_count(&self) -> i64 {
        self.adds.iter().map(|add| add.size).sum()
    }
}

/// Rows in some files, by the account of who wrote them.
pub fn row_count(adds: &[Add]) -> i64 {
    adds.iter().map(record_count).sum()
}

/// The data files of a table at the version it was opened at.
///
/// # Errors
/// When the table was opened without its files.
#[allow(deprecated, reason = "nothing else tells of a file all that must be known to read it and to name it again")]
pub fn adds_of(delta: &DeltaTable) -> Result<Vec<Add>> {
    Ok(delta.snapshot()?.snapshot().log_data().iter().map(|file| file.add_action()).collect())
}

/// The files that are among these and not among those: what two versions of a table share is the same rows.
pub fn beyond(these: &[Add], those: &[Add]) -> Vec<Add> {
    let there: HashSet<&str> = those.iter().map(|add| add.path.as_str()).collect();
    these.iter().filter(|add| !there.contains(add.path.as_str())).cloned().collect()
}

fn record_count(add: &Add) -> i64 {
    let statistics = add.stats.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    statistics.and_then(|statistics| statistics.get("numRecords")?.as_i64()).unwrap_or(0)
}

/// A writer of uncommitted files of one table.
pub struct Writer {
    inner: DeltaWriter,
    schema: SchemaRef,
    place: Url,
}

impl Writer {
    /// A writer into the folder of `store`'s table. Writes nothing before the first batch.
    pub fn new(store: &LogStoreRef, schema: &TableSchema, row_group: RowGroup) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(row_group as usize))
            .set_created_by(concat!("spectra ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let (indexed_count, indexed_columns) =
            deltalake::operations::get_num_idx_cols_and_stats_columns(None, HashMap::new());
        let config = WriterConfig::new(
            schema.arrow.clone(),
            Vec::new(),
            Some(properties),
            Some(TARGET_FILE_BYTES),
            Some(1024),
            indexed_count,
            indexed_columns,
        );
        Self {
            inner: DeltaWriter::new(store.object_store(None), config),
            schema: schema.arrow.clone(),
            place: store.root_url().clone(),
        }
    }

    /// Writes a batch, cast to the table's columns.
    ///
    /// # Errors
    /// When a value does not fit its column (nothing is turned into NULL in silence) or the file cannot be written.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = cast_record_batch(batch, self.schema.clone(), false, false)?;
        if batch.num_rows() > 0 {
            self.inner.write(&batch).await.with_context(|| writing(&self.place))?;
        }
        Ok(())
    }

    /// Writes every batch of a query.
    ///
    /// # Errors
    /// As [`Self::write`], and what the query fails with.
    pub async fn write_all(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = rows.next().await {
            self.write(&batch?).await?;
        }
        Ok(())
    }

    /// Closes the files and tells what they hold.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub async fn close(self) -> Result<Vec<Add>> {
        self.inner.close().await.with_context(|| writing(&self.place))
    }

    /// Gives up what was written.
    pub async fn abort(self) {
        if let Err(error) = self.inner.abort().await {
            tracing::debug!("leaving an unfinished upload behind: {error}");
        }
    }
}

fn writing(place: &Url) -> String {
    format!(
        "writing to {}",
        place.to_file_path().map_or_else(|()| place.to_string(), |path| path.display().to_string())
    )
}

/// Writes batches as uncommitted files.
///
/// # Errors
/// When they cannot be written.
pub async fn stage_batches(store: &LogStoreRef, schema: &TableSchema, batches: Vec<RecordBatch>) -> Result<Staged> {
    let mut writer = Writer::new(store, schema, RowGroup::Typed);
    for batch in &batches {
        writer.write(batch).await?;
    }
    Ok(Staged::of(writer.close().await?))
}

/// Deletes uncommitted files. What cannot be deleted stays behind unseen and is named in the debug log.
pub async fn discard(store: &LogStoreRef, adds: &[Add]) {
    let objects = store.object_store(None);
    for add in adds {
        let path = Path::from_url_path(&add.path).unwrap_or_else(|_| Path::from(add.path.as_str()));
        if let Err(error) = objects.delete(&path).await {
            tracing::debug!("leaving uncommitted file {path} behind: {error}");
        }
    }
}

/// What a commit does with the rows already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Keeps them.
    Append,
    /// Replaces them.
    Overwrite,
}

/// Commits to a table only if it is still at the version `delta` was opened at.
/// Returns the new version.
///
/// # Errors
/// A conflict (see [`crate::log::is_conflict`]) when somebody committed in between; otherwise what the store says.
pub async fn commit(
    delta: &DeltaTable,
    actions: Vec<Action>,
    write: Write,
    transaction: Option<Transaction>,
    metadata: HashMap<String, serde_json::Value>,
) -> Result<u64> {
    let snapshot = delta.snapshot()?.snapshot();
    let mode = match write {
        Write::Append => SaveMode::Append,
        Write::Overwrite => SaveMode::Overwrite,
    };
    // No retries: a retry would check only what the newer commit touched, and two overwrites of an empty table
    // would both pass.
    let mut properties =
        CommitProperties::default().with_max_retries(0).with_cleanup_expired_logs(Some(false)).with_metadata(metadata);
    if let Some(transaction) = transaction {
        properties = properties.with_application_transaction(transaction);
    }
    let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
    let done = CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(snapshot), delta.log_store(), operation)
        .await?;
    Ok(done.version())
}

/// The actions that leave a table with these columns and exactly these files.
///
/// # Errors
/// When the table was opened without its files.
pub fn replacement(delta: &DeltaTable, columns: &StructType, wanted: &[Add]) -> Result<Vec<Action>> {
    let snapshot = delta.snapshot()?.snapshot();
    let mut actions = Vec::new();
    if snapshot.schema().as_ref() != columns {
        let changed = snapshot.metadata().clone().with_schema(columns).context("recording the new columns")?;
        actions.push(Action::Metadata(changed));
    }
    let wanted_paths: HashSet<&str> = wanted.iter().map(|add| add.path.as_str()).collect();
    let files = snapshot.log_data();
    let removals = files.iter().map(|file| file.remove_action(true));
    actions.extend(removals.filter(|removal| !wanted_paths.contains(removal.path.as_str())).map(Action::Remove));
    actions.extend(beyond(wanted, &adds_of(delta)?).into_iter().map(Action::Add));
    Ok(actions)
}

/// Replaces a table's rows, but for those in the files kept, and its columns where they changed.
///
/// # Errors
/// As [`commit`].
pub async fn overwrite(
    delta: &DeltaTable,
    schema: &TableSchema,
    staged: &Staged,
    kept: &[Add],
    metadata: HashMap<String, serde_json::Value>,
) -> Result<u64> {
    let wanted: Vec<Add> = kept.iter().chain(&staged.adds).cloned().collect();
    let actions = replacement(delta, &schema.delta, &wanted)?;
    commit(delta, actions, Write::Overwrite, None, metadata).await
}
