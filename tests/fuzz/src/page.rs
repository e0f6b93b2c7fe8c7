//! An answer of the API.

use std::sync::OnceLock;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use spectra_source::body::{Body, Spool};
use spectra_source::client::Fault;
use spectra_source::page::{Ids, Page, Reader, Record};
use spectra_source::spec::{Incident, Resource, Spec, id_text};

use crate::json::Members;

/// Resources of the built-in spec that are read in different ways, with the records in a list, in a field, inside
/// others, nested in their own kind; and of another spec, further down, and the body itself.
const RESOURCES: [&str; 7] = ["project", "execution", "cycle", "folder", "deep", "whole", "keyset"];

/// A body read from memory and from disk, cut into any pieces, gives the same records, namely those that are found by
/// another reader of JSON; one that is not JSON is refused, and one that is cut off is called so.
///
/// The first byte chooses the resource, the second the size of the pieces and of the largest record.
///
/// # Panics
/// When one of this is not so.
pub fn page(data: &[u8]) {
    let [first, second, body @ ..] = data else { return };
    let spec = spec();
    let name = RESOURCES[usize::from(*first) % RESOURCES.len()];
    let Some(resource) = spec.resource.iter().find(|resource| resource.name == name) else {
        panic!("no resource {name}");
    };
    let memory = read(spec, resource, &Body::Memory(body.to_vec()));
    let disk = read(spec, resource, &spooled(body, usize::from(*second % 16) + 1));
    assert_eq!(told(&memory), told(&disk), "from disk as from memory");
    is_right(resource, body, &memory);
    let limit = u64::from(*second) * 2;
    let mut strict = spec.clone();
    strict.http.largest_record_bytes = limit;
    let held = read(&strict, resource, &Body::Memory(body.to_vec()));
    let spooled = read(&strict, resource, &spooled(body, 7));
    for (of, gauged) in [("memory", &held), ("disk", &spooled)] {
        match gauged {
            Ok((_, records)) => {
                assert_eq!(told(gauged), told(&memory), "{of}");
                assert!(records.iter().all(|record| record.payload.get().len() as u64 <= limit), "{of}");
            }
            Err(fault) if fault.incident == Incident::TooLarge => {
                assert!(body.len() as u64 > limit, "{of}: all of it is {} bytes", body.len());
            }
            Err(_) => assert_eq!(told(gauged), told(&memory), "{of}"),
        }
    }
}

fn spec() -> &'static Spec {
    static SPEC: OnceLock<Spec> = OnceLock::new();
    SPEC.get_or_init(|| {
        let mut spec = Spec::load(None).expect("the built-in spec is sound");
        let more = Spec::parse("page.toml", include_str!("page.toml")).expect("the spec beside this file is sound");
        spec.pager.extend(more.pager);
        spec.resource.extend(more.resource);
        spec
    })
}

type Outcome = Result<(Page, Vec<Record>), Fault>;

fn read(spec: &Spec, resource: &Resource, body: &Body) -> Outcome {
    let names = ["projectId", "releaseId", "cycleId", "cyclePhaseId"];
    let ids: Ids = names.iter().map(|name| ((*name).to_owned(), Value::from(7))).collect();
    let pager = spec.pager_of(resource).expect("a checked spec has its pagers");
    let mut records = Vec::new();
    let page = Reader::new(spec, resource, pager).read(&ids, body, &mut |record| {
        records.push(record);
        Ok(())
    })?;
    Ok((page, records))
}

fn spooled(body: &[u8], piece: usize) -> Body {
    // The first piece that does not fit sends what is held to the disk.
    let mut spool = Spool::new(piece.min(body.len().saturating_sub(1)), None);
    for piece in body.chunks(piece) {
        spool.push(piece).expect("the disk takes it");
    }
    spool.finish().expect("the disk takes it")
}

/// All that can be compared of an outcome.
#[allow(clippy::type_complexity)]
fn told(outcome: &Outcome) -> Result<(String, Vec<(String, String, String, String)>), (Incident, String)> {
    match outcome {
        Ok((page, records)) => {
            let records = records.iter().map(|record| {
                let parent = serde_json::to_string(&record.parent).expect("it can be written");
                (id_text(&record.id), record.payload.get().to_owned(), record.hash.to_string(), parent)
            });
            Ok((format!("{page:?}"), records.collect()))
        }
        // Where a body is wrong is told by the line or by the one before, as it is read from memory or from disk.
        Err(fault) => Err((fault.incident, fault.reason.split(" at line ").next().unwrap_or_default().to_owned())),
    }
}

fn is_right(resource: &Resource, body: &[u8], outcome: &Outcome) {
    let whole = serde_json::from_slice::<IgnoredAny>(body);
    match (outcome, &whole) {
        (Ok(_), Err(error)) => panic!("it is not JSON: {error}"),
        (Ok((page, records)), Ok(_)) => {
            assert_eq!(page.ids.len(), records.len());
            let Ok(text) = std::str::from_utf8(body) else { return };
            let expected = records_at(text, resource.records.as_deref());
            if let Some(expected) = expected {
                let found: Vec<&str> = records.iter().map(|record| record.payload.get()).collect();
                assert_eq!(found, expected);
            }
            for record in records {
                has_its_id(resource, record);
            }
        }
        (Err(fault), Err(error)) if fault.incident == Incident::BrokenBody => {
            // One that ends in a number is called cut off or not, as somebody wanted to know the number.
            let is_cut = error.classify() == Category::Eof || error.to_string().starts_with("invalid number");
            assert!(is_cut, "{error}: {}", fault.reason);
        }
        (Err(fault), whole) => {
            assert_ne!(fault.incident, Incident::BrokenBody, "{whole:?}: {}", fault.reason);
            assert!(!fault.reason.is_empty());
        }
    }
}

fn has_its_id(resource: &Resource, record: &Record) {
    if resource.has_constructed_id() {
        return;
    }
    // Of a record that holds what serde_json refuses where nobody looks, there is no second opinion.
    if let Ok(value) = serde_json::from_str::<Value>(record.payload.get()) {
        assert_eq!(value.get(&resource.record_id), Some(&record.id), "{}", record.payload);
    }
}

/// The records of a body; none where it is not clear which they are, because a name on the way is there twice.
fn records_at<'text>(text: &'text str, path: Option<&str>) -> Option<Vec<&'text str>> {
    let mut value: &RawValue = serde_json::from_str(text).ok()?;
    if path == Some(".") {
        return Some(vec![value.get()]);
    }
    for step in path.into_iter().flat_map(|path| path.split('.')) {
        value = if value.get().starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            *list.get(step.parse::<usize>().ok()?)?
        } else {
            let members: Members<'text> = serde_json::from_str(value.get()).ok()?;
            let mut named = members.0.iter().filter(|(name, _)| name == step);
            match (named.next(), named.next()) {
                (Some((_, value)), None) => value,
                _ => return None,
            }
        };
    }
    let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    Some(list.into_iter().map(RawValue::get).collect())
}
