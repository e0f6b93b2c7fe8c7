//! Runs the models of one stage: pin the inputs, find out what changed, build those tables without committing,
//! check them, publish them as one release.

mod acceptances;
mod build;
mod changed;
mod check;
mod inputs;
mod look;
mod parts;
mod plan;
mod quarantine;
mod renew;
mod share;
mod split;
mod worked_out;

pub use inputs::{ReferenceFile, input_columns};
pub use quarantine::Replay;
pub use worked_out::{MakeWorkedOut, Pinned, WorkedOut};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;
use include_dir::Dir;
use jiff::civil::Date;
use tracing::{info, warn};

use crate::failure::Failure;
use crate::model::{self, Model, TableName};
use crate::release::{self, Change, Files, History, Pending, Release, TableState, Terms};
use crate::run::{Outcome, Run, Work};
use crate::session;
use crate::settings::SharedArgs;
use crate::staging::Staged;
use inputs::Inputs;
use look::{Looking, Verdict};
use plan::{Plan, Step};

/// Everything that makes a stage of models.
#[derive(Clone)]
pub struct Definition {
    /// Its name, which is also the schema it writes.
    pub name: &'static str,
    /// The stage it builds on.
    pub upstream: &'static str,
    /// Its models.
    pub models: &'static Dir<'static>,
    /// Reference tables it reads as `reference.<file>`; empty for most.
    pub references: Option<&'static Dir<'static>>,
    /// Controls that the command line sets in place of their lines in the reference table `controls`.
    pub controls: Vec<(&'static str, String)>,
    /// Tables it works out itself; none for most.
    pub worked_out: Option<MakeWorkedOut>,
    /// Files for people that are made out of the tables, before these are published.
    pub files: Option<FilesForPeople>,
}

/// Files for people that belong to a stage's release.
#[derive(Clone)]
pub struct FilesForPeople {
    /// Where they will be, below `<lake>/Files/`; where one is missing, there is something to do.
    pub paths: Vec<String>,
    /// What was chosen about them. Another choice is another release, though no table changed.
    pub choice: String,
    /// Makes them.
    pub make: MakeFiles,
}

/// Makes files for people out of a stage's tables.
pub type MakeFiles = Arc<dyn for<'a> Fn(Making<'a>) -> BoxFuture<'a, Result<Files>> + Send + Sync>;

/// What files for people are made of.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// Every table of the stage, readable.
    pub context: &'a SessionContext,
    /// The models they come from.
    pub models: &'a [&'a Model],
    /// The day the figures are for.
    pub as_of: Option<Date>,
}

/// A run of a stage of models, ready to begin.
///
/// # Errors
/// [`crate::failure::Exit::Configuration`] for a model or reference file that is wrong.
pub fn ready(definition: Definition, settings: &SharedArgs) -> Result<Work> {
    prepared(definition, settings, None)
}

/// A run that also builds again what rows were set aside of, whatever changed.
///
/// # Errors
/// As [`ready`]; [`crate::failure::Exit::Usage`] for a table no rows are ever set aside of.
pub fn replay(definition: Definition, settings: &SharedArgs, replay: Replay) -> Result<Work> {
    prepared(definition, settings, Some(replay))
}

fn prepared(definition: Definition, settings: &SharedArgs, replay: Option<Replay>) -> Result<Work> {
    let models = model::load(definition.models, settings.models.as_deref())?;
    let models = model::in_order(definition.name, models)?;
    if let Some(replay) = &replay {
        replay.check(definition.name, &models)?;
    }
    let mut references = inputs::load_references(definition.references, settings.reference.as_deref())?;
    inputs::set_controls(&mut references, &definition.controls);
    Ok(Work::recorded(move |run| Box::pin(work(run, definition, models, references, replay))))
}

async fn work(
    run: Arc<Run>,
    stage: Definition,
    models: Vec<Model>,
    references: Vec<ReferenceFile>,
    replay: Option<Replay>,
) -> Result<Outcome> {
    let history = History::load(&run.lake).await?;
    let number = history.next_number(stage.name).await?;
    let inputs = Inputs::pin(&run, &stage, &history, &models, references)?;
    let carried = inputs::carried(stage.name, &models);
    let last = history.newest(stage.name);
    let accepted = acceptances::load(&run, &inputs, &models).await?;
    let plan = Plan::make(&run, &stage, &inputs, &history, models, accepted, replay.as_ref()).await?;
    let mut outcome = Outcome {
        release: last.map(|release| release.number),
        as_of: inputs.as_of.map(|date| date.to_string()),
        inputs: inputs.releases.clone(),
        ..Outcome::default()
    };
    if run.settings.plan {
        plan.tell();
        return Ok(outcome);
    }
    if plan.is_empty() && files_are_there(&run, &stage, last).await? {
        info!(
            release = outcome.release,
            "nothing to do: release {} is up to date",
            outcome.release.unwrap_or_default()
        );
        return Ok(outcome);
    }
    let context = session::new(run.settings.memory, run.settings.thread_count())?;
    session::register_store(&context, &run.lake)?;
    let (pending, files) = run.until_stopped(build_all(&run, &stage, &context, &inputs, &plan)).await?;
    let are_kept = pending.iter().all(|each| matches!(each.change, Change::Keep(_)));
    if plan.is_unchanged && are_kept && files_are_there(&run, &stage, last).await? {
        info!(release = outcome.release, "nothing to do: every table came out as it was");
        return Ok(outcome);
    }
    outcome.warnings = quarantine::alerts(&run, &context, &inputs, &pending).await?;
    for warning in &outcome.warnings {
        warn!("{warning}");
    }
    outcome.tables = pending.iter().map(Pending::outcome).collect();
    let terms = Terms {
        number,
        as_of: inputs.as_of,
        fingerprint: plan.fingerprint.clone(),
        inputs: inputs.releases.clone(),
        carried,
        note: None,
    };
    for (path, _) in &files {
        outcome.files.push(run.lake.display(&run.lake.file_url(path)?));
    }
    release::publish(&run, terms, pending, files).await?;
    outcome.is_published = true;
    outcome.release = Some(number);
    let count = |action: &str| outcome.tables.iter().filter(|table| table.action == action).count();
    let (rebuilt, renewed) = (count("rebuilt"), count("renewed"));
    info!(
        release = number,
        "published release {number}: {rebuilt} tables rebuilt, {renewed} renewed, {} unchanged",
        outcome.tables.len() - rebuilt - renewed
    );
    Ok(outcome)
}

async fn files_are_there(run: &Run, stage: &Definition, last: Option<&Release>) -> Result<bool> {
    for path in stage.files.iter().filter(|_| last.is_some()).flat_map(|files| &files.paths) {
        if !run.lake.has_file(path).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

type Built = (Vec<Pending>, Files);

async fn build_all(
    run: &Run,
    stage: &Definition,
    context: &SessionContext,
    inputs: &Inputs,
    plan: &Plan,
) -> Result<Built> {
    let mut pending: Vec<Pending> = Vec::new();
    match build_each(run, stage, context, inputs, plan, &mut pending).await {
        Ok(files) => Ok((pending, files)),
        Err(error) => {
            release::discard_all(run, &pending).await;
            Err(error)
        }
    }
}

async fn build_each(
    run: &Run,
    stage: &Definition,
    context: &SessionContext,
    inputs: &Inputs,
    plan: &Plan,
    pending: &mut Vec<Pending>,
) -> Result<Files> {
    let bar = run.progress.bar(stage.name, Some(plan.steps.len() as u64));
    // Tables that came out otherwise than before although all they are a function of is as it was.
    let mut otherwise: BTreeSet<TableName> = BTreeSet::new();
    let mut looking = Looking::new(run, stage, context, inputs);
    for step in &plan.steps {
        let name = TableName { schema: stage.name.to_owned(), table: step.model.table.clone() };
        bar.set_message(name.table.clone());
        let clock = Instant::now();
        let is_as_told = step.model.needs().is_disjoint(&otherwise);
        if step.is_kept() && is_as_told {
            keep_step(stage, context, step, pending).await?;
            bar.inc(1);
            continue;
        }
        inputs.register(run, context, &step.model.needs()).await?;
        let verdict = match is_as_told {
            true => looking.look(step, pending).await?,
            false => Verdict::Whole("what it is made of came out otherwise"),
        };
        let renewal = match verdict {
            Verdict::Same => {
                keep_step(stage, context, step, pending).await?;
                bar.inc(1);
                continue;
            }
            Verdict::Renew(count, renewal) => {
                let column = &step.model.incremental.as_ref().map_or("part", |each| each.column.as_str());
                info!(table = name.table, parts = count, "renewing {name} where {count} {column} changed");
                Some(renewal)
            }
            Verdict::Whole(why) => {
                if step.made_of.is_some() && step.model.incremental.is_some() {
                    info!(table = name.table, "building {name} whole: {why}");
                }
                None
            }
        };
        let quarantine = step.quarantine_table(stage.name);
        let built = build::build(
            run,
            stage.name,
            context,
            &step.model,
            quarantine.as_deref(),
            &step.accepted,
            renewal.as_ref(),
        )
        .await?;
        let duration_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        let rows = built.rows.count();
        let set_aside = built.quarantine.as_ref().map_or(0, |(_, rows)| rows.count());
        info!(
            table = name.table,
            rows,
            quarantined = set_aside,
            warnings = built.warning_count,
            milliseconds = duration_ms,
            "built {name}: {rows} rows, {set_aside} quarantined, {} warnings",
            built.warning_count
        );
        for warning in &built.warnings {
            warn!(table = name.table, "{warning}");
        }
        let own = pending.len();
        let change = Change::Overwrite(built.schema, Staged::of(built.rows.written), built.rows.kept);
        pending.push(Pending {
            quarantined_count: set_aside,
            warning_count: built.warning_count,
            duration_ms,
            broken: built.broken,
            ..Pending::new(stage.name, &name.table, step.base.clone(), change, &step.fingerprint)
        });
        if let (Some(table), Some((schema, rows))) = (quarantine, built.quarantine) {
            let change = Change::Overwrite(schema, Staged::of(rows.written), rows.kept);
            let base = step.quarantine_base.clone();
            pending.push(Pending::new("quarantine", &table, base, change, &step.fingerprint));
        }
        // The checks read what was just staged, so it must be among the pending tables to be discarded with them.
        check::check(context, stage.name, &step.model, rows, set_aside).await?;
        if step.is_replayed {
            quarantine::tell(run, context, stage.name, step).await?;
        }
        // What came out as it was is kept as it was, and so is whatever is made of it alone.
        let is_as_it_was = (step.is_unchanged || step.made_of.is_some())
            && look::is_as_it_was(context, stage.name, step, (rows, set_aside)).await?;
        if is_as_it_was {
            release::discard_all(run, &pending.split_off(own)).await;
            keep_step(stage, context, step, pending).await?;
        } else if step.is_unchanged {
            otherwise.insert(name);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Some(files) = &stage.files else { return Ok(Vec::new()) };
    let models: Vec<&Model> = plan.steps.iter().map(|step| &step.model).collect();
    let making = Making { context, models: &models, as_of: inputs.as_of };
    (files.make)(making).await.map_err(|error| match error.is::<Failure>() {
        // It says by itself what was refused.
        true => error,
        false => error.context("making the files for people"),
    })
}

/// Keeps a table as the last release names it. It still has to be readable where a rebuilt one, or a file, asks for it.
async fn keep_step(
    stage: &Definition,
    context: &SessionContext,
    step: &Step,
    pending: &mut Vec<Pending>,
) -> Result<()> {
    let (Some(base), Some(before)) = (&step.base, &step.before) else {
        anyhow::bail!("{}.{} is to be kept, and there is none", stage.name, step.model.table);
    };
    session::register_delta(context, stage.name, &step.model.table, base).await?;
    let now = |state: &TableState| TableState { fingerprint: step.fingerprint.clone(), ..state.clone() };
    let keep = |schema: &str, table: &str, state: &TableState| {
        Pending::new(schema, table, None, Change::Keep(now(state)), &step.fingerprint)
    };
    pending.push(keep(stage.name, &step.model.table, &before.table));
    if let (Some(table), Some(state)) = (step.quarantine_table(stage.name), &before.quarantine) {
        pending.push(keep("quarantine", &table, state));
    }
    Ok(())
}
