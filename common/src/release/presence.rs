//! Whether a release can still be read: the versions it names are in the logs of their tables, and the files of those
//! versions are where the logs say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use deltalake::{DeltaTable, Path};
use futures::{StreamExt, TryStreamExt};

use super::Release;
use crate::failure::one_line;
use crate::lake::Lake;

/// Tables that are looked at together: most of the time is spent waiting for the store.
const AT_ONCE: usize = 8;

/// A version of a table, as far as it can be told without reading rows.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// Rows, if every file says how many it has.
    pub row_count: Option<i64>,
    /// Why it cannot be read, if it cannot.
    pub missing: Option<String>,
}

impl Presence {
    fn without(why: impl Into<String>) -> Self {
        Self { row_count: None, missing: Some(why.into()) }
    }
}

/// What was found, by `schema.table` and version.
pub type Presences = BTreeMap<(String, u64), Presence>;

/// Looks for everything that the releases name. A folder is listed once, whatever the number of versions.
///
/// # Errors
/// [`crate::failure::Exit::LakeUnavailable`] when a table's folder cannot be listed.
pub async fn look(lake: &Lake, releases: &[&Release]) -> Result<Presences> {
    let mut wanted: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (table, state) in releases.iter().flat_map(|release| &release.tables) {
        wanted.entry(table.clone()).or_default().insert(state.version);
    }
    let looks = wanted.into_iter().map(|(table, versions)| look_at(lake.clone(), table, versions));
    let found: Vec<Presences> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn look_at(lake: Lake, name: String, versions: BTreeSet<u64>) -> Result<Presences> {
    let (schema, table) = name.split_once('.').with_context(|| format!("`{name}` is not schema.table"))?;
    let mut presences = Presences::new();
    let mut files: Option<HashMap<Path, u64>> = None;
    let mut open: Option<DeltaTable> = None;
    for version in versions {
        let presence = match at(&lake, schema, table, open.take(), version).await {
            Ok(Some(delta)) => {
                if files.is_none() {
                    files = Some(list(&delta).await.with_context(|| format!("listing the files of {name}"))?);
                }
                let presence = whole(&delta, files.as_ref().unwrap_or(&HashMap::new()))?;
                open = Some(delta);
                presence
            }
            Ok(None) => Presence::without("the table is gone"),
            Err(error) => Presence::without(one_line(&error)),
        };
        presences.insert((name.clone(), version), presence);
    }
    Ok(presences)
}

/// A table at a version; going on from an older one, if that is open, takes only the commits in between.
async fn at(
    lake: &Lake,
    schema: &str,
    table: &str,
    open: Option<DeltaTable>,
    version: u64,
) -> Result<Option<DeltaTable>> {
    if let Some(mut delta) = open
        && delta.update_incremental(Some(version)).await.is_ok()
        && delta.version() == Some(version)
    {
        return Ok(Some(delta));
    }
    lake.open(schema, table, Some(version)).await
}

/// Data files in a table's folder, with their sizes.
async fn list(delta: &DeltaTable) -> Result<HashMap<Path, u64>> {
    let store = delta.log_store().object_store(None);
    let files = store.list(None).try_filter_map(|file| async move {
        let is_log = file.location.as_ref().starts_with("_delta_log/");
        Ok((!is_log).then_some((file.location, file.size)))
    });
    Ok(files.try_collect().await?)
}

fn whole(delta: &DeltaTable, files: &HashMap<Path, u64>) -> Result<Presence> {
    let mut row_count = Some(0);
    for file in delta.snapshot()?.snapshot().log_data().iter() {
        let path = file.object_store_path();
        match files.get(&path) {
            None => return Ok(Presence::without(format!("file {path} is gone"))),
            Some(size) if i64::try_from(*size).ok() != Some(file.size()) => {
                return Ok(Presence::without(format!("file {path} has {size} bytes, not {}", file.size())));
            }
            Some(_) => {}
        }
        row_count = row_count.zip(file.num_records()).map(|(sum, count)| sum + count as i64);
    }
    Ok(Presence { row_count, missing: None })
}
