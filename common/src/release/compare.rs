//! Two versions of one table side by side, compared by one query: rows that both have cancel out, what is left differs.
//!
//! Nothing is joined and everything may spill, so memory does not bound what can be compared.

use anyhow::{Context, Result};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, Schema};
use datafusion::prelude::SessionContext;

use crate::schema::type_name;
use crate::session::{quoted, quoted_list};

/// A table of two releases, readable as `before.<table>` and `after.<table>`.
pub struct Pair {
    /// The rows before and after, as something to select from.
    pub sides: [String; 2],
    /// Columns whose values are compared, those of the key among them.
    pub columns: Vec<Compared>,
    /// Columns rows are told apart by; none where only whole rows can be.
    pub key: Vec<String>,
}

/// A column both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Of another type on the other side, so that only texts can be compared.
    pub is_retyped: bool,
}

/// Rows that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Only after.
    pub added: i64,
    /// Only before.
    pub removed: i64,
    /// On both sides by their key, with other values.
    pub changed: i64,
}

/// A row that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// added, removed or changed.
    pub change: &'static str,
    /// Its key, by column.
    pub key: Vec<(String, Option<String>)>,
    /// The columns that changed; of a row without key that was added or removed, all that hold something.
    pub cells: Vec<Cell>,
}

/// A value that differs, as text.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its column.
    pub column: String,
    /// The value before.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
}

/// Columns both sides have, and in words those that only one has or that are of another type.
pub fn columns(before: &Schema, after: &Schema) -> (Vec<Compared>, Vec<String>) {
    let mut shared = Vec::new();
    let mut notes = Vec::new();
    for field in after.fields() {
        let kind = type_name(field.data_type());
        let Ok(old) = before.field_with_name(field.name()) else {
            notes.push(format!("+{} {kind}", field.name()));
            continue;
        };
        let is_retyped = old.data_type() != field.data_type();
        if is_retyped {
            notes.push(format!("{} {} → {kind}", field.name(), type_name(old.data_type())));
        }
        shared.push(Compared { name: field.name().clone(), is_retyped });
    }
    for field in before.fields().iter().filter(|field| after.field_with_name(field.name()).is_err()) {
        notes.push(format!("-{} {}", field.name(), type_name(field.data_type())));
    }
    (shared, notes)
}

impl Pair {
    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Rows that are not as often on one side as on the other, with how much more often they are after. No column of a
    /// published table has an underscore in its name, so ours cannot be mistaken for one.
    fn surplus(&self) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| match (quoted(&column.name), column.is_retyped) {
                (name, true) => format!("cast({name} as string) as {name}"),
                (name, false) => name,
            })
            .collect();
        let values = values.join(", ");
        let [before, after] = &self.sides;
        let names = quoted_list(&self.names());
        format!(
            "with side as (
               select {values}, 1 as side_ from {after}
               union all select {values}, -1 as side_ from {before}),
             surplus as (select {names}, sum(side_) as surplus_ from side group by {names} having sum(side_) <> 0)"
        )
    }

    /// Counts the rows that differ.
    ///
    /// # Errors
    /// When a side cannot be read.
    pub async fn count(&self, context: &SessionContext) -> Result<Counts> {
        let sql = if self.key.is_empty() {
            format!(
                "{} select coalesce(sum(greatest(surplus_, 0)), 0), coalesce(-sum(least(surplus_, 0)), 0),
                   cast(0 as bigint) from surplus",
                self.surplus()
            )
        } else {
            let key = quoted_list(&self.key);
            format!(
                "{}, record as (select {key}, max(surplus_) as most_, min(surplus_) as least_ from surplus group by {key})
                 select coalesce(sum(case when least_ > 0 then 1 else 0 end), 0),
                   coalesce(sum(case when most_ < 0 then 1 else 0 end), 0),
                   coalesce(sum(case when most_ > 0 and least_ < 0 then 1 else 0 end), 0) from record",
                self.surplus()
            )
        };
        let batches = context.sql(&sql).await?.collect().await?;
        let row = batches.iter().find(|batch| batch.num_rows() > 0).context("counting gave no row")?;
        let number = |at: usize| row.column(at).as_primitive::<Int64Type>().value(0);
        Ok(Counts { added: number(0), removed: number(1), changed: number(2) })
    }

    /// The first rows that differ, ordered by their key.
    ///
    /// # Errors
    /// When a side cannot be read.
    pub async fn differences(&self, context: &SessionContext, limit: usize) -> Result<Vec<Difference>> {
        let sql = if self.key.is_empty() { self.rows_sql(limit) } else { self.records_sql(limit) };
        let batches = context.sql(&sql).await?.collect().await?;
        let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
        Ok(rows.map(|(batch, row)| self.difference(batch, row)).collect())
    }

    /// Columns: how much more often after, how much less often, the key, then before and after of every other column.
    fn records_sql(&self, limit: usize) -> String {
        let key = quoted_list(&self.key);
        let text = |name: &String| format!("cast({} as string)", quoted(name));
        let named = |name: &String| format!("{} as {}", text(name), quoted(&format!("key_{name}")));
        let mut values: Vec<String> = self.key.iter().map(named).collect();
        for name in self.others() {
            for (test, side) in [("<", "before"), (">", "after")] {
                let column = quoted(&format!("{side}_{name}"));
                values.push(format!("max(case when surplus_ {test} 0 then {} end) as {column}", text(name)));
            }
        }
        format!(
            "{} select max(surplus_) as most_, min(surplus_) as least_, {} from surplus
             group by {key} order by {key} limit {limit}",
            self.surplus(),
            values.join(", ")
        )
    }

    /// Columns: how much more often after, twice, then every column.
    fn rows_sql(&self, limit: usize) -> String {
        let names = self.names();
        let named = |name: &String| format!("cast({} as string) as {}", quoted(name), quoted(&format!("text_{name}")));
        let values: Vec<String> = names.iter().map(named).collect();
        let (values, names) = (values.join(", "), quoted_list(&names));
        let surplus = self.surplus();
        format!("{surplus} select surplus_, surplus_ as same_, {values} from surplus order by {names} limit {limit}")
    }

    fn others(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().map(|column| &column.name).filter(|name| !self.key.contains(name))
    }

    fn difference(&self, batch: &RecordBatch, row: usize) -> Difference {
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>().value(row);
        let text = |at: usize| {
            let column = batch.column(at).as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let (most, least) = (number(0), number(1));
        let change = match (most > 0, least < 0) {
            (true, true) => "changed",
            (true, false) => "added",
            _ => "removed",
        };
        let key = self.key.iter().enumerate().map(|(at, name)| (name.clone(), text(2 + at))).collect();
        let mut cells = Vec::new();
        if self.key.is_empty() {
            for (at, column) in self.columns.iter().enumerate() {
                let value = text(2 + at);
                let (before, after) = if most > 0 { (None, value) } else { (value, None) };
                cells.push(Cell { column: column.name.clone(), before, after });
            }
        } else if change == "changed" {
            let first = 2 + self.key.len();
            for (at, name) in self.others().enumerate() {
                let (before, after) = (text(first + 2 * at), text(first + 2 * at + 1));
                cells.push(Cell { column: name.clone(), before, after });
            }
        }
        cells.retain(|cell| cell.before != cell.after);
        Difference { change, key, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session;

    async fn context(before: &str, after: &str) -> SessionContext {
        let context = session::new(256 << 20, 2).unwrap();
        for (schema, rows) in [("before", before), ("after", after)] {
            let frame = context.sql(&format!("select * from (values {rows}) as t(id, name, score)")).await.unwrap();
            session::register(&context, schema, "t", frame.into_view()).unwrap();
        }
        context
    }

    fn pair(key: &[&str]) -> Pair {
        let column = |name: &str| Compared { name: name.to_owned(), is_retyped: false };
        Pair {
            sides: ["before.t".to_owned(), "after.t".to_owned()],
            columns: ["id", "name", "score"].map(column).into(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    const BEFORE: &str = "(1, 'a', 1.5), (2, 'b', null), (3, null, 3.0), (4, 'd', 4.0)";
    const AFTER: &str = "(1, 'a', 1.5), (2, 'b', 2.0), (3, null, 3.0), (5, 'd', 4.0), (6, null, null)";

    #[tokio::test]
    async fn rows_are_told_apart_by_their_key_and_null_is_a_value() {
        let context = context(BEFORE, AFTER).await;
        let counts = pair(&["id"]).count(&context).await.unwrap();
        assert_eq!(counts, Counts { added: 2, removed: 1, changed: 1 });
        let rows = pair(&["id"]).differences(&context, 10).await.unwrap();
        let told: Vec<String> = rows
            .iter()
            .map(|row| {
                let cells: Vec<String> = row
                    .cells
                    .iter()
                    .map(|cell| format!("{}: {:?} {:?}", cell.column, cell.before, cell.after))
                    .collect();
                format!("{} {} {}", row.change, row.key[0].1.as_deref().unwrap_or("null"), cells.join(" "))
            })
            .collect();
        assert_eq!(told, ["changed 2 score: None Some(\"2.0\")", "removed 4 ", "added 5 ", "added 6 "]);
        assert_eq!(pair(&["id"]).differences(&context, 2).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn without_a_key_rows_are_counted_as_often_as_they_are_there() {
        let context = context("(1, 'a', 1.0), (1, 'a', 1.0), (2, 'b', 2.0)", "(1, 'a', 1.0), (2, 'b', 2.5)").await;
        let counts = pair(&[]).count(&context).await.unwrap();
        assert_eq!(counts, Counts { added: 1, removed: 2, changed: 0 });
        let rows = pair(&[]).differences(&context, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.change).collect::<Vec<_>>(), ["removed", "removed", "added"]);
        let same = self::context(BEFORE, BEFORE).await;
        assert_eq!(pair(&[]).count(&same).await.unwrap(), Counts::default());
        assert_eq!(pair(&["id"]).count(&same).await.unwrap(), Counts::default());
    }

    #[test]
    fn columns_are_compared_by_name_and_type() {
        use datafusion::arrow::datatypes::{DataType, Field};
        let schema = |fields: &[(&str, DataType)]| {
            Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
        };
        let before = schema(&[("id", DataType::Int64), ("old", DataType::Utf8), ("count", DataType::Int32)]);
        let after = schema(&[("id", DataType::Int64), ("count", DataType::Int64), ("new", DataType::Boolean)]);
        let (shared, notes) = columns(&before, &after);
        assert_eq!(shared.iter().map(|column| column.is_retyped).collect::<Vec<_>>(), [false, true]);
        assert_eq!(notes, ["count int → bigint", "+new boolean", "-old string"]);
    }
}
