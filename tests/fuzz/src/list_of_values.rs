//! A tenant's list of values: a text inside a preference, which the model `prepare.listOfValues` takes apart.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use crate::json::Members;
use crate::sql::Query;

/// One entry, as the model must give it.
#[derive(Debug, PartialEq)]
struct Entry {
    id: Option<String>,
    name: Option<String>,
    color: Option<String>,
    position: i64,
    is_active: bool,
    duplicate_number: i32,
}

/// The model gives the entries that another reader of JSON finds, and for a text it cannot read one row without an id.
///
/// A text that begins with a brace is the preference, any other is the list inside one.
///
/// # Panics
/// When it does not.
pub fn list_of_values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A half of a surrogate pair is JSON for some readers and for others not.
    if text.to_lowercase().contains("\\ud") {
        return;
    }
    // Source lands nothing else.
    if text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_err() {
        return;
    }
    let payload = if text.starts_with('{') { text.to_owned() } else { json!({"name": "x", "value": text}).to_string() };
    assert_eq!(entries(&payload), expected(&payload), "{payload}");
}

/// What the model makes of a preference.
fn entries(payload: &str) -> Vec<Entry> {
    static QUERY: OnceLock<Query> = OnceLock::new();
    let (slice, landed) = (slice(), landed(&[payload]));
    let query = QUERY.get_or_init(|| {
        let sql = include_str!("../../../prepare/models/listOfValues.sql");
        let tables = [("prepare", "slice", slice.schema()), ("source", "dimListOfValues", landed.schema())];
        Query::new(sql, &tables)
    });
    let rows = query.run(vec![slice, landed]);
    let column = |name: &str| rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    let text = |name: &str, row: usize| {
        let column = column(name).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let mut entries: Vec<Entry> = (0..rows.num_rows())
        .map(|row| Entry {
            id: text("valueId", row),
            name: text("valueName", row),
            color: text("color", row),
            position: column("listPosition").as_primitive::<Int64Type>().value(row),
            is_active: column("isActive").as_boolean().value(row),
            duplicate_number: column("duplicateNumber").as_primitive::<Int32Type>().value(row),
        })
        .collect();
    entries.sort_by_key(|entry| entry.position);
    entries
}

/// One slice of every resource that a target reads.
pub fn slice() -> RecordBatch {
    let resources = ["dimListOfValues", "dimCycle"];
    let of = |text: &str| Arc::new(StringArray::from(vec![text; resources.len()])) as ArrayRef;
    let id = || Arc::new(Int64Array::from(vec![7; resources.len()])) as ArrayRef;
    RecordBatch::try_from_iter([
        ("resource", Arc::new(StringArray::from(resources.to_vec())) as ArrayRef),
        ("sliceKey", of("{}")),
        ("contentRunId", of("run")),
        ("projectId", id()),
        ("releaseId", id()),
        ("listName", of("a.LOV")),
        ("isStale", Arc::new(BooleanArray::from(vec![false; resources.len()]))),
    ])
    .expect("columns of one length")
}

/// Records as source lands them.
pub fn landed(payloads: &[&str]) -> RecordBatch {
    let count = payloads.len();
    let of = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
    let ordinals = Int32Array::from_iter_values((0..count).map(|ordinal| ordinal as i32));
    RecordBatch::try_from_iter([
        ("sliceKey", of("{}")),
        ("runId", of("run")),
        ("page", Arc::new(Int32Array::from(vec![0; count])) as ArrayRef),
        ("ordinal", Arc::new(ordinals)),
        ("recordId", of("x")),
        ("payload", Arc::new(StringArray::from(payloads.to_vec()))),
        ("payloadHash", of("h")),
        ("extractedAt", Arc::new(TimestampMicrosecondArray::from(vec![0; count]).with_timezone("UTC"))),
    ])
    .expect("columns of one length")
}

/// What is of another kind than the schema says.
struct Misfit;

/// A field where a text is wanted: numbers and truths are taken as they are written.
fn text(members: &Members<'_>, name: &str) -> Result<Option<String>, Misfit> {
    let Some((_, value)) = members.0.iter().rev().find(|(known, _)| known == name) else { return Ok(None) };
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => serde_json::from_str(value.get()).map_err(|_| Misfit),
        Some(b'[' | b'{') => Err(Misfit),
        _ => Ok(Some(value.get().to_owned())),
    }
}

/// A text without the blanks around it, where it is not empty then.
fn trimmed(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim_matches(' ').to_owned()).filter(|text| !text.is_empty())
}

/// The text of the list in a preference.
fn list_text(payload: &str) -> Result<Option<String>, Misfit> {
    let members: Members<'_> = serde_json::from_str(payload).map_err(|_| Misfit)?;
    text(&members, "name")?;
    let (value, default) = (text(&members, "value")?, text(&members, "defaultValue")?);
    Ok(trimmed(value).or(trimmed(default)))
}

/// Id, name, activity and colour of an element.
type Item = [Option<String>; 4];

fn items(list: &str) -> Result<Option<Vec<Item>>, Misfit> {
    let elements: Option<Vec<&RawValue>> = serde_json::from_str(list).map_err(|_| Misfit)?;
    let Some(elements) = elements else { return Ok(None) };
    let item = |element: &RawValue| -> Result<Item, Misfit> {
        let members: Option<Members<'_>> = serde_json::from_str(element.get()).map_err(|_| Misfit)?;
        let Some(members) = members else { return Ok([const { None }; 4]) };
        Ok([text(&members, "id")?, text(&members, "value")?, text(&members, "active")?, text(&members, "color")?])
    };
    elements.into_iter().map(item).collect::<Result<_, _>>().map(Some)
}

fn expected(payload: &str) -> Vec<Entry> {
    let list = list_text(payload).ok().flatten();
    let read = list.as_deref().and_then(|list| items(list).ok().flatten());
    let placed: Vec<(i64, Item)> = match (read, list) {
        (Some(items), _) => (0..).zip(items).collect(),
        (None, Some(list)) if !list.starts_with('[') && list.contains('=') => {
            let pairs = (0..).zip(list.split(';')).filter(|(_, pair)| !pair.trim_matches(' ').is_empty());
            let item = |pair: &str| {
                let divided = pair.split_once('=').map(|(id, name)| (id.to_owned(), name.to_owned()));
                let (id, name) = divided.unzip();
                [id, name, None, None]
            };
            pairs.map(|(position, pair)| (position, item(pair))).collect()
        }
        _ => vec![(-1, [const { None }; 4])],
    };
    let mut entries: Vec<Entry> = Vec::new();
    for (position, [id, name, active, color]) in placed {
        let id = trimmed(id).map(|id| without_zeros(&id).to_owned()).filter(|id| !id.is_empty());
        let earlier = entries.iter().filter(|entry| entry.id == id).count();
        entries.push(Entry {
            name: trimmed(name),
            color: trimmed(color),
            position,
            is_active: active.is_none_or(|active| active.trim_matches(' ').to_lowercase() != "false"),
            duplicate_number: earlier as i32 + 1,
            id,
        });
    }
    entries
}

/// An id that came as a decimal, as the whole number it is.
fn without_zeros(id: &str) -> &str {
    let digits = id.trim_end_matches('0');
    if digits.len() < id.len() { digits.strip_suffix('.').unwrap_or(id) } else { id }
}
