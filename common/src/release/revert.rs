//! `release revert`: an older release published again, as the newest.
//!
//! No row is written: the files of the old versions are still there, and the newest version of each table is made to name
//! them again. From the claim of the number on it is a release like any other, so that a kill or another run at the same
//! time does no more harm than it does to a run.

use std::sync::Arc;

use anyhow::{Context, Result};
use deltalake::DeltaTable;
use tracing::{info, warn};

use super::command::{history, readable};
use super::diff::split;
use super::{Change, Files, Pending, Release, TableState, Terms};
use crate::failure::one_line;
use crate::model::Model;
use crate::run::{Outcome, Run};
use crate::session;
use crate::stage::{Definition, FilesForPeople, Making};
use crate::staging::{adds_of, replacement};

/// Publishes release `number` of the stage again.
///
/// # Errors
/// [`crate::failure::Exit::InputMissing`] when there is no such release or it can no longer be read, and whatever
/// publishing fails with.
pub async fn revert(run: Arc<Run>, stage: Definition, models: Vec<Model>, number: i64) -> Result<Outcome> {
    let history = history(&run).await?;
    let wanted = history.pin(stage.name, Some(number))?;
    let newest = history.newest(stage.name).unwrap_or(wanted);
    let (tables, opened) = run.until_stopped(restored(&run, wanted)).await?;
    let mut outcome = Outcome {
        release: Some(newest.number),
        as_of: wanted.as_of.map(|date| date.to_string()),
        inputs: wanted.inputs.clone(),
        tables: tables.iter().map(Pending::outcome).collect(),
        ..Outcome::default()
    };
    if run.settings.plan {
        for (table, pending) in outcome.tables.iter().zip(&tables) {
            let version = pending.base.as_ref().and_then(DeltaTable::version).unwrap_or_default();
            info!(table = table.name, version, "{}: {}", table.name, table.action);
        }
        return Ok(outcome);
    }
    if is_same(newest, wanted, &tables) {
        info!(release = newest.number, "nothing to do: release {} is what release {number} was", newest.number);
        return Ok(outcome);
    }
    let files = match &stage.files {
        None => Vec::new(),
        Some(files) => match run.until_stopped(made(&run, &stage, files, &models, wanted, &opened)).await {
            Ok(files) => files,
            Err(error) if run.stop.is_cancelled() => return Err(error),
            // They are made by this version of the software, which may not know tables as old as these.
            Err(error) => {
                let warning = format!("the files for people stay as they are: {}", one_line(&error));
                warn!("{warning}");
                outcome.warnings.push(warning);
                Vec::new()
            }
        },
    };
    for (path, _) in &files {
        outcome.files.push(run.lake.display(&run.lake.file_url(path)?));
    }
    let next = history.next_number(stage.name).await?;
    let terms = Terms::again(wanted, next, format!("release {number} again"));
    super::publish(&run, terms, tables, files).await?;
    outcome.is_published = true;
    outcome.release = Some(next);
    let count = outcome.tables.iter().filter(|table| table.action == "restored").count();
    info!(release = next, "published release {next}: release {number} again, {count} tables restored");
    Ok(outcome)
}

/// What has to be done to each table, and the tables as they were.
async fn restored(run: &Run, wanted: &Release) -> Result<(Vec<Pending>, Vec<DeltaTable>)> {
    readable(run, wanted).await?;
    let mut tables = Vec::new();
    let mut opened = Vec::new();
    for (name, state) in &wanted.tables {
        let (schema, table) = split(name)?;
        let gone = || format!("table {name} has gone");
        let then = run.lake.open(schema, table, Some(state.version)).await?.with_context(gone)?;
        let now = run.lake.open(schema, table, None).await?.with_context(gone)?;
        let columns = then.snapshot()?.snapshot().schema();
        let actions = replacement(&now, columns.as_ref(), &adds_of(&then)?)
            .with_context(|| format!("finding what to restore of {name}"))?;
        let version = now.version().unwrap_or(state.version);
        let change = match actions.is_empty() {
            true => Change::Keep(TableState { version, ..state.clone() }),
            false => Change::Restore(state.clone(), actions),
        };
        tables.push(Pending::new(schema, table, Some(now), change, &state.fingerprint));
        opened.push(then);
    }
    Ok((tables, opened))
}

/// Whether the newest release is already what is wanted, and its tables' newest versions are too.
fn is_same(newest: &Release, wanted: &Release, tables: &[Pending]) -> bool {
    let is_current = |pending: &Pending| {
        let name = format!("{}.{}", pending.schema, pending.table);
        matches!(&pending.change, Change::Keep(state) if newest.tables.get(&name).map(|own| own.version) == Some(state.version))
    };
    newest.fingerprint == wanted.fingerprint
        && newest.inputs == wanted.inputs
        && newest.as_of == wanted.as_of
        && newest.tables.len() == tables.len()
        && tables.iter().all(is_current)
}

/// The files for people, made out of the tables as they were.
async fn made(
    run: &Run,
    stage: &Definition,
    files: &FilesForPeople,
    models: &[Model],
    wanted: &Release,
    opened: &[DeltaTable],
) -> Result<Files> {
    let context = session::new(run.settings.memory, run.settings.thread_count())?;
    session::register_store(&context, &run.lake)?;
    for (name, delta) in wanted.tables.keys().zip(opened) {
        let (schema, table) = split(name)?;
        session::register_delta(&context, schema, table, delta).await?;
    }
    let has = |model: &&Model| wanted.tables.contains_key(&format!("{}.{}", stage.name, model.table));
    let models: Vec<&Model> = models.iter().filter(has).collect();
    (files.make)(Making { context: &context, models: &models, as_of: wanted.as_of }).await
}
