//! One response, taken apart: its records as the server sent them, and what must be true of each.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::Answer;
use crate::spec::{Pager, Resource, Spec, id_text};

/// The ids of a slice's ancestors, outermost first.
pub type Ids = Vec<(String, Value)>;

/// A record of a page.
pub struct Record<'body> {
    /// Its id, as the spec finds it.
    pub id: Value,
    /// The JSON text, exactly as sent.
    pub payload: &'body str,
    /// Hash of the record, blind to orders that mean nothing.
    pub hash: blake3::Hash,
    /// Ids of the records that lie inside it, by resource.
    pub inside: Vec<(String, Vec<Value>)>,
}

/// A page, checked.
pub struct Page<'body> {
    /// Its records, in order.
    pub records: Vec<Record<'body>>,
    /// Rows the server says it gives at a time, where it says so.
    pub size: Option<usize>,
    /// Rows the server says the listing has, where it says so and knows.
    pub total: Option<i64>,
}

/// Takes a body apart.
///
/// # Errors
/// A sentence that names what the body or a record lacks; the slice it belongs to cannot be complete.
pub fn read<'body>(
    spec: &Spec,
    resource: &Resource,
    pager: Option<&Pager>,
    ids: &Ids,
    offset: usize,
    answer: &'body Answer,
) -> Result<Page<'body>, String> {
    let text = std::str::from_utf8(&answer.body).map_err(|_| "the answer is not UTF-8 text".to_owned())?;
    if answer.is_html || text.trim_start().starts_with('<') {
        return Err("the answer is a web page, not JSON".to_owned());
    }
    let broken = |error: serde_json::Error| format!("the answer is not whole JSON: {error}");
    let mut page = Page { records: Vec::new(), size: None, total: None };
    let raw: Vec<&RawValue> = match resource.records.as_deref() {
        Some(".") => vec![serde_json::from_str(text).map_err(broken)?],
        None => serde_json::from_str(text).map_err(|error| not_a_list(text, error))?,
        Some(path) => {
            let mut body: &str = text;
            if let Some(pager) = pager {
                page.read_envelope(pager, body, offset)?;
            }
            for field in path.split('.') {
                body = field_of(body, field)?.ok_or_else(|| format!("the answer has no `{path}`"))?.get();
            }
            serde_json::from_str(body)
                .map_err(|error| format!("`{path}` of the answer is not a list of records: {error}"))?
        }
    };
    page.records.reserve(raw.len());
    for (ordinal, raw) in raw.into_iter().enumerate() {
        let record = record(spec, resource, ids, raw.get())
            .map_err(|reason| format!("record {ordinal} of the page {reason}"))?;
        page.records.push(record);
    }
    Ok(page)
}

fn not_a_list(text: &str, error: serde_json::Error) -> String {
    if text.trim_start().starts_with('{') {
        "the answer is one object where a list of records was expected".to_owned()
    } else {
        format!("the answer is not whole JSON: {error}")
    }
}

impl Page<'_> {
    fn read_envelope(&mut self, pager: &Pager, body: &str, offset: usize) -> Result<(), String> {
        let number = |field: &Option<String>| -> Result<Option<i64>, String> {
            let Some(field) = field else { return Ok(None) };
            let Some(raw) = field_of(body, field)? else { return Ok(None) };
            serde_json::from_str(raw.get())
                .map(Some)
                .map_err(|_| format!("`{field}` of the answer is not a whole number"))
        };
        if let Some(echo) = number(&pager.offset_echo)?
            && usize::try_from(echo) != Ok(offset)
        {
            return Err(format!("the server ignored the offset: asked for row {offset}, got row {echo}"));
        }
        self.size = number(&pager.size_echo)?.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        self.total = number(&pager.total)?.filter(|total| *total > 0);
        Ok(())
    }
}

/// A field of a JSON object, unparsed.
fn field_of<'body>(text: &'body str, name: &str) -> Result<Option<&'body RawValue>, String> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Object<'body>(#[serde(borrow)] std::collections::HashMap<Cow<'body, str>, &'body RawValue>);
    let object: Object<'body> =
        serde_json::from_str(text).map_err(|error| format!("the answer is not a whole JSON object: {error}"))?;
    Ok(object.0.get(name).copied())
}

fn record<'body>(spec: &Spec, resource: &Resource, ids: &Ids, payload: &'body str) -> Result<Record<'body>, String> {
    let mut value: Value = serde_json::from_str(payload).map_err(|error| format!("cannot be read: {error}"))?;
    let id = id_of(&value, &resource.record_id)?;
    check_owner(resource, ids, &id, &value)?;
    let mut inside = Vec::new();
    for child in spec.children(&resource.name) {
        if let Some(field) = &child.inside {
            let mut own = ids.clone();
            if let Some(key) = &resource.key {
                own.push((key.clone(), id.clone()));
            }
            inside.push((child.name.clone(), records_inside(child, field, &own, &value)?));
        }
    }
    let mut is_reordered = false;
    for path in &resource.unordered {
        is_reordered |= sort_array(&mut value, path);
    }
    let hash = if is_reordered { blake3::hash(value.to_string().as_bytes()) } else { blake3::hash(payload.as_bytes()) };
    Ok(Record { id, payload, hash, inside })
}

fn id_of(value: &Value, field: &str) -> Result<Value, String> {
    match value.get(field) {
        Some(id @ (Value::Number(_) | Value::String(_))) => Ok(id.clone()),
        _ => Err(format!("has no `{field}`")),
    }
}

fn check_owner(resource: &Resource, ids: &Ids, id: &Value, value: &Value) -> Result<(), String> {
    for (field, key) in &resource.owner {
        let wanted = ids.iter().find(|(name, _)| name == key).map(|(_, id)| id_text(id));
        let found = value.get(field).map(id_text);
        if found != wanted {
            return Err(format!(
                "({} {}) belongs to {key} {}, not to {} that was asked for",
                resource.record_id,
                id_text(id),
                found.unwrap_or_else(|| "nothing".to_owned()),
                wanted.unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn records_inside(child: &Resource, field: &str, ids: &Ids, value: &Value) -> Result<Vec<Value>, String> {
    let Some(list) = value.get(field) else { return Ok(Vec::new()) };
    let Some(list) = list.as_array() else { return Err(format!("has a `{field}` that is not a list")) };
    let mut found = Vec::with_capacity(list.len());
    for record in list {
        let id =
            id_of(record, &child.record_id).map_err(|reason| format!("holds in `{field}` a record that {reason}"))?;
        check_owner(child, ids, &id, record).map_err(|reason| format!("holds in `{field}` a record that {reason}"))?;
        found.push(id);
    }
    Ok(found)
}

/// Sorts the array at a path; says whether there was anything to sort.
fn sort_array(value: &mut Value, path: &str) -> bool {
    let mut current = value;
    for field in path.split('.') {
        match current.get_mut(field) {
            Some(next) => current = next,
            None => return false,
        }
    }
    match current.as_array_mut() {
        Some(array) if array.len() > 1 => {
            array.sort_by_cached_key(Value::to_string);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { body: body.as_bytes().to_vec(), is_html: false, status: 200 }
    }

    fn execution(body: &str, offset: usize) -> Result<(Vec<String>, Option<i64>), String> {
        let spec = Spec::load(None).unwrap();
        let resource = spec.resource.iter().find(|resource| resource.name == "execution").unwrap();
        let ids = vec![("cyclePhaseId".to_owned(), Value::from(365))];
        let answer = answer(body);
        let page = read(&spec, resource, spec.pager_of(resource).unwrap(), &ids, offset, &answer)?;
        Ok((page.records.iter().map(|record| record.payload.to_owned()).collect(), page.total))
    }

    #[test]
    fn records_keep_the_text_they_were_sent_with() {
        let body = r#"{"firstResult": 0, "resultSize" : 2, "results":[ {"id":1,  "cyclePhaseId":365} ,{"id":2,"cyclePhaseId":365,"x":1.50}]}"#;
        let (payloads, total) = execution(body, 0).unwrap();
        assert_eq!(payloads, [r#"{"id":1,  "cyclePhaseId":365}"#, r#"{"id":2,"cyclePhaseId":365,"x":1.50}"#]);
        assert_eq!(total, Some(2));
    }

    #[test]
    fn a_total_of_zero_is_no_total() {
        assert_eq!(execution(r#"{"resultSize":0,"results":[{"id":1,"cyclePhaseId":365}]}"#, 0).unwrap().1, None);
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_named() {
        for (body, expected) in [
            ("<!DOCTYPE html>", "web page"),
            (r#"{"results":[{"id":1,"cyclePh"#, "not a whole JSON object"),
            (r#"{"rows":[]}"#, "no `results`"),
            (r#"{"results":[{"cyclePhaseId":365}]}"#, "record 0 of the page has no `id`"),
            (r#"{"results":[{"id":1,"cyclePhaseId":366}]}"#, "belongs to cyclePhaseId 366, not to 365"),
            (r#"{"results":[{"id":1}]}"#, "belongs to cyclePhaseId nothing"),
            (r#"{"firstResult":0,"results":[]}"#, "ignored the offset"),
        ] {
            let error = execution(body, if expected.contains("offset") { 10 } else { 0 }).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn an_order_that_means_nothing_does_not_change_the_hash() {
        let spec = Spec::load(None).unwrap();
        let resource = spec.resource.iter().find(|resource| resource.name == "execution").unwrap();
        let ids = vec![("cyclePhaseId".to_owned(), Value::from(365))];
        let hash = |list: &str| {
            let body = format!(
                r#"{{"id":1,"cyclePhaseId":365,"tcrTreeTestcase":{{"testcase":{{"requirementIds":{list}}}}}}}"#
            );
            record(&spec, resource, &ids, &body).unwrap().hash
        };
        assert_eq!(hash("[3,1,2]"), hash("[1,2,3]"));
        assert_ne!(hash("[3,1,2]"), hash("[1,2,4]"));
    }

    #[test]
    fn records_inside_records_are_found_and_checked() {
        let spec = Spec::load(None).unwrap();
        let resource = spec.resource.iter().find(|resource| resource.name == "cycle").unwrap();
        let ids = vec![("releaseId".to_owned(), Value::from(106))];
        let good = r#"{"id":164,"releaseId":106,"cyclePhases":[{"id":365,"cycleId":164},{"id":309,"cycleId":164}]}"#;
        let found = record(&spec, resource, &ids, good).unwrap().inside;
        assert_eq!(found[0].1, [Value::from(365), Value::from(309)]);
        let bad = good.replace("\"id\":309,\"cycleId\":164", "\"id\":309,\"cycleId\":7");
        assert!(record(&spec, resource, &ids, &bad).err().unwrap().contains("belongs to cycleId 7"));
    }
}
