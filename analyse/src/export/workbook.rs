//! One Excel workbook: a sheet a table, one that lists the tables and one that explains their columns.
//!
//! Written by hand: the library that writes workbooks changes features of crates the query engine is built on, which
//! builds all of it again. What is needed here is a dozen elements.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use anyhow::Result;
use datafusion::arrow::record_batch::RecordBatch;
use jiff::civil::Date;
use spectra_common::dictionary::{self, meaning};
use spectra_common::model::{Model, TableName};
use spectra_common::schema::type_name;

use super::archive::{Part, archive};
use super::cell::escape;
use super::sheet::{self, MOST_ROWS, STYLES, Sheet, Title};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const SHEET_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
/// The longest name of a sheet.
const LONGEST_NAME: usize = 31;

const TABLE_TITLES: [Title; 6] = [
    ("sheet", 34, true),
    ("rows", 10, false),
    ("what a row is", 90, false),
    ("key", 40, false),
    ("as of", 12, false),
    ("texts cut to fit", 16, false),
];
const COLUMN_TITLES: [Title; 5] = [
    ("table", 28, false),
    ("column", 34, false),
    ("type", 11, false),
    ("meaning", 90, false),
    ("computed from", 60, false),
];

/// A workbook that grows.
pub struct Workbook {
    as_of: Option<Date>,
    sheets: Vec<Sheet>,
    names: HashSet<String>,
    tables: Vec<Vec<String>>,
    columns: Vec<Vec<String>>,
}

impl Workbook {
    /// An empty one.
    pub fn new(as_of: Option<Date>) -> Self {
        let names = ["Tables", "Columns"].map(str::to_lowercase).into();
        Self { as_of, sheets: Vec::new(), names, tables: Vec::new(), columns: Vec::new() }
    }

    /// Adds a table: one sheet, or as many as its rows need.
    ///
    /// # Errors
    /// When a value cannot be shown.
    pub fn add(&mut self, model: &Model, rows: &RecordBatch) -> Result<()> {
        let purpose = self.explain(model, rows)?;
        let sheet_count = rows.num_rows().div_ceil(MOST_ROWS).max(1);
        for part in 0..sheet_count {
            let name = self.name(&model.table, part);
            let begin = part * MOST_ROWS;
            let slice = rows.slice(begin, MOST_ROWS.min(rows.num_rows() - begin));
            // Two sheets come before all others.
            let sheet = sheet::of_rows(name, self.sheets.len() + 3, &slice)?;
            self.tables.push(vec![
                sheet.name.clone(),
                slice.num_rows().to_string(),
                purpose.clone(),
                model.key.join(", "),
                self.as_of.map(|date| date.to_string()).unwrap_or_default(),
                if sheet.cut_count > 0 { sheet.cut_count.to_string() } else { String::new() },
            ]);
            self.sheets.push(sheet);
        }
        Ok(())
    }

    /// Lists a table's columns, and says what a row is. What the model's own header says comes first: it may not be the
    /// built-in model.
    fn explain(&mut self, model: &Model, rows: &RecordBatch) -> Result<String> {
        let schema = rows.schema();
        let names: BTreeSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let words = meaning::words(&model.sql, &names);
        let name = TableName { schema: "analyse".to_owned(), table: model.table.clone() };
        let known = dictionary::built_in()?.find(&name);
        for field in schema.fields() {
            let column = known.as_ref().and_then(|table| table.column(field.name()));
            let meaning = words.columns.get(field.name()).cloned();
            self.columns.push(vec![
                model.table.clone(),
                field.name().clone(),
                type_name(field.data_type()),
                meaning.or_else(|| column?.meaning.clone()).unwrap_or_default(),
                column.map(|column| column.from.join(", ")).unwrap_or_default(),
            ]);
        }
        Ok(words.purpose)
    }

    /// A name no other sheet has.
    fn name(&mut self, table: &str, part: usize) -> String {
        let mut number = part + 1;
        loop {
            let end = if number > 1 { format!(" {number}") } else { String::new() };
            let stem: String = table.chars().take(LONGEST_NAME - end.len()).collect();
            let name = format!("{stem}{end}");
            if self.names.insert(name.to_lowercase()) {
                return name;
            }
            number += 1;
        }
    }

    /// The whole file.
    ///
    /// # Errors
    /// When it gets larger than the format allows.
    pub fn finish(self) -> Result<Vec<u8>> {
        let mut sheets = vec![
            sheet::of_words("Tables", 1, &TABLE_TITLES, &self.tables)?,
            sheet::of_words("Columns", 2, &COLUMN_TITLES, &self.columns)?,
        ];
        sheets.extend(self.sheets);
        let mut types = String::new();
        let mut relations = String::new();
        let mut list = String::new();
        let mut filters = String::new();
        for (at, sheet) in sheets.iter().enumerate() {
            let number = at + 1;
            let file = sheet::file(number);
            let mut name = String::new();
            escape(&sheet.name, &mut name);
            let (first, last) = sheet.range.split_once(':').unwrap_or(("A1", "A1"));
            let _ = write!(types, r#"<Override PartName="/{file}" ContentType="{SHEET_TYPE}.worksheet+xml"/>"#);
            let target = file.trim_start_matches("xl/");
            let _ =
                write!(relations, r#"<Relationship Id="rId{number}" Type="{RELATIONS}/worksheet" Target="{target}"/>"#);
            let _ = write!(list, r#"<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>"#);
            let _ = write!(
                filters,
                r#"<definedName name="_xlnm._FilterDatabase" localSheetId="{at}" hidden="1">'{name}'!{}:{}</definedName>"#,
                fixed(first),
                fixed(last)
            );
        }
        let styles = sheets.len() + 1;
        let created = self.as_of.map_or_else(|| "1980-01-01".to_owned(), |date| date.to_string());
        let mut parts = vec![
            Part::of(
                "[Content_Types].xml",
                &format!(
                    r#"{DECLARATION}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="{SHEET_TYPE}.styles+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>{types}</Types>"#
                ),
            )?,
            Part::of(
                "_rels/.rels",
                &format!(
                    r#"{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/><Relationship Id="rId2" Type="{PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#
                ),
            )?,
            Part::of(
                "docProps/core.xml",
                &format!(
                    r#"{DECLARATION}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>SPECTRA</dc:title><dc:creator>spectra-analyse</dc:creator><dcterms:created xsi:type="dcterms:W3CDTF">{created}T00:00:00Z</dcterms:created></cp:coreProperties>"#
                ),
            )?,
            Part::of(
                "xl/workbook.xml",
                &format!(
                    r#"{DECLARATION}<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{RELATIONS}"><bookViews><workbookView activeTab="0"/></bookViews><sheets>{list}</sheets><definedNames>{filters}</definedNames></workbook>"#
                ),
            )?,
            Part::of(
                "xl/_rels/workbook.xml.rels",
                &format!(
                    r#"{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">{relations}<Relationship Id="rId{styles}" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>"#
                ),
            )?,
            Part::of("xl/styles.xml", STYLES)?,
        ];
        parts.extend(sheets.into_iter().map(|sheet| sheet.part));
        archive(parts)
    }
}

/// A cell as a place that does not move: `$A$1`.
fn fixed(place: &str) -> String {
    let digits = place.find(|letter: char| letter.is_ascii_digit()).unwrap_or(place.len());
    format!("${}${}", &place[..digits], &place[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sheets_have_one_name() {
        let mut book = Workbook::new(None);
        let long = "aTableWithANameThatIsLongerThanASheetMayHave";
        assert_eq!(book.name("burndown", 0), "burndown");
        assert_eq!(book.name("burndown", 1), "burndown 2");
        assert_eq!(book.name("columns", 0), "columns 2");
        let (first, second) = (book.name(long, 0), book.name(&format!("{long}2"), 0));
        assert_eq!(first.len(), 31);
        assert!(second.ends_with(" 2") && second.len() == 31);
    }
}
