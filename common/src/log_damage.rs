//! What is wrong with the log of a table that cannot be opened: looked for afterwards, so that a message can name the
//! file.

use std::collections::BTreeMap;

use datafusion::object_store::ObjectStoreExt;
use deltalake::logstore::LogStoreRef;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::{ObjectMeta, Path};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest piece of a log entry that is looked at; what is longer is taken as whole.
const LONGEST_ENTRY_BYTES: u64 = 256 << 20;

/// Something wrong with a table's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// Which file, and what about it.
    pub message: String,
    /// What mends it, where that is more than to restore the file.
    pub remedy: Option<String>,
}

#[derive(Deserialize)]
struct Hint {
    version: u64,
}

/// The files of a log.
#[derive(Default)]
struct Listing {
    entries: BTreeMap<u64, ObjectMeta>,
    checkpoints: BTreeMap<u64, Vec<Path>>,
    hint: Option<Path>,
}

/// The first thing that is wrong with a table's log up to a version; nothing where it is whole or cannot be listed.
pub async fn find(store: &LogStoreRef, version: Option<u64>) -> Option<LogDamage> {
    let objects = store.object_store(None);
    let location = |path: &Path| {
        let url = store.root_url().join(path.as_ref());
        url.map_or_else(
            |_| path.to_string(),
            |url| url.to_file_path().map_or(url.to_string(), |path| path.display().to_string()),
        )
    };
    let files: Vec<ObjectMeta> = objects.list(Some(&Path::from("_delta_log"))).try_collect().await.ok()?;
    let listing = Listing::of(files);
    let newest = version.or_else(|| listing.entries.keys().next_back().copied())?;
    let whole_from = |from: u64| (from..=newest).all(|version| listing.entries.contains_key(&version));
    let dispensable = |what: &str| whole_from(0).then(|| format!("delete {what}: the log is whole without it"));
    if let Some(path) = &listing.hint
        && let Ok(content) = objects.get(path).await
        && let Ok(content) = content.bytes().await
        && let Ok(hint) = serde_json::from_slice::<Hint>(&content)
        && !listing.checkpoints.contains_key(&hint.version)
    {
        let message = format!("{} names version {}, of which there is no checkpoint", location(path), hint.version);
        return Some(LogDamage { message, remedy: dispensable("it") });
    }
    let checkpoint = listing.checkpoints.range(..=newest).next_back();
    for path in checkpoint.iter().flat_map(|(_, paths)| paths.iter()) {
        let Ok(content) = objects.get(path).await else { continue };
        let Ok(content) = content.bytes().await else { continue };
        if let Err(error) = ParquetRecordBatchReaderBuilder::try_new(content) {
            let message = format!("the checkpoint {} cannot be read: {error}", location(path));
            return Some(LogDamage { message, remedy: dispensable("it and _last_checkpoint") });
        }
    }
    let first = checkpoint.map_or(0, |(version, _)| version + 1);
    for version in first..=newest {
        let Some(entry) = listing.entries.get(&version) else {
            let path = Path::from(format!("_delta_log/{version:020}.json"));
            return Some(LogDamage { message: format!("{} is missing", location(&path)), remedy: None });
        };
        if entry.size > LONGEST_ENTRY_BYTES {
            continue;
        }
        let Ok(content) = objects.get(&entry.location).await else { continue };
        let Ok(content) = content.bytes().await else { continue };
        if let Some(what) = broken(&content) {
            return Some(LogDamage { message: format!("{} {what}", location(&entry.location)), remedy: None });
        }
    }
    None
}

fn broken(entry: &[u8]) -> Option<String> {
    if entry.is_empty() {
        return Some("is empty".to_owned());
    }
    let lines = entry.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    for (at, line) in lines {
        if serde_json::from_slice::<&RawValue>(line).is_err() {
            return Some(format!("is damaged: line {} is no JSON object", at + 1));
        }
    }
    None
}

impl Listing {
    fn of(files: Vec<ObjectMeta>) -> Self {
        let mut listing = Self::default();
        for file in files {
            let name = file.location.filename().unwrap_or_default().to_owned();
            let version = name.split('.').next().and_then(|number| number.parse::<u64>().ok());
            match version {
                _ if name == "_last_checkpoint" => listing.hint = Some(file.location),
                Some(version) if name == format!("{version:020}.json") => {
                    listing.entries.insert(version, file);
                }
                Some(version) if name.contains(".checkpoint") && name.ends_with(".parquet") => {
                    listing.checkpoints.entry(version).or_default().push(file.location);
                }
                _ => {}
            }
        }
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_whole_when_every_line_is_json() {
        assert_eq!(broken(b"{\"add\":{}}\n{\"remove\":{}}\n"), None);
        assert_eq!(broken(b"").as_deref(), Some("is empty"));
        assert_eq!(broken(b"{\"add\":{}}\n{\"remo").as_deref(), Some("is damaged: line 2 is no JSON object"));
    }
}
