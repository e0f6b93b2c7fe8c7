//! The tables every stage writes about itself: `log.run` (runs and releases), `log.table` (what a run did to each
//! table), `log.expectation` (what rows did not meet) and `log.slice` (every walk of a slice).
//!
//! They are append-only, so any number of runs may write them at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{Action, Transaction};
use deltalake::{DeltaTable, DeltaTableError};
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::schema::TableSchema;
use crate::staging::{self, Staged};
use crate::upkeep::{self, merge};
use crate::verified;

/// The tables, without their schema.
pub const TABLES: [&str; 4] = ["run", "table", "expectation", "slice"];

/// A row of `log.run`: a run started, ended, or published a release.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// The run.
    pub run_id: String,
    /// Its stage.
    pub stage: String,
    /// started, publishing, published, unchanged, failed, stopped or lost; of upkeep also upkeep and gone.
    pub status: String,
    /// The release: claimed by `publishing`, real with `published`, current with `unchanged`.
    pub release: Option<i64>,
    /// When the run started, UTC.
    pub started_at: String,
    /// When this row was written, UTC.
    pub recorded_at: String,
    /// The day the figures are for.
    pub as_of: Option<String>,
    /// The tenant's time zone.
    pub time_zone: Option<String>,
    /// Hash of code, models, settings and input versions.
    pub fingerprint: Option<String>,
    /// The releases this one was built from, as JSON: stage to number.
    pub inputs: Option<String>,
    /// What the release consists of, as JSON: table to version and fingerprint.
    pub tables: Option<String>,
    /// How the process ended.
    pub exit_code: Option<i32>,
    /// Why, when it did not end well; for a release, what is particular about it.
    pub message: Option<String>,
    /// Rows the run wrote.
    pub row_count: Option<i64>,
    /// From start to this row.
    pub duration_ms: Option<i64>,
    /// Version of the software.
    pub version: String,
}

/// A row of `log.table`: what a run did to one table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableRow {
    /// The run.
    pub run_id: String,
    /// Its stage.
    pub stage: String,
    /// The table, without its schema.
    pub table_name: String,
    /// rebuilt, appended, restored, merged, folded or unchanged.
    pub action: String,
    /// Rows written; for an unchanged table none.
    pub row_count: Option<i64>,
    /// Rows set aside.
    pub quarantined_count: Option<i64>,
    /// Rows that broke an expectation of severity warn.
    pub warning_count: Option<i64>,
    /// Bytes of data files written.
    pub byte_count: Option<i64>,
    /// Data files written.
    pub file_count: Option<i64>,
    /// The table's version in the release.
    pub delta_version: Option<i64>,
    /// Time spent on it.
    pub duration_ms: Option<i64>,
    /// When this row was written, UTC.
    pub recorded_at: String,
}

/// A row of `log.expectation`: an expectation that rows of a table broke when a run built it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectationRow {
    /// The run.
    pub run_id: String,
    /// Its stage.
    pub stage: String,
    /// The table, without its schema.
    pub table_name: String,
    /// The rule, as the model says it.
    pub expectation: String,
    /// warn, quarantine, or accept for rows that a line of acceptances lets through.
    pub otherwise: String,
    /// Rows that broke it.
    pub broken_count: i64,
    /// Keys of some of them.
    pub examples: String,
    /// When this row was written, UTC.
    pub recorded_at: String,
}

/// A row of `log.slice`: one walk of one slice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceRow {
    /// The run that walked.
    pub run_id: String,
    /// The table the slice lands in.
    pub resource: String,
    /// The parents' ids.
    pub slice_key: String,
    /// complete, partial, unchanged, skipped, resumed, forbidden, failed or gone.
    pub outcome: String,
    /// Requests made, tries included.
    pub request_count: i64,
    /// Pages received.
    pub page_count: i64,
    /// Records received.
    pub row_count: i64,
    /// Bytes of bodies received.
    pub byte_count: i64,
    /// Hash of the slice's records in no particular order.
    pub content_hash: Option<String>,
    /// Total the API itself declared.
    pub declared_total: Option<i64>,
    /// Time from first request to last byte.
    pub duration_ms: i64,
    /// Last HTTP status.
    pub http_status: Option<i32>,
    /// Why it failed, or why it was not walked.
    pub message: Option<String>,
    /// What the parent's record said of the slice's version, where the spec looks at it.
    pub parent_version: Option<String>,
    /// When, UTC.
    pub walked_at: String,
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn whole(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn small(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn instant(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}

/// The columns of a log table.
///
/// # Errors
/// For a name that is no log table: our own mistake.
pub fn columns(table: &str) -> Result<TableSchema> {
    let fields = match table {
        "run" => vec![
            text("runId"),
            text("stage"),
            text("status"),
            whole("release"),
            instant("startedAt"),
            instant("recordedAt"),
            Field::new("asOf", DataType::Date32, true),
            text("timeZone"),
            text("fingerprint"),
            text("inputs"),
            text("tables"),
            small("exitCode"),
            text("message"),
            whole("rowCount"),
            whole("durationMs"),
            text("version"),
        ],
        "table" => vec![
            text("runId"),
            text("stage"),
            text("tableName"),
            text("action"),
            whole("rowCount"),
            whole("quarantinedCount"),
            whole("warningCount"),
            whole("byteCount"),
            whole("fileCount"),
            whole("deltaVersion"),
            whole("durationMs"),
            instant("recordedAt"),
        ],
        "expectation" => vec![
            text("runId"),
            text("stage"),
            text("tableName"),
            text("expectation"),
            text("otherwise"),
            whole("brokenCount"),
            text("examples"),
            instant("recordedAt"),
        ],
        "slice" => vec![
            text("runId"),
            text("resource"),
            text("sliceKey"),
            text("outcome"),
            whole("requestCount"),
            whole("pageCount"),
            whole("rowCount"),
            whole("byteCount"),
            text("contentHash"),
            whole("declaredTotal"),
            whole("durationMs"),
            small("httpStatus"),
            text("message"),
            text("parentVersion"),
            instant("walkedAt"),
        ],
        other => anyhow::bail!("there is no table log.{other}"),
    };
    TableSchema::of(&Schema::new(fields))
}

/// Rows as a batch of `schema`, by the names of their fields.
///
/// # Errors
/// When a value does not fit its column: our own mistake.
pub fn batch<Row: Serialize>(schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let mut decoder =
        arrow_json::ReaderBuilder::new(schema.clone()).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}

/// The rows of a batch as values, by the names of their fields.
///
/// # Errors
/// When a column does not fit its field.
pub fn rows<Row: serde::de::DeserializeOwned>(batches: &[RecordBatch]) -> Result<Vec<Row>> {
    let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let text = String::from_utf8(writer.into_inner())?;
    text.lines().map(|line| serde_json::from_str(line).context("reading a log row")).collect()
}

/// A claim on a release number, made with the commit that carries it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Whose numbers: `spectra/<stage>`.
    pub application: String,
    /// The number.
    pub release: i64,
}

/// Appends rows to a log table. With a claim, only if nobody has claimed that number or a later one.
///
/// # Errors
/// [`Exit::Lost`] when the claim comes too late, [`Exit::LakeUnavailable`] when the table cannot be written.
pub async fn append<Row: Serialize>(
    lake: &Lake,
    table: &'static str,
    rows: &[Row],
    claim: Option<&Claim>,
    metadata: HashMap<String, serde_json::Value>,
) -> Result<()> {
    Appender::new(lake, table).append(rows, claim, metadata).await
}

/// Appends to one log table again and again: it stays open, so that each time only what others committed since is read.
pub struct Appender {
    lake: Lake,
    table: &'static str,
    open: Option<DeltaTable>,
}

impl Appender {
    /// Touches nothing before the first rows.
    pub fn new(lake: &Lake, table: &'static str) -> Self {
        Self { lake: lake.clone(), table, open: None }
    }

    /// As [`append`].
    ///
    /// # Errors
    /// As [`append`].
    pub async fn append<Row: Serialize>(
        &mut self,
        rows: &[Row],
        claim: Option<&Claim>,
        metadata: HashMap<String, serde_json::Value>,
    ) -> Result<()> {
        let table = self.table;
        let columns = columns(table)?;
        let mut staged: Option<Staged> = None;
        for attempt in 0..50_u32 {
            let delta = match self.open.take() {
                Some(mut delta) => {
                    delta.update_state().await.with_context(|| format!("reading what is new in log.{table}"))?;
                    delta
                }
                None => self.lake.open_or_create("log", table, &columns.delta).await?,
            };
            if let Some(claim) = claim {
                let claimed = claimed_release(&delta, &claim.application).await?;
                if claimed.is_some_and(|number| number >= claim.release) {
                    if let Some(staged) = &staged {
                        staging::discard(&delta.log_store(), &staged.adds).await;
                    }
                    return Err(lost(&claim.application));
                }
            }
            if staged.is_none() {
                let rows = vec![batch(&columns.arrow, rows)?];
                let written = staging::stage_batches(&delta.log_store(), &columns, rows).await?;
                staged = Some(verified::seal(&delta.log_store(), &written).await?);
            }
            let adds = staged.iter().flat_map(|staged| staged.adds.iter().cloned()).map(Action::Add).collect();
            let transaction = claim.map(|claim| Transaction::new(&claim.application, claim.release));
            let done = staging::commit(&delta, adds, staging::Write::Append, transaction, metadata.clone()).await;
            let is_due = claim.is_none() && merge::due(&delta).is_ok_and(|files| !files.is_empty());
            self.open = Some(delta);
            match done {
                Ok(_) => {
                    // A claim is waited for by others.
                    if is_due {
                        upkeep::after_append(&self.lake, table).await;
                    }
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => {
                    let longest_ms = 20 * u64::from(attempt + 1);
                    tokio::time::sleep(Duration::from_millis(rand::random_range(1..longest_ms))).await;
                }
                Err(error) => return Err(error).with_context(|| format!("appending to log.{table}")),
            }
        }
        Err(failure(
            Exit::TryAgain,
            format!("log.{table} is being written by others too often to append to it"),
            "run again when fewer stages run at once",
        ))
    }
}

/// The error of a run that was overtaken.
pub fn lost(application: &str) -> anyhow::Error {
    let stage = application.trim_start_matches("spectra/");
    failure(
        Exit::Lost,
        format!("another run of {stage} published first; nothing of this run is visible"),
        "nothing is wrong with the data: run again if it should include later changes",
    )
}

/// The newest release number anybody claimed for an application.
///
/// # Errors
/// [`Exit::LakeUnavailable`] when the log cannot be read.
pub async fn claimed_release(delta: &DeltaTable, application: &str) -> Result<Option<i64>> {
    let store = delta.log_store();
    Ok(delta.snapshot()?.snapshot().transaction_version(store.as_ref(), application).await?)
}

/// Whether a commit failed only because somebody else committed first.
pub fn is_conflict(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<DeltaTableError>()).any(|error| {
        matches!(
            error,
            DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_)
                    | TransactionError::CommitConflict(_)
                    | TransactionError::VersionAlreadyExists(_)
            } | DeltaTableError::VersionAlreadyExists(_)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_goes_into_a_batch_and_comes_back() {
        let row = RunRow {
            run_id: "r1".into(),
            stage: "clean".into(),
            status: "published".into(),
            release: Some(3),
            started_at: "2026-01-05T09:00:00.123456Z".into(),
            recorded_at: "2026-01-05T09:00:01Z".into(),
            as_of: Some("2026-01-05".into()),
            ..RunRow::default()
        };
        let schema = columns("run").unwrap();
        let batch = batch(&schema.arrow, std::slice::from_ref(&row)).unwrap();
        let back: Vec<RunRow> = rows(&[batch]).unwrap();
        assert_eq!(back[0].release, Some(3));
        assert_eq!(back[0].as_of.as_deref(), Some("2026-01-05"));
        assert!(back[0].started_at.starts_with("2026-01-05T09:00:00.123456"));
        assert_eq!(back[0].message, None);
    }
}
