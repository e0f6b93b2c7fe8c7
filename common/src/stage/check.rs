//! What only a whole table shows: its key, its references, and that no row got lost.

use anyhow::Result;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;

use crate::failure::{Exit, failure};
use crate::model::Model;
use crate::session;

/// How many offending keys a message names.
pub const EXAMPLE_COUNT: usize = 3;

/// Checks what only the whole table shows: the key, the references, and that no row got lost.
///
/// # Errors
/// [`Exit::DataRefused`] naming the table, the rule and some offending keys.
pub async fn check(context: &SessionContext, stage: &str, model: &Model, rows: i64, quarantined: i64) -> Result<()> {
    let table = format!("{stage}.{}", model.table);
    let key = session::quoted_list(&model.key);
    let nulls =
        model.key.iter().map(|column| format!("{} is null", session::quoted(column))).collect::<Vec<_>>().join(" or ");
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
    between(context, stage, model, rows, quarantined).await
}

/// Checks what a table and others show together: the references, and that no row got lost.
///
/// # Errors
/// As [`check`].
pub async fn between(context: &SessionContext, stage: &str, model: &Model, rows: i64, quarantined: i64) -> Result<()> {
    let table = format!("{stage}.{}", model.table);
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
        let came = session::number(context, &format!("select count(*) as n from {input}")).await?;
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

/// Rows of a query, each as one text.
///
/// # Errors
/// When the engine refuses.
pub async fn examples(context: &SessionContext, sql: &str) -> Result<Vec<String>> {
    let batches = session::rows(context, sql).await?;
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            lines.push(row_text(batch, row)?);
        }
    }
    Ok(lines)
}

/// A row as `column=value`, which is also how a key is written where a row is accepted.
///
/// # Errors
/// When a value has no text.
pub fn row_text(batch: &RecordBatch, row: usize) -> Result<String> {
    let mut parts = Vec::new();
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        let text = if column.is_null(row) { "null".to_owned() } else { array_value_to_string(column, row)? };
        parts.push(format!("{}={text}", field.name()));
    }
    Ok(parts.join(" "))
}
