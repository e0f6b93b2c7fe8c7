//! Whether a table is still what a release published, and how one that is not is put right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add, MetadataExt};
use sha2::{Digest, Sha256};

use super::TableState;
use crate::failure::{Exit, failure};
use crate::lake::{Lake, remedy};
use crate::log_damage;
use crate::schema::TableSchema;
use crate::staging::Staged;

/// What tells a set of data files from any other: their names, which are never used twice, and their sizes.
pub fn files_of<'a>(adds: impl IntoIterator<Item = &'a Add>) -> String {
    // Their names alone: how a log writes the folders before them is the writer's choice.
    let name = |add: &'a Add| add.path.rsplit('/').next().unwrap_or_default();
    let files: BTreeSet<(&str, i64)> = adds.into_iter().map(|add| (name(add), add.size)).collect();
    let mut hash = Sha256::new();
    for (name, size) in files {
        hash.update(format!("{name} {size}\n"));
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The data files of a table at the version it was opened at.
///
/// # Errors
/// When the table was not read.
#[allow(deprecated, reason = "the only way to all of what a log says of a file")]
pub fn adds_of(delta: &DeltaTable) -> Result<Vec<Add>> {
    Ok(delta.snapshot()?.snapshot().log_data().iter().map(|file| file.add_action()).collect())
}

/// What tells the files of a table apart once these actions are done.
///
/// # Errors
/// When the table was not read.
pub(super) fn files_after(base: &DeltaTable, actions: &[Action]) -> Result<String> {
    let mut adds = adds_of(base)?;
    for action in actions {
        match action {
            Action::Remove(remove) => adds.retain(|add| add.path != remove.path),
            Action::Add(add) => adds.push(add.clone()),
            _ => {}
        }
    }
    Ok(files_of(&adds))
}

impl TableState {
    /// Whether a table, as it was opened, is what was published: the same version made of the same files.
    pub fn is_of(&self, delta: &DeltaTable) -> bool {
        let is_same = || self.files.is_empty() || adds_of(delta).is_ok_and(|adds| files_of(&adds) == self.files);
        delta.version() == Some(self.version) && is_same()
    }
}

/// Opens a table as a release published it.
///
/// # Errors
/// [`Exit::LakeUnavailable`] when it is not there any more, or is something else than was published.
pub async fn open(lake: &Lake, schema: &str, table: &str, state: &TableState) -> Result<DeltaTable> {
    let name = format!("{schema}.{table}");
    let Some(delta) = lake.open(schema, table, Some(state.version)).await? else {
        let message = format!("table {name} is gone although a release names it");
        return Err(failure(Exit::LakeUnavailable, message, remedy(&name)));
    };
    if state.is_of(&delta) {
        return Ok(delta);
    }
    let message = format!("table {name} at version {} is not what its release published", state.version);
    let why = match log_damage::find(&delta.log_store(), Some(state.version)).await {
        Some(damage) => damage.message,
        None => "it was made anew, or its log or a checkpoint of it was changed, by somebody else".to_owned(),
    };
    Err(failure(Exit::LakeUnavailable, format!("{message}: {why}"), remedy(&name)))
}

/// The actions that leave a table with the files of its last release and those staged, whatever somebody else or a run
/// that was killed made of it meanwhile; and what it then consists of.
///
/// # Errors
/// As [`open`].
pub(super) async fn appended(
    lake: &Lake,
    name: (&str, &str),
    base: &DeltaTable,
    released: Option<&TableState>,
    columns: &TableSchema,
    staged: &Staged,
) -> Result<(Vec<Action>, String)> {
    let found = adds_of(base)?;
    let before = match released {
        Some(state) if state.is_of(base) => found.clone(),
        Some(state) => adds_of(&open(lake, name.0, name.1, state).await?)?,
        None => Vec::new(),
    };
    let by_path =
        |adds: &[Add]| -> BTreeMap<String, Add> { adds.iter().map(|add| (add.path.clone(), add.clone())).collect() };
    let found = by_path(&found);
    let mut wanted = by_path(&before);
    wanted.extend(by_path(&staged.adds));
    let mut actions = Vec::new();
    let snapshot = base.snapshot()?.snapshot();
    if snapshot.schema().as_ref() != &columns.delta {
        actions.push(Action::Metadata(snapshot.metadata().clone().with_schema(&columns.delta)?));
    }
    for file in snapshot.log_data().iter().filter(|file| !wanted.contains_key(file.path().as_ref())) {
        actions.push(Action::Remove(file.remove_action(true)));
    }
    let missing = wanted.iter().filter(|(path, _)| !found.contains_key(*path));
    actions.extend(missing.map(|(_, add)| Action::Add(add.clone())));
    Ok((actions, files_of(wanted.values())))
}
