//! A spec of somebody's own.

use std::collections::BTreeSet;

use spectra_common::failure::{hint_of, one_line};
use spectra_source::page::{Ids, Reader};
use spectra_source::spec::{Incident, Spec};
use toml::{Table, Value};

use crate::told::is_told;

const FILE: &str = "fuzz.toml";

/// Stands in the corpus where somebody puts a secret in place of its variable's name.
const SECRET: &str = "hunter2";

/// A spec that is accepted can be walked, and is the same when it is written out and read again; one that is refused is
/// refused in one line that names the file, and never repeats a secret.
///
/// # Panics
/// When one of this is not so.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Spec::parse(FILE, text) {
        Err(error) => {
            is_told(&error, FILE, text);
            if let Ok(table) = toml::from_str(text)
                && holds_secret(text, &table)
            {
                let told = format!("{} {}", one_line(&error), hint_of(&error).unwrap_or_default());
                assert!(!told.contains(SECRET), "a secret is told: {told}");
            }
        }
        Ok(spec) => {
            is_kept(&spec, text);
            is_a_forest(&spec);
            for resource in &spec.resource {
                let pager = spec.pager_of(resource).expect("a checked spec has its pagers");
                assert_eq!(pager.is_some(), resource.pager.is_some());
                assert!(!spec.needs("a field nobody has"));
                let _ = spec.rule_for(Some(resource), Incident::NotJson, text);
                let payload = serde_json::value::RawValue::from_string("{}".to_owned()).expect("it is JSON");
                // A record that has nothing is a fault, if not of one whose id its parents give.
                let read = Reader::new(&spec, resource, pager).record(&Ids::new(), payload);
                assert!(read.is_err() || resource.has_constructed_id(), "{resource:?}");
            }
        }
    }
}

fn is_kept(spec: &Spec, text: &str) {
    let table: Table = toml::from_str(text).expect("what was accepted is TOML");
    let written = toml::to_string(&table).expect("TOML can be written");
    let again = Spec::parse(FILE, &written).unwrap_or_else(|error| panic!("{}: {written}", one_line(&error)));
    let without_text = |spec: &Spec| format!("{:?}", Spec { text: String::new(), ..spec.clone() });
    assert_eq!(without_text(spec), without_text(&again));
}

fn is_a_forest(spec: &Spec) {
    let mut waiting: Vec<&str> = spec.roots().map(|resource| resource.name.as_str()).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        assert!(reached.insert(name), "two ways lead to {name}");
        waiting.extend(spec.children(name).map(|resource| resource.name.as_str()));
    }
    assert_eq!(reached.len(), spec.resource.len(), "something is never walked");
    let tables: BTreeSet<&str> = spec.tables().collect();
    assert_eq!(tables.len(), spec.tables().count(), "two resources land in one table");
    for resource in &spec.resource {
        assert!(spec.tables_below(&resource.name).iter().all(|table| tables.contains(table.as_str())));
    }
}

/// Whether the secret is there, and only as the value of a variable's name.
fn holds_secret(text: &str, table: &Table) -> bool {
    let mut found = 0;
    let auths = table.get("auth").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
    for (name, value) in auths.flatten() {
        let texts = match value {
            Value::String(value) if name.ends_with("_variable") => vec![value],
            Value::Table(values) if name == "body_variables" => values
                .values()
                .filter_map(|value| if let Value::String(value) = value { Some(value) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        found += texts.iter().map(|text| text.matches(SECRET).count()).sum::<usize>();
    }
    found > 0 && found == text.matches(SECRET).count()
}
