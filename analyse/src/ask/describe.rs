//! What there is in a lake, and what it means. Which tables and columns there are, the lake says; what they mean, the dictionary.

use anyhow::Result;
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use serde_json::{Value, json};
use spectra_common::dictionary::{self, Table};
use spectra_common::failure::{Exit, failure};
use spectra_common::model::TableName;
use spectra_common::output::{self, Format};
use spectra_common::schema::type_name;

use super::view::View;

/// All tables.
///
/// # Errors
/// When the answer cannot be written.
pub fn tables(view: &View, format: Format) -> Result<()> {
    let dictionary = dictionary::built_in()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for name in view.tables() {
        let purpose = dictionary.find(&name).map(|table| table.purpose).unwrap_or_default();
        let row_count = view.row_count(&name);
        values.push(json!({ "table": name.to_string(), "rowCount": row_count, "purpose": purpose }));
        rows.push(vec![
            name.to_string(),
            row_count.map(|count| count.to_string()).unwrap_or_default(),
            first_sentence(&purpose, format),
        ]);
    }
    if format != Format::Json {
        return output::words(&["table", "rows", "what a row is"], &rows, format);
    }
    let releases: Vec<Value> =
        view.pinned().map(|release| json!({ "stage": release.stage, "release": release.number })).collect();
    output::text(&format!("{}\n", json!({ "releases": releases, "tables": values })))
}

/// In a table for people a line must do.
fn first_sentence(purpose: &str, format: Format) -> String {
    match purpose.find(". ") {
        Some(end) if format == Format::Table => purpose[..=end].to_owned(),
        _ => purpose.to_owned(),
    }
}

/// One table and its columns.
///
/// # Errors
/// [`Exit::InputMissing`] when there is no such table.
pub async fn columns(view: &View, context: &SessionContext, table: &str, format: Format) -> Result<()> {
    let name = match table.split_once('.') {
        Some((schema, table)) => TableName { schema: schema.to_owned(), table: table.to_owned() },
        None => view.nearest(table).ok_or_else(|| {
            let message = format!("there is no table {table} in any stage");
            failure(Exit::InputMissing, message, "spectra-analyse describe lists all tables")
        })?,
    };
    view.register(context, &name).await?;
    let provider = context.table_provider(TableReference::partial(name.schema.as_str(), name.table.as_str())).await?;
    // A release of its own has the same meaning.
    let schema = name.schema.split('@').next().unwrap_or_default().to_owned();
    let known = dictionary::built_in()?.find(&TableName { schema, table: name.table.clone() }).unwrap_or_default();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for field in provider.schema().fields() {
        let kind = type_name(field.data_type());
        let column = known.column(field.name()).cloned().unwrap_or_default();
        let is_key = known.key.contains(field.name());
        values.push(json!({
            "name": field.name(), "type": kind, "isKey": is_key, "meaning": column.meaning, "from": column.from,
        }));
        rows.push(vec![field.name().clone(), kind, column.meaning.unwrap_or_default(), column.from.join(", ")]);
    }
    match format {
        Format::Json => output::text(&format!("{}\n", whole(&name, view, &known, values))),
        Format::Csv => output::words(&["column", "type", "meaning", "computed from"], &rows, format),
        Format::Table => page(&name, view, &known, &rows),
    }
}

fn whole(name: &TableName, view: &View, known: &Table, columns: Vec<Value>) -> Value {
    json!({
        "table": name.to_string(), "rowCount": view.row_count(name), "purpose": known.purpose, "key": known.key,
        "inputs": known.inputs, "expectations": known.expectations, "references": known.references, "columns": columns,
    })
}

/// For people: one column a paragraph, since meanings are sentences.
fn page(name: &TableName, view: &View, known: &Table, rows: &[Vec<String>]) -> Result<()> {
    let mut page = format!("{name}");
    if let Some(count) = view.row_count(name) {
        page.push_str(&format!(", {count} rows"));
    }
    page.push('\n');
    if !known.purpose.is_empty() {
        page.push_str(&format!("{}\n", known.purpose));
    }
    if !known.key.is_empty() {
        page.push_str(&format!("key: {}\n", known.key.join(", ")));
    }
    if !known.inputs.is_empty() {
        page.push_str(&format!("made of: {}\n", known.inputs.join(", ")));
    }
    page.push('\n');
    let width = rows.iter().map(|row| row[0].len()).max().unwrap_or(0);
    for row in rows {
        page.push_str(&format!("{:width$}  {:9}  {}\n", row[0], row[1], row[2]));
        if !row[3].is_empty() {
            page.push_str(&format!("{:width$}             from {}\n", "", row[3]));
        }
    }
    if !known.expectations.is_empty() {
        page.push('\n');
    }
    for rule in &known.expectations {
        page.push_str(&format!("expects {}, else {}\n", rule.condition, rule.otherwise));
    }
    output::text(&page)
}
