//! Whether a table is still what a release published, and how one that is not is put right.

use std::collections::BTreeSet;

use anyhow::Result;
use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add};
use sha2::{Digest, Sha256};

use super::TableState;
use crate::failure::{Exit, failure};
use crate::lake::{Lake, remedy};
use crate::log_damage;
use crate::schema::TableSchema;
use crate::session::hex;
use crate::staging::{Staged, adds_of, beyond, replacement};

/// What tells a set of data files from any other: their names, which are never used twice, and their sizes.
pub fn files_of<'a>(adds: impl IntoIterator<Item = &'a Add>) -> String {
    // Their names alone: how a log writes the folders before them is the writer's choice.
    let name = |add: &'a Add| add.path.rsplit('/').next().unwrap_or_default();
    let files: BTreeSet<(&str, i64)> = adds.into_iter().map(|add| (name(add), add.size)).collect();
    let mut hash = Sha256::new();
    for (name, size) in files {
        hash.update(format!("{name} {size}\n"));
    }
    hex(&hash.finalize())
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
    let mut wanted = match released {
        Some(state) if state.is_of(base) => adds_of(base)?,
        Some(state) => adds_of(&open(lake, name.0, name.1, state).await?)?,
        None => Vec::new(),
    };
    let news = beyond(&staged.adds, &wanted);
    wanted.extend(news);
    let actions = replacement(base, &columns.delta, &wanted)?;
    Ok((actions, files_of(&wanted)))
}
