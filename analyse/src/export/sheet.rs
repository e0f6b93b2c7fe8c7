//! One sheet of a workbook: typed cells under a header that stays in sight and filters.

use std::fmt::Write as _;

use anyhow::Result;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use spectra_common::output::is_formula;

use super::archive::Part;
use super::cell::{escape, is_too_wide, letters};

/// The most rows a sheet holds below its header.
pub const MOST_ROWS: usize = 1_048_575;
/// Rows a column's width is measured by.
const MEASURED_ROWS: usize = 500;
const WIDEST: usize = 60;
/// Days from the day workbooks count from to 1970-01-01, and the first day they count right.
const EPOCH_DAYS: i64 = 25_569;
const FIRST_DAY: i64 = 61;
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// How a cell looks: its place in [`STYLES`].
#[derive(Clone, Copy)]
enum Look {
    Plain = 0,
    Header = 1,
    Day = 2,
    Instant = 3,
    Share = 4,
    Decimal = 5,
    Quoted = 6,
    Wrapped = 7,
    Link = 8,
}

/// The looks, in the order of [`Look`].
pub const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="3"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/><numFmt numFmtId="166" formatCode="0.0%"/></numFmts><fonts count="3"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><u/><sz val="11"/><color rgb="FF0563C1"/><name val="Calibri"/><family val="2"/></font></fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFE7ECF2"/><bgColor indexed="64"/></patternFill></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="9"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="2" borderId="0" xfId="0" applyFont="1" applyFill="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="166" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1"/><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf><xf numFmtId="0" fontId="2" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;

/// A sheet that is done.
pub struct Sheet {
    /// Its name in the workbook.
    pub name: String,
    /// Its content.
    pub part: Part,
    /// The cells its filter covers.
    pub range: String,
    /// Texts that were cut to what a cell holds.
    pub cut_count: usize,
}

/// A column of sheet `words`: its title, and whether its cells lead to sheets.
pub type Title = (&'static str, usize, bool);

/// Where a sheet is kept in the workbook, its number from 1.
pub fn file(number: usize) -> String {
    format!("xl/worksheets/sheet{number}.xml")
}

fn begin(number: usize, widths: &[usize]) -> Result<Part> {
    let mut part = Part::new(file(number));
    part.write(concat!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
        "\n",
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews>"#
    ))?;
    let selected = if number == 1 { r#" tabSelected="1""# } else { "" };
    let mut text = format!(
        r#"<sheetView{selected} workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/><selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>"#
    );
    for (at, width) in widths.iter().enumerate() {
        let _ = write!(text, r#"<col min="{0}" max="{0}" width="{width}" customWidth="1"/>"#, at + 1);
    }
    text.push_str("</cols><sheetData>");
    part.write(&text)?;
    Ok(part)
}

fn text_cell(row: &mut String, place: &str, look: Look, text: &str) -> bool {
    let _ = write!(row, r#"<c r="{place}" s="{}" t="inlineStr"><is><t xml:space="preserve">"#, look as u8);
    let is_cut = escape(text, row);
    row.push_str("</t></is></c>");
    is_cut
}

fn header(part: &mut Part, titles: &[&str]) -> Result<()> {
    let mut row = String::from(r#"<row r="1">"#);
    for (at, title) in titles.iter().enumerate() {
        text_cell(&mut row, &format!("{}1", letters(at)), Look::Header, title);
    }
    row.push_str("</row>");
    part.write(&row)
}

fn range(columns: usize, rows: usize) -> String {
    format!("A1:{}{}", letters(columns.max(1) - 1), rows + 1)
}

/// Rows of a table as a sheet.
///
/// # Errors
/// When a value cannot be shown.
pub fn of_rows(name: String, number: usize, rows: &RecordBatch) -> Result<Sheet> {
    let schema = rows.schema();
    let titles: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let columns: Vec<Typed<'_>> = rows
        .columns()
        .iter()
        .zip(&titles)
        .map(|(column, title)| Typed::new(title, column.as_ref()))
        .collect::<Result<_>>()?;
    let widths: Vec<usize> =
        columns.iter().zip(&titles).map(|(column, title)| column.width().max(title.len() + 4)).collect();
    let mut part = begin(number, &widths)?;
    header(&mut part, &titles)?;
    let places: Vec<String> = (0..columns.len()).map(letters).collect();
    let mut cut_count = 0;
    let mut text = String::new();
    for row in 0..rows.num_rows() {
        text.clear();
        let _ = write!(text, r#"<row r="{}">"#, row + 2);
        for (column, place) in columns.iter().zip(&places) {
            cut_count += usize::from(column.cell(row, place, &mut text)?);
        }
        text.push_str("</row>");
        part.write(&text)?;
    }
    let range = range(columns.len(), rows.num_rows());
    part.write(&format!(
        r#"</sheetData><autoFilter ref="{range}"/><ignoredErrors><ignoredError sqref="{range}" numberStoredAsText="1"/></ignoredErrors></worksheet>"#
    ))?;
    Ok(Sheet { name, part, range, cut_count })
}

/// Rows of words as a sheet. Where a title says so, a cell leads to the sheet it names.
///
/// # Errors
/// Never: memory takes everything.
pub fn of_words(name: &str, number: usize, titles: &[Title], rows: &[Vec<String>]) -> Result<Sheet> {
    let widths: Vec<usize> = titles.iter().map(|(_, width, _)| *width).collect();
    let mut part = begin(number, &widths)?;
    header(&mut part, &titles.iter().map(|(title, ..)| *title).collect::<Vec<_>>())?;
    let mut links = String::new();
    for (at, cells) in rows.iter().enumerate() {
        let mut text = format!(r#"<row r="{}">"#, at + 2);
        for (column, (cell, (_, _, leads))) in cells.iter().zip(titles).enumerate() {
            let place = format!("{}{}", letters(column), at + 2);
            match cell.parse::<i64>() {
                Ok(number) => {
                    let _ = write!(text, r#"<c r="{place}"><v>{number}</v></c>"#);
                }
                Err(_) if cell.is_empty() => {}
                Err(_) => {
                    text_cell(&mut text, &place, if *leads { Look::Link } else { Look::Wrapped }, cell);
                }
            }
            if *leads {
                let mut target = String::new();
                escape(cell, &mut target);
                let _ = write!(links, r#"<hyperlink ref="{place}" location="'{target}'!A1"/>"#);
            }
        }
        text.push_str("</row>");
        part.write(&text)?;
    }
    let range = range(titles.len(), rows.len());
    part.write(&format!(r#"</sheetData><autoFilter ref="{range}"/>"#))?;
    if !links.is_empty() {
        part.write(&format!("<hyperlinks>{links}</hyperlinks>"))?;
    }
    part.write("</worksheet>")?;
    Ok(Sheet { name: name.to_owned(), part, range, cut_count: 0 })
}

/// A column, ready to be written cell by cell.
struct Typed<'a> {
    column: &'a dyn Array,
    kind: Kind,
}

enum Kind {
    Whole,
    Small,
    Decimal(Look),
    Boolean,
    Day,
    Instant,
    Text,
    /// Written as the text it is displayed as.
    Shown,
}

impl<'a> Typed<'a> {
    fn new(name: &str, column: &'a dyn Array) -> Result<Self> {
        let kind = match column.data_type() {
            DataType::Int64 if is_too_wide(name, column) => Kind::Shown,
            DataType::Int64 => Kind::Whole,
            DataType::Int32 => Kind::Small,
            DataType::Float64 if name.ends_with("Rate") || name.ends_with("RateOfTotal") => Kind::Decimal(Look::Share),
            DataType::Float64 => Kind::Decimal(Look::Decimal),
            DataType::Boolean => Kind::Boolean,
            DataType::Date32 => Kind::Day,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Instant,
            DataType::Utf8 => Kind::Text,
            _ => Kind::Shown,
        };
        Ok(Self { column, kind })
    }

    fn width(&self) -> usize {
        match self.kind {
            Kind::Text => {
                let texts = self.column.as_string::<i32>().iter().take(MEASURED_ROWS).flatten();
                texts.map(|text| text.chars().take(WIDEST).count() + 2).max().unwrap_or(0)
            }
            Kind::Instant => 20,
            Kind::Day => 12,
            Kind::Shown => 22,
            _ => 8,
        }
    }

    /// Writes one cell, nothing for null. Says whether its text was cut.
    fn cell(&self, row: usize, column: &str, into: &mut String) -> Result<bool> {
        if self.column.is_null(row) {
            return Ok(false);
        }
        let place = format!("{column}{}", row + 2);
        match self.kind {
            Kind::Whole => number(into, &place, Look::Plain, self.column.as_primitive::<Int64Type>().value(row)),
            Kind::Small => number(into, &place, Look::Plain, self.column.as_primitive::<Int32Type>().value(row)),
            Kind::Decimal(look) => {
                let value = self.column.as_primitive::<Float64Type>().value(row);
                if !value.is_finite() {
                    return Ok(text_cell(into, &place, Look::Plain, &value.to_string()));
                }
                number(into, &place, look, format_args!("{value:?}"));
            }
            Kind::Boolean => {
                let value = u8::from(self.column.as_boolean().value(row));
                let _ = write!(into, r#"<c r="{place}" t="b"><v>{value}</v></c>"#);
            }
            Kind::Day => {
                let serial = i64::from(self.column.as_primitive::<Date32Type>().value(row)) + EPOCH_DAYS;
                if serial < FIRST_DAY {
                    return self.shown(row, &place, into);
                }
                number(into, &place, Look::Day, serial);
            }
            Kind::Instant => {
                let instant = self.column.as_primitive::<TimestampMicrosecondType>().value(row);
                let (day, rest) = (instant.div_euclid(DAY_MICROSECONDS), instant.rem_euclid(DAY_MICROSECONDS));
                if day + EPOCH_DAYS < FIRST_DAY {
                    return self.shown(row, &place, into);
                }
                let serial = (day + EPOCH_DAYS) as f64 + rest as f64 / DAY_MICROSECONDS as f64;
                number(into, &place, Look::Instant, serial);
            }
            Kind::Text => {
                let text = self.column.as_string::<i32>().value(row);
                // In a cell of text nothing is computed; the mark keeps it so when somebody edits it.
                let look = if is_formula(text) { Look::Quoted } else { Look::Plain };
                return Ok(text_cell(into, &place, look, text));
            }
            Kind::Shown => return self.shown(row, &place, into),
        }
        Ok(false)
    }

    fn shown(&self, row: usize, place: &str, into: &mut String) -> Result<bool> {
        Ok(text_cell(into, place, Look::Plain, &array_value_to_string(self.column, row)?))
    }
}

fn number(into: &mut String, place: &str, look: Look, value: impl std::fmt::Display) {
    let _ = write!(into, r#"<c r="{place}" s="{}"><v>{value}</v></c>"#, look as u8);
}
