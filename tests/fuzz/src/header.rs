//! A model of somebody's own: its header.

use std::fmt::Write as _;

use spectra_common::failure::one_line;
use spectra_common::model::{self, Model, Otherwise};

use crate::told::is_told;

const FILE: &str = "fuzz.sql";

/// A model that is accepted says everything it must, and the same when its header is written out and read again; one
/// that is refused is refused in one line that names the file.
///
/// # Panics
/// When one of this is not so.
pub fn header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match model::parse("fuzz", FILE, text) {
        Err(error) => is_told(&error, FILE, text),
        Ok(model) => {
            is_whole(&model, text);
            // A carriage return ends a comment for the query, and not a line for the header.
            if !text.contains('\r') {
                let written = written(&model, text);
                let again = model::parse("fuzz", FILE, &written);
                let again = again.unwrap_or_else(|error| panic!("{}: {written}", one_line(&error)));
                assert_eq!(said(&model), said(&again), "{written}");
                assert_eq!(words(&format!("A row. {}", model.purpose)), words(&again.purpose));
            }
        }
    }
}

fn is_whole(model: &Model, text: &str) {
    assert!(!words(&model.purpose).is_empty(), "no purpose");
    assert!(!model.key.is_empty() && model.key.iter().all(|column| !column.is_empty()), "no key");
    assert_eq!(model.sql, text);
    for expectation in &model.expectations {
        assert!(!expectation.condition.is_empty(), "an expectation of nothing");
        let line = text.lines().nth(expectation.line - 1);
        assert!(line.is_some_and(|line| line.starts_with("--")), "line {}", expectation.line);
    }
    for reference in &model.references {
        assert!(!reference.column.is_empty() && !reference.target.is_empty(), "{reference:?}");
    }
    if let Some(incremental) = &model.incremental {
        assert!(!incremental.column.is_empty(), "{incremental:?}");
        assert!(incremental.inputs.keys().all(|table| model.inputs.contains(table)), "{incremental:?}");
        let mut columns = incremental.inputs.values();
        assert!(columns.len() > 0 && columns.all(|column| !column.is_empty()), "{incremental:?}");
    }
    assert!(model.inputs.is_subset(&model.needs()));
}

/// The same model with a header of one line for each directive.
fn written(model: &Model, text: &str) -> String {
    let mut written = format!("-- A row. {}\n-- key: {}\n", words(&model.purpose), model.key.join(", "));
    for expectation in &model.expectations {
        let otherwise = match expectation.otherwise {
            Otherwise::Warn => "warn",
            Otherwise::Quarantine => "quarantine",
            Otherwise::Fail => "fail",
        };
        let _ = writeln!(written, "-- expect: {}, else {otherwise}", expectation.condition);
    }
    for reference in &model.references {
        let _ = writeln!(written, "-- reference: {} in {}.{}", reference.column, reference.table, reference.target);
    }
    if let Some(table) = &model.conserves {
        let _ = writeln!(written, "-- conserves: {table}");
    }
    if let Some(incremental) = &model.incremental {
        let inputs = incremental.inputs.iter().map(|(table, column)| match *column == incremental.column {
            true => table.to_string(),
            false => format!("{table}.{column}"),
        });
        let inputs: Vec<String> = inputs.collect();
        let _ = writeln!(written, "-- incremental: {} of {}", incremental.column, inputs.join(", "));
    }
    let query: Vec<&str> = text.lines().skip_while(|line| line.starts_with("--")).collect();
    written + &query.join("\n")
}

/// All that a header says beside its words, without where it stands.
fn said(model: &Model) -> String {
    let expectations: Vec<String> =
        model.expectations.iter().map(|each| format!("{} {:?}", words(&each.condition), each.otherwise)).collect();
    format!(
        "{:?} {expectations:?} {:?} {:?} {:?} {:?}",
        model.key, model.references, model.conserves, model.incremental, model.inputs
    )
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
