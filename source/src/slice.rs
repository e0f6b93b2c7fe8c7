//! A slice on its way into the lake: rows are kept back until the slice is known to be complete and to have changed.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use deltalake::kernel::Add;
use jiff::Timestamp;
use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::schema::TableSchema;
use spectra_common::staging::{RowGroup, Writer, discard};

use crate::page::{Ids, Record};
use crate::spec::id_text;

/// Payload bytes of one slice held in memory; more goes to a file of its own, which is dropped if nothing changed.
const LARGEST_HELD_BYTES: usize = 8 << 20;

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
#[derive(Clone, Copy, Default)]
pub struct ContentHash {
    sum: u128,
    count: u64,
}

impl ContentHash {
    fn add(&mut self, record_id: &str, record: &blake3::Hash) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(record_id.as_bytes()).update(&[0]).update(record.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(half));
        self.count += 1;
    }

    /// As text.
    pub fn text(self) -> String {
        format!("{:032x}-{}", self.sum, self.count)
    }
}

/// Eight bytes for an id: a number as it is, text as a hash.
fn short(id: &Value) -> u64 {
    id.as_u64().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&blake3::hash(id_text(id).as_bytes()).as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    })
}

/// Rows of one slice, not yet landed.
pub struct Landing {
    lake: Lake,
    table: String,
    columns: TableSchema,
    slice_key: String,
    run_id: String,
    held: Vec<RecordBatch>,
    held_bytes: usize,
    spilled: Option<Writer>,
    seen: HashSet<u64>,
    hash: ContentHash,
    /// Rows so far.
    pub row_count: i64,
}

/// What became of a slice's rows.
pub enum Landed {
    /// Few: to be written with those of other slices.
    Held(Vec<RecordBatch>),
    /// Many: already in files of their own.
    Spilled(Vec<Add>),
}

impl Landing {
    /// For a slice of `table`.
    ///
    /// # Errors
    /// Never: the columns are fixed.
    pub fn new(lake: &Lake, table: &str, slice_key: String, run_id: &str) -> Result<Self> {
        Ok(Self {
            lake: lake.clone(),
            table: table.to_owned(),
            columns: record_columns()?,
            slice_key,
            run_id: run_id.to_owned(),
            held: Vec::new(),
            held_bytes: 0,
            spilled: None,
            seen: HashSet::new(),
            hash: ContentHash::default(),
            row_count: 0,
        })
    }

    /// Takes a page's records; says which one came before, if any did.
    ///
    /// # Errors
    /// When rows have to go to a file and it cannot be written.
    pub async fn take(&mut self, page: i32, records: &[Record<'_>], at: Timestamp) -> Result<Option<String>> {
        let ids: Vec<String> = records.iter().map(|record| id_text(&record.id)).collect();
        for (id, record) in ids.iter().zip(records) {
            if !self.seen.insert(short(&record.id)) {
                return Ok(Some(id.clone()));
            }
            self.hash.add(id, &record.hash);
        }
        let count = records.len();
        self.row_count += i64::try_from(count)?;
        let batch = RecordBatch::try_new(
            self.columns.arrow.clone(),
            vec![
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.slice_key, count))),
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.run_id, count))),
                Arc::new(Int32Array::from_value(page, count)),
                Arc::new(Int32Array::from_iter_values(0..i32::try_from(count)?)),
                Arc::new(StringArray::from_iter_values(&ids)),
                Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.payload))),
                Arc::new(StringArray::from_iter_values(
                    records.iter().map(|record| record.hash.to_hex()[..32].to_owned()),
                )),
                Arc::new(TimestampMicrosecondArray::from_value(at.as_microsecond(), count).with_timezone("UTC")),
            ],
        )?;
        self.held_bytes += batch.get_array_memory_size();
        self.held.push(batch);
        if self.held_bytes > LARGEST_HELD_BYTES {
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
            self.held_bytes = 0;
        }
        Ok(None)
    }

    /// Hash of what was taken.
    pub fn content_hash(&self) -> String {
        self.hash.text()
    }

    /// Hands over the rows of a slice that is complete and has changed.
    ///
    /// # Errors
    /// When the last rows cannot be written.
    pub async fn keep(self) -> Result<Landed> {
        match self.spilled {
            None => Ok(Landed::Held(self.held)),
            Some(mut writer) => {
                for batch in &self.held {
                    writer.write(batch).await?;
                }
                Ok(Landed::Spilled(writer.close().await?))
            }
        }
    }

    /// Forgets the rows: the slice is as it was, or not complete.
    ///
    /// # Errors
    /// When the table's folder cannot be reached.
    pub async fn drop_rows(self) -> Result<()> {
        if let Some(writer) = self.spilled {
            let adds = writer.close().await?;
            discard(&self.lake.log_store("source", &self.table)?, &adds).await;
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
