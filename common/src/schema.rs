//! Which columns a published table may have: types that Spark, Fabric, Power BI, DuckDB and Polars all open unchanged.

use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::schema::cast::normalize_for_delta;

/// A table's columns, both as Delta records them and as Arrow reads them back.
#[derive(Clone, Debug)]
pub struct TableSchema {
    /// As recorded in the Delta log.
    pub delta: StructType,
    /// As read from and written to files.
    pub arrow: SchemaRef,
}

impl TableSchema {
    /// The published form of a query's columns: all nullable, narrow types widened to what Delta knows.
    ///
    /// # Errors
    /// When a column has a name or a type that some reader would refuse; the message names it.
    pub fn of(query: &Schema) -> Result<Self> {
        let fields: Vec<Field> =
            query.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let normal = normalize_for_delta(&Arc::new(Schema::new(fields)));
        for field in normal.fields() {
            check_column(field)?;
        }
        let delta: StructType = normal.as_ref().try_into_kernel().context("describing the columns for Delta")?;
        let arrow: Schema = (&delta).try_into_arrow().context("describing the columns for Arrow")?;
        for field in arrow.fields() {
            check_type(field)?;
        }
        Ok(Self { delta, arrow: Arc::new(arrow) })
    }
}

fn check_column(field: &Field) -> Result<()> {
    let name = field.name();
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|each| each.is_ascii_alphanumeric());
    anyhow::ensure!(plain, "column `{name}` is not a camelCase name; give the expression an alias with `as`");
    match field.data_type() {
        DataType::Null => anyhow::bail!("column `{name}` has no type; cast its null to one"),
        DataType::Timestamp(_, None) => {
            anyhow::bail!("column `{name}` is a timestamp without a zone; publish UTC instants or dates")
        }
        DataType::Duration(_) | DataType::Interval(_) | DataType::Time32(_) | DataType::Time64(_) => {
            anyhow::bail!("column `{name}` is a span of time; publish a number with its unit in the name")
        }
        _ => Ok(()),
    }
}

fn check_type(field: &Field) -> Result<()> {
    match field.data_type() {
        DataType::Int32
        | DataType::Int64
        | DataType::Float64
        | DataType::Boolean
        | DataType::Utf8
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Ok(()),
        other => {
            let name = field.name();
            anyhow::bail!("column `{name}` has type {other}, which some readers of the lake refuse; cast it")
        }
    }
}

/// The name models use for a type.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "string".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(data_type: DataType) -> String {
        TableSchema::of(&Schema::new(vec![Field::new("someColumn", data_type, false)])).unwrap_err().to_string()
    }

    #[test]
    fn what_every_reader_opens_is_kept_and_made_nullable() {
        let query = Schema::new(vec![
            Field::new("cycleKey", DataType::Int64, false),
            Field::new("cycleName", DataType::Utf8View, true),
            Field::new("seenDateTime", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
        ]);
        let schema = TableSchema::of(&query).unwrap();
        assert!(schema.arrow.fields().iter().all(|field| field.is_nullable()));
        assert_eq!(schema.arrow.field(1).data_type(), &DataType::Utf8);
        assert_eq!(schema.arrow.field(2).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    }

    #[test]
    fn what_some_reader_refuses_is_named() {
        assert!(refusal(DataType::Null).contains("`someColumn` has no type"));
        assert!(refusal(DataType::Timestamp(TimeUnit::Microsecond, None)).contains("without a zone"));
        assert!(refusal(DataType::Duration(TimeUnit::Second)).contains("someColumn"));
        let unnamed = Schema::new(vec![Field::new("count(*)", DataType::Int64, false)]);
        assert!(TableSchema::of(&unnamed).unwrap_err().to_string().contains("alias"));
    }
}
