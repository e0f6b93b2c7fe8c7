//! Versions of slices: what `source.slice` says of each, and what this run adds to it.

use std::collections::BTreeMap;

use anyhow::Result;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use spectra_common::lake::Lake;
use spectra_common::log;
use spectra_common::release::Release;
use spectra_common::schema::TableSchema;
use spectra_common::session;

use crate::journal::Walked;

/// A row of `source.slice`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Table the slice lands in.
    pub resource: String,
    /// Its key.
    pub slice_key: String,
    /// Release of source that recorded this version.
    pub release: i64,
    /// complete, forbidden or failed.
    pub status: String,
    /// Records in its content.
    pub row_count: Option<i64>,
    /// Hash of its content.
    pub content_hash: Option<String>,
    /// Run that recorded this version.
    pub run_id: String,
    /// Run whose rows are its content; none if it never was complete.
    pub content_run_id: Option<String>,
    /// Set where only what changed was asked for: run whose rows are the whole listing these rows override.
    pub base_run_id: Option<String>,
    /// Why it is not complete, or why it is empty.
    pub reason: Option<String>,
    /// When it was walked, UTC.
    pub walked_at: String,
}

/// The columns of `source.slice`.
///
/// # Errors
/// Never: the columns are fixed.
pub fn columns() -> Result<TableSchema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    TableSchema::of(&Schema::new(vec![
        text("resource"),
        text("sliceKey"),
        Field::new("release", DataType::Int64, true),
        text("status"),
        Field::new("rowCount", DataType::Int64, true),
        text("contentHash"),
        text("runId"),
        text("contentRunId"),
        text("baseRunId"),
        text("reason"),
        Field::new("walkedAt", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]))
}

/// The newest version of every slice, by table and key.
pub type Known = BTreeMap<String, BTreeMap<String, Version>>;

/// Reads what is known as of a release.
///
/// # Errors
/// When `source.slice` cannot be read.
pub async fn known(lake: &Lake, last: Option<&Release>, memory_bytes: u64) -> Result<Known> {
    let mut known = Known::new();
    let Some(version) = last.and_then(|last| last.tables.get("source.slice")).map(|state| state.version) else {
        return Ok(known);
    };
    let Some(table) = lake.open("source", "slice", Some(version)).await? else { return Ok(known) };
    let context = session::new(memory_bytes, 1)?;
    session::register_delta(&context, "source", "slice", &table).await?;
    let batches = context.sql("select * from source.slice order by release").await?.collect().await?;
    for version in log::rows::<Version>(&batches)? {
        // What the map's own keys say, and nobody asks for, is not kept: there may be hundreds of thousands.
        let Version { resource, slice_key, run_id: _, walked_at: _, .. } = version;
        let rest = Version {
            resource: String::new(),
            slice_key: String::new(),
            run_id: String::new(),
            walked_at: String::new(),
            ..version
        };
        known.entry(resource).or_default().insert(slice_key, rest);
    }
    Ok(known)
}

/// What is known, and what this run has found.
pub struct Versions {
    known: Known,
    release: i64,
    run_id: String,
    /// Found and not handed over yet.
    found: Vec<Version>,
    found_count: usize,
    /// Slices with rows, by table.
    with_rows: BTreeMap<String, i64>,
    /// Tables that had any before this run.
    had_rows: Vec<String>,
}

impl Versions {
    /// For a run that will publish `release`.
    pub fn new(known: Known, release: i64, run_id: &str) -> Self {
        let with_rows: BTreeMap<String, i64> = known
            .iter()
            .map(|(table, slices)| (table.clone(), slices.values().filter(|version| has_rows(version)).count() as i64))
            .collect();
        let had_rows = with_rows.iter().filter(|(_, count)| **count > 0).map(|(table, _)| table.clone()).collect();
        Self { known, release, run_id: run_id.to_owned(), found: Vec::new(), found_count: 0, with_rows, had_rows }
    }

    fn add(&mut self, version: Version) {
        let had = self.before(&version.resource, &version.slice_key).is_some_and(has_rows);
        let change = i64::from(has_rows(&version)) - i64::from(had);
        *self.with_rows.entry(version.resource.clone()).or_default() += change;
        self.found_count += 1;
        self.found.push(version);
    }

    /// Whether a slice was there before this run.
    pub fn knows(&self, table: &str, key: &str) -> bool {
        self.before(table, key).is_some()
    }

    fn before(&self, table: &str, key: &str) -> Option<&Version> {
        self.known.get(table)?.get(key)
    }

    /// Whether a slice's content is what it was; its rows need not be landed again even if it was out of sight.
    pub fn is_same(&self, table: &str, key: &str, content_hash: &str) -> bool {
        self.before(table, key).is_some_and(|before| {
            before.content_hash.as_deref() == Some(content_hash) && before.content_run_id.is_some()
        })
    }

    /// The newest version of a slice before this run, where its content is known and in sight.
    pub fn settled(&self, table: &str, key: &str) -> Option<&Version> {
        let before = self.before(table, key)?;
        (before.status == "complete" && before.content_run_id.is_some() && before.reason.is_none()).then_some(before)
    }

    /// A slice was walked to its end.
    pub fn complete(&mut self, walked: &Walked) {
        let before = self.before(&walked.resource, &walked.slice_key);
        if walked.is_partial {
            let Some(before) = before.filter(|_| walked.row_count > 0) else { return };
            let base_run_id = before.base_run_id.clone().or_else(|| before.content_run_id.clone());
            let version = Version {
                resource: walked.resource.clone(),
                slice_key: walked.slice_key.clone(),
                release: self.release,
                row_count: Some(walked.row_count),
                content_hash: None,
                run_id: walked.run_id.clone(),
                content_run_id: Some(walked.run_id.clone()),
                base_run_id,
                walked_at: walked.walked_at.to_string(),
                ..before.clone()
            };
            self.add(version);
            return;
        }
        let is_same = self.is_same(&walked.resource, &walked.slice_key, &walked.content_hash);
        let content_run_id = match before {
            Some(before) if is_same && before.status == "complete" => return,
            Some(before) if is_same => before.content_run_id.clone(),
            _ => Some(walked.run_id.clone()),
        };
        self.add(Version {
            resource: walked.resource.clone(),
            slice_key: walked.slice_key.clone(),
            release: self.release,
            status: "complete".to_owned(),
            row_count: Some(walked.row_count),
            content_hash: Some(walked.content_hash.clone()),
            run_id: walked.run_id.clone(),
            content_run_id,
            base_run_id: None,
            reason: None,
            walked_at: walked.walked_at.to_string(),
        });
    }

    /// A slice could not be seen: its content stays as it was.
    pub fn unseen(&mut self, table: &str, key: &str, status: &str, reason: &str) {
        let before = self.before(table, key);
        if before.is_some_and(|before| before.status == status) {
            return;
        }
        self.add(Version {
            resource: table.to_owned(),
            slice_key: key.to_owned(),
            release: self.release,
            status: status.to_owned(),
            row_count: before.and_then(|before| before.row_count),
            content_hash: before.and_then(|before| before.content_hash.clone()),
            run_id: self.run_id.clone(),
            content_run_id: before.and_then(|before| before.content_run_id.clone()),
            base_run_id: before.and_then(|before| before.base_run_id.clone()),
            reason: Some(reason.to_owned()),
            walked_at: Timestamp::now().to_string(),
        });
    }

    /// Nothing leads to a slice any more: it is empty now. Says whether that is news.
    pub fn gone(&mut self, table: &str, key: &str) -> bool {
        let Some(before) = self.before(table, key) else { return false };
        if before.status == "complete" && before.reason.is_some() && before.row_count == Some(0) {
            return false;
        }
        let version = Version {
            resource: table.to_owned(),
            slice_key: key.to_owned(),
            release: self.release,
            status: "complete".to_owned(),
            row_count: Some(0),
            content_hash: None,
            run_id: self.run_id.clone(),
            content_run_id: Some(self.run_id.clone()),
            base_run_id: None,
            reason: Some("its parent is no longer listed".to_owned()),
            walked_at: Timestamp::now().to_string(),
        };
        self.add(version);
        true
    }

    /// Keys of known slices of a table below `key`; all of them below "".
    pub fn below(&self, table: &str, key: &str) -> Vec<String> {
        let keys = self.known.get(table).into_iter().flat_map(BTreeMap::keys);
        keys.filter(|below| key.is_empty() || crate::slice::is_below(key, below)).cloned().collect()
    }

    /// Tables that had rows before this run and have none after it.
    pub fn emptied(&self) -> Vec<String> {
        let is_empty = |table: &&String| self.with_rows.get(*table).is_none_or(|count| *count == 0);
        self.had_rows.iter().filter(is_empty).cloned().collect()
    }

    /// How many versions this run adds.
    pub fn found_count(&self) -> usize {
        self.found_count
    }

    /// Hands over what was found since the last time.
    pub fn take_found(&mut self) -> Vec<Version> {
        std::mem::take(&mut self.found)
    }
}

fn has_rows(version: &Version) -> bool {
    version.row_count.is_some_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(hash: &str, run_id: &str) -> Walked {
        Walked {
            resource: "dimRelease".into(),
            slice_key: "{\"projectId\":1}".into(),
            run_id: run_id.into(),
            content_hash: hash.into(),
            row_count: 2,
            walked_at: Timestamp::UNIX_EPOCH,
            is_partial: false,
            parents: Vec::new(),
        }
    }

    /// What is known after a run that found `found`.
    fn after(versions: &Versions) -> Known {
        let mut known = versions.known.clone();
        for version in &versions.found {
            known.entry(version.resource.clone()).or_default().insert(version.slice_key.clone(), version.clone());
        }
        known
    }

    #[test]
    fn a_slice_that_was_out_of_sight_and_comes_back_unchanged_keeps_its_rows() {
        let mut first = Versions::new(Known::new(), 1, "r1");
        first.complete(&walked("a", "r1"));
        let mut second = Versions::new(after(&first), 2, "r2");
        second.unseen("dimRelease", "{\"projectId\":1}", "forbidden", "403");
        assert_eq!(second.found[0].content_run_id.as_deref(), Some("r1"));
        let mut third = Versions::new(after(&second), 3, "r3");
        third.unseen("dimRelease", "{\"projectId\":1}", "forbidden", "403");
        assert!(third.found.is_empty(), "still forbidden is no news");
        third.complete(&walked("a", "r3"));
        assert_eq!(third.found[0].status, "complete");
        assert_eq!(third.found[0].content_run_id.as_deref(), Some("r1"), "the rows landed by r1 are its content");
    }

    #[test]
    fn an_unchanged_slice_is_no_news_and_a_changed_one_is() {
        let mut first = Versions::new(Known::new(), 1, "r1");
        first.complete(&walked("a", "r1"));
        let mut second = Versions::new(after(&first), 2, "r2");
        second.complete(&walked("a", "r2"));
        assert!(second.found.is_empty());
        second.complete(&walked("b", "r2"));
        assert_eq!(second.found[0].content_run_id.as_deref(), Some("r2"));
    }

    #[test]
    fn what_changed_overrides_the_listing_it_is_based_on() {
        let mut first = Versions::new(Known::new(), 1, "r1");
        first.complete(&walked("a", "r1"));
        let mut second = Versions::new(after(&first), 2, "r2");
        second.complete(&Walked { is_partial: true, ..walked("-", "r2") });
        assert_eq!(second.found[0].content_run_id.as_deref(), Some("r2"));
        assert_eq!(second.found[0].base_run_id.as_deref(), Some("r1"));
        let mut third = Versions::new(after(&second), 3, "r3");
        third.complete(&Walked { is_partial: true, row_count: 0, ..walked("-", "r3") });
        assert!(third.found.is_empty(), "nothing changed is no news");
        third.complete(&walked("a", "r3"));
        assert_eq!(third.found[0].base_run_id, None, "a whole listing stands for itself");
    }

    #[test]
    fn a_table_that_had_rows_and_has_none_is_noticed() {
        let mut first = Versions::new(Known::new(), 1, "r1");
        first.complete(&walked("a", "r1"));
        let mut second = Versions::new(after(&first), 2, "r2");
        assert!(second.emptied().is_empty());
        second.complete(&Walked { row_count: 0, ..walked("b", "r2") });
        assert_eq!(second.emptied(), ["dimRelease"]);
    }

    #[test]
    fn a_slice_without_a_parent_is_empty_once() {
        let mut first = Versions::new(Known::new(), 1, "r1");
        first.complete(&walked("a", "r1"));
        let mut second = Versions::new(after(&first), 2, "r2");
        assert!(second.gone("dimRelease", "{\"projectId\":1}"));
        let mut third = Versions::new(after(&second), 3, "r3");
        assert!(!third.gone("dimRelease", "{\"projectId\":1}"));
        third.complete(&walked("a", "r3"));
        assert_eq!(third.found[0].content_run_id.as_deref(), Some("r3"), "its rows must be landed again");
        assert!(!third.is_same("dimRelease", "{\"projectId\":1}", "a"));
    }
}
