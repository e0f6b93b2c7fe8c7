//! What a stage reads: the release it is pinned to, the releases that one was built from, reference files, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Date32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use include_dir::Dir;
use jiff::SignedDuration;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{Definition, Pinned, WorkedOut, quarantine};
use crate::failure::{Exit, Failure, failure};
use crate::model::{Model, TableName};
use crate::release::{self, History, TableState};
use crate::run::Run;
use crate::session::{self, hex};

/// Tables of prepare that later stages may read past the stage before them although they come from the source: they
/// say what the rest is worth. Those made of reference files are carried too, and a release says which these are.
const CARRIED: [&str; 4] = ["slice", "completeness", "schema", "drift"];

/// What releases from before they said so carried.
const CARRIED_BEFORE: [&str; 3] = ["statusMap", "holidays", "controls"];

/// A reference table as a file.
pub struct ReferenceFile {
    name: String,
    content: Vec<u8>,
}

/// Reads the built-in reference files, each replaced where `folder` has one of its name, and what else is in there:
/// models of somebody's own may read tables of their own. A stage without built-in ones reads none.
///
/// # Errors
/// [`Exit::Configuration`] when the folder or one of its files cannot be read.
pub fn load_references(built_in: Option<&Dir<'_>>, folder: Option<&Path>) -> Result<Vec<ReferenceFile>> {
    let Some(built_in) = built_in else { return Ok(Vec::new()) };
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let name_of = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for file in built_in.files() {
        files.insert(name_of(file.path()), file.contents().to_vec());
    }
    if let Some(folder) = folder {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            Failure::new(Exit::Configuration, format!("reading the folder {}: {error}", folder.display()))
                .hint("--reference wants a folder with *.csv files named like the built-in ones")
        })?;
        for entry in entries {
            let path = entry.with_context(|| format!("reading the folder {}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                let content = std::fs::read(&path).map_err(|error| {
                    Failure::new(Exit::Configuration, format!("reading {}: {error}", path.display()))
                })?;
                files.insert(name_of(&path), content);
            }
        }
    }
    Ok(files.into_iter().map(|(name, content)| ReferenceFile { name, content }).collect())
}

/// Puts what the command line says of a control in the place of its line in `controls.csv`.
pub fn set_controls(files: &mut [ReferenceFile], controls: &[(&str, String)]) {
    let Some(file) = files.iter_mut().find(|file| file.name == "controls") else { return };
    for (name, value) in controls {
        let text = String::from_utf8_lossy(&file.content).into_owned();
        let mut lines: Vec<&str> =
            text.lines().filter(|line| line.split(',').next().map(str::trim) != Some(*name)).collect();
        let line = format!("{name},{value},as the command line says");
        lines.push(&line);
        file.content = (lines.join("\n") + "\n").into_bytes();
    }
}

/// Which of a stage's tables are made of reference files, so that every later stage may read them.
pub fn carried(stage: &str, models: &[Model]) -> BTreeSet<String> {
    let reads_files = |model: &&Model| model.inputs.iter().any(|input| input.schema == "reference");
    models.iter().filter(reads_files).map(|model| format!("{stage}.{}", model.table)).collect()
}

/// `run.setting`: one row with what is not data but decides the result.
pub fn setting_table() -> TableName {
    TableName { schema: "run".to_owned(), table: "setting".to_owned() }
}

/// `run.input`: one row per table of the releases a stage builds on, with how many rows it has and how many were set aside.
pub fn input_table() -> TableName {
    TableName { schema: "run".to_owned(), table: "input".to_owned() }
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
    /// Those of them that every later stage may read.
    carried: BTreeSet<TableName>,
    /// Rows, and rows set aside, of every table of these releases that a model makes.
    counts: BTreeMap<TableName, (i64, i64)>,
    references: BTreeMap<String, ReferenceFile>,
    worked_out: Option<Arc<dyn WorkedOut>>,
}

impl Inputs {
    /// Pins a stage's inputs and checks that every table its models name is among them.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is no release to build on, [`Exit::Configuration`] for an unknown table.
    pub fn pin(
        run: &Run,
        stage: &Definition,
        history: &History,
        models: &[Model],
        references: Vec<ReferenceFile>,
    ) -> Result<Self> {
        let upstream = history.pin(stage.upstream, run.settings.from_release)?;
        let mut releases = upstream.inputs.clone();
        releases.insert(stage.upstream.to_owned(), upstream.number);
        let (mut tables, mut carried, mut counts) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for (name, number) in &releases {
            let release = history.pin(name, Some(*number))?;
            for (table, state) in &release.tables {
                let Some(table) = TableName::parse(table) else { continue };
                // Those of source only grow: how many rows they have means nothing.
                if table.schema == *name && name != "source" {
                    let aside = format!("quarantine.{}", quarantine::table_name(name, &table.table));
                    let aside = release.tables.get(&aside).map_or(0, |state| state.rows);
                    counts.insert(table.clone(), (state.rows, aside));
                }
                let is_next = name == stage.upstream && table.schema == *name;
                let by_name = || CARRIED.iter().chain(&CARRIED_BEFORE).any(|carried| *carried == table.table);
                let is_carried = state.is_carried || (table.schema == "prepare" && by_name());
                if is_carried {
                    carried.insert(table.clone());
                }
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
        let references: BTreeMap<String, ReferenceFile> =
            references.into_iter().map(|file| (file.name.clone(), file)).collect();
        let pinned = Pinned { history, tables: &tables, references: &references };
        let worked_out = stage.worked_out.map(|make| make(&pinned)).transpose()?;
        let inputs = Self {
            stage: stage.name,
            releases,
            as_of,
            time_zone: run.settings.time_zone.clone(),
            tables,
            carried,
            counts,
            references,
            worked_out,
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
            "run" => *name == setting_table() || *name == input_table(),
            "reference" => self.references.contains_key(&name.table),
            "log" => self.stage == "analyse" && crate::log::TABLES.contains(&name.table.as_str()),
            schema if self.worked_out_in(schema).is_some_and(|own| own.has(&name.table)) => true,
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
            format!("it may read its own models, run.setting, run.input, {}", near.join(", ")),
        ))
    }

    /// What a table's content depends on; the logs are left out, or no run would ever find nothing to do.
    pub fn identity(&self, name: &TableName) -> String {
        if *name == input_table() {
            return format!("{:?}", self.counts);
        }
        if let Some(state) = self.tables.get(name) {
            let (version, files) = state.content();
            return format!("version {version} {files}{}", self.narrowing(name));
        }
        if let Some(own) = self.worked_out_in(&name.schema) {
            return own.identity(&name.table);
        }
        match self.references.get(&name.table) {
            Some(file) if name.schema == "reference" => file.identity(),
            _ => String::new(),
        }
    }

    /// What hides rows of a pinned table from models; empty where nothing does.
    pub fn narrowing(&self, name: &TableName) -> String {
        self.worked_out.as_ref().map(|own| own.identity_of_input(name)).unwrap_or_default()
    }

    /// A table of another stage as the run is pinned to it.
    pub fn state(&self, name: &TableName) -> Option<&TableState> {
        self.tables.get(name)
    }

    /// Whether it is a table that releases name: one of this stage, or one the run is pinned to.
    pub fn is_released(&self, name: &TableName) -> bool {
        name.schema == self.stage || self.tables.contains_key(name)
    }

    /// What the content of the tables depends on that every later stage may read.
    pub fn carried_identity(&self) -> String {
        self.carried.iter().map(|name| format!("{name}={}\n", self.identity(name))).collect()
    }

    /// A reference file by name; only prepare has any.
    pub fn reference(&self, name: &str) -> Option<&ReferenceFile> {
        self.references.get(name)
    }

    /// The value of a setting of the models; `None` where the stage cannot read it.
    ///
    /// # Errors
    /// When the controls cannot be read.
    pub async fn control(&self, run: &Run, context: &SessionContext, name: &str) -> Result<Option<String>> {
        let controls = TableName { schema: "prepare".to_owned(), table: "controls".to_owned() };
        if let Some(file) = self.reference(&controls.table) {
            return file.control(name);
        }
        if self.state(&controls).is_none() {
            return Ok(None);
        }
        let sql = format!("select name, value from {controls}");
        self.register(run, context, &[controls].into()).await?;
        let rows: Vec<Control> = crate::log::rows(&context.sql(&sql).await?.collect().await?)?;
        Ok(rows.into_iter().find(|row| row.name.as_deref() == Some(name)).and_then(|row| row.value))
    }

    fn worked_out_in(&self, schema: &str) -> Option<&dyn WorkedOut> {
        self.worked_out.as_deref().filter(|own| own.schema() == schema)
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
                "run" if *name == input_table() => {
                    session::register(context, schema, table, Arc::new(self.input()?))?;
                }
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
                    if let Some(own) = self.worked_out_in(schema) {
                        session::register(context, schema, table, Arc::new(own.table(run, table).await?))?;
                        continue;
                    }
                    let state = self.state(name).with_context(|| format!("table {name} is not pinned"))?;
                    let delta = release::open(&run.lake, schema, table, state).await?;
                    session::register_delta(context, schema, table, &delta).await?;
                    if let Some(own) = &self.worked_out {
                        own.narrow(context, name).await?;
                    }
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

    fn input(&self) -> Result<MemTable> {
        let text =
            |pick: fn(&TableName) -> &String| Arc::new(StringArray::from_iter_values(self.counts.keys().map(pick)));
        let whole =
            |pick: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(self.counts.values().map(pick)));
        let columns = RecordBatch::try_new(
            input_columns(),
            vec![
                text(|name| &name.schema),
                text(|name| &name.table),
                whole(|(rows, _)| *rows),
                whole(|(_, set_aside)| *set_aside),
            ],
        )?;
        Ok(MemTable::try_new(input_columns(), vec![vec![columns]])?)
    }
}

/// Clocks of different machines are not the same to the minute.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

/// Columns of `run.input`.
pub fn input_columns() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("stage", DataType::Utf8, true),
        Field::new("tableName", DataType::Utf8, true),
        Field::new("rowCount", DataType::Int64, true),
        Field::new("quarantinedCount", DataType::Int64, true),
    ]))
}

/// The local day of the newest source walk that a release of source reflects, and today where that is yet to come.
fn walk_date(run: &Run, history: &History, release: i64) -> Result<Option<Date>> {
    let zone = TimeZone::get(&run.settings.time_zone)?;
    let Some(walked) = history.walked_at(release) else { return Ok(None) };
    if walked > run.started_at + CLOCKS_APART {
        warn!("source walked at {walked}, which is yet to come: a clock was wrong; the figures are for today");
    }
    Ok(Some(walked.min(run.started_at).to_zoned(zone).date()))
}

#[derive(Deserialize)]
struct Control {
    name: Option<String>,
    value: Option<String>,
}

impl ReferenceFile {
    /// Its rows, all columns text; an empty cell is NULL.
    ///
    /// # Errors
    /// [`Exit::Configuration`] when it is no CSV file with a header.
    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        let reading = || Failure::new(Exit::Configuration, format!("reading reference table {}.csv", self.name));
        let reader = ReaderBuilder::new(self.schema()?).with_header(true).build(self.content.as_slice());
        reader.with_context(reading)?.collect::<Result<Vec<_>, _>>().with_context(reading)
    }

    fn schema(&self) -> Result<SchemaRef> {
        let reading = || Failure::new(Exit::Configuration, format!("reading reference table {}.csv", self.name));
        let (guessed, _) =
            Format::default().with_header(true).infer_schema(self.content.as_slice(), Some(0)).with_context(reading)?;
        let text = |field: &Arc<Field>| Field::new(field.name(), DataType::Utf8, true);
        Ok(Arc::new(Schema::new(guessed.fields().iter().map(text).collect::<Vec<_>>())))
    }

    /// What tells its content from any other.
    pub fn identity(&self) -> String {
        hex(&Sha256::digest(&self.content))
    }

    /// The value of a line of the controls.
    ///
    /// # Errors
    /// As [`Self::batches`].
    pub fn control(&self, name: &str) -> Result<Option<String>> {
        let controls: Vec<Control> = crate::log::rows(&self.batches()?)?;
        let found = controls.into_iter().find(|control| control.name.as_deref().map(str::trim) == Some(name));
        Ok(found.and_then(|control| control.value).map(|value| value.trim().to_owned()))
    }
}

/// A reference file as a table.
fn read_csv(file: &ReferenceFile) -> Result<MemTable> {
    Ok(MemTable::try_new(file.schema()?, vec![file.batches()?])?)
}
