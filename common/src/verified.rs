//! Data files of a lake on this machine, compared with what was written before anything is read from them.
//!
//! Of all single bits that can flip in a Parquet file about half give other values and no error, and nobody else looks
//! after the bytes: object stores keep checksums of their own, most file systems do not. So the commit of a file carries
//! its hash, and whoever is to read from the file first compares the two, once in a run.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use async_trait::async_trait;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult,
};
use deltalake::Path;
use deltalake::kernel::{Action, Add};
use deltalake::logstore::LogStoreRef;
use futures::stream::BoxStream;
use tokio::sync::OnceCell;
use url::Url;

use crate::failure::{Exit, Failure};
use crate::lake::remedy;
use crate::staging::Staged;

/// What stands before our words in an error of the store. Libraries keep the text of a cause and drop the cause.
const MARK: &str = "Generic lake error: ";

/// The failure that a text of some library's error goes back to, if it came from here.
pub fn refusal(text: &str) -> Option<Failure> {
    let (_, message) = text.rsplit_once(MARK)?;
    let (_, rest) = message.split_once(" of table ")?;
    let table = rest.split(' ').next()?;
    Some(Failure::new(Exit::LakeUnavailable, message).hint(remedy(table)))
}

/// The tag of a file's commit that carries its hash.
const TAG: &str = "spectra.blake3";

/// Adds to the files of a lake on this machine what tells their content from any other.
///
/// # Errors
/// [`Exit::LakeUnavailable`] when a file that was just written cannot be read.
pub async fn seal(store: &LogStoreRef, staged: &Staged) -> Result<Staged> {
    let mut sealed = staged.clone();
    if store.root_url().scheme() != "file" {
        return Ok(sealed);
    }
    for add in &mut sealed.adds {
        if add.tags.as_ref().is_some_and(|tags| tags.contains_key(TAG)) {
            continue;
        }
        let url = store.root_url().join(&add.path)?;
        let Ok(path) = url.to_file_path() else { continue };
        let hashing = || format!("reading what was written to {}", path.display());
        let hash = hash_of(path.clone()).await.with_context(hashing)?;
        add.tags.get_or_insert_default().insert(TAG.to_owned(), Some(hash));
    }
    Ok(sealed)
}

/// As [`seal`], for the files that actions add.
///
/// # Errors
/// As [`seal`].
pub async fn sealed(store: &LogStoreRef, actions: &[Action]) -> Result<Vec<Action>> {
    let mut done = Vec::with_capacity(actions.len());
    for action in actions {
        match action {
            Action::Add(add) => {
                let sealed = seal(store, &Staged { adds: vec![add.clone()], row_count: 0 }).await?;
                done.extend(sealed.adds.into_iter().map(Action::Add));
            }
            other => done.push(other.clone()),
        }
    }
    Ok(done)
}

async fn hash_of(path: PathBuf) -> io::Result<String> {
    let hashing = move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    };
    tokio::task::spawn_blocking(hashing).await.map_err(io::Error::other)?
}

/// A data file as its table's log tells of it.
#[derive(Debug)]
struct Told {
    table: String,
    path: PathBuf,
    size_bytes: u64,
    hash: Option<String>,
    is_whole: OnceCell<()>,
}

/// This machine's files. Those that a table's log tells of are compared with it before they are read.
#[derive(Debug, Default)]
pub struct Files {
    inner: LocalFileSystem,
    told: Mutex<HashMap<Path, Arc<Told>>>,
}

impl Files {
    /// Remembers what a table's log tells of its data files.
    ///
    /// # Errors
    /// When the place of one is no place.
    pub fn learn(&self, root: &Url, adds: &[Add]) -> Result<()> {
        if root.scheme() != "file" {
            return Ok(());
        }
        let parts: Vec<&str> = root.path().split('/').filter(|part| !part.is_empty()).collect();
        let table = parts[parts.len().saturating_sub(2)..].join(".");
        for add in adds {
            self.learn_one(&table, root, add)?;
        }
        Ok(())
    }

    fn learn_one(&self, table: &str, root: &Url, add: &Add) -> Result<()> {
        let url = root.join(&add.path)?;
        let Ok(path) = url.to_file_path() else { return Ok(()) };
        let hash = add.tags.as_ref().and_then(|tags| tags.get(TAG).cloned().flatten());
        let size_bytes = u64::try_from(add.size)?;
        let told = Told { table: table.to_owned(), path, size_bytes, hash, is_whole: OnceCell::new() };
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(Path::from_url_path(url.path())?).or_insert_with(|| Arc::new(told));
        Ok(())
    }

    async fn check(&self, location: &Path) -> StoreResult<()> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).get(location).cloned();
        let Some(told) = told else { return Ok(()) };
        let checked = told.is_whole.get_or_try_init(|| told.compare()).await;
        checked.copied().map_err(|failure| Error::Generic { store: "lake", source: Box::new(failure) })
    }
}

impl Told {
    async fn compare(&self) -> Result<(), Failure> {
        let found = match tokio::fs::metadata(&self.path).await {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.refused("is missing")),
            Err(error) => return Err(self.refused(&format!("cannot be read: {error}"))),
        };
        if found.len() != self.size_bytes {
            let lengths = format!("has {} bytes, and {} were written", found.len(), self.size_bytes);
            return Err(self.refused(&lengths));
        }
        let Some(hash) = &self.hash else { return Ok(()) };
        match hash_of(self.path.clone()).await {
            Ok(found) if found == *hash => Ok(()),
            Ok(_) => Err(self.refused("is damaged: its bytes are not those that were written")),
            Err(error) => Err(self.refused(&format!("cannot be read: {error}"))),
        }
    }

    fn refused(&self, what: &str) -> Failure {
        let message = format!("the data file {} of table {} {what}", self.path.display(), self.table);
        Failure::new(Exit::LakeUnavailable, message).hint(remedy(&self.table))
    }
}

impl fmt::Display for Files {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "files of this machine")
    }
}

#[async_trait]
impl ObjectStore for Files {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.check(location).await?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<bytes::Bytes>> {
        self.check(location).await?;
        self.inner.get_ranges(location, ranges).await
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
