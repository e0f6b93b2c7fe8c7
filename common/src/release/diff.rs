//! `release diff`: which rows are in one release and not in another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use serde_json::{Value, json};

use super::command::{history, readable};
use super::compare::{self, Compared, Counts, Difference, Pair};
use super::{Presences, Release};
use crate::failure::{Exit, failure};
use crate::model::Model;
use crate::output::{self, Format};
use crate::run::Run;
use crate::{session, staging};

/// What somebody wants to know.
pub struct Wanted {
    /// The older release; the one before the newest if not given.
    pub before: Option<i64>,
    /// The newer release; the newest if not given.
    pub after: Option<i64>,
    /// The table whose rows to show; if not given, rows are counted, table by table.
    pub table: Option<String>,
    /// Rows to show at most.
    pub limit: usize,
    /// How the answer looks.
    pub format: Format,
}

/// What became of one table.
struct Change {
    table: String,
    /// same version, same rows, different, new or gone.
    what: &'static str,
    rows: [Option<i64>; 2],
    counts: Counts,
    columns: Vec<String>,
}

/// Answers with what differs between two releases.
///
/// # Errors
/// [`Exit::InputMissing`] when a release or table is not there, or cannot be read any more.
pub async fn answer(run: Arc<Run>, wanted: Wanted, models: Vec<Model>) -> Result<Release> {
    let history = history(&run).await?;
    let after = history.pin(run.stage, wanted.after)?;
    let before = match wanted.before {
        Some(number) => history.pin(run.stage, Some(number))?,
        None => history.of(run.stage).find(|release| release.number < after.number).ok_or_else(|| {
            failure(
                Exit::InputMissing,
                format!("there is no release of {} before release {}", run.stage, after.number),
                "a difference needs two releases",
            )
        })?,
    };
    let sides = [before, after];
    let presences = [readable(&run, before).await?, readable(&run, after).await?];
    let context = session::new(run.settings.memory, run.settings.thread_count())?;
    session::register_store(&context, &run.lake)?;
    let comparison = Comparison { run: &run, context: &context, sides, presences, models: &models };
    match &wanted.table {
        Some(table) => {
            let table = comparison.find(table)?;
            comparison.show(&table, &wanted).await?;
        }
        None => {
            let mut changes = Vec::new();
            for table in comparison.tables() {
                let comparing = format!("comparing {table} of release {} and {}", before.number, after.number);
                changes.push(comparison.change(table).await.context(comparing)?);
            }
            tell(sides, &changes, wanted.format)?;
        }
    }
    Ok(after.clone())
}

struct Comparison<'a> {
    run: &'a Run,
    context: &'a SessionContext,
    sides: [&'a Release; 2],
    presences: [Presences; 2],
    models: &'a [Model],
}

impl Comparison<'_> {
    fn tables(&self) -> BTreeSet<&String> {
        self.sides.iter().flat_map(|side| side.tables.keys()).collect()
    }

    /// A table as somebody may call it: with its schema or without.
    fn find(&self, name: &str) -> Result<String> {
        let tables = self.tables();
        let full = format!("{}.{name}", self.run.stage);
        let found = [name, full.as_str()].into_iter().find(|name| tables.contains(&(*name).to_owned()));
        found.map(ToOwned::to_owned).ok_or_else(|| {
            let names: Vec<&str> = tables.iter().map(|table| table.as_str()).collect();
            let [before, after] = self.sides.map(|side| side.number);
            failure(
                Exit::InputMissing,
                format!("there is no table {name} in release {before} or {after} of {}", self.run.stage),
                format!("there are {}", names.join(", ")),
            )
        })
    }

    /// Rows of a table on a side; `None` if it is not there.
    fn row_count(&self, side: usize, table: &str) -> Option<i64> {
        let state = self.sides[side].tables.get(table)?;
        let presence = self.presences[side].get(&(table.to_owned(), state.version));
        Some(presence.and_then(|presence| presence.row_count).unwrap_or(state.rows))
    }

    async fn change(&self, table: &str) -> Result<Change> {
        let rows = [self.row_count(0, table), self.row_count(1, table)];
        let mut change = Change {
            table: table.to_owned(),
            what: "same version",
            rows,
            counts: Counts::default(),
            columns: Vec::new(),
        };
        match rows {
            [None, Some(count)] => (change.what, change.counts.added) = ("new", count),
            [Some(count), None] => (change.what, change.counts.removed) = ("gone", count),
            _ if self.is_same_version(table) => {}
            _ => {
                let (pair, columns) = self.pair(table).await?;
                change.counts = pair.count(self.context).await?;
                let is_same = change.counts == Counts::default() && columns.is_empty();
                change.what = if is_same { "same rows" } else { "different" };
                change.columns = columns;
            }
        }
        Ok(change)
    }

    fn is_same_version(&self, table: &str) -> bool {
        let [before, after] = self.sides.map(|side| side.tables.get(table).map(|state| state.content()));
        before.is_some() && before == after
    }

    async fn show(&self, table: &str, wanted: &Wanted) -> Result<()> {
        let both = self.sides.iter().all(|side| side.tables.contains_key(table));
        if !both {
            let has = |side: &&&Release| side.tables.contains_key(table);
            let number = self.sides.iter().find(has).map(|side| side.number).unwrap_or_default();
            return Err(failure(
                Exit::InputMissing,
                format!("{table} is only in release {number}: there is nothing to compare its rows with"),
                "leave --table out to see its number of rows",
            ));
        }
        let (pair, columns) = self.pair(table).await?;
        let rows = match self.is_same_version(table) {
            true => Vec::new(),
            // One more than is shown says whether there are more.
            false => pair.differences(self.context, wanted.limit + 1).await?,
        };
        tell_rows(self.sides, table, &pair, &columns, &rows, wanted)
    }

    /// Makes a table readable on both sides.
    async fn pair(&self, table: &str) -> Result<(Pair, Vec<String>)> {
        let [before, after] = [self.open(0, table).await?, self.open(1, table).await?];
        let schemas = [&before, &after].map(|delta| Ok(delta.snapshot()?.snapshot().arrow_schema()));
        let [old, new]: [Result<SchemaRef>; 2] = schemas;
        let (old, new) = (old?, new?);
        let (mut columns, notes) = compare::columns(&old, &new);
        let (schema, name) = split(table)?;
        if schema == "source" {
            let slices = [self.open(0, "source.slice").await?, self.open(1, "source.slice").await?];
            let deltas = [&before, &after];
            for (at, side) in SIDES.iter().enumerate() {
                session::register_delta(self.context, side, name, deltas[at]).await?;
                session::register_delta(self.context, side, "slice", &slices[at]).await?;
            }
            return Ok((current(name), notes));
        }
        // Rows of a file that both versions have are on both sides.
        let files = [staging::adds_of(&before)?, staging::adds_of(&after)?];
        let table_url = self.run.lake.table_url(schema, name)?;
        for (at, (side, columns)) in SIDES.iter().zip([old, new]).enumerate() {
            session::learn(self.context, &table_url, &files[at])?;
            let own = staging::beyond(&files[at], &files[1 - at]);
            let provider = staging::provider(&table_url, &columns, &own)?;
            session::register(self.context, side, name, provider)?;
        }
        let key = self.models.iter().find(|model| schema == self.run.stage && model.table == name);
        let key = key.map(|model| model.key.clone()).unwrap_or_default();
        let has = |name: &String| columns.iter().any(|column| column.name == *name);
        let key = if key.iter().all(has) { key } else { Vec::new() };
        columns.retain(|column| column.name != LANDED || key.contains(&column.name));
        anyhow::ensure!(!columns.is_empty(), "the two versions of {table} have no column in common");
        let sides = SIDES.map(|side| format!("{side}.{}", session::quoted(name)));
        Ok((Pair { sides, columns, key }, notes))
    }

    async fn open(&self, side: usize, table: &str) -> Result<DeltaTable> {
        let (schema, name) = split(table)?;
        let version = self.sides[side].tables.get(table).map(|state| state.version);
        let delta = self.run.lake.open(schema, name, version).await?;
        delta.with_context(|| format!("table {table} has gone"))
    }
}

/// Says where a record was landed, which is elsewhere whenever anything in its slice changed: no news about the record.
const LANDED: &str = "recordKey";

/// The schemas under which the two releases are readable.
const SIDES: [&str; 2] = ["before", "after"];

/// Schema and name of a table.
///
/// # Errors
/// For a text that is not `schema.table`.
pub fn split(table: &str) -> Result<(&str, &str)> {
    table.split_once('.').with_context(|| format!("`{table}` is not schema.table"))
}

/// A table of source as it was current: of each slice the records of its newest complete version, or those of its newest
/// whole listing overridden by what came since. Records are told apart by what the payload says, not by when it came.
fn current(table: &str) -> Pair {
    let texts = |names: &[&str]| -> Vec<Compared> {
        names.iter().map(|name| Compared { name: (*name).to_owned(), is_retyped: false }).collect()
    };
    let name = session::quoted(table);
    let literal = table.replace('\'', "''");
    if table == "slice" {
        let rows = |side: &str| {
            format!(
                "(select * from (
                    select slice.*, row_number() over (
                        partition by resource, \"sliceKey\" order by release desc, \"runId\" desc) as recency_
                    from {side}.slice as slice) where recency_ = 1)"
            )
        };
        return Pair {
            sides: SIDES.map(rows),
            columns: texts(&["resource", "sliceKey", "status", "rowCount", "contentHash", "reason"]),
            key: vec!["resource".to_owned(), "sliceKey".to_owned()],
        };
    }
    let rows = |side: &str| {
        let version = format!(
            "(select * from {side}.slice where resource = '{literal}' and status = 'complete' and \"contentRunId\" is not null)"
        );
        format!(
            "(select * from (
                select landed.\"sliceKey\", landed.\"recordId\", landed.\"payloadHash\", row_number() over (
                    partition by landed.\"sliceKey\", landed.\"recordId\" order by version.release desc) as recency_
                from {side}.{name} as landed
                join {version} as version
                    on landed.\"sliceKey\" = version.\"sliceKey\" and landed.\"runId\" = version.\"contentRunId\"
                join (select \"sliceKey\", max(release) as release from {version} as whole
                      where \"baseRunId\" is null group by \"sliceKey\") as base
                    on version.\"sliceKey\" = base.\"sliceKey\" and version.release >= base.release
            ) where recency_ = 1)"
        )
    };
    Pair {
        sides: SIDES.map(rows),
        columns: texts(&["sliceKey", "recordId", "payloadHash"]),
        key: vec!["sliceKey".to_owned(), "recordId".to_owned()],
    }
}

fn tell([before, after]: [&Release; 2], changes: &[Change], format: Format) -> Result<()> {
    if format == Format::Json {
        let tables: Vec<Value> = changes
            .iter()
            .map(|change| {
                json!({
                    "table": change.table, "what": change.what, "rowsBefore": change.rows[0], "rowsAfter": change.rows[1],
                    "added": change.counts.added, "removed": change.counts.removed, "changed": change.counts.changed,
                    "columns": change.columns,
                })
            })
            .collect();
        let whole = json!({ "stage": after.stage, "before": before.number, "after": after.number, "tables": tables });
        return output::text(&format!("{whole}\n"));
    }
    if format == Format::Table {
        let differing = changes.iter().filter(|change| !change.what.starts_with("same")).count();
        output::text(&format!(
            "release {} → {} of {}: {differing} of {} tables differ\n",
            before.number,
            after.number,
            after.stage,
            changes.len()
        ))?;
    }
    let count = |count: Option<i64>| count.map(|count| count.to_string()).unwrap_or_default();
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let is_same = change.what.starts_with("same");
            let counted = |number: i64| if is_same { String::new() } else { number.to_string() };
            vec![
                change.table.clone(),
                change.what.to_owned(),
                count(change.rows[0]),
                count(change.rows[1]),
                counted(change.counts.added),
                counted(change.counts.removed),
                counted(change.counts.changed),
                change.columns.join(", "),
            ]
        })
        .collect();
    let titles = ["table", "what", "rows before", "rows after", "added", "removed", "changed", "columns"];
    output::words(&titles, &rows, format)
}

fn tell_rows(
    [before, after]: [&Release; 2],
    table: &str,
    pair: &Pair,
    columns: &[String],
    rows: &[Difference],
    wanted: &Wanted,
) -> Result<()> {
    let shown = &rows[..wanted.limit.min(rows.len())];
    if wanted.format == Format::Json {
        let values: Vec<Value> = shown.iter().map(value).collect();
        let whole = json!({
            "stage": after.stage, "before": before.number, "after": after.number, "table": table, "key": pair.key,
            "columns": columns, "rows": values, "hasMore": shown.len() < rows.len(),
        });
        return output::text(&format!("{whole}\n"));
    }
    let mut lines = Vec::new();
    for row in shown {
        let key: Vec<String> =
            row.key.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null"))).collect();
        let key = key.join(" ");
        if row.cells.is_empty() {
            lines.push(vec![row.change.to_owned(), key, String::new(), String::new(), String::new()]);
            continue;
        }
        for cell in &row.cells {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
            let (before, after) = (text(&cell.before), text(&cell.after));
            lines.push(vec![row.change.to_owned(), key.clone(), cell.column.clone(), before, after]);
        }
    }
    if wanted.format == Format::Table {
        let heading = format!("{table}, release {} → {} of {}", before.number, after.number, after.stage);
        let noted = if columns.is_empty() { String::new() } else { format!("; columns: {}", columns.join(", ")) };
        output::text(&format!("{heading}{noted}\n"))?;
    }
    output::words(&["change", "key", "column", "before", "after"], &lines, wanted.format)?;
    if wanted.format == Format::Table {
        let more = if shown.len() < rows.len() { ", and more: --limit shows them" } else { "" };
        output::text(&format!("{} rows differ{more}\n", shown.len()))?;
    }
    Ok(())
}

fn value(row: &Difference) -> Value {
    let key: BTreeMap<&str, &Option<String>> = row.key.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let cells: Vec<Value> = row
        .cells
        .iter()
        .map(|cell| json!({ "column": cell.column, "before": cell.before, "after": cell.after }))
        .collect();
    json!({ "change": row.change, "key": key, "columns": cells })
}
