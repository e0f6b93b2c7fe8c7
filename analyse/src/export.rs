//! Marts to take away: CSV and Parquet files, and one workbook, at `Files/analyse/export/`.
//!
//! The same tables make the same bytes. Names in them come from a system anybody may type into: what a spreadsheet would
//! take for a formula is kept from being one.

mod archive;
mod cell;
mod sheet;
mod workbook;

use anyhow::{Context, Result};
use clap::ValueEnum;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use spectra_common::failure::{Exit, failure};
use spectra_common::model::Model;
use spectra_common::output::harmless;
use spectra_common::release::Files;
use spectra_common::stage::Making;

const FOLDER: &str = "analyse/export";
/// Rows that are written at a time: page limits are looked at between, so this decides the bytes.
const ROWS_AT_A_TIME: usize = 8192;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Format {
    /// A text file a table.
    Csv,
    /// A Parquet file a table.
    Parquet,
    /// One Excel workbook.
    Xlsx,
}

/// What to take away.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    formats: Vec<Format>,
    tables: Vec<String>,
}

impl Choice {
    /// Files of these kinds, of these tables; of all when none are named.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a table that no model makes.
    pub fn new(mut formats: Vec<Format>, wanted: &[String], models: &[Model]) -> Result<Self> {
        formats.sort_unstable();
        formats.dedup();
        let known: Vec<&str> = models.iter().map(|model| model.table.as_str()).collect();
        if let Some(name) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(failure(
                Exit::Usage,
                format!("--export-tables {name}: analyse makes no such table"),
                format!("its tables are {}", known.join(", ")),
            ));
        }
        if formats.is_empty() && !wanted.is_empty() {
            return Err(failure(
                Exit::Usage,
                "--export-tables chooses tables, and nothing says in which form",
                "add --export csv, parquet or xlsx",
            ));
        }
        let is_wanted = |name: &&&str| wanted.is_empty() || wanted.iter().any(|each| each == **name);
        let mut tables: Vec<String> = known.iter().filter(is_wanted).map(|name| (*name).to_owned()).collect();
        tables.sort_unstable();
        Ok(Self { formats, tables })
    }

    /// The choice as text; empty when nothing is taken away.
    pub fn text(&self) -> String {
        if self.formats.is_empty() { String::new() } else { format!("{:?} of {:?}", self.formats, self.tables) }
    }

    /// Where the files will be.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for format in &self.formats {
            match format {
                Format::Xlsx => paths.push(format!("{FOLDER}/spectra.xlsx")),
                Format::Csv | Format::Parquet => paths.extend(self.tables.iter().map(|table| path(table, *format))),
            }
        }
        paths
    }
}

fn path(table: &str, format: Format) -> String {
    let extension = if format == Format::Csv { "csv" } else { "parquet" };
    format!("{FOLDER}/{table}.{extension}")
}

/// Makes the files.
///
/// # Errors
/// When a table cannot be read or is too large for its file.
pub async fn make(making: Making<'_>, choice: &Choice) -> Result<Files> {
    let mut files = Files::new();
    if choice.formats.is_empty() {
        return Ok(files);
    }
    let mut book = choice.formats.contains(&Format::Xlsx).then(|| workbook::Workbook::new(making.as_of));
    for model in making.models.iter().filter(|model| choice.tables.contains(&model.table)) {
        let rows = read(making, model).await?;
        if choice.formats.contains(&Format::Csv) {
            files.push((path(&model.table, Format::Csv), csv(&rows).with_context(|| writing(model, "CSV"))?));
        }
        if choice.formats.contains(&Format::Parquet) {
            let content = parquet(&rows).with_context(|| writing(model, "Parquet"))?;
            files.push((path(&model.table, Format::Parquet), content));
        }
        if let Some(book) = &mut book {
            book.add(model, &rows).with_context(|| writing(model, "a sheet"))?;
        }
    }
    if let Some(book) = book {
        files.push((format!("{FOLDER}/spectra.xlsx"), book.finish()?));
    }
    Ok(files)
}

fn writing(model: &Model, what: &str) -> String {
    format!("writing analyse.{} as {what}", model.table)
}

/// A table's rows in the order of its key, which is the same however they were made.
async fn read(making: Making<'_>, model: &Model) -> Result<RecordBatch> {
    let sql = format!("select * from analyse.{} order by {}", model.table, model.key.join(", "));
    let frame = making.context.sql(&sql).await?;
    let columns = std::sync::Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    let columns = batches.first().map_or(columns, RecordBatch::schema);
    Ok(concat_batches(&columns, &batches)?)
}

fn slices(rows: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    (0..rows.num_rows())
        .step_by(ROWS_AT_A_TIME)
        .map(|begin| rows.slice(begin, ROWS_AT_A_TIME.min(rows.num_rows() - begin)))
}

fn csv(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut writer = datafusion::arrow::csv::WriterBuilder::new().with_header(true).build(&mut content);
    // An empty table still has its header.
    if rows.num_rows() == 0 {
        writer.write(rows)?;
    }
    for slice in slices(rows) {
        writer.write(&harmless(&slice)?)?;
    }
    drop(writer);
    Ok(content)
}

fn parquet(rows: &RecordBatch) -> Result<Vec<u8>> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties))?;
    for slice in slices(rows) {
        writer.write(&slice)?;
    }
    Ok(writer.into_inner()?)
}
