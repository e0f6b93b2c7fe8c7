//! What a stage reads: the release it is pinned to, the releases that one was built from, reference files, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Date32Array, RecordBatch, StringArray};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use include_dir::Dir;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::{Definition, hex};
use crate::failure::{Exit, Failure, failure};
use crate::model::{Model, TableName};
use crate::release::{History, TableState};
use crate::run::Run;
use crate::session;

/// Tables that stages after prepare may read past the stage before them, because they say how to read the rest.
const CARRIED: [&str; 4] = ["statusMap", "holidays", "controls", "slice"];

/// Tables a stage writes about itself.
const LOGS: [&str; 3] = ["run", "table", "slice"];

/// A reference table as a file.
pub struct ReferenceFile {
    name: String,
    content: Vec<u8>,
}

/// Reads the built-in reference files, each replaced where `folder` has one of its name.
///
/// # Errors
/// [`Exit::Configuration`] when the folder or one of its files cannot be read, or has a file nobody asks for.
pub fn load_references(built_in: Option<&Dir<'_>>, folder: Option<&Path>) -> Result<Vec<ReferenceFile>> {
    let mut files = Vec::new();
    for file in built_in.iter().flat_map(|built_in| built_in.files()) {
        let name = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let own = folder.map(|folder| folder.join(file.path()));
        let content = match own {
            Some(path) if path.exists() => std::fs::read(&path)
                .map_err(|error| Failure::new(Exit::Configuration, format!("reading {}: {error}", path.display())))?,
            _ => file.contents().to_vec(),
        };
        files.push(ReferenceFile { name, content });
    }
    if let (Some(folder), false) = (folder, files.is_empty())
        && !folder.is_dir()
    {
        return Err(failure(
            Exit::Configuration,
            format!("there is no folder {}", folder.display()),
            "--reference wants a folder with *.csv files named like the built-in ones",
        ));
    }
    Ok(files)
}

/// `run.setting`: one row with what is not data but decides the result.
pub fn setting_table() -> TableName {
    TableName { schema: "run".to_owned(), table: "setting".to_owned() }
}

/// Everything a stage's models may read, pinned.
pub struct Inputs {
    /// The stage that reads.
    pub stage: &'static str,
    /// The releases it is built from, by stage.
    pub releases: BTreeMap<String, i64>,
    /// The day the figures are for.
    pub as_of: Option<Date>,
    /// The tenant's time zone.
    pub time_zone: String,
    tables: BTreeMap<TableName, TableState>,
    references: BTreeMap<String, ReferenceFile>,
}

impl Inputs {
    /// Pins a stage's inputs and checks that every table its models name is among them.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is no release to build on, [`Exit::Configuration`] for an unknown table.
    pub fn pin(
        run: &Run,
        stage: Definition,
        history: &History,
        models: &[Model],
        references: Vec<ReferenceFile>,
    ) -> Result<Self> {
        let upstream = history.pin(stage.upstream, run.settings.from_release)?;
        let mut releases = upstream.inputs.clone();
        releases.insert(stage.upstream.to_owned(), upstream.number);
        let mut tables = BTreeMap::new();
        for (name, number) in &releases {
            let release = history.pin(name, Some(*number))?;
            for (table, state) in &release.tables {
                let Some(table) = TableName::parse(table) else { continue };
                let is_next = name == stage.upstream && table.schema == *name;
                let is_carried = table.schema == "prepare" && CARRIED.contains(&table.table.as_str());
                if is_next || is_carried {
                    tables.insert(table, state.clone());
                }
            }
        }
        let as_of = match run.settings.as_of {
            Some(date) => Some(date),
            None if stage.upstream == "source" => walk_date(run, history, upstream.number)?,
            None => upstream.as_of,
        };
        let inputs = Self {
            stage: stage.name,
            releases,
            as_of,
            time_zone: run.settings.time_zone.clone(),
            tables,
            references: references.into_iter().map(|file| (file.name.clone(), file)).collect(),
        };
        for model in models {
            for name in model.needs() {
                inputs.check(&name, model, models)?;
            }
        }
        Ok(inputs)
    }

    fn check(&self, name: &TableName, model: &Model, models: &[Model]) -> Result<()> {
        let known = match name.schema.as_str() {
            "run" => *name == setting_table(),
            "reference" => self.references.contains_key(&name.table),
            "log" => self.stage == "analyse" && LOGS.contains(&name.table.as_str()),
            schema if schema == self.stage => models.iter().any(|other| other.table == name.table),
            _ => self.tables.contains_key(name),
        };
        if known {
            return Ok(());
        }
        let mut near: Vec<String> = self.tables.keys().map(ToString::to_string).collect();
        near.extend(self.references.keys().map(|reference| format!("reference.{reference}")));
        Err(failure(
            Exit::Configuration,
            format!("{}: there is no table {name} that {} may read", model.file, self.stage),
            format!("it may read its own models, run.setting, {}", near.join(", ")),
        ))
    }

    /// What a table's content depends on; the logs are left out, or no run would ever find nothing to do.
    pub fn identity(&self, name: &TableName) -> String {
        if let Some(state) = self.tables.get(name) {
            return format!("version {}", state.version);
        }
        match self.references.get(&name.table) {
            Some(file) if name.schema == "reference" => hex(&Sha256::digest(&file.content)),
            _ => String::new(),
        }
    }

    /// Makes the given tables readable; the stage's own are already.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when a pinned table cannot be opened.
    pub async fn register(&self, run: &Run, context: &SessionContext, names: &BTreeSet<TableName>) -> Result<()> {
        for name in names {
            let (schema, table) = (name.schema.as_str(), name.table.as_str());
            if schema == self.stage || session::has(context, schema, table) {
                continue;
            }
            match schema {
                "run" => session::register(context, schema, table, Arc::new(self.setting()?))?,
                "reference" => {
                    let file = self.references.get(table).with_context(|| format!("reference {table} has gone"))?;
                    session::register(context, schema, table, Arc::new(read_csv(file)?))?;
                }
                "log" => {
                    let columns = crate::log::columns(table)?;
                    let delta = run.lake.open_or_create(schema, table, &columns.delta).await?;
                    session::register_delta(context, schema, table, &delta).await?;
                }
                _ => {
                    let version = self.tables.get(name).map(|state| state.version);
                    let delta = run.lake.open(schema, table, version).await?.ok_or_else(|| {
                        failure(
                            Exit::LakeUnavailable,
                            format!("table {name} is gone although a release names it"),
                            format!("restore it, or build the stage {schema} again with --force"),
                        )
                    })?;
                    session::register_delta(context, schema, table, &delta).await?;
                }
            }
        }
        Ok(())
    }

    fn setting(&self) -> Result<MemTable> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("asOf", DataType::Date32, true),
            Field::new("timeZone", DataType::Utf8, true),
        ]));
        let epoch = date(1970, 1, 1);
        let days = self.as_of.map(|day| epoch.until(day).map(|span| span.get_days())).transpose()?;
        let columns: RecordBatch = RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(Date32Array::from(vec![days])), Arc::new(StringArray::from(vec![self.time_zone.as_str()]))],
        )?;
        Ok(MemTable::try_new(schema, vec![vec![columns]])?)
    }
}

/// The local day of the newest source walk that a release of source reflects.
fn walk_date(run: &Run, history: &History, release: i64) -> Result<Option<Date>> {
    let zone = TimeZone::get(&run.settings.time_zone)?;
    Ok(history.walked_at(release).map(|walked| walked.to_zoned(zone).date()))
}

/// A reference file as a table of text columns; an empty cell is NULL.
fn read_csv(file: &ReferenceFile) -> Result<MemTable> {
    let reading = || Failure::new(Exit::Configuration, format!("reading reference table {}.csv", file.name));
    let (guessed, _) =
        Format::default().with_header(true).infer_schema(file.content.as_slice(), Some(0)).with_context(reading)?;
    let fields: Vec<Field> =
        guessed.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let reader =
        ReaderBuilder::new(schema.clone()).with_header(true).build(file.content.as_slice()).with_context(reading)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().with_context(reading)?;
    Ok(MemTable::try_new(schema, vec![batches])?)
}
