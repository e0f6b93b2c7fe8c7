//! What it takes to land rows on this machine, found out with rows of samples: they are written into memory.

use std::time::Instant;

use anyhow::Result;
use deltalake::DeltaTableBuilder;
use jiff::Timestamp;
use spectra_common::run::Run;
use spectra_common::staging::{RowGroup, Writer};
use url::Url;

use crate::page::Record;
use crate::slice::{Landed, Landing, record_columns};

/// Bytes of records that are kept to try it out.
const MOST_BYTES: usize = 8 << 20;

/// Records to try it out with, slice by slice.
#[derive(Default)]
pub struct Trial {
    slices: Vec<Vec<Record>>,
    byte_count: usize,
}

impl Trial {
    /// The records that come now are of another slice.
    pub fn next_slice(&mut self) {
        self.slices.push(Vec::new());
    }

    /// Keeps a record, while there is room.
    pub fn take(&mut self, record: &Record) {
        let length = record.payload.get().len();
        if self.byte_count + length > MOST_BYTES {
            return;
        }
        if let Some(records) = self.slices.last_mut() {
            self.byte_count += length;
            let (id, payload, hash) = (record.id.clone(), record.payload.clone(), record.hash);
            records.push(Record { id, payload, hash, parent: None });
        }
    }

    /// Milliseconds for each byte.
    ///
    /// # Errors
    /// When memory cannot be written like a lake.
    pub async fn byte_ms(self, run: &Run) -> Result<f64> {
        if self.byte_count == 0 {
            return Ok(0.0);
        }
        let store = DeltaTableBuilder::from_url(Url::parse("memory:///plan")?)?.build_storage()?;
        let mut writer = Writer::new(&store, &record_columns()?, RowGroup::Wide);
        let clock = Instant::now();
        for records in self.slices {
            let mut landing =
                Landing::new(&run.lake, "plan", "{}".to_owned(), &run.id, usize::MAX, &std::sync::Arc::default())?;
            landing.take(0, 0, &records, Timestamp::now()).await?;
            if let Landed::Held(batches) = landing.keep().await? {
                for batch in &batches {
                    writer.write(batch).await?;
                }
            }
        }
        writer.close().await?;
        Ok(clock.elapsed().as_secs_f64() * 1000.0 / self.byte_count as f64)
    }
}
