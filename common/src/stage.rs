//! Runs the models of one stage: pin the inputs, find out what changed, build those tables without committing,
//! check them, publish them as one release.

mod build;
mod inputs;
mod worked_out;

pub use inputs::ReferenceFile;
pub use worked_out::{MakeWorkedOut, Pinned, WorkedOut};

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use futures::future::BoxFuture;
use include_dir::Dir;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::failure::Failure;
use crate::model::{self, Model, TableName};
use crate::release::{self, Change, Files, History, Pending, Release, TableState, Terms};
use crate::run::{self, Outcome, Run, TableOutcome, Work};
use crate::session;
use crate::settings::SharedArgs;
use crate::staging::Staged;
use inputs::Inputs;

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

/// The whole life of a process of a stage of models.
pub fn main<Arguments>(definition: Definition) -> ExitCode
where
    Arguments: Parser + AsRef<SharedArgs>,
{
    run::main(definition.name, move |arguments: Arguments| ready(definition, arguments.as_ref()))
}

/// A run of a stage of models, ready to begin.
///
/// # Errors
/// [`crate::failure::Exit::Configuration`] for a model or reference file that is wrong.
pub fn ready(definition: Definition, settings: &SharedArgs) -> Result<Work> {
    let models = model::load(definition.models, settings.models.as_deref())?;
    let models = model::in_order(definition.name, models)?;
    let mut references = inputs::load_references(definition.references, settings.reference.as_deref())?;
    inputs::set_controls(&mut references, &definition.controls);
    Ok(Work::recorded(move |run| Box::pin(work(run, definition, models, references))))
}

async fn work(run: Arc<Run>, stage: Definition, models: Vec<Model>, references: Vec<ReferenceFile>) -> Result<Outcome> {
    let history = History::load(&run.lake).await?;
    let number = history.next_number(stage.name).await?;
    let inputs = Inputs::pin(&run, &stage, &history, &models, references)?;
    let carried = inputs::carried(stage.name, &models);
    let decisions = decide(&inputs, &models);
    let last = history.newest(stage.name);
    let plan = Plan::make(&run, &stage, &inputs, last, models, decisions).await?;
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
    outcome.tables = pending.iter().map(table_outcome).collect();
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
    let rebuilt = outcome.tables.iter().filter(|table| table.action == "rebuilt").count();
    info!(
        release = number,
        "published release {number}: {rebuilt} tables rebuilt, {} unchanged",
        outcome.tables.len() - rebuilt
    );
    Ok(outcome)
}

/// Each model's fingerprint: its text and everything it is a function of.
fn decide(inputs: &Inputs, models: &[Model]) -> BTreeMap<String, String> {
    let mut fingerprints: BTreeMap<String, String> = BTreeMap::new();
    for model in models {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part.as_bytes());
            hash.update([0]);
        };
        add(env!("CARGO_PKG_VERSION"));
        add(&model.sql);
        for name in model.needs() {
            let identity = match fingerprints.get(&name.table) {
                Some(own) if name.schema == inputs.stage => own.clone(),
                _ => inputs.identity(&name),
            };
            add(&format!("{name}={identity}"));
        }
        if model.inputs.contains(&inputs::setting_table()) {
            if model.mentions("asOf") {
                add(&format!("asOf={:?}", inputs.as_of));
            }
            if model.mentions("timeZone") {
                add(&format!("timeZone={}", inputs.time_zone));
            }
        }
        fingerprints.insert(model.table.clone(), hex(&hash.finalize()));
    }
    fingerprints
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a run will do to each table, and why.
struct Plan {
    fingerprint: String,
    steps: Vec<Step>,
    is_same: bool,
}

struct Step {
    model: Model,
    fingerprint: String,
    /// The table as it is now.
    base: Option<DeltaTable>,
    quarantine_base: Option<DeltaTable>,
    /// What to keep; `None` to rebuild.
    keep: Option<Kept>,
    reason: &'static str,
}

struct Kept {
    table: TableState,
    quarantine: Option<TableState>,
}

impl Step {
    fn quarantine_table(&self, stage: &str) -> Option<String> {
        self.model.has_quarantine().then(|| quarantine_table(stage, &self.model.table))
    }
}

/// Where the rows go that a model sets aside.
fn quarantine_table(stage: &str, table: &str) -> String {
    let mut letters = table.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{stage}{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
}

impl Plan {
    async fn make(
        run: &Run,
        stage: &Definition,
        inputs: &Inputs,
        last: Option<&Release>,
        models: Vec<Model>,
        mut fingerprints: BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut whole = Sha256::new();
        whole.update(format!("{:?} {}", inputs.as_of, inputs.time_zone));
        if let Some(files) = &stage.files {
            whole.update(&files.choice);
        }
        for (table, fingerprint) in &fingerprints {
            whole.update(format!("{table}={fingerprint}\n"));
        }
        let fingerprint = hex(&whole.finalize());
        let mut steps = Vec::new();
        for model in models {
            let own = fingerprints.remove(&model.table).unwrap_or_default();
            let base = run.lake.open(stage.name, &model.table, None).await?;
            let quarantine = quarantine_table(stage.name, &model.table);
            let quarantine_base =
                if model.has_quarantine() { run.lake.open("quarantine", &quarantine, None).await? } else { None };
            let table_before = last.and_then(|last| last.tables.get(&format!("{}.{}", stage.name, model.table)));
            let quarantine_before = last.and_then(|last| last.tables.get(&format!("quarantine.{quarantine}")));
            let is_current = |state: Option<&TableState>, delta: &Option<DeltaTable>| {
                state.is_some_and(|state| delta.as_ref().and_then(DeltaTable::version) == Some(state.version))
            };
            let reason = match table_before {
                _ if run.settings.force => "forced",
                None => "new",
                Some(before) if before.fingerprint != own => "changed",
                Some(_) if !is_current(table_before, &base) => "newer than its release",
                Some(_) if model.has_quarantine() && !is_current(quarantine_before, &quarantine_base) => {
                    "newer than its release"
                }
                Some(_) => "unchanged",
            };
            let keep = table_before.filter(|_| reason == "unchanged").map(|table| Kept {
                table: table.clone(),
                quarantine: quarantine_before.filter(|_| model.has_quarantine()).cloned(),
            });
            steps.push(Step { model, fingerprint: own, base, quarantine_base, keep, reason });
        }
        let is_same =
            last.is_some_and(|last| last.fingerprint == fingerprint) && steps.iter().all(|step| step.keep.is_some());
        Ok(Self { fingerprint, steps, is_same })
    }

    fn is_empty(&self) -> bool {
        self.is_same
    }

    /// Says what a run would do.
    fn tell(&self) {
        if self.is_same {
            info!("nothing to do: no input, model or setting changed");
        }
        for step in &self.steps {
            let verb = if step.keep.is_some() { "keep" } else { "build" };
            info!(table = step.model.table, reason = step.reason, "{verb} {}: {}", step.model.table, step.reason);
        }
    }
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
    // A table kept as it is still has to be readable where a rebuilt one, or a file, asks for it.
    for step in &plan.steps {
        let name = TableName { schema: stage.name.to_owned(), table: step.model.table.clone() };
        bar.set_message(name.table.clone());
        let clock = Instant::now();
        match (&step.keep, &step.base) {
            (Some(kept), Some(base)) => {
                session::register_delta(context, stage.name, &name.table, base).await?;
                pending.push(keep(stage.name, &name.table, kept.table.clone()));
                if let (Some(table), Some(state)) = (step.quarantine_table(stage.name), kept.quarantine.clone()) {
                    pending.push(keep("quarantine", &table, state));
                }
            }
            _ => {
                inputs.register(run, context, &step.model.needs()).await?;
                let quarantine = step.quarantine_table(stage.name);
                let built = build::build(run, stage.name, context, &step.model, quarantine.as_deref()).await?;
                let duration_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
                let rows = built.staged.row_count;
                let set_aside = built.quarantine.as_ref().map_or(0, |(_, staged)| staged.row_count);
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
                pending.push(Pending {
                    schema: stage.name.to_owned(),
                    table: name.table.clone(),
                    base: step.base.clone(),
                    change: Change::Overwrite(built.schema, built.staged),
                    fingerprint: step.fingerprint.clone(),
                    quarantined_count: set_aside,
                    warning_count: built.warning_count,
                    duration_ms,
                    broken: built.broken,
                });
                if let (Some(table), Some((schema, staged))) = (quarantine, built.quarantine) {
                    pending.push(Pending {
                        schema: "quarantine".to_owned(),
                        table,
                        base: step.quarantine_base.clone(),
                        change: Change::Overwrite(schema, staged),
                        fingerprint: step.fingerprint.clone(),
                        quarantined_count: 0,
                        warning_count: 0,
                        duration_ms: 0,
                        broken: Vec::new(),
                    });
                }
                // The checks read what was just staged, so it must be among the pending tables to be discarded with them.
                build::check(context, stage.name, &step.model, rows, set_aside).await?;
            }
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

fn keep(schema: &str, table: &str, state: TableState) -> Pending {
    Pending {
        schema: schema.to_owned(),
        table: table.to_owned(),
        base: None,
        fingerprint: state.fingerprint.clone(),
        change: Change::Keep(state),
        quarantined_count: 0,
        warning_count: 0,
        duration_ms: 0,
        broken: Vec::new(),
    }
}

fn table_outcome(pending: &Pending) -> TableOutcome {
    let (action, row_count) = match &pending.change {
        Change::Keep(_) => ("unchanged", 0),
        Change::Restore(state, _) => ("restored", state.rows),
        Change::Overwrite(_, Staged { row_count, .. }) => ("rebuilt", *row_count),
        Change::Append(_, Staged { row_count, .. }) => ("appended", *row_count),
    };
    let is_quarantine = pending.schema == "quarantine";
    TableOutcome {
        name: if is_quarantine { format!("quarantine.{}", pending.table) } else { pending.table.clone() },
        action: action.to_owned(),
        row_count,
        quarantined_count: pending.quarantined_count,
        warning_count: pending.warning_count,
    }
}
