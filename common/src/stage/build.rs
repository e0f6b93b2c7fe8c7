//! Builds one model: runs its query once, splits rows by expectation while they pass, stages both parts, checks the rest.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{and, filter_record_batch, not, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::DFSchema;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use deltalake::kernel::Add;
use deltalake::kernel::schema::cast::cast_record_batch;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::renew::Renewal;
use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::model::{self, Expectation, Model, Otherwise};
use crate::release;
use crate::run::Run;
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, RowGroup, Staged, Writer};

/// How many offending keys a message names.
const EXAMPLE_COUNT: usize = 3;

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
        Staged::of(self.files()).row_count
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
    renewal: Option<&Renewal>,
) -> Result<Built> {
    let mut good = Rows::default();
    let mut bad = Rows::default();
    let place = Place { run, stage, context, model, quarantine_table };
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
}

impl Place<'_> {
    async fn build(&self, renewal: Option<&Renewal>, good: &mut Rows, bad: &mut Rows) -> Result<Built> {
        let Self { run, stage, context, model, .. } = self;
        let doing = || format!("building {stage}.{} ({})", model.table, model.file);
        let narrowed = match renewal {
            Some(renewal) => Some(renewal.narrow(context).await?),
            None => None,
        };
        let frame = context.sql(&model.sql).await.with_context(doing)?;
        let plan = frame.create_physical_plan().await.with_context(doing)?;
        if let Some(narrowed) = narrowed {
            narrowed.undo(context)?;
        }
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
        for (rule, count) in rules.iter().zip(counts).filter(|(_, count)| *count > 0) {
            broken.push(Broken { rule, count, examples: self.examples(rule).await? });
        }
        if let Some(refused) = broken.iter().find(|broken| broken.rule.otherwise == Otherwise::Fail) {
            return Err(refused.refusal(stage, model));
        }
        let (warning_count, warnings) = warnings(&broken);
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

    /// The first keys of rows that broke a rule.
    async fn examples(&self, rule: &Rule) -> Result<String> {
        let quoted: Vec<String> = self.model.key.iter().map(|column| format!("\"{column}\"")).collect();
        let key = quoted.join(", ");
        let rows = |table: String| format!("select {key} from {table} where not coalesce(({}), false)", rule.text);
        let mut sql = rows(format!("{}.\"{}\"", self.stage, self.model.table));
        if let Some(table) = self.quarantine_table {
            sql = format!("{sql} union all {}", rows(format!("quarantine.\"{table}\"")));
        }
        let lines = examples(self.context, &format!("{sql} order by {key} limit {EXAMPLE_COUNT}")).await?;
        Ok(lines.join("; "))
    }
}

fn rules_of(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| rule.text.as_str()).collect()
}

/// A rule that rows broke, how many, and the keys of some.
struct Broken<'a> {
    rule: &'a Rule,
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
            otherwise: if self.rule.otherwise == Otherwise::Warn { "warn" } else { "quarantine" },
            count: self.count,
            examples: self.examples,
        }
    }
}

fn warnings(broken: &[Broken<'_>]) -> (i64, Vec<String>) {
    let mut total = 0;
    let mut lines = Vec::new();
    for Broken { rule, count, examples } in broken {
        let verb = if rule.otherwise == Otherwise::Warn { "break" } else { "were quarantined by" };
        lines.push(format!("{count} rows {verb} `{}`, for example {examples}", rule.text));
        if rule.otherwise == Otherwise::Warn {
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
        match keep {
            Some(keep) if keep.true_count() < batch.num_rows() => {
                let set_aside =
                    filter_record_batch(&with_reasons(batch, &reasons, &self.quarantine_schema)?, &not(&keep)?)?;
                Ok((filter_record_batch(batch, &keep)?, Some(set_aside)))
            }
            _ => Ok((batch.clone(), None)),
        }
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

/// Checks what only the whole table shows: the key, the references, and that no row got lost.
///
/// # Errors
/// [`Exit::DataRefused`] naming the table, the rule and some offending keys.
pub async fn check(context: &SessionContext, stage: &str, model: &Model, rows: i64, quarantined: i64) -> Result<()> {
    let table = format!("{stage}.{}", model.table);
    let quoted: Vec<String> = model.key.iter().map(|column| format!("\"{column}\"")).collect();
    let key = quoted.join(", ");
    let nulls = quoted.iter().map(|column| format!("{column} is null")).collect::<Vec<_>>().join(" or ");
    let broken = examples(context, &format!("select {key} from {table} where {nulls} limit {EXAMPLE_COUNT}")).await?;
    if !broken.is_empty() {
        return Err(refuse(&table, &format!("key ({}) is not null", model.key.join(", ")), &broken));
    }
    let repeated =
        format!("select {key} from {table} group by {key} having count(*) > 1 order by {key} limit {EXAMPLE_COUNT}");
    let broken = examples(context, &repeated).await?;
    if !broken.is_empty() {
        return Err(refuse(&table, &format!("key ({}) is unique", model.key.join(", ")), &broken));
    }
    for reference in &model.references {
        let (column, target) = (&reference.column, &reference.target);
        let orphans = format!(
            "select distinct o.\"{column}\" from {table} as o left anti join {} as t on o.\"{column}\" = t.\"{target}\" limit {EXAMPLE_COUNT}",
            reference.table
        );
        let broken = examples(context, &orphans).await?;
        if !broken.is_empty() {
            return Err(refuse(&table, &format!("{column} in {}.{target}", reference.table), &broken));
        }
    }
    if let Some(input) = &model.conserves {
        let counted = context.sql(&format!("select count(*) as n from {input}")).await?.collect().await?;
        let came: i64 = counted
            .first()
            .map_or(0, |batch| batch.column(0).as_primitive::<datafusion::arrow::datatypes::Int64Type>().value(0));
        if came != rows + quarantined {
            let rule = format!("rows of {input} = rows out + quarantined");
            return Err(refuse(
                &table,
                &rule,
                &[format!("{came} came, {rows} went out, {quarantined} were quarantined")],
            ));
        }
    }
    Ok(())
}

fn refuse(table: &str, rule: &str, examples: &[String]) -> anyhow::Error {
    failure(
        Exit::DataRefused,
        format!("{table} breaks the rule `{rule}`, for example {}", examples.join("; ")),
        "nothing of this run was published: mend the data or the model, then run again",
    )
}

async fn examples(context: &SessionContext, sql: &str) -> Result<Vec<String>> {
    let batches = context.sql(sql).await?.collect().await?;
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let mut parts = Vec::new();
            for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
                let text = if column.is_null(row) { "null".to_owned() } else { array_value_to_string(column, row)? };
                parts.push(format!("{}={text}", field.name()));
            }
            lines.push(parts.join(" "));
        }
    }
    Ok(lines)
}
