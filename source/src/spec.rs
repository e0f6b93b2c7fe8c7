//! The source spec: the resource tree of an API as data. `docs/spec.md` describes the format for its writers.

mod check;
mod policy;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use spectra_common::failure::{Exit, failure};

pub use policy::{Incident, Rule, Then, What};
pub use shape::{Auth, ChangedSince, Closed, Gate, Http, Pager, PagerKind, Place, Rate, Resource, Retry, Stop};

const BUILT_IN: &str = include_str!("../zephyr.toml");

/// An API and what to ask it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name of the API, for messages.
    pub name: String,
    /// Path below the server's root that every path starts with.
    pub base_path: String,
    /// Asked first, to see whether the credentials are good.
    #[serde(default)]
    pub probe: Option<String>,
    /// Key that `--project` chooses by.
    #[serde(default)]
    pub scope: Option<String>,
    /// Ways to show who we are; the first whose secrets are all there is used, unless `--auth` names one.
    #[serde(default)]
    pub auth: Vec<Auth>,
    /// Limits of one exchange.
    #[serde(default)]
    pub http: Http,
    /// What is tried again, and how patiently.
    #[serde(default)]
    pub retry: Retry,
    /// How often the API may be asked, where its owner says so.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// When a walk is too full of holes to be published.
    #[serde(default)]
    pub gate: Gate,
    /// What to do about what goes wrong, before the defaults.
    #[serde(default)]
    pub on: Vec<Rule>,
    /// Ways to get a listing page by page, by name.
    #[serde(default)]
    pub pager: BTreeMap<String, Pager>,
    /// What is walked, parents before children.
    pub resource: Vec<Arc<Resource>>,
    /// The text it was read from, which decides whether an unfinished walk may go on.
    #[serde(skip)]
    pub text: String,
}

impl Spec {
    /// Reads a spec from a file, or the built-in one.
    ///
    /// # Errors
    /// [`Exit::Configuration`] naming the file, the line, what is wrong there and what was probably meant.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let (name, text) = match file {
            None => ("zephyr.toml".to_owned(), BUILT_IN.to_owned()),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    failure(Exit::Configuration, format!("reading {}: {error}", path.display()), "check --spec")
                })?;
                (path.display().to_string(), text)
            }
        };
        Self::parse(&name, &text)
    }

    /// Reads a spec from text; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        check::parse(text).map_err(|mistake| {
            let place = mistake.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
            failure(Exit::Configuration, format!("{place}: {}", mistake.message), mistake.suggestion)
        })
    }

    /// Resources without a parent, in the order they are walked.
    pub fn roots(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resource.iter().filter(|resource| resource.parent.is_none())
    }

    /// Resources whose parent is `name`.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.resource.iter().filter(move |resource| resource.parent.as_deref() == Some(name))
    }

    /// Tables that slices land in.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.resource.iter().filter_map(|resource| resource.table.as_deref())
    }

    /// Tables of a resource and of all resources below it.
    pub fn tables_below(&self, name: &str) -> BTreeSet<String> {
        let mut tables = BTreeSet::new();
        for child in self.children(name) {
            tables.extend(child.table.clone());
            tables.extend(self.tables_below(&child.name));
        }
        tables
    }

    /// The resource that lands in a table.
    pub fn resource_of(&self, table: &str) -> Option<&Arc<Resource>> {
        self.resource.iter().find(|resource| resource.table.as_deref() == Some(table))
    }

    /// Whether a field of an answer is needed to walk on: it identifies, places or pages records.
    pub fn needs(&self, field: &str) -> bool {
        let last = |path: &str| path.rsplit('.').next() == Some(field);
        let of_pager = |pager: &Pager| {
            let paths = [&pager.next_at, &pager.field, &pager.echo, &pager.size_echo, &pager.total];
            let flags = pager.stop.iter().filter_map(|stop| match stop {
                Stop::Flag(path) | Stop::FlagFalse(path) => Some(path),
                _ => None,
            });
            paths.into_iter().flatten().chain(flags).any(|path| last(path))
        };
        let of_resource = |resource: &Arc<Resource>| {
            let paths = [&resource.records, &resource.inside, &resource.nested, &resource.count_in_parent];
            resource.record_id == field
                || resource.owner.contains_key(field)
                || resource.version_in_parent.as_deref() == Some(field)
                || resource.closed.as_ref().is_some_and(|closed| closed.field == field)
                || paths.into_iter().flatten().any(|path| path.split('.').any(|step| step == field))
        };
        self.pager.values().any(of_pager) || self.resource.iter().any(of_resource)
    }

    /// The pager of a resource.
    ///
    /// # Errors
    /// Never for a checked spec.
    pub fn pager_of(&self, resource: &Resource) -> Result<Option<&Pager>> {
        resource.pager.as_ref().map(|name| self.pager.get(name).context("the spec lost a pager")).transpose()
    }

    /// What to do about an incident: the resource's rules come before the spec's, and those before the defaults.
    pub fn rule_for(&self, resource: Option<&Resource>, incident: Incident, text: &str) -> Rule {
        let own = resource.into_iter().flat_map(|resource| &resource.on);
        let found = own.chain(&self.on).find(|rule| rule.is_about(incident, text));
        found.cloned().unwrap_or_else(|| policy::default_rule(incident))
    }
}

/// Names in braces.
pub fn parameters(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in template.split('{').skip(1) {
        if let Some((name, _)) = part.split_once('}') {
            names.push(name.to_owned());
        }
    }
    names
}

/// A template with every `{name}` replaced by that ancestor's id.
pub fn fill(template: &str, ids: &[(String, serde_json::Value)], encode: fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    // In one pass, so that braces inside an id stay what they are.
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else { break };
        if let Some((_, id)) = ids.iter().find(|(key, _)| key == name) {
            filled.push_str(&encode(&id_text(id)));
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// An id as text: a number's digits, a string's content.
pub fn id_text(id: &serde_json::Value) -> String {
    match id {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An id as one segment of a path.
pub fn segment(text: &str) -> String {
    // A segment of dots would be resolved away.
    let is_dots = matches!(text, "." | "..");
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !is_dots) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_segment() {
        assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("365"), "365");
    }

    #[test]
    fn the_built_in_spec_is_sound() {
        let spec = Spec::load(None).unwrap();
        let below: Vec<String> = spec.tables_below("release").into_iter().collect();
        assert!(below.contains(&"factExecution".to_owned()), "{below:?}");
        assert!(!BUILT_IN.lines().any(|line| line.contains("cycleid =")));
    }

    #[test]
    fn templates_take_the_ids_of_ancestors() {
        let ids = [("a".to_owned(), serde_json::json!(7)), ("b".to_owned(), serde_json::json!("x {a}"))];
        assert_eq!(fill("/of/{a}/{b}", &ids, |text| text.replace(' ', "%20")), "/of/7/x%20{a}");
    }

    #[test]
    fn what_a_walk_needs_is_known() {
        let spec = Spec::load(None).unwrap();
        for field in ["id", "cyclePhaseId", "results", "resultSize", "categories", "endDate", "testcaseCount"] {
            assert!(spec.needs(field), "{field}");
        }
        assert!(!spec.needs("lastName"));
    }

    #[test]
    fn the_nearest_rule_wins() {
        let mut spec = Spec::load(None).unwrap();
        let rule = |text: &str| toml::from_str::<Rule>(text).unwrap();
        assert_eq!(spec.rule_for(None, Incident::Status(403), "").then, Then::Forbidden);
        spec.on =
            vec![rule("what = [403]\nthen = \"fail\""), rule("what = [\"5xx\"]\ntext = \"locked\"\nthen = \"retry\"")];
        assert_eq!(spec.rule_for(None, Incident::Status(403), "").then, Then::Fail);
        let mut resource = Resource::clone(&spec.resource[0]);
        resource.on = vec![rule("what = [403]\nthen = \"empty\"")];
        assert_eq!(spec.rule_for(Some(&resource), Incident::Status(403), "").then, Then::Empty);
        assert_eq!(spec.rule_for(None, Incident::Status(509), "is LOCKED, try later").then, Then::Retry);
    }
}
