//! One execution's way through all six stages, from the payload the API sent to the figures it is counted in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use datafusion::prelude::SessionContext;
use serde_json::{Map, Value, json};
use spectra_common::dictionary;
use spectra_common::failure::{Exit, failure};
use spectra_common::log;
use spectra_common::model::TableName;
use spectra_common::output::{self, Format};

use super::view::View;

type Row = Map<String, Value>;

/// Stages that keep a row per execution.
const STAGES: [&str; 4] = ["prepare", "clean", "transform", "refine"];
const TABLE: &str = "factExecution";

/// Rows of one table on the way.
struct Step {
    table: TableName,
    release: Option<i64>,
    rows: Vec<Row>,
}

/// Answers.
///
/// # Errors
/// [`Exit::InputMissing`] when the lake holds no such execution.
pub async fn answer(view: &View, context: &SessionContext, execution: i64, format: Format) -> Result<()> {
    let reader = Reader { view, context };
    let landed = reader
        .rows("source", TABLE, &format!("recordId = '{execution}' order by extractedAt, runId, sliceKey"))
        .await?;
    let mut steps = Vec::new();
    for stage in STAGES {
        let found = reader.step(stage, TABLE, &format!("executionId = {execution}")).await?;
        steps.extend(found);
        let aside = format!("{stage}FactExecution");
        let found = reader.step("quarantine", &aside, &format!("executionId = {execution}")).await?;
        steps.extend(found.filter(|step| !step.rows.is_empty()));
    }
    if landed.is_empty() && steps.iter().all(|step| step.rows.is_empty()) {
        let number = view.releases.get(&view.stage).copied().unwrap_or_default();
        return Err(failure(
            Exit::InputMissing,
            format!(
                "there is no execution {execution} in release {number} of {} and what it is built from",
                view.stage
            ),
            "ids are those of the test-management system; what could not be read there is in prepare.slice, where isStale",
        ));
    }
    let origins = origins(&reader, &landed, &steps).await?;
    let marts = marts(&reader, &steps).await?;
    match format {
        Format::Json => output::text(&format!("{}\n", value(view, execution, &landed, &origins, &steps, &marts))),
        Format::Table => output::text(&page(execution, &landed, &origins, &steps, &marts)),
        Format::Csv => Err(failure(Exit::Usage, "a way has no columns: trace does not write CSV", "use --format json")),
    }
}

struct Reader<'a> {
    view: &'a View,
    context: &'a SessionContext,
}

impl Reader<'_> {
    /// Rows of a table; none where there is no such table, or it has not the columns.
    async fn rows(&self, schema: &str, table: &str, condition: &str) -> Result<Vec<Row>> {
        let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
        if schema != "log" && !self.view.has(&name) {
            return Ok(Vec::new());
        }
        self.view.register(self.context, &name).await?;
        let sql = format!("select * from {name} where {condition}");
        log::rows(&self.context.sql(&sql).await?.collect().await.with_context(|| format!("reading {name}"))?)
    }

    async fn step(&self, schema: &str, table: &str, condition: &str) -> Result<Option<Step>> {
        let table = TableName { schema: schema.to_owned(), table: table.to_owned() };
        if !self.view.has(&table) {
            return Ok(None);
        }
        let rows = self.rows(schema, &table.table, condition).await?;
        Ok(Some(Step { release: self.view.releases.get(schema).copied(), table, rows }))
    }
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Where one row of prepare came from.
struct Origin {
    record: Row,
    versions: Vec<Row>,
    walks: Vec<Row>,
    runs: Vec<Row>,
}

/// What was landed and is current: it has a row in prepare or in its quarantine. All of it where nothing is current.
async fn origins(reader: &Reader<'_>, landed: &[Row], steps: &[Step]) -> Result<Vec<Origin>> {
    let current: Vec<(&str, &str)> = steps
        .iter()
        .filter(|step| step.table.to_string().starts_with("prepare.") || step.table.table == "prepareFactExecution")
        .flat_map(|step| &step.rows)
        .map(|row| (text(row, "sliceKey"), text(row, "runId")))
        .collect();
    let mut origins = Vec::new();
    for record in landed {
        let (slice, run) = (text(record, "sliceKey"), text(record, "runId"));
        if !current.is_empty() && !current.contains(&(slice, run)) {
            continue;
        }
        let of_slice = format!("resource = '{TABLE}' and sliceKey = {}", quoted(slice));
        let run = quoted(run);
        let versions = format!("{of_slice} and contentRunId = {run} order by release");
        let walks = format!("{of_slice} and runId = {run} order by walkedAt");
        let runs = format!("runId = {run} and stage = 'source' order by recordedAt");
        origins.push(Origin {
            record: record.clone(),
            versions: reader.rows("source", "slice", &versions).await?,
            walks: reader.rows("log", "slice", &walks).await?,
            runs: reader.rows("log", "run", &runs).await?,
        });
    }
    Ok(origins)
}

/// Rows of marts that the execution belongs to, and the other marts it is counted in.
struct Marts {
    rows: Vec<Step>,
    others: Vec<String>,
}

async fn marts(reader: &Reader<'_>, steps: &[Step]) -> Result<Marts> {
    let mut marts = Marts { rows: Vec::new(), others: Vec::new() };
    let refined = steps.iter().find(|step| step.table.schema == "refine").and_then(|step| step.rows.first());
    let Some(refined) = refined else { return Ok(marts) };
    let dictionary = dictionary::built_in()?;
    let mut made_of_it: Vec<String> = vec!["refine.factExecution".to_owned()];
    for table in &dictionary.tables {
        let name = table.name();
        if !table.inputs.iter().any(|input| made_of_it.contains(input)) {
            continue;
        }
        made_of_it.push(name.clone());
        let parsed = TableName { schema: table.schema.clone(), table: table.table.clone() };
        if table.schema != "analyse" || !reader.view.has(&parsed) {
            continue;
        }
        let condition: Option<Vec<String>> =
            table.key.iter().map(|column| Some(format!("{column} = {}", literal(refined.get(column)?)?))).collect();
        match condition {
            Some(condition) if !condition.is_empty() => {
                marts.rows.extend(reader.step("analyse", &table.table, &condition.join(" and ")).await?);
            }
            _ => marts.others.push(name),
        }
    }
    marts.rows.retain(|step| !step.rows.is_empty());
    Ok(marts)
}

fn literal(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn step_value(step: &Step) -> Value {
    json!({ "table": step.table.to_string(), "release": step.release, "rows": step.rows })
}

fn value(view: &View, execution: i64, landed: &[Row], origins: &[Origin], steps: &[Step], marts: &Marts) -> Value {
    let sources: Vec<Value> = origins
        .iter()
        .map(|origin| {
            let mut record = origin.record.clone();
            let payload = text(&record, "payload").to_owned();
            // As JSON where it is that, which it is unless the API broke it.
            record.insert("payload".to_owned(), serde_json::from_str(&payload).unwrap_or(Value::String(payload)));
            json!({ "record": record, "versions": origin.versions, "walks": origin.walks, "runs": origin.runs })
        })
        .collect();
    json!({
        "executionId": execution,
        "releases": view.releases,
        "landedCount": landed.len(),
        "source": sources,
        "steps": steps.iter().map(step_value).collect::<Vec<_>>(),
        "marts": marts.rows.iter().map(step_value).collect::<Vec<_>>(),
        "countedIn": marts.others,
    })
}

fn page(execution: i64, landed: &[Row], origins: &[Origin], steps: &[Step], marts: &Marts) -> String {
    let mut page = format!("execution {execution}\n");
    for origin in origins {
        let record = &origin.record;
        let _ = writeln!(page, "\nsource: as the API sent it, {}", text(record, "extractedAt"));
        let run = origin.runs.iter().find(|run| text(run, "status") == "published");
        let release = run.and_then(|run| run.get("release")).map(|number| format!(", release {number}"));
        line(&mut page, "run", &format!("{}{}", text(record, "runId"), release.unwrap_or_default()));
        line(&mut page, "slice", &format!("{TABLE} {}", text(record, "sliceKey")));
        for version in &origin.versions {
            let shown = |column| version.get(column).map(ToString::to_string).unwrap_or_default();
            let what = format!("release {}, {}, {} rows", shown("release"), text(version, "status"), shown("rowCount"));
            line(&mut page, "slice version", &what);
        }
        for walk in &origin.walks {
            let requests = walk.get("requestCount").map(ToString::to_string).unwrap_or_default();
            let what = format!("{}, {requests} requests, {}", text(walk, "outcome"), text(walk, "walkedAt"));
            line(&mut page, "walk", &what);
        }
        let place = |column| record.get(column).map(ToString::to_string).unwrap_or_default();
        line(&mut page, "page, ordinal", &format!("{}, {}", place("page"), place("ordinal")));
        line(&mut page, "payload", text(record, "payload"));
    }
    if landed.len() > origins.len() {
        let earlier = landed.len() - origins.len();
        let _ = writeln!(page, "  ({earlier} earlier versions of it were landed; source.{TABLE} has them)");
    }
    let mut before: BTreeMap<String, Value> = BTreeMap::new();
    for step in steps {
        let release = step.release.map(|number| format!(", release {number}")).unwrap_or_default();
        let _ = writeln!(page, "\n{}{release}", step.table);
        if step.rows.is_empty() {
            page.push_str("  not there\n");
        }
        for row in &step.rows {
            // Only what this stage adds or changes: the rest was said above.
            for (column, value) in row.iter().filter(|(column, value)| before.get(*column) != Some(value)) {
                line(&mut page, column, &shown(value));
            }
            if row.iter().all(|(column, value)| before.get(column) == Some(value)) {
                page.push_str("  nothing new\n");
            }
        }
        if let [row] = &step.rows[..] {
            before.extend(row.clone());
        }
    }
    for step in &marts.rows {
        let _ = writeln!(page, "\n{}", step.table);
        for (column, value) in step.rows.iter().flatten().filter(|(column, value)| before.get(*column) != Some(value)) {
            line(&mut page, column, &shown(value));
        }
    }
    if !marts.others.is_empty() {
        let _ = writeln!(page, "\nalso counted in {}", marts.others.join(", "));
    }
    page
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn line(page: &mut String, name: &str, value: &str) {
    let _ = writeln!(page, "  {name:<28} {}", output::plain(value));
}
