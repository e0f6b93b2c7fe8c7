//! Builds one model: runs its query once, splits rows by expectation while they pass, stages both parts.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{and, filter_record_batch, not, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, execute_stream_partitioned};
use datafusion::prelude::{DataFrame, SessionContext};
use deltalake::kernel::Add;
use deltalake::kernel::schema::cast::cast_record_batch;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::acceptances::Accepted;
use super::check::{EXAMPLE_COUNT, examples, row_text};
use super::renew::Renewal;
use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::model::{self, Expectation, Model, Otherwise};
use crate::release;
use crate::run::Run;
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, RowGroup, Writer};

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

/// An expectation, ready to be evaluated.
#[derive(Clone)]
struct Rule {
    text: String,
    otherwise: Otherwise,
    condition: Arc<dyn PhysicalExpr>,
}

/// Builds a model's tables as uncommitted files and makes the main one readable. With a renewal only the parts that
/// changed are worked out.
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
    let mut good = Rows::default();
    let mut bad = Rows::default();
    let place = Place { run, stage, context, model, quarantine_table, accepted };
    match place.build(renewal, &mut good, &mut bad).await {
        Ok(built) => Ok(built),
        Err(error) => {
            staging::discard(&run.lake.log_store(stage, &model.table)?, &good.written).await;
            if let Some(table) = quarantine_table {
                staging::discard(&run.lake.log_store("quarantine", table)?, &bad.written).await;
            }
            Err(error)
        }
    }
}

/// What is built, and where.
struct Place<'a> {
    run: &'a Run,
    stage: &'a str,
    context: &'a SessionContext,
    model: &'a Model,
    quarantine_table: Option<&'a str>,
    accepted: &'a Accepted,
}

impl Place<'_> {
    async fn build(&self, renewal: Option<&Renewal>, good: &mut Rows, bad: &mut Rows) -> Result<Built> {
        let Self { run, stage, context, model, .. } = self;
        let doing = || format!("building {stage}.{} ({})", model.table, model.file);
        let mut frame = context.sql(&model.sql).await.with_context(doing)?;
        if let Some(renewal) = renewal {
            let narrowed = renewal.narrow(context, frame.into_optimized_plan()?).await.with_context(doing)?;
            frame = DataFrame::new(context.state(), narrowed);
        }
        let plan = frame.create_physical_plan().await.with_context(doing)?;
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
        let mut counts = self.split(plan, splitting, good, bad).await.with_context(doing)?;
        if let Some(renewal) = renewal {
            let kept = renewal.keep(&run.lake, context, &rules_of(&rules), good, bad).await.with_context(doing)?;
            counts.iter_mut().zip(kept).for_each(|(count, kept)| *count += kept);
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
                    counts.iter_mut().zip(part.counts).for_each(|(count, more)| *count += more);
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

fn quarantine_schema(schema: &TableSchema) -> Result<TableSchema> {
    let mut fields: Vec<Field> = schema.arrow.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("quarantineReasons", DataType::Utf8, true));
    TableSchema::of(&Schema::new(fields))
}

/// What one task needs to split and stage one stream of rows.
#[derive(Clone)]
struct Splitting {
    rules: Arc<[Rule]>,
    schema: TableSchema,
    quarantine_schema: TableSchema,
    lake: Lake,
    stage: String,
    table: String,
    quarantine_table: Option<String>,
    /// Columns that identify a row.
    key: Arc<[String]>,
    accepted: Arc<Accepted>,
}

struct Part {
    good: Vec<Add>,
    bad: Vec<Add>,
    /// Rows that broke each rule.
    counts: Vec<i64>,
}

impl Splitting {
    async fn run(self, mut stream: datafusion::execution::SendableRecordBatchStream) -> Result<Part> {
        let mut good = Writer::new(&self.lake.log_store(&self.stage, &self.table)?, &self.schema, RowGroup::Typed);
        let mut bad = match &self.quarantine_table {
            Some(table) => {
                Some(Writer::new(&self.lake.log_store("quarantine", table)?, &self.quarantine_schema, RowGroup::Typed))
            }
            None => None,
        };
        let mut counts = vec![0; self.rules.len()];
        while let Some(batch) = stream.next().await {
            let batch = cast_record_batch(&batch?, self.schema.arrow.clone(), false, false)?;
            let (keep, set_aside) = self.split(&batch, &mut counts)?;
            good.write(&keep).await?;
            if let (Some(bad), Some(set_aside)) = (&mut bad, set_aside) {
                bad.write(&set_aside).await?;
            }
        }
        let bad = match bad {
            Some(bad) => bad.close().await?,
            None => Vec::new(),
        };
        Ok(Part { good: good.close().await?, bad, counts })
    }

    /// Rows to keep, and rows to set aside with every reason.
    fn split(&self, batch: &RecordBatch, counts: &mut [i64]) -> Result<(RecordBatch, Option<RecordBatch>)> {
        let mut keep: Option<BooleanArray> = None;
        let mut reasons: Vec<(&str, BooleanArray)> = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let value = rule.condition.evaluate(batch)?.into_array(batch.num_rows())?;
            let holds = true_only(&value);
            let breaks = not(&holds)?;
            counts[index] += i64::try_from(breaks.true_count())?;
            if rule.otherwise == Otherwise::Quarantine {
                keep = Some(match keep {
                    Some(keep) => and(&keep, &holds)?,
                    None => holds,
                });
                reasons.push((&rule.text, breaks));
            }
        }
        let keep = keep.map(|keep| self.let_through(batch, keep, &reasons)).transpose()?;
        match keep {
            Some(keep) if keep.true_count() < batch.num_rows() => {
                let set_aside =
                    filter_record_batch(&with_reasons(batch, &reasons, &self.quarantine_schema)?, &not(&keep)?)?;
                Ok((filter_record_batch(batch, &keep)?, Some(set_aside)))
            }
            _ => Ok((batch.clone(), None)),
        }
    }

    /// Keeps rows too that break only rules they may break.
    fn let_through(
        &self,
        batch: &RecordBatch,
        keep: BooleanArray,
        reasons: &[(&str, BooleanArray)],
    ) -> Result<BooleanArray> {
        if self.accepted.is_empty() || keep.true_count() == batch.num_rows() {
            return Ok(keep);
        }
        let places = self.key.iter().map(|name| batch.schema().index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let keys = batch.project(&places)?;
        let passes = |row: usize| -> Result<bool> {
            let broken = reasons.iter().filter(|(_, breaks)| breaks.value(row)).map(|(text, _)| *text);
            Ok(keep.value(row) || self.accepted.covers(&row_text(&keys, row)?, broken))
        };
        Ok((0..batch.num_rows()).map(passes).collect::<Result<Vec<_>>>()?.into())
    }
}

/// Null is not true.
fn true_only(value: &ArrayRef) -> BooleanArray {
    let value = value.as_boolean();
    if value.null_count() > 0 { prep_null_mask_filter(value) } else { value.clone() }
}

fn with_reasons(batch: &RecordBatch, reasons: &[(&str, BooleanArray)], schema: &TableSchema) -> Result<RecordBatch> {
    let text: StringArray = (0..batch.num_rows())
        .map(|row| {
            let broken: Vec<&str> =
                reasons.iter().filter(|(_, breaks)| breaks.value(row)).map(|(text, _)| *text).collect();
            (!broken.is_empty()).then(|| broken.join("; "))
        })
        .collect();
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(text));
    Ok(RecordBatch::try_new(schema.arrow.clone(), columns)?)
}
