//! What is landed, and what is kept for a run that goes on where this one stops.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::Timestamp;
use spectra_common::log::{self, SliceRow};
use spectra_common::staging::{RowGroup, Staged, Writer};

use super::Walk;
use crate::fetch::{End, Fetched, Job, Origin};
use crate::journal::{self, Walked};
use crate::pace::Learned;
use crate::parents::Parents;
use crate::slice::{Landed, Landing, record_columns};
use crate::tree;
use crate::version;

/// Rows held back for all slices together before they are kept.
const LARGEST_PENDING_ROWS: i64 = 64 * 1024;

/// Walks held back before they are kept, since each is text in the journal.
const MOST_PENDING_SLICES: usize = 1_000;

/// Rows of `source.slice` in one file: what a writer holds grows until its file is closed.
const MOST_FOUND_ROWS: usize = 16 * 1024;

impl Walk {
    /// Lands what became of a slice; says what lies below it, if it is complete.
    pub(super) async fn land(&mut self, job: &Job, fetched: Fetched) -> Result<Option<(Walked, Parents)>> {
        let Fetched { walked_at, duration_ms, tally, end } = fetched;
        let table = job.table().to_owned();
        let slice_key = job.key();
        let mut row = SliceRow {
            request_count: tally.cost.request_count,
            page_count: tally.page_count,
            byte_count: tally.cost.byte_count,
            declared_total: tally.total,
            duration_ms,
            http_status: tally.cost.status.map(i32::from),
            walked_at: walked_at.to_string(),
            ..row(job, "complete")
        };
        let (landing, parents) = match end {
            End::Complete(landing, parents) => (landing, parents),
            End::Forbidden(reason) => {
                self.log(SliceRow { outcome: "forbidden".to_owned(), message: Some(reason.clone()), ..row });
                self.unseen(&job.resource, &table, &slice_key, "forbidden", &reason)?;
                return Ok(None);
            }
            End::Failed(reason) => {
                self.log(SliceRow { outcome: "failed".to_owned(), message: Some(reason.clone()), ..row });
                self.unseen(&job.resource, &table, &slice_key, "failed", &reason)?;
                return Ok(None);
            }
        };
        let content_hash = landing.content_hash();
        let run_id = landing.run_id().to_owned();
        let row_count = landing.row_count;
        let is_partial = job.since.is_some();
        let is_same = match (is_partial, landing.held()) {
            (false, _) => self.versions.is_same(&table, &slice_key, &content_hash),
            (true, Some(records)) if row_count > 0 => self.current.holds(&table, &slice_key, records).await?,
            (true, _) => row_count == 0,
        };
        // What is there already is no news, however often the overlap brings it.
        let row_count = if is_partial && is_same { 0 } else { row_count };
        if is_partial {
            row.message = job.since.map(|since| format!("only what changed since {since}"));
        }
        row.row_count = landing.row_count;
        row.content_hash = (!is_partial).then(|| content_hash.clone());
        row.outcome = match (is_partial, is_same) {
            (true, _) => "partial",
            (false, true) => "unchanged",
            (false, false) => "complete",
        }
        .to_owned();
        if is_same {
            landing.drop_rows().await?;
        } else {
            self.write(&table, *landing).await?;
        }
        self.log(row);
        let few = parents.few().map(<[_]>::to_vec);
        let is_resumable = few.is_some();
        let mut walked = Walked {
            resource: table,
            slice_key,
            run_id,
            content_hash,
            row_count,
            walked_at,
            is_partial,
            parents: few.unwrap_or_default(),
        };
        if is_resumable {
            self.fresh.walked.push(walked.clone());
        }
        walked.parents.clear();
        Ok(Some((walked, parents)))
    }

    /// Writes the rows of a changed slice.
    pub(super) async fn write(&mut self, table: &str, landing: Landing) -> Result<()> {
        let row_count = landing.row_count;
        match landing.keep().await? {
            Landed::Spilled(adds) => self.fresh.staged.entry(table.to_owned()).or_default().extend(adds),
            Landed::Held(batches) => {
                if !self.writers.contains_key(table) {
                    let store = self.run.lake.log_store("source", table)?;
                    self.writers.insert(table.to_owned(), Writer::new(&store, &record_columns()?, RowGroup::Wide));
                }
                let writer = self.writers.get_mut(table).context("a writer has gone")?;
                for batch in &batches {
                    writer.write(batch).await?;
                }
                self.pending_rows += row_count;
            }
        }
        Ok(())
    }

    /// The rows of `source.slice` this walk adds.
    ///
    /// # Errors
    /// When the last of them cannot be written.
    pub async fn found(&mut self) -> Result<Staged> {
        self.close_found().await?;
        Ok(Staged::of(std::mem::take(&mut self.found_files)))
    }

    async fn close_found(&mut self) -> Result<()> {
        if let Some(writer) = self.found.take() {
            self.found_files.extend(writer.close().await?);
        }
        self.found_rows = 0;
        Ok(())
    }

    pub(super) fn log(&mut self, mut row: SliceRow) {
        row.run_id.clone_from(&self.run.id);
        self.progress.slice(&row, &self.request.fetcher.origin);
        *self.outcomes.entry(row.outcome.clone()).or_default() += 1;
        self.fresh.rows.push(row);
    }

    pub(super) async fn keep_if_due(&mut self) -> Result<()> {
        let is_little = self.pending_rows < LARGEST_PENDING_ROWS && self.fresh.rows.len() < MOST_PENDING_SLICES;
        if is_little && self.kept_at.elapsed() < self.request.fetcher.checkpoint {
            return Ok(());
        }
        self.keep().await
    }

    /// Closes the files in hand and records them with the slices they hold.
    pub(super) async fn keep(&mut self) -> Result<()> {
        for (table, writer) in std::mem::take(&mut self.writers) {
            let adds = writer.close().await?;
            self.fresh.staged.entry(table).or_default().extend(adds);
        }
        self.pending_rows = 0;
        self.kept_at = Instant::now();
        let found = self.versions.take_found();
        if !found.is_empty() {
            let columns = version::columns()?;
            let rows = log::batch(&columns.arrow, &found)?;
            let writer = match &mut self.found {
                Some(writer) => writer,
                None => {
                    let store = self.run.lake.log_store("source", "slice")?;
                    self.found.insert(Writer::new(&store, &columns, RowGroup::Wide))
                }
            };
            writer.write(&rows).await?;
            self.found_rows += rows.num_rows();
            if self.found_rows >= MOST_FOUND_ROWS {
                self.close_found().await?;
            }
        }
        let mut kept = std::mem::take(&mut self.fresh);
        for (table, adds) in &kept.staged {
            self.staged.entry(table.clone()).or_default().extend(adds.iter().cloned());
        }
        if kept.rows.is_empty() && kept.halves.is_empty() && kept.doubted.is_empty() {
            return Ok(());
        }
        kept.learned = self.learned();
        journal::keep(&mut self.journal, &self.run.id, &self.request.fingerprint, kept).await
    }

    /// What is known about how often servers may be asked: of this one what was found out now, of others as before.
    pub(super) fn learned(&self) -> BTreeMap<String, Learned> {
        let mut learned = self.unfinished.learned.clone();
        if let Origin::Api(client) = &self.request.fetcher.origin
            && let Some(now) = client.pace.learned()
        {
            learned.insert(tree::host(client.base()), now);
        }
        learned
    }
}

/// A row of `log.slice` about a slice, with nothing in it yet.
pub(super) fn row(job: &Job, outcome: &str) -> SliceRow {
    SliceRow {
        resource: job.table().to_owned(),
        slice_key: job.key(),
        outcome: outcome.to_owned(),
        parent_version: job.lineage.version.clone(),
        walked_at: Timestamp::now().to_string(),
        ..SliceRow::default()
    }
}
