//! What a run will do to each table, and why.

use std::collections::BTreeMap;

use anyhow::Result;
use deltalake::DeltaTable;
use sha2::{Digest, Sha256};
use tracing::info;

use super::Definition;
use super::acceptances::Accepted;
use super::inputs::{self, Inputs};
use super::quarantine::{self, Replay};
use crate::model::{Model, TableName};
use crate::release::{History, Release, TableState};
use crate::run::Run;
use crate::session::hex;

/// Each model's fingerprint: its text and everything it is a function of. What stands before the point leaves out the
/// tables it reads, in which perhaps nothing changed that it depends on.
pub fn fingerprints(
    inputs: &Inputs,
    models: &[Model],
    accepted: &BTreeMap<String, Accepted>,
) -> BTreeMap<String, String> {
    let mut fingerprints: BTreeMap<String, String> = BTreeMap::new();
    for model in models {
        let (mut recipe, mut made_of) = (Sha256::new(), Sha256::new());
        let add = |hash: &mut Sha256, part: &str| {
            hash.update(part.as_bytes());
            hash.update([0]);
        };
        add(&mut recipe, env!("CARGO_PKG_VERSION"));
        add(&mut recipe, &model.sql);
        for name in model.needs() {
            let own = fingerprints.get(&name.table).filter(|_| name.schema == inputs.stage);
            let identity = format!("{name}={}", own.cloned().unwrap_or_else(|| inputs.identity(&name)));
            if inputs.is_released(&name) {
                add(&mut made_of, &identity);
                add(&mut recipe, &inputs.narrowing(&name));
            } else {
                add(&mut recipe, &identity);
            }
        }
        if model.inputs.contains(&inputs::setting_table()) {
            if model.mentions("asOf") {
                add(&mut recipe, &format!("asOf={:?}", inputs.as_of));
            }
            if model.mentions("timeZone") {
                add(&mut recipe, &format!("timeZone={}", inputs.time_zone));
            }
        }
        for (key, rule) in accepted.get(&model.table).iter().flat_map(|accepted| accepted.each()) {
            add(&mut recipe, &format!("accepted {key}: {rule}"));
        }
        let fingerprint = format!("{}.{}", hex(&recipe.finalize()), hex(&made_of.finalize()));
        fingerprints.insert(model.table.clone(), fingerprint);
    }
    fingerprints
}

/// What a run will do to each table, and why.
pub struct Plan {
    /// Hash of everything the release is a function of.
    pub fingerprint: String,
    /// A step for each model, in order.
    pub steps: Vec<Step>,
    /// Whether the last release is a function of the same.
    pub is_unchanged: bool,
}

/// What a run will do to one table.
pub struct Step {
    /// What makes it.
    pub model: Model,
    /// Hash of everything it is a function of.
    pub fingerprint: String,
    /// The table as it is now.
    pub base: Option<DeltaTable>,
    /// Likewise the rows set aside.
    pub quarantine_base: Option<DeltaTable>,
    /// The table as the last release names it.
    pub before: Option<Before>,
    /// Rows that are let through although they break a rule.
    pub accepted: Accepted,
    /// Whether everything it is a function of is as it was.
    pub is_unchanged: bool,
    /// Whether it is built whatever changed, for the rows that were set aside of it.
    pub is_replayed: bool,
    /// The tables it was made of, where nothing else it depends on changed; `None` to build it whole.
    pub made_of: Option<BTreeMap<TableName, TableState>>,
    reason: &'static str,
}

/// A table as a release names it.
pub struct Before {
    /// The table.
    pub table: TableState,
    /// Likewise the rows set aside.
    pub quarantine: Option<TableState>,
}

impl Step {
    /// Where the rows are that the model sets aside.
    pub fn quarantine_table(&self, stage: &str) -> Option<String> {
        self.model.has_quarantine().then(|| quarantine::table_name(stage, &self.model.table))
    }

    /// Whether it stays as it is.
    pub fn is_kept(&self) -> bool {
        self.is_unchanged && !self.is_replayed
    }
}

impl Plan {
    /// Finds out what there is to do.
    ///
    /// # Errors
    /// [`crate::failure::Exit::LakeUnavailable`] when a table cannot be opened.
    pub async fn make(
        run: &Run,
        stage: &Definition,
        inputs: &Inputs,
        history: &History,
        models: Vec<Model>,
        mut accepted: BTreeMap<String, Accepted>,
        replay: Option<&Replay>,
    ) -> Result<Self> {
        let last = history.newest(stage.name);
        let mut fingerprints = fingerprints(inputs, &models, &accepted);
        let mut whole = Sha256::new();
        whole.update(format!("{:?} {}", inputs.as_of, inputs.time_zone));
        if let Some(files) = &stage.files {
            whole.update(&files.choice);
        }
        // Later stages find these through this one's release, whether or not it reads them itself.
        whole.update(inputs.carried_identity());
        for (table, fingerprint) in &fingerprints {
            whole.update(format!("{table}={fingerprint}\n"));
        }
        let fingerprint = hex(&whole.finalize());
        let mut steps = Vec::new();
        for model in models {
            let own = fingerprints.remove(&model.table).unwrap_or_default();
            let base = run.lake.open(stage.name, &model.table, None).await?;
            let quarantine = quarantine::table_name(stage.name, &model.table);
            let quarantine_base =
                if model.has_quarantine() { run.lake.open("quarantine", &quarantine, None).await? } else { None };
            let table_before = last.and_then(|last| last.tables.get(&format!("{}.{}", stage.name, model.table)));
            let quarantine_before = last.and_then(|last| last.tables.get(&format!("quarantine.{quarantine}")));
            let is_current = |state: Option<&TableState>, delta: &Option<DeltaTable>| {
                state.is_some_and(|state| delta.as_ref().is_some_and(|delta| state.is_of(delta)))
            };
            let are_current = is_current(table_before, &base)
                && (!model.has_quarantine() || is_current(quarantine_before, &quarantine_base));
            let mut made_of = None;
            let reason = match table_before {
                _ if run.settings.force => "forced",
                None => "new",
                Some(_) if !are_current => "newer than its release",
                Some(before) if before.fingerprint != own => {
                    let is_recipe_same = recipe(&before.fingerprint) == recipe(&own);
                    made_of =
                        last.filter(|_| is_recipe_same).and_then(|last| made_of_then(inputs, history, last, &model));
                    match &made_of {
                        Some(_) if model.incremental.is_some() => "inputs changed: renewed where they did",
                        Some(_) => "inputs changed",
                        None => "changed",
                    }
                }
                Some(_) => "unchanged",
            };
            let is_unchanged = reason == "unchanged";
            let is_replayed = replay.is_some_and(|replay| replay.wants(&model.table, quarantine_before));
            if is_replayed {
                made_of = None;
            }
            let reason = if is_unchanged && is_replayed { "rows of it are set aside" } else { reason };
            let before = table_before.map(|table| Before {
                table: table.clone(),
                quarantine: quarantine_before.filter(|_| model.has_quarantine()).cloned(),
            });
            let accepted = accepted.remove(&model.table).unwrap_or_default();
            steps.push(Step {
                model,
                fingerprint: own,
                base,
                quarantine_base,
                before,
                accepted,
                is_unchanged,
                is_replayed,
                made_of,
                reason,
            });
        }
        let is_unchanged =
            last.is_some_and(|last| last.fingerprint == fingerprint) && steps.iter().all(|step| step.is_unchanged);
        Ok(Self { fingerprint, steps, is_unchanged })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.is_unchanged && self.steps.iter().all(Step::is_kept)
    }

    /// Says what a run would do.
    pub fn tell(&self) {
        if self.is_empty() {
            info!("nothing to do: no input, model or setting changed");
        }
        for step in &self.steps {
            let verb = if step.is_kept() { "keep" } else { "build" };
            info!(table = step.model.table, reason = step.reason, "{verb} {}: {}", step.model.table, step.reason);
        }
    }
}

/// What a fingerprint says but for the tables that are read.
fn recipe(fingerprint: &str) -> &str {
    fingerprint.split_once('.').map_or(fingerprint, |(recipe, _)| recipe)
}

/// The tables that a model needs as they were when `last` was made; `None` where that is not known, where more than the
/// tables decides what is seen of them, or where it reads the logs, which change with every run.
fn made_of_then(
    inputs: &Inputs,
    history: &History,
    last: &Release,
    model: &Model,
) -> Option<BTreeMap<TableName, TableState>> {
    let needs = model.needs();
    if needs.iter().any(|name| name.schema == "log") {
        return None;
    }
    let then = |name: TableName| {
        let release = match name.schema == last.stage {
            true => last,
            false => history.find(&name.schema, *last.inputs.get(&name.schema)?)?,
        };
        let state = release.tables.get(&name.to_string()).filter(|_| inputs.narrowing(&name).is_empty())?;
        Some((name, state.clone()))
    };
    needs.into_iter().filter(|name| inputs.is_released(name)).map(then).collect()
}
