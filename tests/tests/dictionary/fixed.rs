//! Words for the tables no model makes: those of source and of the logs, and the settings of a run.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::SchemaRef;

use spectra_common::dictionary::{Column, Table};
use spectra_common::schema::type_name;

const RECORD: &[(&str, &str)] = &[
    ("sliceKey", "JSON text of the ids of the slice's ancestors, outermost first; {} at the root"),
    ("runId", "the run of source that landed it"),
    ("page", "number of the page it came on, from 0"),
    ("ordinal", "its place on the page, from 0"),
    ("recordId", "what identifies it in the API, as text"),
    ("payload", "the record as the API sent it: JSON text"),
    ("payloadHash", "hash of the payload"),
    ("extractedAt", "when it was received, UTC"),
];

const VERSION: &[(&str, &str)] = &[
    ("resource", "the table of source the slice lands in"),
    ("sliceKey", "JSON text of the ids of the slice's ancestors, outermost first; {} at the root"),
    ("release", "the release of source that recorded this version"),
    ("status", "complete, forbidden or failed: what may be seen of the slice"),
    ("rowCount", "records in its content"),
    ("contentHash", "hash of its content, in no particular order"),
    ("runId", "the run that recorded this version"),
    ("contentRunId", "the run whose rows are its content; empty if it never was complete"),
    ("baseRunId", "where only changes were asked for, the run whose rows are the whole listing these override"),
    ("reason", "why it is not complete, or why it is empty"),
    ("walkedAt", "when it was walked, UTC"),
];

const RUN: &[(&str, &str)] = &[
    ("runId", "the run"),
    ("stage", "its stage"),
    ("status", "started, publishing, published, unchanged, failed, stopped or lost"),
    ("release", "the release: claimed by publishing, real with published, current with unchanged"),
    ("startedAt", "when the run started, UTC"),
    ("recordedAt", "when this row was written, UTC"),
    ("asOf", "the day the figures are for"),
    ("timeZone", "the tenant's time zone"),
    ("fingerprint", "hash of code, models, settings and input versions"),
    ("inputs", "the releases this one was built from, as JSON: stage to number"),
    ("tables", "what the release consists of, as JSON: table to version and fingerprint"),
    ("exitCode", "how the process ended"),
    ("message", "why, when it did not end well"),
    ("rowCount", "rows the run wrote"),
    ("durationMs", "milliseconds from its start to this row"),
    ("version", "version of the software"),
];

const TABLE: &[(&str, &str)] = &[
    ("runId", "the run"),
    ("stage", "its stage"),
    ("tableName", "the table, without the stage's own schema"),
    ("action", "rebuilt, appended or unchanged"),
    ("rowCount", "rows written; none for an unchanged table"),
    ("quarantinedCount", "rows set aside"),
    ("warningCount", "how often a row broke an expectation of severity warn"),
    ("byteCount", "bytes of data files written"),
    ("fileCount", "data files written"),
    ("deltaVersion", "version of the Delta table in the release"),
    ("durationMs", "milliseconds spent on it"),
    ("recordedAt", "when this row was written, UTC"),
];

const EXPECTATION: &[(&str, &str)] = &[
    ("runId", "the run"),
    ("stage", "its stage"),
    ("tableName", "the table, without the stage's own schema"),
    ("expectation", "the rule, as the model says it"),
    ("otherwise", "warn, quarantine or accept: what happened to the rows that broke it"),
    ("brokenCount", "rows that broke it"),
    ("examples", "keys of some of them"),
    ("recordedAt", "when this row was written, UTC"),
];

const SLICE: &[(&str, &str)] = &[
    ("runId", "the run of source that walked"),
    ("resource", "the table of source the slice lands in"),
    ("sliceKey", "JSON text of the ids of the slice's ancestors, outermost first; {} at the root"),
    ("outcome", "complete, partial, unchanged, skipped, resumed, forbidden, failed or gone"),
    ("requestCount", "requests made, tries included"),
    ("pageCount", "pages received"),
    ("rowCount", "records received"),
    ("byteCount", "bytes of bodies received"),
    ("contentHash", "hash of the slice's records, in no particular order"),
    ("declaredTotal", "the total the API itself declared"),
    ("durationMs", "milliseconds from the first request to the last byte"),
    ("httpStatus", "the last HTTP status"),
    ("message", "why it failed, or why it was not walked"),
    ("parentVersion", "what the parent's record said of the slice's version, where the spec looks at it"),
    ("walkedAt", "when, UTC"),
];

fn table(schema: &str, name: &str, purpose: String, columns: &SchemaRef, words: &[(&str, &str)]) -> Table {
    let column = |field: &std::sync::Arc<datafusion::arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        kind: type_name(field.data_type()),
        meaning: words.iter().find(|(name, _)| name == field.name()).map(|(_, meaning)| (*meaning).to_owned()),
        from: Vec::new(),
    };
    Table {
        schema: schema.to_owned(),
        table: name.to_owned(),
        purpose,
        columns: columns.fields().iter().map(column).collect(),
        ..Table::default()
    }
}

/// A table of source.
pub fn source(name: &str, columns: &SchemaRef) -> Table {
    if name == "slice" {
        let purpose = "One row per new version of a slice: its content changed, or what may be seen of it did.";
        return table("source", name, purpose.to_owned(), columns, VERSION);
    }
    let purpose = format!(
        "One row per record of the resource {name}, as the API sent it, in every version that was ever landed. \
         Which rows are current, source.slice says."
    );
    table("source", name, purpose, columns, RECORD)
}

/// A table of the logs.
pub fn log(name: &str, columns: &SchemaRef) -> Table {
    let (purpose, words) = match name {
        "run" => ("One row per step in the life of a run; the one that says published is the release.", RUN),
        "table" => ("One row per run and table: what the run did to it.", TABLE),
        "expectation" => ("One row per run, table and expectation that rows of it broke.", EXPECTATION),
        _ => ("One row per walk of a slice.", SLICE),
    };
    table("log", name, purpose.to_owned(), columns, words)
}

/// Meanings of the settings of a run.
pub fn setting() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("run.setting.asOf".to_owned(), "the day the figures are for".to_owned()),
        ("run.setting.timeZone".to_owned(), "the tenant's time zone: the one its days begin and end in".to_owned()),
        ("run.input.stage".to_owned(), "a stage this one builds on".to_owned()),
        ("run.input.tableName".to_owned(), "a table of it".to_owned()),
        ("run.input.rowCount".to_owned(), "rows in it".to_owned()),
        ("run.input.quarantinedCount".to_owned(), "rows set aside".to_owned()),
    ])
}
