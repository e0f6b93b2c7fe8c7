//! Makes the dictionary out of the models: each is planned over empty tables, in order, so that no data is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use spectra_common::dictionary::{Column, Dictionary, Pointer, Rule, Table, meaning};
use spectra_common::model::{self, Model, Otherwise, TableName};
use spectra_common::schema::{TableSchema, type_name};
use spectra_common::stage::input_columns;
use spectra_common::{log, session};
use spectra_prepare::landed;

use super::{convention, fixed, lineage};

/// Everything the models of all stages are about.
pub struct Everything {
    /// The tables of source, with their columns.
    pub source: BTreeMap<String, SchemaRef>,
    /// Names and columns of the reference files.
    pub references: BTreeMap<String, Vec<String>>,
    /// The stages of models in order, with their models in any.
    pub stages: Vec<(String, Vec<Model>)>,
}

/// Makes the dictionary.
///
/// # Errors
/// When a model cannot be planned; the message names it.
pub async fn dictionary(everything: Everything) -> Result<Dictionary> {
    let context = session::new(256 << 20, 1)?;
    let mut dictionary = Dictionary::default();
    for (table, columns) in &everything.source {
        register(&context, "source", table, columns)?;
        dictionary.tables.push(fixed::source(table, columns));
    }
    for (table, columns) in &everything.references {
        let fields: Vec<Field> = columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        register(&context, "reference", table, &Arc::new(Schema::new(fields)))?;
    }
    let setting =
        Schema::new(vec![Field::new("asOf", DataType::Date32, true), Field::new("timeZone", DataType::Utf8, true)]);
    register(&context, "run", "setting", &Arc::new(setting))?;
    register(&context, "run", "input", &input_columns())?;
    for table in ["field", "lineage", "driftedRecord"] {
        if let Some(columns) = landed::columns_of(table) {
            register(&context, landed::SCHEMA, table, &columns)?;
        }
    }
    let mut logs = Vec::new();
    for table in log::TABLES {
        let columns = log::columns(table)?.arrow;
        register(&context, "log", table, &columns)?;
        logs.push(fixed::log(table, &columns));
    }
    for (stage, models) in everything.stages {
        for model in model::in_order(&stage, models)? {
            let doing = || format!("planning {stage}.{} ({})", model.table, model.file);
            let frame = context.sql(&model.sql).await.with_context(doing)?;
            let origins = lineage::origins(frame.logical_plan());
            let plan = frame.create_physical_plan().await.with_context(doing)?;
            let columns = TableSchema::of(&plan.schema()).with_context(doing)?.arrow;
            register(&context, &stage, &model.table, &columns)?;
            dictionary.tables.push(describe(&stage, &model, &columns, &origins));
        }
    }
    dictionary.tables.extend(logs);
    inherit(&mut dictionary.tables);
    for table in &mut dictionary.tables {
        for column in table.columns.iter_mut().filter(|column| column.meaning.is_none()) {
            column.meaning = convention::meaning(&column.name, &table.key, &table.references);
        }
    }
    inherit(&mut dictionary.tables);
    Ok(dictionary)
}

fn register(context: &SessionContext, schema: &str, table: &str, columns: &SchemaRef) -> Result<()> {
    session::register(context, schema, table, Arc::new(MemTable::try_new(Arc::clone(columns), vec![vec![]])?))
}

/// Gives columns without words of their own those of the column of the same name they are computed from, or, in a table
/// of earlier versions, those of the same column of the table itself.
fn inherit(tables: &mut [Table]) {
    let mut meanings: BTreeMap<String, String> = fixed::setting();
    loop {
        for table in tables.iter() {
            for column in &table.columns {
                if let Some(meaning) = &column.meaning {
                    meanings.insert(format!("{}.{}", table.name(), column.name), meaning.clone());
                }
            }
        }
        let mut is_done = true;
        for table in tables.iter_mut() {
            let name = table.name();
            let twin = name.strip_suffix("History").or_else(|| name.strip_suffix("Removal"));
            for column in table.columns.iter_mut().filter(|column| column.meaning.is_none()) {
                let same = column.from.iter().filter(|origin| origin.rsplit('.').next() == Some(&column.name));
                let of_twin = twin.and_then(|twin| meanings.get(&format!("{twin}.{}", column.name)));
                column.meaning = same.filter_map(|origin| meanings.get(origin)).next().or(of_twin).cloned();
                is_done = is_done && column.meaning.is_none();
            }
        }
        if is_done {
            return;
        }
    }
}

fn describe(stage: &str, model: &Model, columns: &SchemaRef, origins: &[BTreeSet<lineage::Origin>]) -> Table {
    let names: BTreeSet<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
    let mut words = meaning::words(&model.sql, &names);
    let pointer = |name: &TableName, target: &str| format!("{name}.{target}");
    let references: Vec<Pointer> = model
        .references
        .iter()
        .map(|each| Pointer { column: each.column.clone(), target: pointer(&each.table, &each.target) })
        .collect();
    let described = columns
        .fields()
        .iter()
        .zip(origins)
        .map(|(field, from)| {
            let name = field.name();
            Column {
                name: name.clone(),
                kind: type_name(field.data_type()),
                meaning: words.columns.remove(name),
                from: from.iter().map(ToString::to_string).collect(),
            }
        })
        .collect();
    Table {
        schema: stage.to_owned(),
        table: model.table.clone(),
        purpose: words.purpose,
        key: model.key.clone(),
        inputs: model.inputs.iter().map(ToString::to_string).collect(),
        conserves: model.conserves.as_ref().map(ToString::to_string),
        expectations: model
            .expectations
            .iter()
            .map(|each| Rule { condition: each.condition.clone(), otherwise: otherwise(each.otherwise).to_owned() })
            .collect(),
        references,
        columns: described,
    }
}

fn otherwise(otherwise: Otherwise) -> &'static str {
    match otherwise {
        Otherwise::Warn => "warn",
        Otherwise::Quarantine => "quarantine",
        Otherwise::Fail => "fail",
    }
}
