//! Letting go of files: those no kept version names, and log entries no kept version needs.
//!
//! The ready-made vacuum of the Delta library is not used: it commits a version of its own for each table, which would be
//! newer than the release, and it knows neither releases nor the journal of a walk.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use deltalake::logstore::ObjectStoreRef;
use deltalake::{DeltaTable, ObjectStoreError, Path};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::merge;
use crate::lake::Lake;

/// What must not be deleted, whatever names it.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Files written, or taken out of a table, since then: a run may be about to name or still be reading them.
    pub file: Timestamp,
    /// Log entries written since then.
    pub entry: Timestamp,
}

/// What can be deleted of one table.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Data files with their sizes.
    pub files: Vec<(Path, u64)>,
    /// Entries of its log with their sizes, the oldest first.
    pub entries: Vec<(Path, u64)>,
    /// Commits since the last checkpoint.
    pub commits_since_checkpoint: u64,
    store: Option<ObjectStoreRef>,
}

/// Finds what can be deleted of a table: nothing that one of `versions`, or its newest version, or `in_use` names.
///
/// # Errors
/// When the table cannot be listed, or one of the versions not be read: then it is not known what it names.
pub async fn look(
    lake: &Lake,
    schema: &str,
    table: &str,
    versions: &BTreeSet<u64>,
    in_use: &BTreeSet<Path>,
    ages: Ages,
) -> Result<Sweep> {
    let mut named = in_use.clone();
    let newest = lake.open(schema, table, None).await?;
    let mut newest_version = None;
    if let Some(newest) = &newest {
        named.extend(merge::paths(newest)?);
        newest_version = newest.version();
        let store = newest.log_store();
        let mut gone = newest.snapshot()?.all_tombstones(store.as_ref());
        while let Some(gone) = gone.next().await {
            let gone = gone.with_context(|| format!("reading what was removed from {schema}.{table}"))?;
            // One without a time is as good as removed just now.
            if gone.deletion_timestamp().is_none_or(|at| at >= ages.file.as_millisecond()) {
                named.insert(Path::parse(gone.path().as_ref()).unwrap_or_else(|_| Path::from(gone.path().as_ref())));
            }
        }
    }
    for version in versions.iter().filter(|version| Some(**version) != newest_version) {
        let delta = lake.open(schema, table, Some(*version)).await?;
        let delta = delta.with_context(|| format!("table {schema}.{table} is gone although a release names it"))?;
        named.extend(merge::paths(&delta)?);
    }
    let store = lake.log_store(schema, table)?.object_store(None);
    let objects: Vec<ObjectMeta> =
        store.list(None).try_collect().await.with_context(|| format!("listing the files of {schema}.{table}"))?;
    let oldest_needed = versions.first().copied().into_iter().chain(newest_version).min();
    let mut sweep = log_entries(&objects, oldest_needed, newest_version, ages.entry);
    sweep.files = objects
        .iter()
        .filter(|object| is_data_file(&object.location) && is_older(object, ages.file))
        .filter(|object| !named.contains(&object.location))
        .map(|object| (object.location.clone(), object.size))
        .collect();
    sweep.store = Some(store);
    Ok(sweep)
}

/// Data files lie beside the log, under names that end like this; everything else is somebody else's.
fn is_data_file(path: &Path) -> bool {
    let mut parts = path.parts();
    let is_hidden = parts.any(|part| part.as_ref().starts_with(['_', '.']));
    !is_hidden && path.extension() == Some("parquet")
}

fn is_older(object: &ObjectMeta, than: Timestamp) -> bool {
    object.last_modified.timestamp_millis() < than.as_millisecond()
}

/// An entry of a table's log: its version, and whether it is a whole checkpoint.
fn log_entry(path: &Path) -> Option<(u64, bool)> {
    let name = path.as_ref().strip_prefix("_delta_log/")?;
    let (version, rest) = name.split_at_checked(20)?;
    Some((version.parse().ok()?, rest == ".checkpoint.parquet"))
}

/// Entries before the last checkpoint that every kept version can be read from.
fn log_entries(objects: &[ObjectMeta], oldest_needed: Option<u64>, newest: Option<u64>, age: Timestamp) -> Sweep {
    let entries: Vec<(&ObjectMeta, u64, bool)> = objects
        .iter()
        .filter_map(|object| log_entry(&object.location).map(|(version, whole)| (object, version, whole)))
        .collect();
    let checkpoints = || entries.iter().filter(|(_, _, whole)| *whole).map(|(_, version, _)| *version);
    let base = checkpoints().filter(|version| oldest_needed.is_some_and(|needed| *version <= needed)).max();
    // No gaps, whatever the clocks said: a log with a hole in it cannot be read.
    let first_young =
        entries.iter().filter(|(object, ..)| !is_older(object, age)).map(|(_, version, _)| *version).min();
    let end = base.map(|base| base.min(first_young.unwrap_or(u64::MAX)));
    let mut old: Vec<(u64, Path, u64)> = entries
        .iter()
        .filter(|(_, version, _)| end.is_some_and(|end| *version < end))
        .map(|(object, version, _)| (*version, object.location.clone(), object.size))
        .collect();
    old.sort();
    let last = checkpoints().max();
    Sweep {
        entries: old.into_iter().map(|(_, path, size)| (path, size)).collect(),
        commits_since_checkpoint: newest.map_or(0, |newest| newest.saturating_sub(last.unwrap_or(0))),
        ..Sweep::default()
    }
}

/// Deletes log entries of a table none of whose older versions is needed, up to its last checkpoint.
///
/// # Errors
/// When they cannot be listed or deleted.
pub async fn log_only(delta: &DeltaTable, age: Timestamp) -> Result<()> {
    let store = delta.log_store().object_store(None);
    let folder = Path::from("_delta_log");
    let objects: Vec<ObjectMeta> = store.list(Some(&folder)).try_collect().await.context("listing a table's log")?;
    let mut sweep = log_entries(&objects, delta.version(), delta.version(), age);
    sweep.store = Some(store);
    sweep.go().await
}

impl Sweep {
    /// Bytes of everything that was found.
    pub fn byte_count(&self) -> u64 {
        self.files.iter().chain(&self.entries).map(|(_, bytes)| bytes).sum()
    }

    /// Deletes what was found. What somebody else deleted first is as good as deleted.
    ///
    /// # Errors
    /// When a file cannot be deleted; it is named.
    pub async fn go(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        for (path, _) in self.files.iter().chain(&self.entries) {
            match store.delete(path).await {
                Ok(()) | Err(ObjectStoreError::NotFound { .. }) => {}
                Err(error) => return Err(error).with_context(|| format!("deleting {path}")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> ObjectMeta {
        ObjectMeta {
            location: Path::from(path),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 1,
            e_tag: None,
            version: None,
        }
    }

    #[test]
    fn log_entries_go_up_to_the_checkpoint_that_the_oldest_needed_version_is_read_from() {
        let mut objects: Vec<ObjectMeta> =
            (0..30).map(|version| object(&format!("_delta_log/{version:020}.json"))).collect();
        objects.push(object(&format!("_delta_log/{:020}.checkpoint.parquet", 10)));
        objects.push(object(&format!("_delta_log/{:020}.checkpoint.parquet", 20)));
        objects.push(object("_delta_log/_last_checkpoint"));
        let age = Timestamp::from_second(1).unwrap();
        let gone = |needed| log_entries(&objects, Some(needed), Some(29), age).entries.len();
        assert_eq!((gone(9), gone(10), gone(19), gone(20)), (0, 10, 10, 21));
        assert_eq!(log_entries(&objects, Some(20), Some(29), age).commits_since_checkpoint, 9);
        let young = log_entries(&objects, Some(20), Some(29), Timestamp::UNIX_EPOCH);
        assert!(young.entries.is_empty(), "what is young stays");
        objects[7].last_modified = std::time::SystemTime::now().into();
        let gap = log_entries(&objects, Some(20), Some(29), age);
        assert_eq!(gap.entries.len(), 7, "what is old stays after what is young");
    }

    #[test]
    fn only_data_files_are_ours_to_delete() {
        for (path, ours) in [
            ("part-1.parquet", true),
            ("_delta_log/00000000000000000010.checkpoint.parquet", false),
            ("_temporary/part-1.parquet", false),
            ("notes.txt", false),
        ] {
            assert_eq!(is_data_file(&Path::from(path)), ours, "{path}");
        }
    }
}
