//! What the report shows: tables of this stage, the columns of each that the page knows, and why something is missing.
//!
//! The list is `assets/report/tables.json`. Somebody who runs models of their own may lack some of the tables or
//! columns: the page then says so where they would have been, and shows the rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::TableReference;
use datafusion::prelude::{DataFrame, SessionContext};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spectra_common::{dictionary, session};
use tracing::warn;

use super::columns;

const TABLES: &str = include_str!("../../assets/report/tables.json");
const SCHEMA: &str = "analyse";
/// Rooms of the lake whose tables a reader of the report may meet elsewhere.
const EXPLAINED: [&str; 2] = ["analyse", "refine"];
/// Tables that know the as-of date.
const DATED: [&str; 2] = ["cycleProgress", "freshness"];

/// All that the page shows.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Days since 1 January 1970, as all days here.
    as_of: Option<i64>,
    pub(super) tables: BTreeMap<String, Table>,
    /// Why a table is not among them.
    missing: BTreeMap<String, String>,
    dictionary: Vec<Explained>,
}

/// Columns of the same length. Those without any value are left out.
#[derive(Default, Serialize)]
pub(super) struct Table {
    pub(super) rows: usize,
    /// Rows that were too many to be shown.
    left: i64,
    pub(super) columns: BTreeMap<String, Box<RawValue>>,
}

/// One query of the list.
#[derive(Deserialize)]
struct Wanted {
    name: String,
    table: String,
    /// Columns of the table, or expressions `… as name`.
    columns: Vec<String>,
    #[serde(rename = "where")]
    filter: Option<String>,
    group: Option<String>,
    order: String,
    limit: Option<usize>,
}

/// A table of the data dictionary, as far as a reader of the page needs it.
#[derive(Deserialize, Serialize)]
struct Explained {
    schema: String,
    table: String,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    key: Vec<String>,
    columns: Vec<ExplainedColumn>,
}

#[derive(Deserialize, Serialize)]
struct ExplainedColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
}

impl Wanted {
    /// The query, without the columns the table has not.
    fn sql(&self, known: &BTreeSet<String>) -> String {
        let columns: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| column.contains(" as ") || known.contains(*column))
            .map(String::as_str)
            .collect();
        let mut sql = format!("{}{} order by {}", self.selection(&columns.join(", ")), self.grouping(), self.order);
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" limit {limit}"));
        }
        sql
    }

    fn count_sql(&self) -> String {
        format!("select count(*) as rowCount from ({}{}) as counted", self.selection("1 as one"), self.grouping())
    }

    fn selection(&self, columns: &str) -> String {
        let filter = self.filter.as_ref().map(|filter| format!(" where {filter}")).unwrap_or_default();
        format!("select {columns} from {SCHEMA}.{}{filter}", self.table)
    }

    fn grouping(&self) -> String {
        self.group.as_ref().map(|group| format!(" group by {group}")).unwrap_or_default()
    }
}

pub(super) async fn read(context: &SessionContext) -> Result<Report> {
    let wanted: Vec<Wanted> = serde_json::from_str(TABLES).context("reading the list of tables for the report")?;
    let mut report = Report { as_of: as_of(context).await?, dictionary: explained()?, ..Report::default() };
    for one in &wanted {
        match plan(context, one).await? {
            Ok(frame) => {
                let table = table(context, one, frame).await;
                report.tables.insert(one.name.clone(), table.with_context(|| reading(one))?);
            }
            Err(reason) => {
                warn!("the report goes without {}: {reason}", one.name);
                report.missing.insert(one.name.clone(), reason);
            }
        }
    }
    Ok(report)
}

fn reading(wanted: &Wanted) -> String {
    format!("reading {SCHEMA}.{} for the report", wanted.table)
}

/// The query, or why there cannot be one.
async fn plan(context: &SessionContext, wanted: &Wanted) -> Result<Result<DataFrame, String>> {
    let name = TableReference::partial(SCHEMA, wanted.table.as_str());
    if !session::has(context, SCHEMA, &wanted.table) {
        return Ok(Err(format!("There is no table {SCHEMA}.{} in this lake.", wanted.table)));
    }
    let provider = context.table_provider(name).await?;
    let known = provider.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok(context
        .sql(&wanted.sql(&known))
        .await
        .map_err(|_| format!("The table {SCHEMA}.{} of this lake has not the columns this is made of.", wanted.table)))
}

async fn table(context: &SessionContext, wanted: &Wanted, frame: DataFrame) -> Result<Table> {
    let schema = frame.schema().as_arrow().clone();
    let batches = frame.collect().await?;
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    let mut table = Table { rows, ..Table::default() };
    for (index, field) in schema.fields().iter().enumerate() {
        let parts: Vec<_> = batches.iter().map(|batch| batch.column(index).clone()).collect();
        let column = columns::encode(&parts, field.data_type()).with_context(|| format!("column {}", field.name()))?;
        if let Some(column) = column {
            table.columns.insert(field.name().clone(), column);
        }
    }
    if wanted.limit == Some(rows) {
        let all = number(context, &wanted.count_sql()).await?.unwrap_or_default();
        table.left = all - i64::try_from(rows)?;
    }
    Ok(table)
}

async fn as_of(context: &SessionContext) -> Result<Option<i64>> {
    let mut newest = None;
    for table in DATED {
        if session::has(context, SCHEMA, table) {
            let sql = format!("select cast(max(asOf) as int) as asOf from {SCHEMA}.{table}");
            newest = newest.max(number(context, &sql).await.unwrap_or_default());
        }
    }
    Ok(newest)
}

/// The one number a query answers with.
async fn number(context: &SessionContext, sql: &str) -> Result<Option<i64>> {
    let batches = context.sql(sql).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let column = cast(batch.column(0), &DataType::Int64)?;
    let column = column.as_primitive::<Int64Type>();
    Ok(column.is_valid(0).then(|| column.value(0)))
}

fn explained() -> Result<Vec<Explained>> {
    let all: Vec<Explained> = serde_json::from_str(dictionary::JSON).context("reading the data dictionary")?;
    Ok(all.into_iter().filter(|table| EXPLAINED.contains(&table.schema.as_str())).collect())
}

/// A report whose only content is a project of that name.
#[cfg(test)]
pub(super) fn report_with_project(name: &str) -> Report {
    let names = format!("[{}]", serde_json::to_string(name).unwrap_or_default());
    let columns = RawValue::from_string(names).map(|names| BTreeMap::from([("projectName".to_owned(), names)]));
    let table = Table { rows: 1, left: 0, columns: columns.unwrap_or_default() };
    Report { tables: BTreeMap::from([("projectProgress".to_owned(), table)]), ..Report::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::datasource::MemTable;

    use super::*;

    async fn lake(tables: &[(&str, &str)]) -> SessionContext {
        let context = session::new(1 << 28, 1).unwrap();
        for (name, sql) in tables {
            let frame = context.sql(sql).await.unwrap();
            let schema = Arc::new(frame.schema().as_arrow().clone());
            let batches = frame.collect().await.unwrap();
            let provider = MemTable::try_new(schema, vec![batches]).unwrap();
            session::register(&context, SCHEMA, name, Arc::new(provider)).unwrap();
        }
        context
    }

    #[tokio::test]
    async fn a_lake_without_tables_makes_a_report_that_says_so() {
        let context = lake(&[]).await;
        let report = read(&context).await.unwrap();
        assert!(report.as_of.is_none() && report.tables.is_empty());
        assert!(report.missing["burndown"].contains("no table analyse.burndown"), "{:?}", report.missing);
    }

    #[tokio::test]
    async fn columns_the_page_does_not_find_are_left_out_and_the_rest_is_shown() {
        let context = lake(&[
            (
                "cycleProgress",
                "select 1 as projectId, 2 as releaseId, 3 as cycleId, 'C' as cycleName, date '2026-01-05' as asOf, \
                 cast(null as double) as cyclePassRate, true as isActiveCycle",
            ),
            ("passRate", "select 'nothing the page knows' as other"),
        ])
        .await;
        let report = read(&context).await.unwrap();
        assert_eq!(report.as_of, Some(20458));
        let cycles = &report.tables["cycleProgress"];
        assert_eq!(cycles.rows, 1);
        assert_eq!(cycles.columns["cycleName"].get(), r#"["C"]"#);
        assert!(!cycles.columns.contains_key("cyclePassRate"), "a column without any value");
        assert!(report.missing["passRate"].contains("has not the columns"), "{:?}", report.missing);
    }

    #[tokio::test]
    async fn what_is_too_much_is_counted() {
        let context = lake(&[(
            "requirementGap",
            "select value as requirementId, 1 as gapOrder, 1 as requirementPriorityNumeric from range(10003)",
        )])
        .await;
        let gaps = &read(&context).await.unwrap().tables["requirementGap"];
        assert_eq!((gaps.rows, gaps.left), (10_000, 3));
    }

    #[test]
    fn the_list_of_tables_is_in_order() {
        let wanted: Vec<Wanted> = serde_json::from_str(TABLES).unwrap();
        let names: BTreeSet<_> = wanted.iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), wanted.len());
        for one in &wanted {
            let columns: BTreeSet<_> = one.columns.iter().collect();
            assert_eq!(columns.len(), one.columns.len(), "{}", one.name);
        }
    }
}
