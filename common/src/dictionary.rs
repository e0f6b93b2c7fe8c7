//! The data dictionary: what every table and column of the lake means, and what it is made of.
//!
//! It is made from the models by `tests/tests/dictionary`, committed as `docs/dictionary.json` and `docs/dictionary.md`, and
//! compiled in: a person who asks, the workbook, the report and the drift of prepare all read the same words.

pub mod meaning;

use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::model::TableName;

/// The dictionary of the built-in models, as JSON.
pub const JSON: &str = include_str!("../../docs/dictionary.json");

/// All tables, those of a stage together, stages in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dictionary {
    /// The tables.
    pub tables: Vec<Table>,
}

/// What there is to say about a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Schema of the lake.
    pub schema: String,
    /// Table in it.
    pub table: String,
    /// What a row is, and what the table is for.
    pub purpose: String,
    /// Columns that identify a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Tables it is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Table whose every row comes out, be it here or in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conserves: Option<String>,
    /// What its rows must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Rule>,
    /// Where its columns point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Pointer>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// An expectation, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What must be true of a row.
    pub condition: String,
    /// warn, quarantine or fail.
    pub otherwise: String,
}

/// A column whose values exist in another table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointer {
    /// The column.
    pub column: String,
    /// `schema.table.column` it points to.
    pub target: String,
}

/// What there is to say about a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as models name types.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means, if anybody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What it is computed from: `schema.table.column`, for a field of a JSON text with `:$.path` behind it, and
    /// `schema.table.*` where rows are counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

impl Table {
    /// `schema.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The dictionary of the built-in models.
///
/// # Errors
/// When what was compiled in is no dictionary: our own mistake.
pub fn built_in() -> Result<&'static Dictionary> {
    static BUILT_IN: OnceLock<Dictionary> = OnceLock::new();
    if let Some(dictionary) = BUILT_IN.get() {
        return Ok(dictionary);
    }
    let dictionary = serde_json::from_str(JSON).context("reading the dictionary that was compiled in")?;
    Ok(BUILT_IN.get_or_init(|| dictionary))
}

impl Dictionary {
    /// A table by name. A table of quarantine has the columns of the one its rows were meant for, and the reasons.
    pub fn find(&self, name: &TableName) -> Option<Table> {
        let exact = |schema: &str, table: &str| {
            self.tables.iter().find(|each| each.schema == schema && each.table == table).cloned()
        };
        if name.schema != "quarantine" {
            return exact(&name.schema, &name.table);
        }
        let mut table = self.tables.iter().find_map(|each| {
            let stem = name.table.strip_prefix(each.schema.as_str())?;
            let mut letters = stem.chars();
            let first = letters.next()?.to_lowercase().to_string();
            (format!("{first}{}", letters.as_str()) == each.table).then(|| each.clone())
        })?;
        table.purpose = format!("Rows that {} set aside because they break one of its expectations.", table.name());
        table.key.clear();
        table.columns.push(Column {
            name: "quarantineReasons".to_owned(),
            kind: "string".to_owned(),
            meaning: Some("the expectations the row breaks".to_owned()),
            from: Vec::new(),
        });
        (table.schema, table.table) = (name.schema.clone(), name.table.clone());
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, from: &[&str]) -> Column {
        Column {
            name: name.to_owned(),
            kind: "string".to_owned(),
            meaning: None,
            from: from.iter().map(|each| (*each).to_owned()).collect(),
        }
    }

    fn table(schema: &str, name: &str, columns: Vec<Column>) -> Table {
        Table { schema: schema.to_owned(), table: name.to_owned(), columns, ..Table::default() }
    }

    fn small() -> Dictionary {
        Dictionary {
            tables: vec![
                table(
                    "prepare",
                    "dimCycle",
                    vec![
                        column("cycleName", &["source.dimCycle.payload:$.name"]),
                        column("phaseName", &["source.dimCycle.payload:$.cyclePhases[].name"]),
                    ],
                ),
                table("clean", "dimCycle", vec![column("cycleName", &["prepare.dimCycle.cycleName"])]),
            ],
        }
    }

    #[test]
    fn what_was_compiled_in_can_be_read() {
        assert!(built_in().is_ok());
    }

    #[test]
    fn a_table_of_quarantine_is_described_by_the_one_its_rows_were_meant_for() {
        let name = TableName { schema: "quarantine".into(), table: "cleanDimCycle".into() };
        let table = small().find(&name).unwrap();
        assert_eq!(table.columns.len(), 2);
        assert!(table.purpose.contains("clean.dimCycle"));
    }
}
