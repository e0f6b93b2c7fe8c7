//! Renews a table part by part: only what is made of inputs that changed is worked out again, the rest of its rows stay
//! in the files they are in.
//!
//! What changed is read off the files: those that two versions of a table share hold the same rows, so only the others
//! are compared, part by part.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::kernel::Add;
use url::Url;

use super::build::Rows;
use super::parts::{self, Read};
use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::model::{Incremental, Model, TableName};
use crate::schema::TableSchema;
use crate::session;
use crate::staging::{self, RowGroup, Writer};

/// Where the tables of a renewal are while it lasts.
const SCHEMA: &str = "part";

/// The parts that changed, in one column of that name.
const CHANGED: &str = "part.changed";

/// Where more than this share of the parts changed, everything is built: keeping the others would spare nothing.
const MOST_CHANGED: f64 = 0.9;

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
    /// Those of a table at the version it was opened at.
    ///
    /// # Errors
    /// When its columns cannot be read.
    pub fn of(lake: &Lake, name: &TableName, delta: &DeltaTable) -> Result<Self> {
        let snapshot = delta.snapshot().with_context(|| format!("reading the files of {name}"))?.snapshot();
        Ok(Self {
            url: lake.table_url(&name.schema, &name.table)?,
            schema: snapshot.arrow_schema(),
            adds: staging::adds_of(delta)?,
        })
    }

    fn register(&self, context: &SessionContext, table: &str, adds: &[Add]) -> Result<()> {
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

/// Checks that a model may be renewed as its header says.
///
/// # Errors
/// [`Exit::Configuration`] with the step of the query that forbids it.
pub fn check(model: &Model, incremental: &Incremental, plan: &LogicalPlan) -> Result<()> {
    parts::prove(plan, incremental).map_err(|why| {
        failure(
            Exit::Configuration,
            format!("{}: it cannot be incremental by {}, because {why}", model.file, incremental.column),
            "a part of its result may be made of the same part of the inputs only: change the query, or take the line out",
        )
    })
}

/// The parts of an input that are other than they were, in the columns that are read of it.
async fn changed(
    context: &SessionContext,
    column: &str,
    read: &Read,
    before: &DataFiles,
    now: &DataFiles,
) -> Result<Vec<RecordBatch>> {
    let removed = staging::beyond(&before.adds, &now.adds);
    let added = staging::beyond(&now.adds, &before.adds);
    for (table, files, adds) in [("removed", before, &removed), ("added", now, &added)] {
        let all = context.read_table(staging::provider(&files.url, &files.schema, adds)?)?;
        let seen = read.condition.iter().try_fold(all, |rows, condition| rows.filter(condition.clone()))?;
        session::register(context, SCHEMA, table, seen.into_view())?;
    }
    let sql = match (removed.is_empty(), added.is_empty()) {
        (true, true) => return Ok(Vec::new()),
        (true, false) => format!(r#"select distinct "{column}" as changed from part.added"#),
        (false, true) => format!(r#"select distinct "{column}" as changed from part.removed"#),
        (false, false) => {
            let sums = sums(column, &read.columns);
            format!(
                r#"select coalesce(o.part, n.part) as changed
                from ({sums} from part.removed group by "{column}") as o
                full join ({sums} from part.added group by "{column}") as n on o.part is not distinct from n.part
                where (o.counted is distinct from n.counted) or (o.summed is distinct from n.summed)"#
            )
        }
    };
    Ok(context.sql(&sql).await?.collect().await?)
}

/// How many rows a part has and the sum of their hashes.
fn sums(column: &str, read: &BTreeSet<String>) -> String {
    let summed = session::sum_of_rows(read.iter().map(String::as_str));
    format!(r#"select "{column}" as part, count(*) as counted, {summed} as summed"#)
}

/// Makes parts readable as `part.changed` and counts them; `None` where a row belongs to no part.
async fn remember(context: &SessionContext, parts: Vec<RecordBatch>) -> Result<Option<i64>> {
    let Some(first) = parts.first() else { return Ok(Some(0)) };
    let together = MemTable::try_new(first.schema(), vec![parts])?;
    session::register(context, SCHEMA, "found", Arc::new(together))?;
    let distinct = context.sql("select distinct changed from part.found").await?.collect().await?;
    let count: usize = distinct.iter().map(RecordBatch::num_rows).sum();
    let is_known = distinct.iter().all(|batch| batch.column(0).null_count() == 0);
    let Some(first) = distinct.first() else { return Ok(Some(0)) };
    session::register(context, SCHEMA, "changed", Arc::new(MemTable::try_new(first.schema(), vec![distinct])?))?;
    Ok(is_known.then_some(i64::try_from(count)?))
}

/// Whether so many changed parts of a table are few enough to keep the others.
async fn is_worth_it(context: &SessionContext, column: &str, files: &DataFiles, count: i64) -> Result<bool> {
    files.register(context, "whole", &files.adds)?;
    let all = session::number(context, &format!(r#"select count(distinct "{column}") from part.whole"#)).await?;
    Ok(count as f64 <= all as f64 * MOST_CHANGED)
}

/// A table to be renewed where `part.changed` says so.
pub struct Renewal {
    incremental: Incremental,
    name: TableName,
    /// The table as it is.
    table: DataFiles,
    /// Likewise the rows set aside.
    quarantine: Option<(TableName, DataFiles)>,
}

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

impl Renewal {
    /// Looks at what changed in the inputs of a table, each given as it was and as it is, with the columns read of it.
    ///
    /// # Errors
    /// When a file of either version cannot be read.
    pub async fn look(
        context: &SessionContext,
        incremental: &Incremental,
        inputs: Vec<(Read, DataFiles, DataFiles)>,
        (name, table): (TableName, DataFiles),
        quarantine: Option<(TableName, DataFiles)>,
    ) -> Result<Verdict> {
        let column = &incremental.column;
        let mut found = Vec::new();
        for (read, before, now) in &inputs {
            found.extend(changed(context, column, read, before, now).await?);
        }
        Ok(match remember(context, found).await? {
            None => Verdict::Whole("some rows belong to no part"),
            Some(0) => Verdict::Same,
            Some(count) if !is_worth_it(context, column, &table, count).await? => Verdict::Whole("most parts changed"),
            Some(count) => Verdict::Renew(count, Self { incremental: incremental.clone(), name, table, quarantine }),
        })
    }

    /// Lets queries see of the inputs only what changed, until [`Narrowed::undo`].
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn narrow(&self, context: &SessionContext) -> Result<Narrowed> {
        Narrowed::to_changed(context, &self.incremental).await
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

/// What a context knew a table by, before it showed only the parts that changed.
pub struct Narrowed(Vec<(TableName, Arc<dyn TableProvider>)>);

impl Narrowed {
    /// Lets queries see of some tables only what changed, until [`Narrowed::undo`].
    ///
    /// # Errors
    /// When the engine refuses.
    async fn to_changed(context: &SessionContext, incremental: &Incremental) -> Result<Self> {
        let mut known = Vec::new();
        for name in &incremental.inputs {
            let reference = TableReference::partial(name.schema.as_str(), name.table.as_str());
            let provider = context.table_provider(reference).await?;
            session::register(context, SCHEMA, &format!("all_{}_{}", name.schema, name.table), provider.clone())?;
            let sql = format!(
                r#"select * from part."all_{}_{}" where "{}" in (select changed from {CHANGED})"#,
                name.schema, name.table, incremental.column
            );
            let view = context.sql(&sql).await?.into_view();
            session::register(context, &name.schema, &name.table, view)?;
            known.push((name.clone(), provider));
        }
        Ok(Self(known))
    }

    /// Shows everything again.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn undo(self, context: &SessionContext) -> Result<()> {
        self.0
            .into_iter()
            .try_for_each(|(name, provider)| session::register(context, &name.schema, &name.table, provider))
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
    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::logical_expr::Expr;
    use datafusion::prelude::{ident, lit};

    use super::*;
    use crate::staging::stage_batches;

    fn name() -> TableName {
        TableName::parse("clean.thing").unwrap()
    }

    fn rows(rows: &[(&str, i64)]) -> RecordBatch {
        let parts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(part, _)| *part)));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, id)| *id)));
        RecordBatch::try_from_iter([("part", parts), ("id", ids)]).unwrap()
    }

    /// A file for each of some lists of rows.
    async fn files(lake: &Lake, lists: &[&[(&str, i64)]]) -> DataFiles {
        let schema = TableSchema::of(&rows(&[]).schema()).unwrap();
        let store = lake.log_store("clean", "thing").unwrap();
        let mut adds = Vec::new();
        for list in lists {
            adds.extend(stage_batches(&store, &schema, vec![rows(list)]).await.unwrap().adds);
        }
        DataFiles { url: lake.table_url("clean", "thing").unwrap(), schema: schema.arrow, adds }
    }

    async fn texts(context: &SessionContext, sql: &str) -> Vec<String> {
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        let texts = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten());
        let mut texts: Vec<String> = texts.map(ToOwned::to_owned).collect();
        texts.sort();
        texts
    }

    async fn parts_changed(before: &DataFiles, now: &DataFiles, read: &[&str]) -> Vec<String> {
        parts_changed_where(before, now, read, None).await
    }

    async fn parts_changed_where(
        before: &DataFiles,
        now: &DataFiles,
        read: &[&str],
        condition: Option<Expr>,
    ) -> Vec<String> {
        let context = session::new(256 << 20, 1).unwrap();
        let read = Read { columns: read.iter().map(|name| (*name).to_owned()).collect(), condition };
        let found = changed(&context, "part", &read, before, now).await.unwrap();
        if remember(&context, found).await.unwrap() == Some(0) {
            return Vec::new();
        }
        texts(&context, "select changed from part.changed").await
    }

    #[tokio::test]
    async fn what_changed_is_read_off_the_files_two_versions_do_not_share() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path().to_str().unwrap()).unwrap();
        let all =
            files(&lake, &[&[("a", 1), ("b", 2)], &[("c", 3), ("c", 4)], &[("c", 4), ("c", 3)], &[("c", 5)]]).await;
        let of = |chosen: &[usize]| DataFiles {
            adds: chosen.iter().map(|file| all.adds[*file].clone()).collect(),
            ..all.clone()
        };
        let (none, both) = (Vec::<String>::new(), ["id", "part"]);
        assert_eq!(parts_changed(&of(&[0, 1]), &of(&[0, 1]), &both).await, none);
        assert_eq!(parts_changed(&of(&[0, 1]), &of(&[2, 0]), &both).await, none, "another order is no change");
        assert_eq!(parts_changed(&of(&[0, 1]), &of(&[0, 3]), &both).await, ["c"]);
        assert_eq!(parts_changed(&of(&[0]), &of(&[0, 3]), &both).await, ["c"]);
        assert_eq!(parts_changed(&of(&[0, 1]), &of(&[1]), &both).await, ["a", "b"], "what has gone is a change");
        let large = Some(ident("id").gt(lit(4)));
        assert_eq!(parts_changed_where(&of(&[0, 1]), &of(&[1]), &both, large).await, none, "rows nobody reads may go");
        let once = files(&lake, &[&[("c", 3)], &[("c", 9)]]).await;
        let one = |file: usize| DataFiles { adds: vec![once.adds[file].clone()], ..once.clone() };
        assert_eq!(parts_changed(&one(0), &one(1), &["part"]).await, none, "a column nobody reads may change");
    }

    #[tokio::test]
    async fn rows_of_what_did_not_change_stay_and_are_judged() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path().to_str().unwrap()).unwrap();
        let table = files(&lake, &[&[("a", 1), ("b", -2)], &[("c", -3)], &[("b", 4)]]).await;
        let context = session::new(256 << 20, 1).unwrap();
        let incremental = Incremental { column: "part".to_owned(), inputs: [name()].into() };
        let renewal = Renewal { incremental, name: name(), table: table.clone(), quarantine: None };
        let changed = MemTable::try_new(
            rows(&[]).project(&[0]).unwrap().schema(),
            vec![vec![rows(&[("b", 0)]).project(&[0]).unwrap()]],
        );
        session::register(&context, SCHEMA, "mended", Arc::new(changed.unwrap())).unwrap();
        let found = context.sql("select part as changed from part.mended").await.unwrap().collect().await.unwrap();
        assert_eq!(remember(&context, found).await.unwrap(), Some(1));
        let (mut good, mut bad) = (Rows::default(), Rows::default());
        let broken = renewal.keep(&lake, &context, &["id > 0", "id < 10"], &mut good, &mut bad).await.unwrap();
        assert_eq!(good.kept.iter().map(|add| &add.path).collect::<Vec<_>>(), [&table.adds[1].path]);
        assert_eq!(broken, [1, 0], "the row of c breaks the first rule; those of b are gone");
        DataFiles { adds: good.files(), ..table }.register(&context, "left", &good.files()).unwrap();
        assert_eq!(texts(&context, "select concat(part, id) from part.left").await, ["a1", "c-3"]);
    }
}
