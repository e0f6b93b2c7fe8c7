//! Renews a table part by part: only what is made of inputs that changed is worked out again, the rest of its rows stay
//! in the files they are in.

use anyhow::{Context, Result};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::object_store::ObjectStoreExt;
use datafusion::prelude::SessionContext;
use deltalake::kernel::Add;
use deltalake::{DeltaTable, Path};
use tracing::debug;
use url::Url;

use super::build::Rows;
use super::parts;
use crate::lake::Lake;
use crate::model::{Incremental, TableName};
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, RowGroup, Writer};

/// Where the tables of a renewal are while it lasts.
pub const SCHEMA: &str = "part";

/// The parts that changed, in one column of that name.
pub const CHANGED: &str = "part.changed";

/// More files than this that are smaller than that are written again as one, or they would become more from run to run.
const MOST_SMALL_FILES: usize = 8;
const SMALL_FILE_BYTES: i64 = 4 << 20;

/// The data files of one table at one moment.
#[derive(Clone)]
pub struct DataFiles {
    /// Where the table is.
    pub url: Url,
    /// Its columns.
    pub schema: SchemaRef,
    /// The files.
    pub adds: Vec<Add>,
}

impl DataFiles {
    /// Those of a table at the version it was opened at; they are read only as they were written.
    ///
    /// # Errors
    /// When its columns cannot be read.
    pub fn of(context: &SessionContext, lake: &Lake, name: &TableName, delta: &DeltaTable) -> Result<Self> {
        let snapshot = delta.snapshot().with_context(|| format!("reading the files of {name}"))?.snapshot();
        let url = lake.table_url(&name.schema, &name.table)?;
        let adds = staging::adds_of(delta)?;
        session::learn(context, &url, &adds)?;
        Ok(Self { url, schema: snapshot.arrow_schema(), adds })
    }

    /// Makes some of them readable as a table of the renewal.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn register(&self, context: &SessionContext, table: &str, adds: &[Add]) -> Result<()> {
        session::register(context, SCHEMA, table, staging::provider(&self.url, &self.schema, adds)?)
    }
}

/// Files of a table that stay, and those whose rows are written again.
struct Sorted {
    /// Hold nothing of what changed.
    kept: Vec<Add>,
    /// Hold some of it, or are small and many.
    touched: Vec<Add>,
}

/// A table to be renewed where `part.changed` says so.
pub struct Renewal {
    /// Which part is made of which.
    pub incremental: Incremental,
    /// Its name.
    pub name: TableName,
    /// The table as it is.
    pub table: DataFiles,
    /// Likewise the rows set aside.
    pub quarantine: Option<(TableName, DataFiles)>,
}

impl Renewal {
    /// Whether the files of its tables are all there, and are what was written where that can be told.
    ///
    /// # Errors
    /// When their place is no place of files.
    pub async fn is_of_whole_files(&self, context: &SessionContext) -> Result<bool> {
        for files in std::iter::once(&self.table).chain(self.quarantine.as_ref().map(|(_, files)| files)) {
            let store = context.runtime_env().object_store_registry.get_store(&files.url)?;
            for add in &files.adds {
                let path = Path::from_url_path(files.url.join(&add.path)?.path())?;
                if let Err(error) = store.head(&path).await {
                    debug!(table = self.name.table, "looking at a data file that may be kept: {error}");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A plan of the parts alone that changed.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn narrow(&self, context: &SessionContext, plan: LogicalPlan) -> Result<LogicalPlan> {
        let changed = context.table(CHANGED).await?.into_unoptimized_plan();
        let those_changed = |scan: LogicalPlan, part: Column| {
            let on = (vec![part], changed.schema().columns());
            LogicalPlanBuilder::from(scan).join(changed.clone(), JoinType::LeftSemi, on, None)?.build()
        };
        Ok(parts::narrowed(plan, &self.incremental, &those_changed)?)
    }

    /// Adds the rows that did not change to those that were written, and counts how many of them break each rule.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub async fn keep(
        &self,
        lake: &Lake,
        context: &SessionContext,
        rules: &[&str],
        good: &mut Rows,
        bad: &mut Rows,
    ) -> Result<Vec<i64>> {
        let mut counts = vec![0; rules.len()];
        let mut tables = vec![(&self.name, &self.table, good)];
        if let Some((name, files)) = &self.quarantine {
            tables.push((name, files, bad));
        }
        for (name, files, rows) in tables {
            let column = &self.incremental.column;
            let sorted = sort(context, column, files).await?;
            let again = write_again(lake, name, context, column, files, &sorted.touched).await?;
            let old: Vec<Add> = sorted.kept.iter().chain(&again).cloned().collect();
            rows.written.extend(again);
            rows.kept = sorted.kept;
            let broken = count_broken(context, files, &old, rules).await?;
            counts.iter_mut().zip(broken).for_each(|(count, more)| *count += more);
        }
        Ok(counts)
    }
}

/// Tells the files that stay from those with rows of what changed.
async fn sort(context: &SessionContext, column: &str, files: &DataFiles) -> Result<Sorted> {
    let mut sorted = Sorted { kept: Vec::new(), touched: Vec::new() };
    let are_many = files.adds.iter().filter(|add| is_small(add)).count() > MOST_SMALL_FILES;
    for add in &files.adds {
        files.register(context, "file", std::slice::from_ref(add))?;
        let some = format!(
            r#"select count(*) from (select 1 as one from part.file where "{column}" in (select changed from {CHANGED}) limit 1) as some"#
        );
        let is_touched = (are_many && is_small(add)) || session::number(context, &some).await? > 0;
        if is_touched { &mut sorted.touched } else { &mut sorted.kept }.push(add.clone());
    }
    Ok(sorted)
}

/// Writes the rows of some files again that are not among what changed. A file that holds little of it has a successor of
/// its own: rows that never change stay together, away from those that change every day. Small ones are put together.
async fn write_again(
    lake: &Lake,
    name: &TableName,
    context: &SessionContext,
    column: &str,
    files: &DataFiles,
    touched: &[Add],
) -> Result<Vec<Add>> {
    let (small, large): (Vec<Add>, Vec<Add>) = touched.iter().cloned().partition(is_small);
    let schema = TableSchema::of(&files.schema)?;
    // The narrow side stands first: it is the one a hash join keeps in memory.
    let sql =
        format!(r#"select t.* from {CHANGED} as c right anti join part.touched as t on c.changed = t."{column}""#);
    let mut written = Vec::new();
    for some in large.chunks(1).chain([small.as_slice()]).filter(|some| !some.is_empty()) {
        files.register(context, "touched", some)?;
        let rows = context.sql(&sql).await?.execute_stream().await?;
        let mut writer = Writer::new(&lake.log_store(&name.schema, &name.table)?, &schema, RowGroup::Typed);
        writer.write_all(rows).await?;
        written.extend(writer.close().await?);
    }
    Ok(written)
}

fn is_small(file: &Add) -> bool {
    file.size < SMALL_FILE_BYTES
}

/// How many rows of some files do not meet each of some conditions.
async fn count_broken(
    context: &SessionContext,
    files: &DataFiles,
    adds: &[Add],
    conditions: &[&str],
) -> Result<Vec<i64>> {
    if conditions.is_empty() || adds.is_empty() {
        return Ok(vec![0; conditions.len()]);
    }
    files.register(context, "kept", adds)?;
    let sums: Vec<String> = conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| format!("coalesce(sum(case when {condition} then 0 else 1 end), 0) as broken{index}"))
        .collect();
    let batches = context.sql(&format!("select {} from part.kept", sums.join(", "))).await?.collect().await?;
    let batch = batches.first().context("a count came back without a row")?;
    Ok(batch.columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::datasource::MemTable;

    use super::*;
    use crate::stage::changed::remember;
    use crate::stage::changed::samples::{files, name, rows, texts};

    /// Says that part b changed.
    async fn change(context: &SessionContext) {
        let changed = rows(&[("b", 0)]).project(&[0]).unwrap();
        let changed = MemTable::try_new(changed.schema(), vec![vec![changed]]).unwrap();
        session::register(context, SCHEMA, "mended", Arc::new(changed)).unwrap();
        let found = context.sql("select part as changed from part.mended").await.unwrap().collect().await.unwrap();
        assert_eq!(remember(context, found).await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn rows_of_what_did_not_change_stay_and_are_judged() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path().to_str().unwrap()).unwrap();
        let table = files(&lake, &[&[("a", 1), ("b", -2)], &[("c", -3)], &[("b", 4)]]).await;
        let context = session::new(256 << 20, 1).unwrap();
        let incremental = Incremental { column: "part".to_owned(), inputs: [(name(), "part".to_owned())].into() };
        let renewal = Renewal { incremental, name: name(), table: table.clone(), quarantine: None };
        change(&context).await;
        let (mut good, mut bad) = (Rows::default(), Rows::default());
        let broken = renewal.keep(&lake, &context, &["id > 0", "id < 10"], &mut good, &mut bad).await.unwrap();
        assert_eq!(good.kept.iter().map(|add| &add.path).collect::<Vec<_>>(), [&table.adds[1].path]);
        assert_eq!(broken, [1, 0], "the row of c breaks the first rule; those of b are gone");
        DataFiles { adds: good.files(), ..table }.register(&context, "left", &good.files()).unwrap();
        assert_eq!(texts(&context, "select concat(part, id) from part.left").await, ["a1", "c-3"]);
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_not_taken_for_empty() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path().to_str().unwrap()).unwrap();
        let table = files(&lake, &[&[("a", 1), ("b", -2)]]).await;
        let context = session::new(256 << 20, 1).unwrap();
        change(&context).await;
        std::fs::remove_file(folder.path().join("Tables/clean/thing").join(&table.adds[0].path)).unwrap();
        assert!(sort(&context, "part", &table).await.is_err());
    }
}
