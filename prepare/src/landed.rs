//! What the records of source look like: tables that prepare reads as `landed.*` and that are worked out here, because
//! SQL alone would have to read every payload of every run again.
//!
//! - `landed.field`: every path in the payloads a run landed. What a run landed never changes, so what the last release
//!   of prepare says of a run is taken from there, and only payloads of other runs are read.
//! - `landed.lineage`: the columns that are made of a path, through all stages, as the data dictionary knows them.
//! - `landed.driftedRecord`: records that are not as the contract says, found only where they are to be set aside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spectra_common::model::TableName;
use spectra_common::release::{self, TableState};
use spectra_common::run::Run;
use spectra_common::stage::{Pinned, ReferenceFile, WorkedOut};
use spectra_common::{dictionary, log, session};

use crate::{json_breaks, json_fields};

/// The schema under which models read these tables.
pub const SCHEMA: &str = "landed";

/// Of a run that landed more records of a resource than this, only every second is read, or every third, and so on.
const MOST_ROWS_READ: i64 = 500_000;

/// Raised when what is counted changes, so that what an earlier version counted is not taken for the same.
const READER: i64 = 1;

/// The columns of one of these tables, or `None` for any other name.
pub fn columns_of(table: &str) -> Option<SchemaRef> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let whole = |name: &str| Field::new(name, DataType::Int64, true);
    let fields = match table {
        "field" => {
            let mut fields = vec![text("resource"), text("runId"), text("path"), text("parentPath")];
            fields.extend(["reader", "landedCount", "readCount"].map(whole));
            fields.extend(json_fields::COLUMNS.map(whole));
            fields.push(text("smallValues"));
            fields
        }
        "lineage" => vec![text("resource"), text("path"), whole("touchedCount"), text("touchedColumns")],
        "driftedRecord" => vec![
            text("resource"),
            text("sliceKey"),
            text("runId"),
            whole("page"),
            whole("ordinal"),
            text("recordId"),
            text("brokenPaths"),
        ],
        _ => return None,
    };
    Some(Arc::new(Schema::new(fields)))
}

/// What the tables are made of.
struct Landed {
    /// The tables of records, pinned.
    resources: BTreeMap<String, TableState>,
    /// What the last release of this stage knows of them.
    observed: Option<TableState>,
    /// The contract, where records that break it are to be set aside.
    contract: Option<Contract>,
}

struct Contract {
    /// What tells it from any other.
    identity: String,
    /// Resource, path and types of every line.
    clauses: Vec<(String, String, String)>,
}

/// The control that says what becomes of records that are not as the contract says.
const DRIFT_MODE: &str = "driftMode";

/// What is known of the records this stage reads.
///
/// # Errors
/// [`spectra_common::failure::Exit::Configuration`] when controls or contract cannot be read.
pub fn work_out(pinned: &Pinned<'_>) -> Result<Arc<dyn WorkedOut>> {
    let resources = pinned
        .tables
        .iter()
        .filter(|(name, _)| name.schema == "source" && name.table != "slice")
        .map(|(name, state)| (name.table.clone(), state.clone()))
        .collect();
    let observed =
        pinned.history.newest("prepare").and_then(|last| last.tables.get("prepare.fieldObservation")).cloned();
    let mode = pinned.references.get("controls").map(|file| file.control(DRIFT_MODE)).transpose()?.flatten();
    let contract = pinned.references.get("contract").filter(|_| mode.as_deref() == Some("quarantine"));
    let contract = contract.map(Contract::read).transpose()?;
    Ok(Arc::new(Landed { resources, observed, contract }))
}

/// A path the contract knows: what its values may be.
#[derive(Deserialize)]
struct Clause {
    resource: Option<String>,
    path: Option<String>,
    types: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Landing {
    resource: String,
    run_id: String,
    landed_count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Touched {
    resource: String,
    path: String,
    touched_count: i64,
    touched_columns: String,
}

impl Contract {
    fn read(file: &ReferenceFile) -> Result<Self> {
        let clauses: Vec<Clause> = log::rows(&file.batches()?)?;
        let clauses =
            clauses.into_iter().filter_map(|clause| Some((clause.resource?, clause.path?, clause.types?))).collect();
        Ok(Self { identity: file.identity(), clauses })
    }

    /// The call that says which paths of a record break the contract of its resource.
    fn breaks(&self, resource: &str) -> Result<String> {
        let clauses: Vec<(&str, &str)> = self
            .clauses
            .iter()
            .filter(|(each, ..)| each == resource)
            .map(|(_, path, types)| (path.as_str(), types.as_str()))
            .collect();
        Ok(format!("json_breaks(payload, '{}')", serde_json::to_string(&clauses)?.replace('\'', "''")))
    }
}

impl WorkedOut for Landed {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn has(&self, table: &str) -> bool {
        columns_of(table).is_some()
    }

    fn identity(&self, table: &str) -> String {
        let contract = self.contract.as_ref().map(|contract| contract.identity.as_str()).unwrap_or_default();
        match table {
            "lineage" => Sha256::digest(dictionary::JSON).iter().map(|byte| format!("{byte:02x}")).collect(),
            "field" => self.landings(),
            _ => format!("{} {contract}", self.landings()),
        }
    }

    fn table<'a>(&'a self, run: &'a Run, table: &'a str) -> BoxFuture<'a, Result<MemTable>> {
        self.work_out(run, table).boxed()
    }

    fn identity_of_input(&self, name: &TableName) -> String {
        self.contract_over(name).map(|contract| contract.identity.clone()).unwrap_or_default()
    }

    fn narrow<'a>(&'a self, context: &'a SessionContext, name: &'a TableName) -> BoxFuture<'a, Result<()>> {
        self.hide_drifted(context, name).boxed()
    }
}

impl Landed {
    /// The contract that hides records of a table, where it does.
    fn contract_over(&self, name: &TableName) -> Option<&Contract> {
        self.contract.as_ref().filter(|_| name.schema == "source" && self.resources.contains_key(&name.table))
    }

    /// What was landed, by version.
    fn landings(&self) -> String {
        let mut text = format!("reader {READER}");
        for (resource, state) in &self.resources {
            let (version, files) = state.content();
            let _ = write!(text, " {resource} {version} {files}");
        }
        text
    }

    async fn work_out(&self, run: &Run, table: &str) -> Result<MemTable> {
        let schema = columns_of(table).with_context(|| format!("there is no table {SCHEMA}.{table}"))?;
        let batches = match table {
            "field" => self.fields(run, &schema).await,
            "lineage" => lineage(&schema),
            _ => self.drifted_records(run).await,
        };
        let batches = batches.with_context(|| format!("working out {SCHEMA}.{table}"))?;
        let batches = same_schema(&schema, &batches)?;
        Ok(MemTable::try_new(schema, vec![batches])?)
    }

    /// A session that reads the records as they are, with how many of them each run landed.
    async fn open(&self, run: &Run) -> Result<SessionContext> {
        let context = session::new(run.settings.memory, run.settings.thread_count())?;
        session::register_store(&context, &run.lake)?;
        context.register_udf(json_breaks::json_breaks());
        context.register_udaf(json_fields::json_fields());
        let mut counts: Vec<String> = Vec::new();
        for (resource, state) in &self.resources {
            let delta = release::open(&run.lake, "source", resource, state).await?;
            session::register_delta(&context, "source", resource, &delta).await?;
            counts.push(format!(
                "select '{resource}' as \"resource\", \"runId\", count(*) as \"landedCount\"
                 from source.{resource} group by \"runId\""
            ));
        }
        let landings: Vec<Landing> = match counts.is_empty() {
            true => Vec::new(),
            false => log::rows(&context.sql(&counts.join(" union all ")).await?.collect().await?)?,
        };
        let schema = Arc::new(Schema::new(vec![
            Field::new("resource", DataType::Utf8, true),
            Field::new("runId", DataType::Utf8, true),
            Field::new("landedCount", DataType::Int64, true),
        ]));
        let batch = log::batch(&schema, &landings)?;
        session::register(&context, SCHEMA, "landing", Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))?;
        Ok(context)
    }

    async fn fields(&self, run: &Run, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let context = self.open(run).await?;
        let names: Vec<String> = schema.fields().iter().map(|field| format!("f.\"{}\"", field.name())).collect();
        let names = names.join(", ");
        let mut batches = Vec::new();
        if let Some(state) = &self.observed
            && let Some(delta) = run.lake.open(run.stage, "fieldObservation", Some(state.version)).await?
            && state.is_of(&delta)
        {
            session::register_delta(&context, "known", "field", &delta).await?;
            let sql = format!(
                "select {names} from known.field as f
                 join {SCHEMA}.landing as l
                   on f.resource = l.resource and f.\"runId\" = l.\"runId\" and f.\"landedCount\" = l.\"landedCount\"
                 where f.reader = {READER} order by f.resource, f.\"runId\", f.path"
            );
            batches = context.sql(&sql).await?.collect().await?;
        }
        let known = Arc::new(MemTable::try_new(schema.clone(), vec![same_schema(schema, &batches)?])?);
        session::register(&context, SCHEMA, "known", known)?;
        let fresh = format!(
            "select l.* from {SCHEMA}.landing as l
             left anti join {SCHEMA}.known as k on l.resource = k.resource and l.\"runId\" = k.\"runId\""
        );
        let fresh: Vec<Landing> = log::rows(&context.sql(&fresh).await?.collect().await?)?;
        let mut parts: Vec<String> = Vec::new();
        for (resource, step, runs) in to_read(&fresh) {
            let sample = if step > 1 { format!("and ordinal % {step} = 0") } else { String::new() };
            parts.push(format!(
                "select '{resource}' as resource, \"runId\", count(*) as \"readCount\", json_fields(payload) as fields
                 from source.{resource} where \"runId\" in ({runs}) {sample} group by \"runId\""
            ));
        }
        if !parts.is_empty() {
            let counts = json_fields::COLUMNS.map(|name| format!("x.field.\"{name}\"")).join(", ");
            let sql = format!(
                "select x.resource, x.\"runId\", x.field.path, x.field.\"parentPath\", cast({READER} as bigint),
                   l.\"landedCount\", x.\"readCount\", {counts}, x.field.\"smallValues\"
                 from (
                   select resource, \"runId\", \"readCount\", unnest(fields) as field from ({}) as p
                 ) as x
                 join {SCHEMA}.landing as l on l.resource = x.resource and l.\"runId\" = x.\"runId\"
                 order by x.resource, x.\"runId\", x.field.path",
                parts.join(" union all ")
            );
            batches.extend(context.sql(&sql).await?.collect().await?);
        }
        Ok(batches)
    }

    async fn drifted_records(&self, run: &Run) -> Result<Vec<RecordBatch>> {
        let Some(contract) = &self.contract else { return Ok(Vec::new()) };
        let context = self.open(run).await?;
        let mut batches = Vec::new();
        for resource in self.resources.keys().filter(|resource| session::has(&context, "source", resource)) {
            let sql = format!(
                "select * from (
                   select '{resource}', \"sliceKey\", \"runId\", cast(page as bigint), cast(ordinal as bigint), \"recordId\",
                     {} as \"brokenPaths\"
                   from source.{resource}
                 ) as r where \"brokenPaths\" is not null order by \"sliceKey\", \"runId\", 4, 5",
                contract.breaks(resource)?
            );
            batches.extend(context.sql(&sql).await?.collect().await?);
        }
        Ok(batches)
    }

    /// Lets models see only the records of a resource that are as the contract says, where the others are set aside.
    async fn hide_drifted(&self, context: &SessionContext, name: &TableName) -> Result<()> {
        let Some(contract) = self.contract_over(name) else { return Ok(()) };
        context.register_udf(json_breaks::json_breaks());
        let sql = format!("select * from {name} where {} is null", contract.breaks(&name.table)?);
        let seen = context.sql(&sql).await?.into_view();
        session::register(context, &name.schema, &name.table, seen)
    }
}

/// Of each resource, the runs to read, and of how many records one.
fn to_read(fresh: &[Landing]) -> Vec<(&str, i64, String)> {
    let mut parts: BTreeMap<(&str, i64), BTreeSet<&str>> = BTreeMap::new();
    for landing in fresh {
        let step = 1 + (landing.landed_count - 1) / MOST_ROWS_READ;
        parts.entry((&landing.resource, step)).or_default().insert(&landing.run_id);
    }
    let quoted = |run: &&str| format!("'{}'", run.replace('\'', "''"));
    parts
        .into_iter()
        .map(|((resource, step), runs)| (resource, step, runs.iter().map(quoted).collect::<Vec<_>>().join(", ")))
        .collect()
}

/// Batches whose columns are named, and may be null, as the schema says.
fn same_schema(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    batches.iter().map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?)).collect()
}

/// Every path some column is made of, and every path above one, with those columns.
fn lineage(schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let columns = dictionary::built_in()?.tables.iter().flat_map(|table| {
        table.columns.iter().map(move |column| (format!("{}.{}", table.name(), column.name), column))
    });
    let mut made_of: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    let mut below: HashMap<&str, Vec<String>> = HashMap::new();
    for (name, column) in columns {
        for from in &column.from {
            let field = from.split_once(":$.").and_then(|(text, path)| {
                let resource = text.strip_prefix("source.")?.strip_suffix(".payload")?;
                Some((resource, without_levels(path)))
            });
            match field {
                Some(field) => drop(made_of.entry(field).or_default().insert(name.clone())),
                None => below.entry(from).or_default().push(name.clone()),
            }
        }
    }
    // What is made of a path is made of those above it too.
    let mut direct: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for ((resource, path), names) in &made_of {
        for above in std::iter::successors(Some(path.as_str()), |path| parent(path)) {
            direct.entry((resource, above)).or_default().extend(names.iter().map(String::as_str));
        }
    }
    let mut rows = Vec::new();
    for ((resource, path), names) in direct {
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<&str> = names.into_iter().collect();
        while let Some(name) = waiting.pop() {
            if touched.insert(name) {
                waiting.extend(below.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        rows.push(Touched {
            resource: resource.to_owned(),
            path: path.to_owned(),
            touched_count: i64::try_from(touched.len())?,
            touched_columns: touched.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    Ok(vec![log::batch(schema, &rows)?])
}

/// A path with one level for all levels of a tree, as paths of records are.
fn without_levels(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('.') {
        if parts.last().and_then(|last| last.strip_suffix("[]")) == Some(part.trim_end_matches("[]")) {
            parts.pop();
        }
        parts.push(part);
    }
    parts.join(".")
}

/// The path that a path lies in, unless that is the record itself.
fn parent(path: &str) -> Option<&str> {
    path.strip_suffix("[]").or_else(|| path.rfind('.').map(|dot| &path[..dot]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_the_ones_above_it() {
        let above: Vec<&str> = std::iter::successors(Some("a.b[].c"), |path| parent(path)).collect();
        assert_eq!(above, ["a.b[].c", "a.b[]", "a.b", "a"]);
    }

    #[test]
    fn a_tree_has_one_level() {
        assert_eq!(without_levels("kids[].kids[].kids[].name"), "kids[].name");
        assert_eq!(without_levels("a[].b[].a[]"), "a[].b[].a[]");
    }

    #[test]
    fn of_a_very_large_landing_an_even_part_is_read() {
        let landing = |run: &str, count| Landing {
            resource: "factExecution".to_owned(),
            run_id: run.to_owned(),
            landed_count: count,
        };
        let fresh = [landing("a", 1), landing("b", 500_000), landing("c", 500_001)];
        let parts = to_read(&fresh);
        assert_eq!(parts, [("factExecution", 1, "'a', 'b'".to_owned()), ("factExecution", 2, "'c'".to_owned())]);
    }

    #[test]
    fn the_dictionary_leads_from_a_field_to_its_columns() {
        let batches = lineage(&columns_of("lineage").unwrap()).unwrap();
        let rows: Vec<serde_json::Value> = log::rows(&batches).unwrap();
        let name = rows.iter().find(|row| row["resource"] == "dimCycle" && row["path"] == "name").unwrap();
        assert!(name["touchedColumns"].as_str().unwrap().contains("prepare.dimCycle.cycleName"));
    }
}
