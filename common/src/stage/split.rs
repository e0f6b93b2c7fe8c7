//! Splits rows by expectation while they pass: those that stay, and those that are set aside with every reason.

use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{and, filter_record_batch, not, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::PhysicalExpr;
use deltalake::kernel::Add;
use deltalake::kernel::schema::cast::cast_record_batch;
use futures::StreamExt;

use super::acceptances::Accepted;
use super::check::row_text;
use crate::lake::Lake;
use crate::model::Otherwise;
use crate::schema::TableSchema;
use crate::staging::{RowGroup, Writer};

/// An expectation, ready to be evaluated.
#[derive(Clone)]
pub struct Rule {
    /// The condition as written.
    pub text: String,
    /// What becomes of a row that does not meet it.
    pub otherwise: Otherwise,
    /// The condition over the columns of the result.
    pub condition: Arc<dyn PhysicalExpr>,
}

/// The columns of rows set aside: those of the table, and why.
///
/// # Errors
/// When a table may not have one of them.
pub fn quarantine_schema(schema: &TableSchema) -> Result<TableSchema> {
    let mut fields: Vec<Field> = schema.arrow.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("quarantineReasons", DataType::Utf8, true));
    TableSchema::of(&Schema::new(fields))
}

/// What one task needs to split and stage one stream of rows.
#[derive(Clone)]
pub struct Splitting {
    /// What every row must meet.
    pub rules: Arc<[Rule]>,
    /// Columns of the table.
    pub schema: TableSchema,
    /// Columns of the rows set aside.
    pub quarantine_schema: TableSchema,
    /// Where the files go …
    pub lake: Lake,
    /// … as those of this stage …
    pub stage: String,
    /// … and table,
    pub table: String,
    /// and of the rows set aside, if they may be.
    pub quarantine_table: Option<String>,
    /// Columns that identify a row.
    pub key: Arc<[String]>,
    /// Rows that may break rules.
    pub accepted: Arc<Accepted>,
}

/// What became of one stream of rows.
pub struct Part {
    /// Files of rows that stay.
    pub good: Vec<Add>,
    /// Files of rows set aside.
    pub bad: Vec<Add>,
    /// Rows that broke each rule.
    pub counts: Vec<i64>,
}

impl Splitting {
    /// Writes the rows of a stream.
    ///
    /// # Errors
    /// When the query fails, or a file cannot be written.
    pub async fn run(self, mut stream: SendableRecordBatchStream) -> Result<Part> {
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
