//! The lake: one root URL, tables at `<lake>/Tables/<schema>/<table>`, files for people at `<lake>/Files/`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use deltalake::kernel::StructType;
use deltalake::logstore::{LogStoreRef, ObjectStoreRef};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, ObjectStoreError, Path};
use futures::TryStreamExt;
use url::Url;

use crate::failure::{Exit, Failure, failure, one_line};
use crate::log_damage;

/// A lake, by its root URL.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Url,
}

/// Refuses the variables that would make the object stores' client trust any server.
fn check_certificates_are_checked(variables: impl Iterator<Item = String>) -> Result<()> {
    let mut variables = variables;
    match variables.find(|name| name.to_ascii_uppercase().ends_with("ALLOW_INVALID_CERTIFICATES")) {
        None => Ok(()),
        Some(name) => Err(failure(
            Exit::Configuration,
            format!("{name} is set, and certificates are always checked"),
            format!("unset {name}, and trust the authority of the store's certificate on this machine"),
        )),
    }
}

impl Lake {
    /// The lake at a folder or URL. Touches nothing.
    ///
    /// # Errors
    /// [`Exit::Configuration`] when the text is neither a folder nor a URL this build can open.
    pub fn new(location: &str) -> Result<Self> {
        #[cfg(feature = "cloud")]
        register_cloud_handlers();
        let mut root = match Url::parse(location) {
            Ok(url) if url.scheme() == "file" || url.has_host() => url,
            _ => {
                let path =
                    std::path::absolute(location).with_context(|| format!("resolving the lake path {location}"))?;
                Url::from_directory_path(&path).map_err(|()| {
                    Failure::new(Exit::Configuration, format!("{location} is neither a folder nor a URL"))
                        .hint("give --lake a folder, or an s3://, abfss:// or gs:// URL")
                })?
            }
        };
        let known: &[&str] = if cfg!(feature = "cloud") {
            &["file", "s3", "s3a", "abfs", "abfss", "az", "adl", "azure", "gs"]
        } else {
            &["file"]
        };
        check_certificates_are_checked(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()))?;
        if !known.contains(&root.scheme()) {
            return Err(failure(
                Exit::Configuration,
                format!("this build cannot open a lake at {}://", root.scheme()),
                "install with the default features, which include s3, abfss and gs",
            ));
        }
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        Ok(Self { root })
    }

    /// The root, always ending in `/`.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// The root as a folder, when the lake is on this machine.
    fn folder(&self) -> Option<PathBuf> {
        self.root.to_file_path().ok()
    }

    /// Where a table is.
    ///
    /// # Errors
    /// When the name does not fit in a URL.
    pub fn table_url(&self, schema: &str, table: &str) -> Result<Url> {
        Ok(self.root.join(&format!("Tables/{schema}/{table}/"))?)
    }

    fn local_table(&self, schema: &str, table: &str) -> Option<PathBuf> {
        self.folder().map(|folder| folder.join("Tables").join(schema).join(table))
    }

    /// The log store of a table that may not exist yet. Makes its folder in a local lake.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the folder cannot be made or the store not be opened.
    pub fn log_store(&self, schema: &str, table: &str) -> Result<LogStoreRef> {
        let url = self.table_url(schema, table)?;
        if let Some(folder) = self.local_table(schema, table) {
            std::fs::create_dir_all(&folder).map_err(|error| {
                Failure::new(Exit::LakeUnavailable, format!("creating {}: {error}", folder.display()))
                    .hint("check that --lake names a folder this user may write to")
            })?;
        }
        Ok(DeltaTableBuilder::from_url(url)?.build_storage()?)
    }

    /// A table at a version, or at its newest; `None` when there is no such table.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it is there and cannot be read, or lacks the version.
    pub async fn open(&self, schema: &str, table: &str, version: Option<u64>) -> Result<Option<DeltaTable>> {
        if let Some(folder) = self.local_table(schema, table)
            && !folder.join("_delta_log").is_dir()
        {
            return Ok(None);
        }
        let url = self.table_url(schema, table)?;
        let opening = || match version {
            Some(version) => format!("opening table {schema}.{table} at version {version}"),
            None => format!("opening table {schema}.{table}"),
        };
        let mut builder = DeltaTableBuilder::from_url(url).with_context(opening)?;
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        let mut delta = builder.build().with_context(opening)?;
        if !delta.verify_deltatable_existence().await.with_context(opening)? {
            return Ok(None);
        }
        let loaded = match version {
            Some(version) => delta.load_version(version).await,
            None => delta.load().await,
        };
        match loaded {
            Ok(()) => Ok(Some(delta)),
            Err(error) => Err(unreadable(&format!("{schema}.{table}"), opening(), &delta, version, error).await),
        }
    }

    /// The newest version of a table, without reading what is in it; `None` when there is no such table.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the table's log cannot be listed.
    pub async fn latest_version(&self, schema: &str, table: &str) -> Result<Option<u64>> {
        if let Some(folder) = self.local_table(schema, table)
            && !folder.join("_delta_log").is_dir()
        {
            return Ok(None);
        }
        let delta = DeltaTableBuilder::from_url(self.table_url(schema, table)?)?.build()?;
        if !delta.verify_deltatable_existence().await? {
            return Ok(None);
        }
        // Not the library's own way, which wants the log from its first entry on: upkeep deletes old ones.
        let folder = Path::from("_delta_log");
        let entries = delta.log_store().object_store(None).list(Some(&folder)).try_collect::<Vec<_>>().await;
        let entries = entries.with_context(|| format!("listing the versions of table {schema}.{table}"))?;
        let version = |entry: ObjectMeta| entry.location.filename()?.strip_suffix(".json")?.parse::<u64>().ok();
        Ok(entries.into_iter().filter_map(version).max())
    }

    /// The newest version of a table, which is made, empty, where it does not exist.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it can be neither opened nor made.
    pub async fn open_or_create(&self, schema: &str, table: &str, columns: &StructType) -> Result<DeltaTable> {
        for _ in 0..3 {
            if let Some(delta) = self.open(schema, table, None).await? {
                return Ok(delta);
            }
            let store = self.log_store(schema, table)?;
            let made = DeltaTable::new(store).create().with_columns(columns.fields().cloned()).await;
            match made {
                Ok(delta) => return Ok(delta),
                // Somebody else made it first: open theirs.
                Err(_) if self.open(schema, table, None).await?.is_some() => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("creating table {schema}.{table}"));
                }
            }
        }
        Err(Failure::new(Exit::LakeUnavailable, format!("table {schema}.{table} can be neither opened nor created"))
            .into())
    }

    /// The object store of the whole lake.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it cannot be opened.
    pub fn store(&self) -> Result<ObjectStoreRef> {
        Ok(DeltaTableBuilder::from_url(self.root.clone())?.build_storage()?.object_store(None))
    }

    /// Where a file for people is.
    ///
    /// # Errors
    /// When the path does not fit in a URL.
    pub fn file_url(&self, path: &str) -> Result<Url> {
        Ok(self.root.join(&format!("Files/{path}"))?)
    }

    /// Puts a file for people at `<lake>/Files/<path>`, whole or not at all.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it cannot be written.
    pub async fn put_file(&self, path: &str, content: Vec<u8>) -> Result<()> {
        let path = format!("Files/{path}");
        self.store()?
            .put(&Path::from(path.as_str()), content.into())
            .await
            .map_err(anyhow::Error::from)
            .with_context(|| format!("writing {path}"))?;
        Ok(())
    }

    /// Whether a file for people is there.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the store does not answer.
    pub async fn has_file(&self, path: &str) -> Result<bool> {
        match self.store()?.head(&Path::from(format!("Files/{path}").as_str())).await {
            Ok(_) => Ok(true),
            Err(ObjectStoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("looking for Files/{path}")),
        }
    }

    /// A location for people: a path for a local lake, the URL otherwise.
    pub fn display(&self, url: &Url) -> String {
        url.to_file_path().map_or_else(|()| url.to_string(), |path| path.display().to_string())
    }
}

/// What mends a table, or a file of it, that is not what it was.
pub fn remedy(table: &str) -> String {
    match table.split_once('.') {
        Some((stage @ ("prepare" | "clean" | "transform" | "refine" | "analyse"), name)) => format!(
            "restore it from a copy, or move the folder Tables/{stage}/{name} away and run spectra-{stage} again"
        ),
        Some(("quarantine", name)) => format!(
            "restore it from a copy, or move the folder Tables/quarantine/{name} away and run the stage again \
             that sets these rows aside"
        ),
        _ => "restore it from a copy: what is in it is nowhere else".to_owned(),
    }
}

/// Why a table that is there cannot be opened, by the file that is to blame where one is.
async fn unreadable(
    table: &str,
    doing: String,
    delta: &DeltaTable,
    version: Option<u64>,
    error: DeltaTableError,
) -> anyhow::Error {
    if let Some(damage) = log_damage::find(&delta.log_store(), version).await {
        let hint = damage.remedy.unwrap_or_else(|| remedy(table));
        return failure(Exit::LakeUnavailable, format!("{doing}: {}", damage.message), hint);
    }
    if error.to_string().contains("not supported") {
        let cause = one_line(&error.into());
        let hint =
            "another program changed the table: use a release of spectra that knows this feature, or take it away";
        return failure(Exit::LakeUnavailable, format!("{doing}: {cause}"), hint);
    }
    let gone = version.is_some() && error.to_string().contains("end version");
    let error = anyhow::Error::from(error);
    match gone {
        true => failure(Exit::LakeUnavailable, format!("{doing}: it has no such version"), remedy(table)),
        false => error.context(doing),
    }
}

#[cfg(feature = "cloud")]
fn register_cloud_handlers() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        deltalake::aws::register_handlers(None);
        deltalake::azure::register_handlers(None);
        deltalake::gcp::register_handlers(None);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_becomes_an_absolute_url() {
        let lake = Lake::new("some/lake").unwrap();
        assert!(lake.root().as_str().starts_with("file:///"));
        assert!(lake.table_url("clean", "dimCycle").unwrap().as_str().ends_with("some/lake/Tables/clean/dimCycle/"));
    }

    #[test]
    fn a_scheme_nobody_knows_is_refused() {
        assert!(Lake::new("ftp://somewhere/lake").is_err());
    }

    #[test]
    fn nothing_makes_the_stores_trust_any_server() {
        let check = |name: &str| check_certificates_are_checked([name.to_owned()].into_iter());
        for name in ["AWS_ALLOW_INVALID_CERTIFICATES", "azure_allow_invalid_certificates", "ALLOW_INVALID_CERTIFICATES"]
        {
            let error = check(name).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(check("AWS_ALLOW_HTTP").is_ok());
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_none_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path().to_str().unwrap()).unwrap();
        assert!(lake.open("clean", "dimCycle", None).await.unwrap().is_none());
        assert!(lake.latest_version("clean", "dimCycle").await.unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
