//! Builds one model: runs its query once, splits rows by expectation while they pass, stages both parts.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::common::DFSchema;
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use datafusion::prelude::{DataFrame, SessionContext};
use deltalake::kernel::Add;
use tokio::task::JoinSet;
use tracing::{debug, info};

use super::acceptances::Accepted;
use super::check::{EXAMPLE_COUNT, examples};
use super::renew::Renewal;
use super::share;
use super::split::{Rule, Splitting, quarantine_schema};
use crate::failure::{self, Exit, failure, is_out_of_memory};
use crate::model::{self, Expectation, Model, Otherwise};
use crate::release;
use crate::run::Run;
use crate::schema::TableSchema;
use crate::session;
use crate::staging;

/// A model's tables, written and not committed.
pub struct Built {
    /// Columns of the table.
    pub schema: TableSchema,
    /// The rows that were written, and the files that stay.
    pub rows: Rows,
    /// Likewise rows set aside, with their columns, for a model that can set rows aside.
    pub quarantine: Option<(TableSchema, Rows)>,
    /// How often a row broke an expectation of severity warn.
    pub warning_count: i64,
    /// What to say about them.
    pub warnings: Vec<String>,
    /// Every expectation that rows broke.
    pub broken: Vec<release::Broken>,
}

/// The rows of a table: files that were written and files that stay.
#[derive(Clone, Default)]
pub struct Rows {
    /// Written by this run.
    pub written: Vec<Add>,
    /// Of the version before, kept.
    pub kept: Vec<Add>,
}

impl Rows {
    /// All files of the table.
    pub fn files(&self) -> Vec<Add> {
        self.kept.iter().chain(&self.written).cloned().collect()
    }

    /// Rows in all files.
    pub fn count(&self) -> i64 {
        staging::row_count(&self.kept) + staging::row_count(&self.written)
    }
}

/// Builds a model's tables as uncommitted files and makes the main one readable. With a renewal only the parts that
/// changed are worked out. A query that does not fit in memory is run again, in shares where its parts are known to be
/// independent of each other, at last with joins that spill.
///
/// # Errors
/// [`Exit::DataRefused`] when an expectation says `fail`; [`Exit::Configuration`] when the query or a rule is wrong.
pub async fn build(
    run: &Run,
    stage: &str,
    context: &SessionContext,
    model: &Model,
    quarantine_table: Option<&str>,
    accepted: &Accepted,
    renewal: Option<&Renewal>,
) -> Result<Built> {
    let mut refused: Option<anyhow::Error> = None;
    for way in WAYS.into_iter().filter(|way| way.share_count == 1 || model.incremental.is_some()) {
        if let Some(error) = &refused {
            debug!(table = model.table, "{}", failure::one_line(error));
            let name = format!("{stage}.{}", model.table);
            info!(table = model.table, "building {name} again{way}: it does not fit in memory");
            session::released(context).await;
        }
        let spilling = way.spills.then(|| session::sorting(context));
        let context = spilling.as_ref().unwrap_or(context);
        let place = Place { run, stage, context, model, quarantine_table, accepted, share_count: way.share_count };
        match place.built_or_discarded(renewal).await {
            Err(error) if is_out_of_memory(&error) => refused = Some(error),
            other => return other,
        }
    }
    Err(refused.context("a table was built in no way")?)
}

/// How a table is worked out.
#[derive(Clone, Copy)]
struct Way {
    /// In how many shares of its parts, one after the other.
    share_count: u32,
    /// With joins that spill.
    spills: bool,
}

/// The ways to work out a table: each needs less memory than those before it, but for the last, which needs no parts.
const WAYS: [Way; 5] = [
    Way { share_count: 1, spills: false },
    Way { share_count: 4, spills: false },
    Way { share_count: 16, spills: false },
    Way { share_count: 16, spills: true },
    Way { share_count: 1, spills: true },
];

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.share_count > 1 {
            write!(formatter, " in {} shares", self.share_count)?;
        }
        if self.spills {
            formatter.write_str(" with joins that spill")?;
        }
        Ok(())
    }
}

/// What is built, and where.
#[derive(Clone, Copy)]
struct Place<'a> {
    run: &'a Run,
    stage: &'a str,
    context: &'a SessionContext,
    model: &'a Model,
    quarantine_table: Option<&'a str>,
    accepted: &'a Accepted,
    /// How many shares it is worked out in, one after the other.
    share_count: u32,
}

impl Place<'_> {
    async fn built_or_discarded(self, renewal: Option<&Renewal>) -> Result<Built> {
        let mut good = Rows::default();
        let mut bad = Rows::default();
        let built = self.build(renewal, &mut good, &mut bad).await;
        if built.is_err() {
            staging::discard(&self.run.lake.log_store(self.stage, &self.model.table)?, &good.written).await;
            if let Some(table) = self.quarantine_table {
                staging::discard(&self.run.lake.log_store("quarantine", table)?, &bad.written).await;
            }
        }
        built
    }

    async fn build(&self, renewal: Option<&Renewal>, good: &mut Rows, bad: &mut Rows) -> Result<Built> {
        let Self { run, stage, context, model, .. } = self;
        let doing = || format!("building {stage}.{} ({})", model.table, model.file);
        let plan = self.planned(renewal, 0).await.with_context(doing)?;
        let schema = TableSchema::of(&plan.schema()).map_err(|error| {
            failure(Exit::Configuration, format!("{}: {error}", model.file), "change the query's select list")
        })?;
        check_columns(model, &schema)?;
        let rules = self.rules(&schema)?;
        let quarantine_schema = quarantine_schema(&schema)?;
        let splitting = Splitting {
            rules: rules.clone().into(),
            schema: schema.clone(),
            quarantine_schema: quarantine_schema.clone(),
            lake: run.lake.clone(),
            stage: (*stage).to_owned(),
            table: model.table.clone(),
            quarantine_table: self.quarantine_table.map(ToOwned::to_owned),
            key: model.key.clone().into(),
            accepted: Arc::new(self.accepted.clone()),
        };
        let mut counts = self.split(plan, splitting.clone(), good, bad).await.with_context(doing)?;
        for share in 1..self.share_count {
            let plan = self.planned(renewal, share).await.with_context(doing)?;
            let more = self.split(plan, splitting.clone(), good, bad).await.with_context(doing)?;
            add(&mut counts, more);
        }
        if let Some(renewal) = renewal {
            let kept = renewal.keep(&run.lake, context, &rules_of(&rules), good, bad).await.with_context(doing)?;
            add(&mut counts, kept);
        }
        let table_url = run.lake.table_url(stage, &model.table)?;
        session::register(context, stage, &model.table, staging::provider(&table_url, &schema.arrow, &good.files())?)?;
        if let Some(table) = self.quarantine_table {
            let url = run.lake.table_url("quarantine", table)?;
            let set_aside = staging::provider(&url, &quarantine_schema.arrow, &bad.files())?;
            session::register(context, "quarantine", table, set_aside)?;
        }
        let mut broken = Vec::new();
        let mut unused: BTreeSet<(&str, &str)> = self.accepted.each().collect();
        for (rule, mut count) in rules.iter().zip(counts).filter(|(_, count)| *count > 0) {
            let accepted = self.let_through(rule).await?;
            unused.retain(|(key, text)| *text != rule.text || !accepted.iter().any(|passed| passed == key));
            if !accepted.is_empty() {
                let count_accepted = i64::try_from(accepted.len())?;
                count -= count_accepted;
                let examples = accepted.iter().take(EXAMPLE_COUNT).cloned().collect::<Vec<_>>().join("; ");
                broken.push(Broken { rule, fate: Fate::Accepted, count: count_accepted, examples });
            }
            if count > 0 {
                broken.push(Broken { rule, fate: Fate::of(rule), count, examples: self.examples(rule).await? });
            }
        }
        if let Some(refused) = broken.iter().find(|broken| broken.rule.otherwise == Otherwise::Fail) {
            return Err(refused.refusal(stage, model));
        }
        let (warning_count, mut warnings) = warnings(&broken);
        warnings.extend(unused.into_iter().map(|(key, rule)| {
            format!("that {key} may break `{rule}` was accepted and lets no row of {stage}.{} through", model.table)
        }));
        Ok(Built {
            schema,
            rows: good.clone(),
            quarantine: self.quarantine_table.map(|_| (quarantine_schema, bad.clone())),
            warning_count,
            warnings,
            broken: broken.into_iter().map(Broken::told).collect(),
        })
    }

    /// The query as it is run for one share of the parts.
    async fn planned(&self, renewal: Option<&Renewal>, share: u32) -> Result<Arc<dyn ExecutionPlan>> {
        let frame = self.context.sql(&self.model.sql).await?;
        let divided = self.model.incremental.as_ref().filter(|_| self.share_count > 1);
        if divided.is_none() && renewal.is_none() {
            return Ok(frame.create_physical_plan().await?);
        }
        // Both narrow the very plan that was proved: optimised once more in between, it might be another.
        let mut plan = frame.into_optimized_plan()?;
        if let Some(incremental) = divided {
            plan = share::narrowed(self.context, plan, incremental, share, self.share_count)?;
        }
        if let Some(renewal) = renewal {
            plan = renewal.narrow(self.context, plan).await?;
        }
        Ok(DataFrame::new(self.context.state(), plan).create_physical_plan().await?)
    }

    fn rules(&self, schema: &TableSchema) -> Result<Vec<Rule>> {
        let columns = DFSchema::try_from(schema.arrow.as_ref().clone())?;
        let rule = |expectation: &Expectation| {
            Ok(Rule {
                text: expectation.condition.clone(),
                otherwise: expectation.otherwise,
                condition: model::condition(self.context, self.model, expectation, &columns)?,
            })
        };
        self.model.expectations.iter().map(rule).collect()
    }

    /// Runs the query once and writes its rows; says how many broke each rule.
    async fn split(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        splitting: Splitting,
        good: &mut Rows,
        bad: &mut Rows,
    ) -> Result<Vec<i64>> {
        let mut counts = vec![0; splitting.rules.len()];
        let mut parts = JoinSet::new();
        for stream in execute_stream_partitioned(plan, self.context.task_ctx())? {
            parts.spawn(splitting.clone().run(stream));
        }
        let mut failed: Option<anyhow::Error> = None;
        while let Some(part) = parts.join_next().await {
            match part.context("a query task ended in an unforeseen way").and_then(|part| part) {
                Ok(part) => {
                    good.written.extend(part.good);
                    bad.written.extend(part.bad);
                    add(&mut counts, part.counts);
                }
                Err(error) => {
                    parts.abort_all();
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(counts), Err)
    }

    /// The keys of the rows that break a rule and were let through.
    async fn let_through(&self, rule: &Rule) -> Result<Vec<String>> {
        if rule.otherwise != Otherwise::Quarantine || !self.accepted.each().any(|(_, text)| text == rule.text) {
            return Ok(Vec::new());
        }
        let key = session::quoted_list(&self.model.key);
        let sql = format!(
            "select {key} from {}.\"{}\" where not coalesce(({}), false) order by {key}",
            self.stage, self.model.table, rule.text
        );
        examples(self.context, &sql).await
    }

    /// The first keys of rows that broke a rule and were not let through.
    async fn examples(&self, rule: &Rule) -> Result<String> {
        let key = session::quoted_list(&self.model.key);
        let rows = |table: String| format!("select {key} from {table} where not coalesce(({}), false)", rule.text);
        let good = rows(format!("{}.\"{}\"", self.stage, self.model.table));
        let bad = self.quarantine_table.map(|table| rows(format!("quarantine.\"{table}\"")));
        let sql = match bad {
            Some(bad) if rule.otherwise == Otherwise::Quarantine => bad,
            Some(bad) => format!("{good} union all {bad}"),
            None => good,
        };
        let lines = examples(self.context, &format!("{sql} order by {key} limit {EXAMPLE_COUNT}")).await?;
        Ok(lines.join("; "))
    }
}

fn add(counts: &mut [i64], more: Vec<i64>) {
    counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
}

fn rules_of(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| rule.text.as_str()).collect()
}

/// What became of rows that broke a rule.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Warned,
    SetAside,
    Accepted,
}

impl Fate {
    fn of(rule: &Rule) -> Self {
        if rule.otherwise == Otherwise::Quarantine { Self::SetAside } else { Self::Warned }
    }
}

/// A rule that rows broke, what became of them, how many, and the keys of some.
struct Broken<'a> {
    rule: &'a Rule,
    fate: Fate,
    count: i64,
    examples: String,
}

impl Broken<'_> {
    fn refusal(&self, stage: &str, model: &Model) -> anyhow::Error {
        failure(
            Exit::DataRefused,
            format!(
                "{stage}.{} breaks the expectation `{}` in {} rows, for example {}",
                model.table, self.rule.text, self.count, self.examples
            ),
            "nothing of this run was published: mend the data or the rule, then run again",
        )
    }

    fn told(self) -> release::Broken {
        release::Broken {
            expectation: self.rule.text.clone(),
            otherwise: match self.fate {
                Fate::Warned => "warn",
                Fate::SetAside => "quarantine",
                Fate::Accepted => "accept",
            },
            count: self.count,
            examples: self.examples,
        }
    }
}

fn warnings(broken: &[Broken<'_>]) -> (i64, Vec<String>) {
    let mut total = 0;
    let mut lines = Vec::new();
    for Broken { rule, fate, count, examples } in broken {
        let text = &rule.text;
        lines.push(match fate {
            Fate::Warned => format!("{count} rows break `{text}`, for example {examples}"),
            Fate::SetAside => format!("{count} rows were quarantined by `{text}`, for example {examples}"),
            Fate::Accepted => {
                format!("{count} rows that break `{text}` were let through, as accepted, for example {examples}")
            }
        });
        if *fate == Fate::Warned {
            total += count;
        }
    }
    (total, lines)
}

fn check_columns(model: &Model, schema: &TableSchema) -> Result<()> {
    let known: HashSet<&str> = schema.arrow.fields().iter().map(|field| field.name().as_str()).collect();
    let named = model.key.iter().chain(model.references.iter().map(|reference| &reference.column));
    for column in named {
        if !known.contains(column.as_str()) {
            return Err(failure(
                Exit::Configuration,
                format!("{}: the header names column `{column}`, which the query does not have", model.file),
                format!("its columns are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
            ));
        }
    }
    Ok(())
}
