//! The dictionary as pages to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use spectra_common::dictionary::{Dictionary, Table};

/// Origins of a column a page names; the rest is in the JSON.
const MOST_ORIGINS: usize = 8;

/// The pages, by path below `docs/`: one that lists all tables, and one a schema.
pub fn pages(dictionary: &Dictionary) -> BTreeMap<String, String> {
    let mut schemas: Vec<&str> = Vec::new();
    for table in &dictionary.tables {
        if schemas.last() != Some(&table.schema.as_str()) {
            schemas.push(&table.schema);
        }
    }
    let mut index = String::from(
        "# Data dictionary\n\nEvery table of the lake, and what a row of it is; a page a schema says the same of every column. \
         Made from the models: `SPECTRA_TEST_RENEW=1 cargo test --locked --workspace --no-default-features --test end_to_end dictionary` \
         makes it anew. `spectra-analyse describe` says it of a lake, `dictionary.json` to programs.\n",
    );
    let mut pages = BTreeMap::new();
    for schema in schemas {
        let _ = writeln!(index, "\n## {schema}\n\n| table | columns | what a row is |\n|---|---|---|");
        for table in named(dictionary, schema) {
            let purpose = escaped(&table.purpose);
            let first = purpose.find(". ").map_or(purpose.as_str(), |end| &purpose[..=end]);
            let link = format!("[{}](dictionary/{schema}.md#{})", table.table, anchor(table));
            let _ = writeln!(index, "| {link} | {} | {first} |", table.columns.len());
        }
        pages.insert(format!("dictionary/{schema}.md"), page(dictionary, schema));
    }
    pages.insert("dictionary.md".to_owned(), index);
    pages
}

/// The tables of one schema. Tables of source that differ in nothing but their name are described once.
fn page(dictionary: &Dictionary, schema: &str) -> String {
    let mut page = format!(
        "# {schema}\n\nMade from the models; see [the list of all tables](../dictionary.md). The last cell of a column says what it \
         is computed from: columns of other tables, `:$.field` for a field of a JSON text, `.*` where rows are counted.\n",
    );
    let mut alike: BTreeMap<String, &Table> = BTreeMap::new();
    for table in named(dictionary, schema) {
        let shape = format!("{:?}", table.columns);
        match alike.get(&shape) {
            Some(twin) if schema == "source" => {
                let (name, purpose) = (table.name(), escaped(&table.purpose));
                let _ =
                    writeln!(page, "\n## {name}\n\n{purpose}\n\nColumns as in [{}](#{}).", twin.name(), anchor(twin));
            }
            _ => one(&mut page, table),
        }
        alike.entry(shape).or_insert(table);
    }
    page
}

fn named<'a>(dictionary: &'a Dictionary, schema: &str) -> Vec<&'a Table> {
    let mut tables: Vec<&Table> = dictionary.tables.iter().filter(|table| table.schema == schema).collect();
    tables.sort_by(|left, right| left.table.cmp(&right.table));
    tables
}

fn anchor(table: &Table) -> String {
    format!("{}{}", table.schema, table.table).to_lowercase()
}

fn one(page: &mut String, table: &Table) {
    let _ = writeln!(page, "\n## {}\n\n{}\n", table.name(), escaped(&table.purpose));
    if !table.key.is_empty() {
        let _ = writeln!(page, "Key: {}.", list(&table.key));
    }
    if !table.inputs.is_empty() {
        let _ = writeln!(page, "Made of: {}.", list(&table.inputs));
    }
    if let Some(input) = &table.conserves {
        let _ = writeln!(page, "Every row of `{input}` is here or in quarantine.");
    }
    if !table.key.is_empty() || !table.inputs.is_empty() {
        page.push('\n');
    }
    page.push_str("| column | type | meaning | from |\n|---|---|---|---|\n");
    for column in &table.columns {
        let meaning = column.meaning.as_deref().map_or_else(|| "—".to_owned(), escaped);
        let mut from = list(column.from.get(..MOST_ORIGINS).unwrap_or(&column.from));
        if column.from.len() > MOST_ORIGINS {
            let _ = write!(from, " and {} more", column.from.len() - MOST_ORIGINS);
        }
        let _ = writeln!(page, "| `{}` | {} | {meaning} | {from} |", column.name, column.kind);
    }
    if !table.expectations.is_empty() || !table.references.is_empty() {
        page.push('\n');
    }
    for rule in &table.expectations {
        let _ = writeln!(page, "- expects `{}`, else {}", rule.condition.replace('`', "'"), rule.otherwise);
    }
    for pointer in &table.references {
        let _ = writeln!(page, "- every `{}` is in `{}`", pointer.column, pointer.target);
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Text that a table's cell can hold.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}
