//! What is other than it was: of a table, of some of its columns, of what is joined to the rows of parts.
//!
//! It is read off the files: those that two versions of a table share hold the same rows, so only the others are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::common::Column;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::prelude::{DataFrame, SessionContext};

use super::parts::{self, Read, Side};
use super::renew::{DataFiles, SCHEMA};
use crate::model::TableName;
use crate::session;
use crate::staging;

/// Where more than this share of the parts changed, everything is built: keeping the others would spare nothing.
const MOST_CHANGED: f64 = 0.9;

/// A table with fewer rows than this costs nothing to keep, and may have rows of few of the parts there are.
const FEW_ROWS: i64 = 100_000;

/// A table as it was and as it is, and what a query reads of it.
pub struct Input {
    /// Its name.
    pub name: TableName,
    /// What is read of it.
    pub read: Read,
    /// Its files then.
    pub before: DataFiles,
    /// Its files now.
    pub now: DataFiles,
}

impl Input {
    /// Whether the columns that are read are there in both versions, with the same types.
    pub fn is_alike(&self) -> bool {
        let alike = |column: &String| {
            let of =
                |files: &DataFiles| files.schema.field_with_name(column).map(|field| field.data_type().clone()).ok();
            of(&self.before).is_some() && of(&self.before) == of(&self.now)
        };
        self.read.columns.iter().all(alike)
    }

    /// Makes the rows that are read of the files two versions do not share readable as `part.removed` and `part.added`.
    async fn register(&self, context: &SessionContext) -> Result<()> {
        let sides = [("removed", &self.before, &self.now), ("added", &self.now, &self.before)];
        for (table, files, others) in sides {
            let adds = staging::beyond(&files.adds, &others.adds);
            let all = context.read_table(staging::provider(&files.url, &files.schema, &adds)?)?;
            let seen = self.read.condition.iter().try_fold(all, |rows, condition| rows.filter(condition.clone()))?;
            session::register(context, SCHEMA, table, seen.into_view())?;
        }
        Ok(())
    }

    /// Whether anything that is read of it is other than it was.
    ///
    /// # Errors
    /// When a file of either version cannot be read.
    pub async fn is_other(&self, context: &SessionContext) -> Result<bool> {
        let removed = staging::beyond(&self.before.adds, &self.now.adds);
        let added = staging::beyond(&self.now.adds, &self.before.adds);
        let are_counts_equal = staging::row_count(&removed) == staging::row_count(&added);
        if self.read.condition.is_none() && !are_counts_equal {
            return Ok(true);
        }
        self.register(context).await?;
        let found = differing(context, ["removed", "added"], self.columns(), &[]).await?;
        Ok(found.iter().any(|batch| batch.num_rows() > 0))
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.read.columns.iter().map(String::as_str)
    }

    /// The parts, told apart by a column, that are other than they were.
    ///
    /// # Errors
    /// When a file of either version cannot be read.
    pub async fn parts(&self, context: &SessionContext, column: &str) -> Result<Vec<RecordBatch>> {
        let removed = staging::beyond(&self.before.adds, &self.now.adds);
        let added = staging::beyond(&self.now.adds, &self.before.adds);
        self.register(context).await?;
        let key = (session::quoted(column), "changed".to_owned());
        let all_of = match (removed.is_empty(), added.is_empty()) {
            (true, true) => return Ok(Vec::new()),
            (true, false) => "added",
            (false, true) => "removed",
            (false, false) => return differing(context, ["removed", "added"], self.columns(), &[key]).await,
        };
        let (column, name) = key;
        let sql = format!("select distinct {column} as {name} from {SCHEMA}.{all_of}");
        session::rows(context, &sql).await
    }
}

/// The keys, each an expression and its name, of which one table of the renewal has other rows than another, in the columns
/// given; without keys one row where the two differ in anything.
async fn differing<'a>(
    context: &SessionContext,
    [then, now]: [&str; 2],
    columns: impl IntoIterator<Item = &'a str>,
    keys: &[(String, String)],
) -> Result<Vec<RecordBatch>> {
    let summed = session::sum_of_rows(columns);
    let list = |each: &dyn Fn(&(String, String)) -> String| keys.iter().map(each).collect::<Vec<_>>();
    let given = list(&|(key, name)| format!("{key} as {name}, ")).concat();
    let grouped = match keys.is_empty() {
        true => String::new(),
        false => format!(" group by {}", list(&|(key, _)| key.clone()).join(", ")),
    };
    let sums =
        |table| format!("(select {given}count(*) as counted, {summed} as summed from {SCHEMA}.\"{table}\"{grouped})");
    let chosen = match keys.is_empty() {
        true => "1 as differs".to_owned(),
        false => list(&|(_, name)| format!("coalesce(o.{name}, n.{name}) as {name}")).join(", "),
    };
    let sql = format!(
        "select {chosen} from {} as o full join {} as n on {}
        where (o.counted is distinct from n.counted) or (o.summed is distinct from n.summed)",
        sums(then),
        sums(now),
        same_keys(["o", "n"], keys)
    );
    session::rows(context, &sql).await
}

/// That two rows have the same keys.
fn same_keys([left, right]: [&str; 2], keys: &[(String, String)]) -> String {
    let same = keys.iter().map(|(_, name)| format!("({left}.{name} is not distinct from {right}.{name})"));
    match keys.is_empty() {
        true => "true".to_owned(),
        false => same.collect::<Vec<_>>().join(" and "),
    }
}

/// The parts to whose rows a side gave other rows before some tables changed; `None` where that may be all of them.
///
/// # Errors
/// When the engine refuses, or a file of either version cannot be read.
pub async fn parts_of_side(
    context: &SessionContext,
    side: &Side,
    then: &BTreeMap<TableName, Arc<dyn TableSource>>,
) -> Result<Option<Vec<RecordBatch>>> {
    register_side(context, "sideThen", side, parts::with_tables(&side.plan, then)?)?;
    register_side(context, "sideNow", side, side.plan.clone())?;
    let columns: Vec<String> = (0..side.plan.schema().fields().len()).map(|place| format!("c{place}")).collect();
    let named = |place| (format!("k{place}"), format!("k{place}"));
    let keys: Vec<(String, String)> = (0..side.keys.len()).map(named).collect();
    let changed = differing(context, ["sideThen", "sideNow"], columns.iter().map(String::as_str), &keys).await?;
    if changed.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(Some(Vec::new()));
    }
    let Some(first) = changed.first().filter(|_| !keys.is_empty()) else { return Ok(None) };
    session::register(context, SCHEMA, "sideChanged", Arc::new(MemTable::try_new(first.schema(), vec![changed])?))?;
    let part = Expr::Column(Column::from(side.parts.schema().qualified_field(side.part))).alias("changed");
    let own_keys = side.part_keys.iter().zip(&keys).map(|(key, (_, name))| key.clone().alias(name));
    let reached =
        LogicalPlanBuilder::from(side.parts.clone()).project(std::iter::once(part).chain(own_keys))?.build()?;
    session::register(context, SCHEMA, "sideReached", DataFrame::new(context.state(), reached).into_view())?;
    let sql = format!(
        "select distinct p.changed from part.\"sideChanged\" as s join part.\"sideReached\" as p on {}",
        same_keys(["s", "p"], &keys)
    );
    Ok(Some(session::rows(context, &sql).await?))
}

/// Makes the rows of a side readable: its columns as c0, c1, …, its keys as k0, k1, …
fn register_side(context: &SessionContext, table: &str, side: &Side, plan: LogicalPlan) -> Result<()> {
    let named = |letter: char, expressions: Vec<Expr>| {
        let each = expressions.into_iter().enumerate();
        each.map(|(place, expression)| expression.alias(format!("{letter}{place}"))).collect::<Vec<_>>()
    };
    let columns = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let all = named('c', columns).into_iter().chain(named('k', side.keys.clone()));
    let plan = LogicalPlanBuilder::from(plan).project(all)?.build()?;
    session::register(context, SCHEMA, table, DataFrame::new(context.state(), plan).into_view())
}

/// Makes parts readable as `part.changed` and counts them; `None` where a row belongs to no part.
///
/// # Errors
/// When the engine refuses, such as parts of several types.
pub async fn remember(context: &SessionContext, parts: Vec<RecordBatch>) -> Result<Option<i64>> {
    let Some(first) = parts.first() else { return Ok(Some(0)) };
    let together = MemTable::try_new(first.schema(), vec![parts])?;
    session::register(context, SCHEMA, "found", Arc::new(together))?;
    let distinct = session::rows(context, "select distinct changed from part.found").await?;
    let count: usize = distinct.iter().map(RecordBatch::num_rows).sum();
    let is_known = distinct.iter().all(|batch| batch.column(0).null_count() == 0);
    let Some(first) = distinct.first() else { return Ok(Some(0)) };
    session::register(context, SCHEMA, "changed", Arc::new(MemTable::try_new(first.schema(), vec![distinct])?))?;
    Ok(is_known.then_some(i64::try_from(count)?))
}

/// Whether so many changed parts of a table are few enough to keep the others.
///
/// # Errors
/// When the table cannot be read.
pub async fn is_worth_it(context: &SessionContext, column: &str, files: &DataFiles, count: i64) -> Result<bool> {
    if staging::row_count(&files.adds) < FEW_ROWS {
        return Ok(true);
    }
    files.register(context, "whole", &files.adds)?;
    let all = session::number(context, &format!(r#"select count(distinct "{column}") from part.whole"#)).await?;
    Ok(count as f64 <= all as f64 * MOST_CHANGED)
}

/// The tables that some plans read, of those given.
///
/// # Errors
/// When the engine cannot look into a plan.
pub fn tables_of<'a>(
    plans: impl IntoIterator<Item = &'a LogicalPlan>,
    names: &BTreeSet<TableName>,
) -> Result<BTreeSet<TableName>> {
    let mut found = BTreeSet::new();
    for plan in plans {
        for name in names {
            if parts::read_of(plan, name)?.is_some() {
                found.insert(name.clone());
            }
        }
    }
    Ok(found)
}

/// Tables of a few rows for the tests of what changed and of what is renewed.
#[cfg(test)]
pub mod samples {
    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};

    use super::*;
    use crate::lake::Lake;
    use crate::schema::TableSchema;
    use crate::staging::stage_batches;

    pub fn name() -> TableName {
        TableName::parse("clean.thing").unwrap()
    }

    pub fn rows(rows: &[(&str, i64)]) -> RecordBatch {
        let parts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(part, _)| *part)));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, id)| *id)));
        RecordBatch::try_from_iter([("part", parts), ("id", ids)]).unwrap()
    }

    /// A file for each of some lists of rows.
    pub async fn files(lake: &Lake, lists: &[&[(&str, i64)]]) -> DataFiles {
        let schema = TableSchema::of(&rows(&[]).schema()).unwrap();
        let store = lake.log_store("clean", "thing").unwrap();
        let mut adds = Vec::new();
        for list in lists {
            adds.extend(stage_batches(&store, &schema, vec![rows(list)]).await.unwrap().adds);
        }
        DataFiles { url: lake.table_url("clean", "thing").unwrap(), schema: schema.arrow, adds }
    }

    pub async fn texts(context: &SessionContext, sql: &str) -> Vec<String> {
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        let texts = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten());
        let mut texts: Vec<String> = texts.map(ToOwned::to_owned).collect();
        texts.sort();
        texts
    }
}

#[cfg(test)]
mod tests {
    use datafusion::catalog::default_table_source::provider_as_source;
    use datafusion::prelude::{ident, lit};

    use super::samples::{files, name, texts};
    use super::*;
    use crate::lake::Lake;
    use crate::model::Incremental;

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
        let input = Input { name: name(), read, before: before.clone(), now: now.clone() };
        let found = input.parts(&context, "part").await.unwrap();
        let is_other = input.is_other(&context).await.unwrap();
        assert_eq!(found.iter().any(|batch| batch.num_rows() > 0), is_other, "as a whole it is seen likewise");
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
        let counted = |before: DataFiles, now: DataFiles| async move {
            let context = session::new(256 << 20, 1).unwrap();
            Input { name: name(), read: Read::default(), before, now }.is_other(&context).await.unwrap()
        };
        assert!(counted(of(&[0]), of(&[0, 3])).await, "rows are counted although no column is read");
        assert!(!counted(of(&[0, 1]), of(&[0, 2])).await, "as many rows");
    }

    /// Which parts of `a.row` a query has to renew when `b.whole` had other rows before.
    async fn parts_reached(sql: &str, then: &str) -> Option<Vec<String>> {
        let context = session::new(256 << 20, 1).unwrap();
        let whole = TableName::parse("b.whole").unwrap();
        let rows = "values ('x', 1), ('x', 2), ('y', 2), ('z', 3)";
        let now = "values (1, 'one', 'p'), (2, 'two', 'p'), (7, 'seven', 'p')";
        let mut stored = Vec::new();
        for (columns, values) in [("part, id", rows), ("id, name, remark", now), ("id, name, remark", then)] {
            let frame = context.sql(&format!("select * from ({values}) as v({columns})")).await.unwrap();
            let batches = frame.collect().await.unwrap();
            stored.push(Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap()));
        }
        let before = stored.pop().unwrap();
        session::register(&context, "b", "whole", stored.pop().unwrap()).unwrap();
        session::register(&context, "a", "row", stored.pop().unwrap()).unwrap();
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
        let inputs = [(TableName::parse("a.row").unwrap(), "part".to_owned())].into();
        let declared = Incremental { column: "part".to_owned(), inputs };
        let proved = parts::prove(&plan, &declared).unwrap();
        let before = [(whole, provider_as_source(before))].into();
        let mut found = Vec::new();
        for side in &proved.sides {
            found.extend(parts_of_side(&context, side, &before).await.unwrap()?);
        }
        if remember(&context, found).await.unwrap() == Some(0) {
            return Some(Vec::new());
        }
        Some(texts(&context, "select changed from part.changed").await)
    }

    #[tokio::test]
    async fn what_is_joined_to_rows_reaches_the_parts_of_those_with_its_key() {
        let joined = "select r.part, w.name from b.whole as w right join a.row as r on w.id = r.id";
        let reached = |sql: &'static str, then: &'static str| async move {
            parts_reached(sql, then).await.map(|parts| parts.join(" "))
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(
            reached(joined, "values (1, 'one', 'q'), (2, 'two', 'q'), (7, 'seven', 'q')").await,
            of(""),
            "unread"
        );
        assert_eq!(reached(joined, "values (1, 'one', 'p'), (2, 'deux', 'p'), (7, 'seven', 'p')").await, of("x y"));
        assert_eq!(reached(joined, "values (1, 'one', 'p'), (2, 'two', 'p')").await, of(""), "no row has the key 7");
        assert_eq!(reached(joined, "values (2, 'two', 'p'), (3, 'three', 'p'), (7, 'seven', 'p')").await, of("x z"));
        let summed = "select r.part, w.n from a.row as r
            left join (select o.id, count(*) as n from a.row as o join b.whole as v on o.id = v.id group by o.id) as w
            on w.id = r.id";
        assert_eq!(reached(summed, "values (2, 'two', 'p'), (7, 'seven', 'p')").await, of("x"));
        let both = "select r.part, w.name from b.whole as w right join a.row as r on w.id = r.id and w.remark = r.part";
        assert_eq!(
            reached(both, "values (2, 'deux', 'x'), (7, 'seven', 'p')").await,
            of("x"),
            "y has another second key"
        );
        let crossed = "select r.part, w.most from (select max(id) as most from b.whole) as w cross join a.row as r";
        assert_eq!(reached(crossed, "values (7, 'seven', 'p')").await, of(""));
        assert_eq!(reached(crossed, "values (8, 'eight', 'p')").await, None, "every row depends on it");
    }
}
