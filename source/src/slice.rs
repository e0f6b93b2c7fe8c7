//! A slice on its way into the lake: rows are kept back until the slice is known to be complete and to have changed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::ident;
use deltalake::kernel::Add;
use futures::TryStreamExt;
use jiff::Timestamp;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::schema::TableSchema;
use spectra_common::session;
use spectra_common::staging::{self, RowGroup, Writer, discard};

use crate::page::{Ids, Record};
use crate::spec::id_text;

/// The columns of every record table.
///
/// # Errors
/// Never: the columns are fixed.
pub fn record_columns() -> Result<TableSchema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    TableSchema::of(&Schema::new(vec![
        text("sliceKey"),
        text("runId"),
        Field::new("page", DataType::Int32, true),
        Field::new("ordinal", DataType::Int32, true),
        text("recordId"),
        text("payload"),
        text("payloadHash"),
        Field::new("extractedAt", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]))
}

/// The canonical text of a slice's key: a JSON object of its ancestors' ids, outermost first.
pub fn key(ids: &Ids) -> String {
    let parts: Vec<String> = ids.iter().map(|(name, id)| format!("{}:{id}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", parts.join(","))
}

/// Whether `below` is the key of a slice below the one of `key`.
pub fn is_below(key: &str, below: &str) -> bool {
    let stem = key.trim_end_matches('}');
    below.len() > key.len() && below.starts_with(stem) && (stem == "{" || below[stem.len()..].starts_with(','))
}

/// Hash of a slice's records in no particular order, computed while they pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentHash {
    // In two halves, since JSON numbers have 64 bits at most.
    high: u64,
    low: u64,
    count: u64,
}

impl ContentHash {
    fn add(&mut self, record_id: &str, record: &blake3::Hash) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(record_id.as_bytes()).update(&[0]).update(record.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let sum = self.sum().wrapping_add(u128::from_le_bytes(half));
        (self.high, self.low) = ((sum >> 64) as u64, sum as u64);
        self.count += 1;
    }

    fn sum(self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// As text.
    pub fn text(self) -> String {
        format!("{:032x}-{}", self.sum(), self.count)
    }
}

/// Ids seen so far. Numbers are kept as compressed sets, since a slice may have millions; of any other id, sixteen
/// bytes of its hash.
#[derive(Default)]
struct Seen {
    numbers: RoaringTreemap,
    others: HashSet<[u8; 16]>,
}

impl Seen {
    /// Says whether an id is new. `7` and `"7"` are one id, as they are in the lake.
    fn insert(&mut self, id: &str) -> bool {
        // Only what a number is written like, or `07` and `7` would be one.
        if let Some(number) = id.parse::<u64>().ok().filter(|number| number.to_string() == id) {
            return self.numbers.insert(number);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
        self.others.insert(bytes)
    }
}

/// The first rows of a slice that is not whole yet, in files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// Run that asked for them.
    pub run_id: String,
    /// Files they are in.
    pub adds: Vec<Add>,
    /// Hash of what they hold.
    pub hash: ContentHash,
    /// Rows in them.
    pub row_count: i64,
    /// When the first of them were asked for.
    pub begun_at: Timestamp,
}

/// Bytes of one slice's rows in memory, counted among those of all slices.
struct Held {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Held {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    fn clear(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Rows of one slice, not yet landed.
pub struct Landing {
    lake: Lake,
    table: String,
    columns: TableSchema,
    slice_key: String,
    run_id: String,
    held: Vec<RecordBatch>,
    held_bytes: Held,
    largest_held_bytes: usize,
    spilled: Option<Writer>,
    /// Files that are closed.
    closed: Vec<Add>,
    seen: Seen,
    hash: ContentHash,
    /// Rows so far.
    pub row_count: i64,
    begun_at: Timestamp,
}

/// What became of a slice's rows.
pub enum Landed {
    /// Few: to be written with those of other slices.
    Held(Vec<RecordBatch>),
    /// Many: already in files of their own.
    Spilled(Vec<Add>),
}

impl Landing {
    /// For a slice of `table`. More than `largest_held_bytes` go to a file of its own, which is dropped if nothing
    /// changed; what is held is counted in `all_held`.
    ///
    /// # Errors
    /// Never: the columns are fixed.
    pub fn new(
        lake: &Lake,
        table: &str,
        slice_key: String,
        run_id: &str,
        largest_held_bytes: usize,
        all_held: &Arc<AtomicUsize>,
    ) -> Result<Self> {
        Ok(Self {
            lake: lake.clone(),
            table: table.to_owned(),
            columns: record_columns()?,
            slice_key,
            run_id: run_id.to_owned(),
            held: Vec::new(),
            held_bytes: Held { bytes: 0, all: all_held.clone() },
            largest_held_bytes,
            spilled: None,
            closed: Vec::new(),
            seen: Seen::default(),
            hash: ContentHash::default(),
            row_count: 0,
            begun_at: Timestamp::now(),
        })
    }

    /// Goes on with what another run began: the rest of the slice is landed in its name.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub async fn resume(mut self, begun: &Begun, memory_bytes: u64) -> Result<Self> {
        let context = session::new(memory_bytes, 1)?;
        session::register_store(&context, &self.lake)?;
        let table_url = self.lake.table_url("source", &self.table)?;
        let rows = context.read_table(staging::provider(&table_url, &self.columns.arrow, &begun.adds)?)?;
        let mut ids = rows.select(vec![ident("recordId")])?.execute_stream().await?;
        while let Some(batch) = ids.try_next().await? {
            let ids = batch.column(0).as_string_opt::<i32>().context("record ids are not text")?;
            for id in ids.iter().flatten() {
                self.seen.insert(id);
            }
        }
        self.run_id.clone_from(&begun.run_id);
        self.closed.clone_from(&begun.adds);
        self.hash = begun.hash;
        self.row_count = begun.row_count;
        self.begun_at = begun.begun_at;
        Ok(self)
    }

    /// Closes the files in hand, so that another run could go on from here; none where all rows are still held.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn begun(&mut self) -> Result<Option<Begun>> {
        let Some(mut writer) = self.spilled.take() else { return Ok(None) };
        for batch in self.held.drain(..) {
            writer.write(&batch).await?;
        }
        self.held_bytes.clear();
        self.closed.extend(writer.close().await?);
        let (adds, hash, row_count) = (self.closed.clone(), self.hash, self.row_count);
        Ok(Some(Begun { run_id: self.run_id.clone(), adds, hash, row_count, begun_at: self.begun_at }))
    }

    /// When the first rows were asked for: what changed since then may be missing.
    pub fn begun_at(&self) -> Timestamp {
        self.begun_at
    }

    /// Run in whose name the rows are landed.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Takes records of a page, the first of which is its `ordinal`th; says which one came before, if any did.
    ///
    /// # Errors
    /// When rows have to go to a file and it cannot be written.
    pub async fn take(
        &mut self,
        page: i32,
        ordinal: usize,
        records: &[Record],
        at: Timestamp,
    ) -> Result<Option<String>> {
        let ids: Vec<String> = records.iter().map(|record| id_text(&record.id)).collect();
        for (id, record) in ids.iter().zip(records) {
            if !self.seen.insert(id) {
                return Ok(Some(id.clone()));
            }
            self.hash.add(id, &record.hash);
        }
        let count = records.len();
        self.row_count += i64::try_from(count)?;
        let first = i32::try_from(ordinal)?;
        let batch = RecordBatch::try_new(
            self.columns.arrow.clone(),
            vec![
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.slice_key, count))),
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.run_id, count))),
                Arc::new(Int32Array::from_value(page, count)),
                Arc::new(Int32Array::from_iter_values(first..first + i32::try_from(count)?)),
                Arc::new(StringArray::from_iter_values(&ids)),
                Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.payload.get()))),
                Arc::new(StringArray::from_iter_values(
                    records.iter().map(|record| record.hash.to_hex()[..32].to_owned()),
                )),
                Arc::new(TimestampMicrosecondArray::from_value(at.as_microsecond(), count).with_timezone("UTC")),
            ],
        )?;
        self.held_bytes.add(batch.get_array_memory_size());
        self.held.push(batch);
        if self.held_bytes.bytes > self.largest_held_bytes {
            let writer = match &mut self.spilled {
                Some(writer) => writer,
                None => {
                    let store = self.lake.log_store("source", &self.table)?;
                    self.spilled.insert(Writer::new(&store, &self.columns, RowGroup::Wide))
                }
            };
            for batch in self.held.drain(..) {
                writer.write(&batch).await?;
            }
            self.held_bytes.clear();
        }
        Ok(None)
    }

    /// What was taken, where it is little enough to be held.
    pub fn held(&self) -> Option<&[RecordBatch]> {
        (self.spilled.is_none() && self.closed.is_empty()).then_some(self.held.as_slice())
    }

    /// Hash of what was taken.
    pub fn content_hash(&self) -> String {
        self.hash.text()
    }

    /// Hands over the rows of a slice that is complete and has changed.
    ///
    /// # Errors
    /// When the last rows cannot be written.
    pub async fn keep(mut self) -> Result<Landed> {
        if self.spilled.is_none() && self.closed.is_empty() {
            return Ok(Landed::Held(self.held));
        }
        if !self.held.is_empty() {
            let store = self.lake.log_store("source", &self.table)?;
            let writer = self.spilled.get_or_insert_with(|| Writer::new(&store, &self.columns, RowGroup::Wide));
            for batch in &self.held {
                writer.write(batch).await?;
            }
        }
        if let Some(writer) = self.spilled {
            self.closed.extend(writer.close().await?);
        }
        Ok(Landed::Spilled(self.closed))
    }

    /// Forgets the rows that no other run could go on from: this one ends.
    pub async fn leave(mut self) {
        if let Some(writer) = self.spilled.take() {
            writer.abort().await;
        }
    }

    /// Forgets the rows: the slice is as it was, or not complete.
    ///
    /// # Errors
    /// When the table's folder cannot be reached.
    pub async fn drop_rows(self) -> Result<()> {
        if let Some(writer) = self.spilled {
            writer.abort().await;
        }
        if !self.closed.is_empty() {
            discard(&self.lake.log_store("source", &self.table)?, &self.closed).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[(&str, i64)]) -> Ids {
        list.iter().map(|(name, id)| ((*name).to_owned(), Value::from(*id))).collect()
    }

    #[test]
    fn a_key_is_canonical_text() {
        assert_eq!(key(&Ids::new()), "{}");
        assert_eq!(key(&ids(&[("projectId", 44), ("releaseId", 106)])), r#"{"projectId":44,"releaseId":106}"#);
    }

    #[test]
    fn only_what_is_below_is_below() {
        let project = key(&ids(&[("projectId", 4)]));
        assert!(is_below(&project, &key(&ids(&[("projectId", 4), ("releaseId", 1)]))));
        assert!(!is_below(&project, &key(&ids(&[("projectId", 44), ("releaseId", 1)]))));
        assert!(!is_below(&project, &project));
        assert!(is_below("{}", &project));
    }

    #[test]
    fn the_order_of_records_does_not_change_the_hash_and_their_content_does() {
        let (one, two) = (blake3::hash(b"one"), blake3::hash(b"two"));
        let hash = |list: &[(&str, blake3::Hash)]| {
            let mut hash = ContentHash::default();
            for (id, record) in list {
                hash.add(id, record);
            }
            hash.text()
        };
        assert_eq!(hash(&[("1", one), ("2", two)]), hash(&[("2", two), ("1", one)]));
        assert_ne!(hash(&[("1", one), ("2", two)]), hash(&[("1", two), ("2", one)]));
        assert_ne!(hash(&[("1", one)]), hash(&[("1", one), ("2", two)]));
    }
}
