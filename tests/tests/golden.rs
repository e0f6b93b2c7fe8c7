//! Hand-made rows per model. A case is a folder `tests/golden/<stage>/<case>`:
//!
//! - `in/<schema>.<table>.csv`: what the models read; the header says `name:type`, an empty cell is NULL
//! - `out/<table>.csv`, `out/quarantine.<table>.csv`: the rows that must come out, for some of the columns; the column
//!   `why` says what a row is there for and is not compared
//!
//! The models named in `out` are run, and those of the same stage they read and `in` does not give.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use spectra_common::model::{self, Model, Otherwise};
use spectra_common::session;

use crate::support::repository;

fn data_type(name: &str) -> DataType {
    match name {
        "bigint" => DataType::Int64,
        "int" => DataType::Int32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        other => panic!("a golden file declares type `{other}`"),
    }
}

fn cells(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let width = csv_line(text.lines().next().unwrap()).len();
    let schema = Arc::new(Schema::new(
        (0..width).map(|at| Field::new(format!("c{at}"), DataType::Utf8, true)).collect::<Vec<_>>(),
    ));
    let reader = ReaderBuilder::new(schema).with_header(false).build(text.as_bytes()).unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let cell = |column: &Arc<dyn Array>| {
                if column.is_null(row) { String::new() } else { array_value_to_string(column, row).unwrap() }
            };
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    rows
}

fn csv_line(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

fn register_csv(context: &SessionContext, path: &Path) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let (schema_name, table) = name.split_once('.').unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let fields: Vec<Field> = csv_line(text.lines().next().unwrap())
        .into_iter()
        .map(|column| {
            let (name, kind) =
                column.rsplit_once(':').unwrap_or_else(|| panic!("{}: `{column}` has no type", path.display()));
            Field::new(name, data_type(kind), true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let reader = ReaderBuilder::new(schema.clone()).with_header(true).build(text.as_bytes()).unwrap();
    let batches: Vec<RecordBatch> =
        reader.map(|batch| batch.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect();
    session::register(context, schema_name, table, Arc::new(MemTable::try_new(schema, vec![batches]).unwrap()))
        .unwrap();
}

/// Rows of a query as text, numbers in one form whatever their type.
async fn rows_of(context: &SessionContext, sql: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    for batch in context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).collect().await.unwrap() {
        for row in 0..batch.num_rows() {
            let value = |(field, column): (&Arc<Field>, &Arc<dyn Array>)| {
                let text =
                    if column.is_null(row) { String::new() } else { array_value_to_string(column, row).unwrap() };
                (field.name().clone(), plain(&text))
            };
            rows.push(batch.schema().fields().iter().zip(batch.columns()).map(value).collect());
        }
    }
    rows
}

fn plain(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{:.9}", if number == 0.0 { 0.0 } else { number }),
        _ => text.to_owned(),
    }
}

/// Builds a model's table, and the rows it sets aside.
async fn build(context: &SessionContext, stage: &str, model: &Model) {
    let frame = context.sql(&model.sql).await.unwrap_or_else(|error| panic!("{}: {error}", model.file));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{}: {error}", model.file));
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    let whole = Arc::new(MemTable::try_new(schema, vec![batches]).unwrap());
    session::register(context, "whole", &model.table, whole).unwrap();
    let holds = |wanted: Otherwise| {
        let conditions: Vec<String> = model
            .expectations
            .iter()
            .filter(|each| each.otherwise == wanted)
            .map(|each| format!("(({}) is true)", each.condition))
            .collect();
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") }
    };
    let (good, strict) = (holds(Otherwise::Quarantine), holds(Otherwise::Fail));
    for (schema, condition) in [(stage, good.clone()), ("quarantine", format!("not ({good})"))] {
        let frame = context.sql(&format!("select * from whole.{} where {condition}", model.table)).await.unwrap();
        let columns = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap();
        let columns = batches.first().map_or(columns, RecordBatch::schema);
        session::register(context, schema, &model.table, Arc::new(MemTable::try_new(columns, vec![batches]).unwrap()))
            .unwrap();
    }
    let refused = rows_of(context, &format!("select * from whole.{} where not ({strict})", model.table)).await;
    assert!(refused.is_empty(), "{}: rows that must fail the stage: {refused:?}", model.file);
    let key = model.key.join(", ");
    let doubled =
        rows_of(context, &format!("select {key} from {stage}.{} group by {key} having count(*) > 1", model.table))
            .await;
    assert!(doubled.is_empty(), "{}: the key ({key}) is not unique: {doubled:?}", model.file);
}

async fn check(stage: &str, folder: &Path) {
    let context = session::new(512 << 20, 1).unwrap();
    let mut given = Vec::new();
    for entry in std::fs::read_dir(folder.join("in")).unwrap() {
        let path = entry.unwrap().path();
        register_csv(&context, &path);
        given.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    let mut wanted: Vec<std::path::PathBuf> =
        std::fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
    wanted.sort();
    assert!(!wanted.is_empty(), "{}: nothing to compare", folder.display());
    let mut models = Vec::new();
    for entry in std::fs::read_dir(repository(&format!("{stage}/models"))).unwrap() {
        let path = entry.unwrap().path();
        let table = path.file_stem().unwrap().to_str().unwrap().to_owned();
        models
            .push(model::parse(&table, &path.display().to_string(), &std::fs::read_to_string(&path).unwrap()).unwrap());
    }
    let models = model::in_order(stage, models).unwrap();
    let name_of = |path: &Path| path.file_stem().unwrap().to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let mut needed: Vec<String> = wanted.iter().map(|path| name_of(path)).collect();
    for model in models.iter().rev() {
        if needed.contains(&model.table) {
            let own = model.inputs.iter().filter(|input| input.schema == stage && !given.contains(&input.to_string()));
            needed.extend(own.map(|input| input.table.clone()));
        }
    }
    for model in models.iter().filter(|model| needed.contains(&model.table)) {
        build(&context, stage, model).await;
    }
    for path in &wanted {
        let is_quarantine = path.file_stem().unwrap().to_str().unwrap().starts_with("quarantine.");
        let schema = if is_quarantine { "quarantine" } else { stage };
        let rows = cells(path);
        let (header, rows) = rows.split_first().unwrap();
        let compared: Vec<&String> = header.iter().filter(|column| *column != "why").collect();
        let mut expected: Vec<(Vec<String>, &str)> = rows
            .iter()
            .map(|row| {
                let named: BTreeMap<&String, &String> = header.iter().zip(row).collect();
                let why = header.iter().position(|column| column == "why").map_or("", |at| row[at].as_str());
                (compared.iter().map(|column| plain(named[*column])).collect(), why)
            })
            .collect();
        let made = rows_of(&context, &format!("select * from {schema}.{}", name_of(path))).await;
        let mut made: Vec<Vec<String>> =
            made.iter().map(|row| compared.iter().map(|column| row[*column].clone()).collect()).collect();
        expected.sort();
        made.sort();
        for (row, why) in &expected {
            assert!(made.contains(row), "{}: missing {row:?} of {compared:?}: {why}\nmade: {made:#?}", path.display());
        }
        let expected: Vec<Vec<String>> = expected.into_iter().map(|(row, _)| row).collect();
        assert_eq!(made, expected, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_made_rows_come_out_as_written() {
    // Part of a path, for who works on one case.
    let chosen = std::env::var("SPECTRA_TEST_GOLDEN").unwrap_or_default();
    let mut count = 0;
    for stage in std::fs::read_dir(repository("tests/golden")).unwrap() {
        let stage = stage.unwrap().path();
        for case in std::fs::read_dir(&stage).unwrap() {
            let case = case.unwrap().path();
            if !case.to_string_lossy().contains(&chosen) {
                continue;
            }
            println!("{}", case.display());
            check(stage.file_name().unwrap().to_str().unwrap(), &case).await;
            count += 1;
        }
    }
    assert!(count >= if chosen.is_empty() { 15 } else { 1 }, "only {count} cases were found");
}
