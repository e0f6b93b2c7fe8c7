//! The lake: whether it is there, can be written, and refuses a second writer.

use std::path::Path as Folder;
use std::time::Instant;

use anyhow::{Context, Result};
use datafusion::object_store::{ObjectStoreExt, PutMode, PutOptions};
use deltalake::{ObjectStoreError, Path};
use spectra_common::failure::{Exit, failure};
use spectra_common::release::History;
use spectra_common::run::Run;

use super::Findings;

/// Looks at it; a lake that is not there is not made.
pub async fn check(findings: &mut Findings, run: &Run) {
    let clock = Instant::now();
    let place = run.lake.display(run.lake.root()).trim_end_matches('/').to_owned();
    let folder = run.lake.root().to_file_path().ok();
    if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
        match can_be_made(folder) {
            Ok(()) => findings.ok("lake", clock, format!("{place} is not there yet and can be made")),
            Err(error) => findings.failed(
                "lake",
                clock,
                Exit::LakeUnavailable,
                format!(
                    "{place} is not there and cannot be made: {error:#} (hint: check --lake and who may write there)"
                ),
            ),
        }
        findings.skipped("second writer", clock, "there is no lake yet");
        return;
    }
    match newest(run).await {
        Ok(Some(release)) => findings.ok("lake", clock, format!("{place} is there, with {release}")),
        Ok(None) => findings.ok("lake", clock, format!("{place} can be reached and holds no release of source yet")),
        Err(error) => findings.failed(
            "lake",
            clock,
            Exit::LakeUnavailable,
            format!(
                "{place} cannot be read: {} (hint: check --lake and its rights)",
                spectra_common::failure::one_line(&error)
            ),
        ),
    }
    let clock = Instant::now();
    match refuses_second(run, folder.as_deref()).await {
        Ok(()) => findings.ok("second writer", clock, "the storage takes a file and refuses a second of the same name"),
        Err(error) => {
            let error = match spectra_common::failure::exit_of(&error) {
                Exit::LakeUnavailable => error,
                _ => error.context(failure(Exit::LakeUnavailable, "trying to write", "check the rights of the lake")),
            };
            findings.wrong("second writer", clock, &error);
        }
    }
}

fn can_be_made(folder: &Folder) -> Result<()> {
    let mut place = folder;
    // What is there in its place, or above it, must be a folder.
    while std::fs::symlink_metadata(place).is_err() {
        place = place.parent().context("nothing above it is there")?;
    }
    anyhow::ensure!(place.is_dir(), "{} is no folder", place.display());
    tempfile::tempfile_in(place).with_context(|| format!("writing into {}", place.display()))?;
    Ok(())
}

async fn newest(run: &Run) -> Result<Option<String>> {
    let history = History::load(&run.lake).await?;
    Ok(history.newest("source").map(|release| {
        let as_of = release.as_of.map_or_else(String::new, |day| format!(" as of {day}"));
        format!("release {} of source{as_of}", release.number)
    }))
}

/// Puts one object twice, as two writers of the same commit would.
async fn refuses_second(run: &Run, folder: Option<&Folder>) -> Result<()> {
    let store = run.lake.store()?;
    let name = format!("Files/source/doctor-{:016x}", rand::random::<u64>());
    let path = Path::from(name.as_str());
    let folders: Vec<_> =
        folder.into_iter().flat_map(|folder| ["Files/source", "Files"].map(|name| folder.join(name))).collect();
    let made: Vec<_> = folders.into_iter().filter(|folder| !folder.exists()).collect();
    let put = async || {
        let options = PutOptions::from(PutMode::Create);
        store.put_opts(&path, "spectra-source doctor".into(), options).await
    };
    let (first, second) = (put().await, put().await);
    let removed = match &first {
        Ok(_) => store.delete(&path).await,
        Err(_) => Ok(()),
    };
    // An object store of folders leaves them behind.
    made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
    first.with_context(|| format!("putting {name}"))?;
    removed.with_context(|| format!("deleting {name}"))?;
    match second {
        Err(ObjectStoreError::AlreadyExists { .. } | ObjectStoreError::Precondition { .. }) => Ok(()),
        Err(error) => Err(error).context("the storage refuses a second writer in a way nobody foresaw"),
        Ok(_) => Err(failure(
            Exit::LakeUnavailable,
            "the storage lets a second writer overwrite what the first one wrote: two runs at once would lose data",
            "use a storage with conditional writes, and switch them on",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_lake_can_be_made_is_found_out_without_making_it() {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("some/lake");
        can_be_made(&lake).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(can_be_made(&folder.path().join("file/lake")).is_err());
    }
}
