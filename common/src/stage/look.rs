//! Finds out whether a table whose inputs are others than they were has to be built, and how much of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use tracing::debug;

use super::changed::{self, Input};
use super::inputs::Inputs;
use super::parts::{self, Proved};
use super::plan::Step;
use super::renew::{DataFiles, Renewal};
use super::{Definition, check, quarantine};
use crate::failure::{Exit, failure};
use crate::model::{Incremental, Model, TableName};
use crate::release::{self, Change, Pending, TableState};
use crate::run::Run;
use crate::{session, staging};

/// What becomes of a table whose inputs changed.
#[allow(clippy::large_enum_variant, reason = "one value at a time, moved once")]
pub enum Verdict {
    /// It is built whole, for this reason.
    Whole(&'static str),
    /// Nothing it is made of is other than it was.
    Same,
    /// So many parts of it are renewed.
    Renew(i64, Renewal),
}

/// A table of a release, and what it consists of.
#[derive(Clone)]
struct Opened {
    delta: DeltaTable,
    files: DataFiles,
}

/// Looks at what changed, and remembers the tables it has opened: many models read the same ones.
pub struct Looking<'a> {
    run: &'a Run,
    stage: &'a Definition,
    context: &'a SessionContext,
    inputs: &'a Inputs,
    opened: HashMap<(TableName, u64, String), Opened>,
}

impl<'a> Looking<'a> {
    /// Nothing was looked at yet.
    pub fn new(run: &'a Run, stage: &'a Definition, context: &'a SessionContext, inputs: &'a Inputs) -> Self {
        Self { run, stage, context, inputs, opened: HashMap::new() }
    }

    /// Finds out whether a table has to be built. What it reads must be readable already.
    ///
    /// # Errors
    /// [`Exit::Configuration`] when it is said to be incremental and is not; [`Exit::DataRefused`] when it may stay as it
    /// is, but what it refers to does not.
    pub async fn look(&mut self, step: &Step, pending: &[Pending]) -> Result<Verdict> {
        let incremental = step.model.incremental.as_ref();
        if incremental.is_none() && step.made_of.is_none() {
            return Ok(Verdict::Whole("there is nothing to compare"));
        }
        let plan = self.context.sql(&step.model.sql).await?.into_optimized_plan()?;
        let proved = incremental.map(|incremental| prove(&step.model, incremental, &plan)).transpose()?;
        let (Some(made_of), Some(base), Some(before)) = (&step.made_of, &step.base, &step.before) else {
            return Ok(Verdict::Whole("there is nothing to renew"));
        };
        let Some(others) = self.others(made_of, pending).await? else {
            return Ok(Verdict::Whole("what it was made of cannot be read any more"));
        };
        let is_any_other = !others.is_empty();
        let inputs = read_of(&plan, others)?;
        if inputs.iter().any(|input| !input.is_alike()) {
            return Ok(Verdict::Whole("an input has other columns"));
        }
        let compared = match (incremental, proved) {
            (Some(incremental), Some(proved)) => self.parts(step, incremental, proved, made_of, &inputs, base).await,
            _ => self.whole(&inputs).await,
        };
        let verdict = compared.unwrap_or_else(|error| {
            // It can be built all the same, or that fails and says why.
            debug!(table = step.model.table, "comparing what it is made of: {error:#}");
            Verdict::Whole("what it was made of cannot be compared")
        });
        if matches!(verdict, Verdict::Same) && is_any_other {
            session::register_delta(self.context, self.stage.name, &step.model.table, base).await?;
            let set_aside = before.quarantine.as_ref().map_or(0, |state| state.rows);
            check::between(self.context, self.stage.name, &step.model, before.table.rows, set_aside).await?;
        }
        Ok(verdict)
    }

    /// The tables a model needs that have other files than they had; `None` where their files are not known.
    async fn others(
        &mut self,
        made_of: &BTreeMap<TableName, TableState>,
        pending: &[Pending],
    ) -> Result<Option<Vec<Other>>> {
        let mut others = Vec::new();
        for (name, state) in made_of {
            let now = match self.now(name, pending) {
                Some(Now::Stored(now)) if now.content() == state.content() => continue,
                Some(Now::Stored(now)) => match self.open(name, &now).await {
                    Ok(opened) => opened.files,
                    Err(_) => return Ok(None),
                },
                Some(Now::Staged(files)) => files,
                None => return Ok(None),
            };
            let Ok(before) = self.open(name, state).await else { return Ok(None) };
            let before = before.files;
            let is_same = before.adds.len() == now.adds.len() && staging::beyond(&now.adds, &before.adds).is_empty();
            if !is_same {
                others.push(Other { name: name.clone(), before, now });
            }
        }
        Ok(Some(others))
    }

    /// Whether anything changed that a model reads.
    async fn whole(&self, inputs: &[Input]) -> Result<Verdict> {
        for input in inputs {
            if input.is_other(self.context).await? {
                return Ok(Verdict::Whole("an input is other than it was"));
            }
        }
        Ok(Verdict::Same)
    }

    /// Which parts of an incremental model changed.
    async fn parts(
        &mut self,
        step: &Step,
        incremental: &Incremental,
        proved: Proved,
        made_of: &BTreeMap<TableName, TableState>,
        inputs: &[Input],
        base: &DeltaTable,
    ) -> Result<Verdict> {
        let (mut found, mut touched) = (Vec::new(), BTreeSet::new());
        for input in inputs {
            let is_touched = match incremental.inputs.get(&input.name) {
                Some(column) => {
                    let parts = input.parts(self.context, column).await?;
                    let is_some = parts.iter().any(|batch| batch.num_rows() > 0);
                    found.extend(parts);
                    is_some
                }
                None => input.is_other(self.context).await?,
            };
            if is_touched {
                touched.insert(input.name.clone());
            }
        }
        if !changed::tables_of(&proved.loose, &touched)?.is_empty() {
            return Ok(Verdict::Whole("a query inside an expression reads what changed"));
        }
        let mut reached: BTreeSet<TableName> = incremental.inputs.keys().cloned().collect();
        for side in &proved.sides {
            let tables = changed::tables_of([&side.plan], &touched)?;
            if tables.is_empty() {
                continue;
            }
            let then = self.sources(&tables, made_of).await?;
            let Some(then) = then else { return Ok(Verdict::Whole("a table joined to it has other columns")) };
            let Some(parts) = changed::parts_of_side(self.context, side, &then).await? else {
                return Ok(Verdict::Whole("what is joined to every row of it changed"));
            };
            found.extend(parts);
            reached.extend(tables);
        }
        if !touched.is_subset(&reached) {
            return Ok(Verdict::Whole("what it reads whole changed"));
        }
        let table = self.own(self.stage.name, &step.model.table, base)?;
        let quarantine = match (step.quarantine_table(self.stage.name), &step.quarantine_base) {
            (Some(name), Some(delta)) => Some(self.own("quarantine", &name, delta)?),
            _ => None,
        };
        Ok(match changed::remember(self.context, found).await? {
            None => Verdict::Whole("some rows belong to no part"),
            Some(0) => Verdict::Same,
            Some(count) if !changed::is_worth_it(self.context, &incremental.column, &table.1, count).await? => {
                Verdict::Whole("most parts changed")
            }
            Some(count) => {
                let (name, table) = table;
                let renewal = Renewal { incremental: incremental.clone(), name, table, quarantine };
                // What is not as it was written must not be written again as if it were.
                match renewal.is_of_whole_files(self.context).await? {
                    true => Verdict::Renew(count, renewal),
                    false => Verdict::Whole("a file of its own is missing or damaged"),
                }
            }
        })
    }

    /// Tables as they were, for the plans that read them; `None` where one had other columns.
    async fn sources(
        &mut self,
        names: &BTreeSet<TableName>,
        made_of: &BTreeMap<TableName, TableState>,
    ) -> Result<Option<BTreeMap<TableName, Arc<dyn TableSource>>>> {
        let mut sources = BTreeMap::new();
        for name in names {
            let Some(state) = made_of.get(name) else { return Ok(None) };
            let then = self.open(name, state).await?;
            let provider = then.delta.table_provider().with_session(Arc::new(self.context.state())).await?;
            let now = self.context.table_provider(name.reference()).await?;
            if provider.schema().fields() != now.schema().fields() {
                return Ok(None);
            }
            sources.insert(name.clone(), provider_as_source(provider));
        }
        Ok(Some(sources))
    }

    fn own(&self, schema: &str, table: &str, delta: &DeltaTable) -> Result<(TableName, DataFiles)> {
        let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
        DataFiles::of(self.context, &self.run.lake, &name, delta).map(|files| (name, files))
    }

    async fn open(&mut self, name: &TableName, state: &TableState) -> Result<Opened> {
        let key = (name.clone(), state.version, state.files.clone());
        if let Some(opened) = self.opened.get(&key) {
            return Ok(opened.clone());
        }
        let delta = release::open(&self.run.lake, &name.schema, &name.table, state).await?;
        let files = DataFiles::of(self.context, &self.run.lake, name, &delta)?;
        let opened = Opened { delta, files };
        self.opened.insert(key, opened.clone());
        Ok(opened)
    }

    /// An input as this run sees it.
    fn now(&self, name: &TableName, pending: &[Pending]) -> Option<Now> {
        if name.schema != self.stage.name {
            return self.inputs.state(name).cloned().map(Now::Stored);
        }
        match &pending.iter().find(|each| each.schema == name.schema && each.table == name.table)?.change {
            Change::Keep(state) => Some(Now::Stored(state.clone())),
            Change::Overwrite(schema, staged, kept) => Some(Now::Staged(DataFiles {
                url: self.run.lake.table_url(&name.schema, &name.table).ok()?,
                schema: schema.arrow.clone(),
                adds: kept.iter().chain(&staged.adds).cloned().collect(),
            })),
            _ => None,
        }
    }
}

/// A table that has other files than it had.
struct Other {
    name: TableName,
    before: DataFiles,
    now: DataFiles,
}

/// What a plan reads of some tables; those it does not read are left out. To count rows is to read of them too.
fn read_of(plan: &LogicalPlan, others: Vec<Other>) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for Other { name, before, now } in others {
        if let Some(read) = parts::read_of(plan, &name)? {
            inputs.push(Input { name, read, before, now });
        }
    }
    Ok(inputs)
}

/// A table as a run sees it.
enum Now {
    /// As a release published it.
    Stored(TableState),
    /// As this run staged it.
    Staged(DataFiles),
}

/// Whether a table of which nothing but its inputs changed, if that, has the rows it had, and likewise those set aside. It
/// has not where those it had cannot be read.
///
/// # Errors
/// When what was built cannot be read.
pub async fn is_as_it_was(
    context: &SessionContext,
    stage: &str,
    step: &Step,
    (rows, set_aside): (i64, i64),
) -> Result<bool> {
    let (Some(before), Some(base)) = (&step.before, &step.base) else { return Ok(false) };
    let mut tables = vec![(stage, step.model.table.clone(), before.table.rows, rows, base)];
    if let (Some(table), Some(state), Some(base)) =
        (step.quarantine_table(stage), &before.quarantine, &step.quarantine_base)
    {
        tables.push(("quarantine", table, state.rows, set_aside, base));
    }
    if tables.iter().any(|(_, _, before, now, _)| before != now) {
        return Ok(false);
    }
    for (schema, table, _, _, base) in tables {
        session::register_delta(context, quarantine::BEFORE, &table, base).await?;
        let is = contents(context, schema, &table).await?;
        let was = contents(context, quarantine::BEFORE, &table).await;
        let was = was.inspect_err(|error| debug!(table, "comparing it with what it was: {error:#}"));
        if was.ok() != Some(is) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Columns, and the sum of the hashes of a table's rows, whatever their order.
async fn contents(context: &SessionContext, schema: &str, table: &str) -> Result<(Vec<String>, Option<String>)> {
    let frame = context.sql(&format!(r#"select * from {schema}."{table}""#)).await?;
    let columns: Vec<String> =
        frame.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    let summed = session::sum_of_rows(frame.schema().fields().iter().map(|field| field.name().as_str()));
    let sql = format!(r#"select {summed} as summed from {schema}."{table}""#);
    Ok((columns, check::examples(context, &sql).await?.pop()))
}

fn prove(model: &Model, incremental: &Incremental, plan: &LogicalPlan) -> Result<Proved> {
    parts::prove(plan, incremental).map_err(|why| {
        failure(
            Exit::Configuration,
            format!("{}: it cannot be incremental by {}, because {why}", model.file, incremental.column),
            "a part of its result may be made of the same part of the inputs only: change the query, or take the line out",
        )
    })
}
