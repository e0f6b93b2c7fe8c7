//! One response, taken apart while it is read: its records as the server sent them, what must be true of each, and
//! what the body says about the listing.

mod gauge;
mod leaf;
mod parts;
mod place;

use std::collections::BTreeMap;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use gauge::{Gauge, Held};
use parts::{Outline, Wanted, at};
use place::{Found, Place};

use crate::body::Body;
use crate::client::Fault;
use crate::parents::Parent;
use crate::spec::{Incident, Pager, Resource, Spec, Stop, fill, id_text};

/// A longer id is none: it is written with each row of the slices below it.
const LONGEST_ID_BYTES: usize = 1024;

/// The ids of a slice's ancestors, outermost first.
pub type Ids = Vec<(String, Value)>;

/// A record of a page.
pub struct Record {
    /// Its id, as the spec finds it.
    pub id: Value,
    /// The JSON text, exactly as sent.
    pub payload: Box<RawValue>,
    /// Hash of the record, blind to orders that mean nothing.
    pub hash: blake3::Hash,
    /// What slices below it need to know.
    pub parent: Option<Parent>,
}

/// What a page says besides its records.
#[derive(Debug, Default)]
pub struct Page {
    /// Ids of its records, in order.
    pub ids: Vec<String>,
    /// Fields of the body that the pager goes by, by path.
    pub envelope: BTreeMap<String, Value>,
    /// What the last record has in the pager's field.
    pub last_key: Option<Value>,
    /// The `Link` header.
    pub link: Option<String>,
}

/// How to read the pages of a resource.
pub struct Reader<'spec> {
    resource: &'spec Resource,
    /// Resources inside its records.
    inside: Vec<&'spec Resource>,
    /// Fields of a record that decide about the slices below it.
    facts: Vec<&'spec str>,
    is_parent: bool,
    wanted: Vec<&'spec str>,
    key_field: Option<&'spec str>,
    largest_record_bytes: u64,
    /// What of a record is read.
    outline: Outline<'spec>,
}

impl<'spec> Reader<'spec> {
    /// For a resource of a spec.
    pub fn new(spec: &'spec Spec, resource: &'spec Resource, pager: Option<&'spec Pager>) -> Self {
        let children: Vec<&Resource> = spec.children(&resource.name).map(AsRef::as_ref).collect();
        let mut facts: Vec<&str> = resource.closed.iter().map(|closed| closed.field.as_str()).collect();
        for child in &children {
            facts.extend(child.count_in_parent.as_deref());
            facts.extend(child.version_in_parent.as_deref());
        }
        let mut wanted = Vec::new();
        if let Some(pager) = pager {
            let next = pager.next_at.as_deref().filter(|path| *path != "link-header");
            wanted.extend(
                [pager.echo.as_deref(), pager.size_echo.as_deref(), pager.total.as_deref(), next].iter().flatten(),
            );
            wanted.extend(pager.stop.iter().filter_map(|stop| match stop {
                Stop::Flag(path) | Stop::FlagFalse(path) => Some(path.as_str()),
                _ => None,
            }));
        }
        let key_field = pager.and_then(|pager| pager.field.as_deref());
        let mut leaves: Vec<&str> = resource.owner.keys().map(String::as_str).collect();
        leaves.extend((!resource.has_constructed_id()).then_some(resource.record_id.as_str()));
        leaves.extend(key_field.into_iter().chain(facts.iter().copied()));
        let lists = children.iter().filter_map(|child| child.inside.as_deref()).chain(resource.nested.as_deref());
        let read: Vec<(&str, Wanted)> = leaves.into_iter().map(|path| (path, Wanted::Leaf)).collect();
        let read = read.into_iter().chain(lists.map(|path| (path, Wanted::Whole))).collect::<Vec<_>>();
        Self {
            resource,
            is_parent: !children.is_empty(),
            inside: children.into_iter().filter(|child| child.inside.is_some()).collect(),
            facts,
            wanted,
            key_field,
            largest_record_bytes: spec.http.largest_record_bytes,
            outline: Outline::new(read, resource.unordered.iter().map(String::as_str)),
        }
    }

    /// Reads a body and hands over its records one by one.
    ///
    /// # Errors
    /// A fault that names what the body or a record lacks, or what `each` returned.
    pub fn read(
        &self,
        ids: &Ids,
        body: &Body,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Page, Fault> {
        let mut page = Page::default();
        let mut ordinal = 0;
        let mut take = |payload: Box<RawValue>| {
            let (record, key) = self
                .record(ids, payload)
                .map_err(|fault| Fault { reason: format!("record {ordinal} of the page {}", fault.reason), ..fault })?;
            ordinal += 1;
            page.ids.push(id_text(&record.id));
            page.last_key = key;
            each(record)
        };
        let mut found = Found { envelope: BTreeMap::new(), has_records: false, fault: None };
        let gauge = Gauge::new(self.largest_record_bytes);
        let result = match body {
            Body::Memory(bytes) => {
                let mut json = serde_json::Deserializer::from_slice(bytes);
                self.body(&mut json, &gauge, &mut found, &mut take).and_then(|()| json.end())
            }
            Body::File(_) => {
                let reader =
                    body.reader().map_err(|error| shape(format!("the answer cannot be read again: {error}")))?;
                let mut json = serde_json::Deserializer::from_reader(gauge.watch(reader));
                self.body(&mut json, &gauge, &mut found, &mut take).and_then(|()| json.end())
            }
        };
        if let Some(fault) = found.fault {
            return Err(fault);
        }
        if gauge.is_over() {
            return Err(Fault::new(Incident::TooLarge, gauge.complaint()));
        }
        result.map_err(|error| match error.classify() {
            Category::Eof => Fault::new(Incident::BrokenBody, format!("the answer is not whole JSON: {error}")),
            Category::Data => shape(format!("the answer does not have the shape the spec describes: {error}")),
            Category::Syntax | Category::Io => shape(format!("the answer is not JSON: {error}")),
        })?;
        if !found.has_records {
            let path = self.resource.records.as_deref().unwrap_or_default();
            return Err(shape(format!("the answer has no `{path}`")));
        }
        page.envelope = found.envelope;
        Ok(page)
    }

    fn body<'de, D: Deserializer<'de>>(
        &self,
        json: D,
        gauge: &Gauge,
        found: &mut Found,
        take: &mut dyn FnMut(Box<RawValue>) -> Result<(), Fault>,
    ) -> Result<(), D::Error> {
        let records = self.resource.records.as_deref();
        if records == Some(".") {
            let payload = Held::<Box<RawValue>>::new(gauge).deserialize(json)?;
            found.has_records = true;
            return take(payload).map_err(|fault| found.refuse(fault));
        }
        Place { path: String::new(), records, wanted: &self.wanted, found, gauge, take }.deserialize(json)
    }

    /// Takes one record apart; returns it with what it has in the pager's field.
    ///
    /// # Errors
    /// A fault that names what it lacks.
    pub fn record(&self, ids: &Ids, payload: Box<RawValue>) -> Result<(Record, Option<Value>), Fault> {
        let text = payload.get();
        let parts = self.outline.parts(text).map_err(|error| shape(format!("cannot be read: {error}")))?;
        let value = &parts.value;
        let id = self.id(self.resource, ids, value)?;
        check_owner(self.resource, ids, &id, value)?;
        let parent = if self.is_parent { Some(self.parent(ids, &id, value)?) } else { None };
        let key = self.key_field.and_then(|field| at(value, field).cloned());
        let hash = parts.hash(text);
        Ok((Record { id, payload, hash, parent }, key))
    }

    fn id(&self, resource: &Resource, ids: &Ids, value: &Value) -> Result<Value, Fault> {
        if resource.has_constructed_id() {
            return Ok(Value::from(fill(&resource.record_id, ids, str::to_owned)));
        }
        let wrong =
            |what: &str| Err(Fault::new(Incident::WrongId, format!("has a `{}` that {what}", resource.record_id)));
        match at(value, &resource.record_id) {
            // Read as a fraction it would no longer be the one that was sent.
            Some(Value::Number(number)) if number.is_f64() => wrong("is no whole number of 64 bits"),
            Some(Value::String(text)) if text.len() > LONGEST_ID_BYTES => {
                wrong(&format!("is longer than {LONGEST_ID_BYTES} bytes"))
            }
            Some(id @ (Value::Number(_) | Value::String(_))) => Ok(id.clone()),
            None | Some(Value::Null) => {
                Err(Fault::new(Incident::MissingId, format!("has no `{}`", resource.record_id)))
            }
            Some(_) => wrong("is neither a number nor text"),
        }
    }

    fn parent(&self, ids: &Ids, id: &Value, value: &Value) -> Result<Parent, Fault> {
        // No URL has such a step: what lies below would be asked for somewhere else.
        if matches!(id.as_str(), Some("" | "." | "..")) {
            let reason = format!("has a `{}` that no address can hold: {id}", self.resource.record_id);
            return Err(Fault::new(Incident::WrongId, reason));
        }
        let mut own = ids.clone();
        own.extend(self.resource.key.iter().map(|key| (key.clone(), id.clone())));
        let mut inside = Vec::new();
        for child in &self.inside {
            let field = child.inside.as_deref().unwrap_or_default();
            inside.push((child.name.clone(), self.records_inside(child, field, &own, value)?));
        }
        let mut nested = Vec::new();
        if let Some(field) = &self.resource.nested {
            for below in list_of(value, field)? {
                let id = self.id(self.resource, ids, below).map_err(|fault| within(field, fault))?;
                nested.push(self.parent(ids, &id, below)?);
            }
        }
        let facts = self.facts.iter().filter_map(|field| {
            let fact = at(value, field)?;
            Some(((*field).to_owned(), fact.clone()))
        });
        Ok(Parent { id: id.clone(), facts: facts.collect(), inside, nested })
    }

    fn records_inside(&self, child: &Resource, field: &str, ids: &Ids, value: &Value) -> Result<Vec<Value>, Fault> {
        let mut found = Vec::new();
        for record in list_of(value, field)? {
            let id = self.id(child, ids, record).map_err(|fault| within(field, fault))?;
            check_owner(child, ids, &id, record).map_err(|fault| within(field, fault))?;
            found.push(id);
        }
        Ok(found)
    }
}

fn shape(reason: String) -> Fault {
    Fault::new(Incident::NotJson, reason)
}

fn within(field: &str, fault: Fault) -> Fault {
    Fault { reason: format!("holds in `{field}` a record that {}", fault.reason), ..fault }
}

fn list_of<'value>(value: &'value Value, field: &str) -> Result<&'value [Value], Fault> {
    match at(value, field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(shape(format!("has a `{field}` that is not a list"))),
    }
}

fn check_owner(resource: &Resource, ids: &Ids, id: &Value, value: &Value) -> Result<(), Fault> {
    for (field, key) in &resource.owner {
        let wanted = ids.iter().find(|(name, _)| name == key).map(|(_, id)| id_text(id));
        let found = at(value, field).map(id_text);
        if found != wanted {
            return Err(Fault::new(
                Incident::WrongOwner,
                format!(
                    "({} {}) belongs to {key} {}, not to {} that was asked for",
                    resource.record_id,
                    id_text(id),
                    found.unwrap_or_else(|| "nothing".to_owned()),
                    wanted.unwrap_or_default()
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, ids: &[(&str, i64)], body: &str) -> Result<(Page, Vec<Record>), Fault> {
        let spec = Spec::load(None).unwrap();
        let resource = spec.resource.iter().find(|resource| resource.name == name).unwrap();
        read_with(&spec, resource, ids, body)
    }

    fn read_with(
        spec: &Spec,
        resource: &Resource,
        ids: &[(&str, i64)],
        body: &str,
    ) -> Result<(Page, Vec<Record>), Fault> {
        let ids: Ids = ids.iter().map(|(name, id)| ((*name).to_owned(), Value::from(*id))).collect();
        let reader = Reader::new(spec, resource, spec.pager_of(resource).unwrap());
        let mut records = Vec::new();
        let memory = Body::Memory(body.as_bytes().to_vec());
        let page = reader.read(&ids, &memory, &mut |record| {
            records.push(record);
            Ok(())
        });
        let mut spool = crate::body::Spool::new(0, None);
        spool.push(body.as_bytes()).unwrap();
        let from_disk = reader.read(&ids, &spool.finish().unwrap(), &mut |_| Ok(()));
        assert_eq!(page.is_ok(), from_disk.is_ok(), "from disk as from memory");
        page.map(|page| (page, records))
    }

    const PHASE: &[(&str, i64)] = &[("cyclePhaseId", 365)];

    #[test]
    fn records_keep_the_text_they_were_sent_with() {
        let body = r#"{"firstResult": 0, "resultSize" : 2, "results":[ {"id":1,  "cyclePhaseId":365} ,{"id":2,"cyclePhaseId":365,"x":1.50}]}"#;
        let (page, records) = read("execution", PHASE, body).unwrap();
        let payloads: Vec<&str> = records.iter().map(|record| record.payload.get()).collect();
        assert_eq!(payloads, [r#"{"id":1,  "cyclePhaseId":365}"#, r#"{"id":2,"cyclePhaseId":365,"x":1.50}"#]);
        assert_eq!(page.envelope["resultSize"], 2);
        assert_eq!(page.ids, ["1", "2"]);
    }

    #[test]
    fn what_the_body_says_is_found_before_and_behind_the_records() {
        let (page, _) = read("execution", PHASE, r#"{"results":[],"resultSize":7}"#).unwrap();
        assert_eq!(page.envelope["resultSize"], 7);
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_named() {
        for (body, incident, expected) in [
            (r#"{"results":[{"id":1,"cyclePh"#, Incident::BrokenBody, "not whole JSON"),
            ("", Incident::BrokenBody, "not whole JSON"),
            (r#"{"results":[]} x"#, Incident::NotJson, "not JSON"),
            (r#"{"rows":[]}"#, Incident::NotJson, "no `results`"),
            (r#"{"results":{}}"#, Incident::NotJson, "`results` is one object where a list"),
            (r#"{"results":null}"#, Incident::NotJson, "`results` is not a list"),
            (r#"{"results":[],"results":[]}"#, Incident::NotJson, "`results` twice"),
            (r#"{"results":[{"cyclePhaseId":365}]}"#, Incident::MissingId, "record 0 of the page has no `id`"),
            (r#"{"results":[{"id":{},"cyclePhaseId":365}]}"#, Incident::WrongId, "neither a number nor text"),
            (r#"{"results":[{"id":18446744073709551616,"cyclePhaseId":365}]}"#, Incident::WrongId, "of 64 bits"),
            (r#"{"results":[{"id":1e400,"cyclePhaseId":365}]}"#, Incident::NotJson, "number out of range"),
            (r#"{"results":[{"id":"\ud800","cyclePhaseId":365}]}"#, Incident::NotJson, "cannot be read"),
            ("{\"results\":[{\"id\":1,\"cyclePhaseId\":365,\"x\":\"\u{0}\"}]}", Incident::NotJson, "control character"),
            (
                r#"{"results":[{"id":1,"cyclePhaseId":366}]}"#,
                Incident::WrongOwner,
                "belongs to cyclePhaseId 366, not to 365",
            ),
            (r#"{"results":[{"id":1}]}"#, Incident::WrongOwner, "belongs to cyclePhaseId nothing"),
        ] {
            let fault = read("execution", PHASE, body).err().unwrap();
            assert!(fault.reason.contains(expected), "{body}: {}", fault.reason);
            assert_eq!(fault.incident, incident, "{body}");
        }
        assert!(read("project", &[], "{}").err().unwrap().reason.contains("one object where a list"));
    }

    #[test]
    fn what_is_too_large_to_be_held_is_refused_where_it_lies() {
        let mut spec = Spec::load(None).unwrap();
        spec.http.largest_record_bytes = 100;
        let resource = spec.resource.iter().find(|resource| resource.name == "execution").unwrap();
        let (small, large) = ("x".repeat(50), "x".repeat(200));
        let record = |text: &str| format!(r#"{{"id":1,"cyclePhaseId":365,"x":"{text}"}}"#);
        let blank = " ".repeat(500);
        let body =
            |before: &str, text: &str| format!("{{{before}{blank}\"results\":[{blank}{}{blank}]}}", record(text));
        assert_eq!(
            read_with(&spec, resource, PHASE, &body("", &small)).unwrap().1.len(),
            1,
            "only records are counted"
        );
        let unread = format!(r#""other":"{large}","#);
        assert!(read_with(&spec, resource, PHASE, &body(&unread, &small)).is_ok(), "what nobody holds is passed");
        for wrong in [body("", &large), body(&format!(r#""resultSize":"{large}","#), &small)] {
            let from_disk = read_with(&spec, resource, PHASE, &wrong).err().map(|fault| fault.incident);
            assert_eq!(from_disk, Some(Incident::TooLarge), "{wrong}");
        }
    }

    #[test]
    fn an_id_of_dots_leads_nowhere() {
        for id in ["..", ".", ""] {
            let fault = read("project", &[], &format!(r#"[{{"id":"{id}"}}]"#)).err().unwrap();
            assert_eq!(fault.incident, Incident::WrongId);
        }
        let fault = read("project", &[], &format!(r#"[{{"id":"{}"}}]"#, "x".repeat(2_000))).err().unwrap();
        assert!(fault.reason.contains("longer than 1024 bytes"), "{}", fault.reason);
        for id in ["../../etc/passwd", "C:\\\\x", "a/b", "..."] {
            assert_eq!(read("project", &[], &format!(r#"[{{"id":"{id}"}}]"#)).unwrap().0.ids.len(), 1);
        }
    }

    #[test]
    fn records_lie_where_the_spec_says() {
        let spec = Spec::load(None).unwrap();
        let mut resource = Resource::clone(spec.resource.iter().find(|resource| resource.name == "user").unwrap());
        for (path, body) in [
            ("0.results", r#"[{"results":[{"id":1}],"type":"x"},{"results":[{"id":9}]}]"#),
            ("data.list", r#"{"list":[{"id":8}],"data":{"list":[{"id":1}]}}"#),
            (".", r#"{"id":1}"#),
        ] {
            resource.records = Some(path.to_owned());
            assert_eq!(read_with(&spec, &resource, &[], body).unwrap().0.ids, ["1"], "{path}");
        }
        resource.record_id = "case.id".to_owned();
        resource.records = Some("0.results".to_owned());
        resource.owner = [("case.project.id".to_owned(), "projectId".to_owned())].into();
        let deep = |project: i64| format!(r#"[{{"results":[{{"case":{{"id":3,"project":{{"id":{project}}}}}}}]}}]"#);
        assert_eq!(read_with(&spec, &resource, &[("projectId", 5)], &deep(5)).unwrap().0.ids, ["3"]);
        let fault = read_with(&spec, &resource, &[("projectId", 5)], &deep(6)).err().unwrap();
        assert!(fault.reason.contains("(case.id 3) belongs to projectId 6"), "{}", fault.reason);
        resource.owner.clear();
        resource.records = Some(".".to_owned());
        resource.record_id = "of-{a}".to_owned();
        assert_eq!(read_with(&spec, &resource, &[("a", 5)], "{}").unwrap().0.ids, ["of-5"]);
    }

    #[test]
    fn an_order_that_means_nothing_does_not_change_the_hash() {
        let hash = |list: &str| {
            let body = format!(
                r#"{{"results":[{{"id":1,"cyclePhaseId":365,"tcrTreeTestcase":{{"testcase":{{"requirementIds":{list}}}}}}}]}}"#
            );
            read("execution", PHASE, &body).unwrap().1[0].hash
        };
        assert_eq!(hash("[3,1,2]"), hash("[1,2,3]"));
        assert_ne!(hash("[3,1,2]"), hash("[1,2,4]"));
    }

    #[test]
    fn records_inside_records_are_found_and_checked() {
        let ids = &[("releaseId", 106)];
        let good = r#"[{"id":164,"releaseId":106,"endDate":5,"cyclePhases":[{"id":365,"cycleId":164},{"id":309,"cycleId":164}]}]"#;
        let records = read("cycle", ids, good).unwrap().1;
        let parent = records[0].parent.as_ref().unwrap();
        assert_eq!(parent.inside[0].1, [Value::from(365), Value::from(309)]);
        let bad = good.replace("\"id\":309,\"cycleId\":164", "\"id\":309,\"cycleId\":7");
        assert!(read("cycle", ids, &bad).err().unwrap().reason.contains("belongs to cycleId 7"));
    }

    #[test]
    fn records_nested_in_their_own_kind_are_parents_too() {
        let body = r#"[{"id":1,"testcaseCount":2,"categories":[{"id":2,"testcaseCount":0,"categories":[{"id":3}]},{"id":4}]}]"#;
        let (page, records) = read("folder", &[("projectId", 1), ("releaseId", 2)], body).unwrap();
        assert_eq!(page.ids, ["1"]);
        let mut ids = Vec::new();
        records[0].parent.clone().unwrap().for_each(&mut |parent| ids.push(id_text(&parent.id)));
        assert_eq!(ids, ["1", "2", "3", "4"]);
    }
}
