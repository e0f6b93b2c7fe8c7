//! Builds one model: runs its query once, splits rows by expectation while they pass, stages both parts, checks the rest.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{and, filter_record_batch, not, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::DFSchema;
use datafusion::physical_plan::{PhysicalExpr, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use deltalake::kernel::Add;
use deltalake::kernel::schema::cast::cast_record_batch;
use futures::StreamExt;
use tokio::task::JoinSet;

use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::model::{self, Model, Otherwise};
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
    /// Its rows.
    pub staged: Staged,
    /// Rows set aside, with their columns, for a model that can set rows aside.
    pub quarantine: Option<(TableSchema, Staged)>,
    /// How often a row broke an expectation of severity warn.
    pub warning_count: i64,
    /// What to say about them.
    pub warnings: Vec<String>,
    /// Every expectation that rows broke.
    pub broken: Vec<release::Broken>,
}

/// An expectation, ready to be evaluated.
#[derive(Clone)]
struct Rule {
    text: String,
    otherwise: Otherwise,
    condition: Arc<dyn PhysicalExpr>,
}

/// How often each rule was broken, with the keys of some rows that did.
#[derive(Default)]
struct Broken {
    counts: Vec<i64>,
    examples: Vec<Vec<String>>,
}

/// Builds a model's tables as uncommitted files and makes the main one readable.
///
/// # Errors
/// [`Exit::DataRefused`] when an expectation says `fail`; [`Exit::Configuration`] when the query or a rule is wrong.
pub async fn build(
    run: &Run,
    stage: &str,
    context: &SessionContext,
    model: &Model,
    quarantine_table: Option<&str>,
) -> Result<Built> {
    let doing = || format!("building {stage}.{} ({})", model.table, model.file);
    let frame = context.sql(&model.sql).await.with_context(doing)?;
    let plan = frame.create_physical_plan().await.with_context(doing)?;
    let schema = TableSchema::of(&plan.schema()).map_err(|error| {
        failure(Exit::Configuration, format!("{}: {error}", model.file), "change the query's select list")
    })?;
    check_columns(model, &schema)?;
    let columns = DFSchema::try_from(schema.arrow.as_ref().clone())?;
    let rules = model
        .expectations
        .iter()
        .map(|expectation| {
            Ok(Rule {
                text: expectation.condition.clone(),
                otherwise: expectation.otherwise,
                condition: model::condition(context, model, expectation, &columns)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let quarantine_schema = quarantine_schema(&schema)?;
    let splitting = Splitting {
        rules: rules.clone().into(),
        key: model.key.iter().map(|column| schema.arrow.index_of(column)).collect::<Result<_, _>>()?,
        schema: schema.clone(),
        quarantine_schema: quarantine_schema.clone(),
        lake: run.lake.clone(),
        stage: stage.to_owned(),
        table: model.table.clone(),
        quarantine_table: quarantine_table.map(ToOwned::to_owned),
    };
    let mut parts = JoinSet::new();
    for stream in execute_stream_partitioned(plan, context.task_ctx()).with_context(doing)? {
        parts.spawn(splitting.clone().run(stream));
    }
    let mut good: Vec<Add> = Vec::new();
    let mut bad: Vec<Add> = Vec::new();
    let mut broken = Broken::new(rules.len());
    let mut failed: Option<anyhow::Error> = None;
    while let Some(part) = parts.join_next().await {
        match part.context("a query task ended in an unforeseen way").and_then(|part| part) {
            Ok(part) => {
                good.extend(part.good);
                bad.extend(part.bad);
                broken.merge(part.broken);
            }
            Err(error) => {
                parts.abort_all();
                failed.get_or_insert(error);
            }
        }
    }
    let refused = failed.map(|error| error.context(doing())).or_else(|| refusal(stage, model, &rules, &broken));
    if let Some(error) = refused {
        staging::discard(&run.lake.log_store(stage, &model.table)?, &good).await;
        if let Some(table) = quarantine_table {
            staging::discard(&run.lake.log_store("quarantine", table)?, &bad).await;
        }
        return Err(error);
    }
    let table_url = run.lake.table_url(stage, &model.table)?;
    session::register(context, stage, &model.table, staging::provider(&table_url, &schema.arrow, &good)?)?;
    let (warning_count, warnings) = warnings(&rules, &broken);
    let broken = broken.told(&rules);
    Ok(Built {
        schema,
        staged: Staged::of(good),
        quarantine: quarantine_table.map(|_| (quarantine_schema, Staged::of(bad))),
        warning_count,
        warnings,
        broken,
    })
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

fn refusal(stage: &str, model: &Model, rules: &[Rule], broken: &Broken) -> Option<anyhow::Error> {
    let (index, rule) = rules.iter().enumerate().find(|(index, rule)| {
        rule.otherwise == Otherwise::Fail && broken.counts.get(*index).is_some_and(|count| *count > 0)
    })?;
    Some(failure(
        Exit::DataRefused,
        format!(
            "{stage}.{} breaks the expectation `{}` in {} rows, for example {}",
            model.table,
            rule.text,
            broken.counts[index],
            broken.named(index)
        ),
        "nothing of this run was published: mend the data or the rule, then run again",
    ))
}

fn warnings(rules: &[Rule], broken: &Broken) -> (i64, Vec<String>) {
    let mut total = 0;
    let mut lines = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if rule.otherwise != Otherwise::Fail && broken.counts[index] > 0 {
            let verb = if rule.otherwise == Otherwise::Warn { "break" } else { "were quarantined by" };
            lines.push(format!(
                "{} rows {verb} `{}`, for example {}",
                broken.counts[index],
                rule.text,
                broken.named(index)
            ));
        }
        if rule.otherwise == Otherwise::Warn {
            total += broken.counts[index];
        }
    }
    (total, lines)
}

impl Broken {
    fn new(rules: usize) -> Self {
        Self { counts: vec![0; rules], examples: vec![Vec::new(); rules] }
    }

    fn merge(&mut self, other: Self) {
        for (index, (count, examples)) in other.counts.into_iter().zip(other.examples).enumerate() {
            self.counts[index] += count;
            self.examples[index].extend(examples);
        }
    }

    fn told(&self, rules: &[Rule]) -> Vec<release::Broken> {
        let broken = rules.iter().enumerate().filter(|(index, _)| self.counts[*index] > 0);
        broken
            .map(|(index, rule)| release::Broken {
                expectation: rule.text.clone(),
                otherwise: if rule.otherwise == Otherwise::Warn { "warn" } else { "quarantine" },
                count: self.counts[index],
                examples: self.named(index),
            })
            .collect()
    }

    fn named(&self, rule: usize) -> String {
        let mut keys = self.examples[rule].clone();
        keys.sort();
        keys.truncate(EXAMPLE_COUNT);
        keys.join("; ")
    }
}

/// What one task needs to split and stage one stream of rows.
#[derive(Clone)]
struct Splitting {
    rules: Arc<[Rule]>,
    key: Vec<usize>,
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
    broken: Broken,
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
        let mut broken = Broken::new(self.rules.len());
        while let Some(batch) = stream.next().await {
            let batch = cast_record_batch(&batch?, self.schema.arrow.clone(), false, false)?;
            let (keep, set_aside) = self.split(&batch, &mut broken)?;
            good.write(&keep).await?;
            if let (Some(bad), Some(set_aside)) = (&mut bad, set_aside) {
                bad.write(&set_aside).await?;
            }
        }
        let bad = match bad {
            Some(bad) => bad.close().await?,
            None => Vec::new(),
        };
        Ok(Part { good: good.close().await?, bad, broken })
    }

    /// Rows to keep, and rows to set aside with every reason.
    fn split(&self, batch: &RecordBatch, broken: &mut Broken) -> Result<(RecordBatch, Option<RecordBatch>)> {
        let mut keep: Option<BooleanArray> = None;
        let mut reasons: Vec<(&str, BooleanArray)> = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let value = rule.condition.evaluate(batch)?.into_array(batch.num_rows())?;
            let holds = true_only(&value);
            let breaks = not(&holds)?;
            let count = breaks.true_count();
            if count > 0 {
                broken.counts[index] += i64::try_from(count)?;
                self.remember(batch, &breaks, &mut broken.examples[index])?;
            }
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

    fn remember(&self, batch: &RecordBatch, breaks: &BooleanArray, examples: &mut Vec<String>) -> Result<()> {
        for row in (0..batch.num_rows()).filter(|row| breaks.value(*row)) {
            if examples.len() >= EXAMPLE_COUNT {
                break;
            }
            let mut parts = Vec::new();
            for column in &self.key {
                let value = batch.column(*column);
                let text = if value.is_null(row) { "null".to_owned() } else { array_value_to_string(value, row)? };
                parts.push(format!("{}={text}", batch.schema().field(*column).name()));
            }
            examples.push(parts.join(" "));
        }
        Ok(())
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
