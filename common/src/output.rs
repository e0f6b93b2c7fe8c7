//! Answers on standard output: tables for people, CSV for spreadsheets, JSON for programs.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::json::ArrayWriter;
use datafusion::arrow::json::writer::{JsonArray, WriterBuilder};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tracing::warn;

/// How an answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For spreadsheets.
    Csv,
    /// For programs: one value.
    Json,
}

/// Rows of a table for people: nobody reads more, and the width of its columns needs all of them at once.
const MOST_ROWS_SHOWN: usize = 10_000;
/// Characters of a text in a table for people.
const WIDEST: usize = 80;

/// Writes rows as they come.
///
/// # Errors
/// When the query fails on its way, or nobody takes the answer for another reason than having seen enough.
pub async fn rows(mut stream: SendableRecordBatchStream, format: Format) -> Result<()> {
    let columns = stream.schema();
    match format {
        Format::Table => table(&columns, stream).await,
        Format::Csv => {
            let mut writer = datafusion::arrow::csv::WriterBuilder::new().with_header(true).build(io::stdout());
            let mut is_first = true;
            while let Some(batch) = stream.next().await {
                is_first = false;
                if !is_read(writer.write(&harmless(&batch?)?))? {
                    return Ok(());
                }
            }
            if is_first {
                is_read(writer.write(&RecordBatch::new_empty(columns)))?;
            }
            Ok(())
        }
        Format::Json => {
            let mut writer: ArrayWriter<_> =
                WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(io::stdout());
            while let Some(batch) = stream.next().await {
                if !is_read(writer.write(&batch?))? {
                    return Ok(());
                }
            }
            is_read(writer.finish())?;
            text("\n")
        }
    }
}

async fn table(columns: &SchemaRef, mut stream: SendableRecordBatchStream) -> Result<()> {
    let mut batches = Vec::new();
    let mut row_count = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        row_count += batch.num_rows();
        let surplus = row_count.saturating_sub(MOST_ROWS_SHOWN);
        batches.push(visible(&batch.slice(0, batch.num_rows().saturating_sub(surplus)), Some(WIDEST))?);
        if surplus > 0 {
            warn!("only the first {MOST_ROWS_SHOWN} rows are shown: --format csv and json show all");
            break;
        }
    }
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(Arc::clone(columns)));
    }
    text(&format!("{}\n{} rows\n", pretty_format_batches(&batches)?, row_count.min(MOST_ROWS_SHOWN)))
}

/// Names come from a system anybody may type into: what would steer a terminal is shown in its place. A long text is cut.
fn visible(rows: &RecordBatch, widest: Option<usize>) -> Result<RecordBatch> {
    let shown = |text: &str| {
        let text = plain(text);
        match widest.and_then(|widest| text.char_indices().nth(widest)) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8 => {
            Arc::new(column.as_string::<i32>().iter().map(|text| text.map(shown)).collect::<StringArray>()) as ArrayRef
        }
        _ => Arc::clone(column),
    });
    Ok(RecordBatch::try_new(rows.schema(), columns.collect())?)
}

/// A text without what would steer a terminal.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            // These turn the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

/// Whether a spreadsheet that opens this text from a CSV file would take it for a formula. The wide forms count where
/// East Asian settings are in use.
pub fn is_formula(text: &str) -> bool {
    let first = text.trim_start_matches(' ').chars().next();
    first.is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'))
}

/// The rows with an apostrophe before every text that would be taken for a formula. Numbers stay as they are.
///
/// # Errors
/// Never: the columns keep their types.
pub fn harmless(rows: &RecordBatch) -> Result<RecordBatch> {
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8 => Arc::new(
            column
                .as_string::<i32>()
                .iter()
                .map(|text| {
                    text.map(|text| if is_formula(text) { Cow::from(format!("'{text}")) } else { Cow::from(text) })
                })
                .collect::<StringArray>(),
        ) as ArrayRef,
        _ => Arc::clone(column),
    });
    Ok(RecordBatch::try_new(rows.schema(), columns.collect())?)
}

/// Writes a text; that nobody reads on is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn text(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing the answer"),
        _ => Ok(()),
    }
}

/// Whether somebody still reads.
fn is_read(written: Result<(), datafusion::arrow::error::ArrowError>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.to_string().contains("Broken pipe") => Ok(false),
        Err(error) => Err(error).context("writing the answer"),
    }
}

/// Rows of words as a table for people, or as CSV.
///
/// # Errors
/// As [`text`].
pub fn words(titles: &[&str], rows: &[Vec<String>], format: Format) -> Result<()> {
    let columns = titles.iter().enumerate().map(|(at, title)| {
        let cells: StringArray = rows.iter().map(|row| row.get(at).map(String::as_str)).collect();
        (*title, Arc::new(cells) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(title, cells)| (title, cells, true)))?;
    if format == Format::Table {
        return text(&format!("{}\n", pretty_format_batches(&[visible(&batch, None)?])?));
    }
    let mut writer = datafusion::arrow::csv::WriterBuilder::new().with_header(true).build(io::stdout());
    is_read(writer.write(&harmless(&batch)?))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn nothing_in_a_name_steers_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c d");
    }

    #[test]
    fn what_would_be_a_formula_gets_an_apostrophe_and_numbers_do_not() {
        for text in ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", " =1", "＝1"] {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "plain", "1-1", "'=1", "a=b"] {
            assert!(!is_formula(text), "{text:?}");
        }
        let schema =
            Schema::new(vec![Field::new("name", DataType::Utf8, true), Field::new("count", DataType::Int64, true)]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("=cmd|' /C calc'!A0"), None, Some("fine")])),
            Arc::new(Int64Array::from(vec![-1, 0, 1])),
        ];
        let rows = harmless(&RecordBatch::try_new(Arc::new(schema), columns).unwrap()).unwrap();
        let names: Vec<Option<&str>> = rows.column(0).as_string::<i32>().iter().collect();
        assert_eq!(names, [Some("'=cmd|' /C calc'!A0"), None, Some("fine")]);
        assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(0), -1);
    }
}
