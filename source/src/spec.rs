//! The source spec: the resource tree of an API as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use spectra_common::failure::{Exit, failure};

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
    /// Limits of one exchange.
    pub http: Http,
    /// What is tried again, and how patiently.
    pub retry: Retry,
    /// Ways to get a listing page by page, by name.
    #[serde(default)]
    pub pager: BTreeMap<String, Pager>,
    /// What is walked, parents before children.
    pub resource: Vec<Resource>,
    /// The text it was read from, which decides whether an unfinished walk may go on.
    #[serde(skip)]
    pub text: String,
}

/// Limits of one exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Longest time to connect.
    pub connect_timeout_ms: u64,
    /// Longest time between two pieces of an answer.
    pub read_timeout_ms: u64,
    /// Largest body accepted.
    pub largest_body_bytes: usize,
}

/// What is tried again, and how patiently: waits double from the first to the longest, with full jitter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all.
    pub tries: u32,
    /// Upper bound of the first wait.
    pub first_wait_ms: u64,
    /// Upper bound of any wait.
    pub longest_wait_ms: u64,
    /// Longest wait a server may ask for.
    pub longest_retry_after_ms: u64,
}

/// A listing by row offset and page size, which ends at the first page that is not full.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pager {
    /// Query parameter of the first row wanted, from 0.
    pub offset: String,
    /// Query parameter of the rows wanted.
    pub size: String,
    /// Rows asked for unless `--page-size` says otherwise.
    pub default_size: usize,
    /// Field of the body that repeats the offset.
    #[serde(default)]
    pub offset_echo: Option<String>,
    /// Field of the body that repeats the page size; a server may have lowered it.
    #[serde(default)]
    pub size_echo: Option<String>,
    /// Field of the body with the rows of the whole listing; 0 means that the server does not know.
    #[serde(default)]
    pub total: Option<String>,
}

/// One kind of thing the API lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its name in the spec.
    pub name: String,
    /// Table it lands in; none for a resource inside another.
    #[serde(default)]
    pub table: Option<String>,
    /// Resource whose records it is asked for, one by one.
    #[serde(default)]
    pub parent: Option<String>,
    /// Path below the base path, with `{ancestor}` for an ancestor's id.
    #[serde(default)]
    pub path: Option<String>,
    /// Query parameters, likewise.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Array in the parent's records that holds this resource's.
    #[serde(default)]
    pub inside: Option<String>,
    /// Where the body holds the records: a field; `.` for one record that is the body; else the body is an array.
    #[serde(default)]
    pub records: Option<String>,
    /// Field that identifies a record.
    pub record_id: String,
    /// Name its id has in slice keys and templates; only a parent needs one.
    #[serde(default)]
    pub key: Option<String>,
    /// Fields of a record that must equal an ancestor's id.
    #[serde(default)]
    pub owner: BTreeMap<String, String>,
    /// Name of its pager; without one, one response is the whole listing.
    #[serde(default)]
    pub pager: Option<String>,
    /// Paths of arrays whose order means nothing.
    #[serde(default)]
    pub unordered: Vec<String>,
}

impl Spec {
    /// Reads a spec from a file, or the built-in one.
    ///
    /// # Errors
    /// [`Exit::Configuration`] naming the file and what is wrong in it.
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

    fn parse(file: &str, text: &str) -> Result<Self> {
        let refuse = |message: String| {
            failure(
                Exit::Configuration,
                format!("{file}: {message}"),
                "the built-in spec, source/zephyr.toml, shows the form",
            )
        };
        let mut spec: Self =
            toml::from_str(text).map_err(|error| refuse(error.to_string().trim().replace('\n', " ")))?;
        text.clone_into(&mut spec.text);
        spec.check().map_err(refuse)?;
        Ok(spec)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let mut names = BTreeSet::new();
        let mut tables = BTreeSet::new();
        for resource in &self.resource {
            let name = &resource.name;
            if !names.insert(name) {
                return Err(format!("resource `{name}` is there twice"));
            }
            if let Some(table) = &resource.table
                && !tables.insert(table)
            {
                return Err(format!("table `{table}` belongs to two resources"));
            }
            match (&resource.inside, &resource.path, &resource.table) {
                (None, Some(_), Some(_)) | (Some(_), None, None) => {}
                (None, ..) => return Err(format!("resource `{name}` needs a path and a table")),
                (Some(_), ..) => {
                    return Err(format!("resource `{name}` lies inside its parent: it has neither path nor table"));
                }
            }
            if resource.inside.is_some() && resource.parent.is_none() {
                return Err(format!("resource `{name}` lies inside a parent and names none"));
            }
            if let Some(pager) = &resource.pager
                && !self.pager.contains_key(pager)
            {
                return Err(format!("resource `{name}` uses pager `{pager}`, which is not there"));
            }
        }
        if self.retry.tries == 0 {
            return Err("retry.tries is 0: nothing would ever be asked".to_owned());
        }
        for resource in &self.resource {
            let ancestors = self.ancestor_keys(resource)?;
            let texts = resource.path.iter().chain(resource.query.values());
            for parameter in texts.flat_map(|text| parameters(text)) {
                if !ancestors.contains(&parameter) {
                    return Err(format!(
                        "resource `{}` uses `{{{parameter}}}`, which is the key of none of its ancestors ({})",
                        resource.name,
                        ancestors.join(", ")
                    ));
                }
            }
            for owner in resource.owner.values() {
                if !ancestors.contains(owner) {
                    return Err(format!(
                        "resource `{}` is owned by `{owner}`, which is the key of none of its ancestors",
                        resource.name
                    ));
                }
            }
        }
        Ok(())
    }

    fn ancestor_keys(&self, resource: &Resource) -> std::result::Result<Vec<String>, String> {
        let mut keys = Vec::new();
        let mut seen = vec![resource.name.clone()];
        let mut current = resource;
        while let Some(parent) = &current.parent {
            if seen.contains(parent) {
                seen.push(parent.clone());
                return Err(format!("resources are each other's parents in a circle: {}", seen.join(" → ")));
            }
            let Some(next) = self.resource.iter().find(|other| &other.name == parent) else {
                return Err(format!("resource `{}` has parent `{parent}`, which is not there", current.name));
            };
            let Some(key) = &next.key else {
                return Err(format!("resource `{parent}` is a parent and has no key"));
            };
            keys.insert(0, key.clone());
            seen.push(parent.clone());
            current = next;
        }
        Ok(keys)
    }

    /// Resources without a parent, in the order they are walked.
    pub fn roots(&self) -> impl Iterator<Item = &Resource> {
        self.resource.iter().filter(|resource| resource.parent.is_none())
    }

    /// Resources whose parent is `name`.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Resource> {
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

    /// The pager of a resource.
    ///
    /// # Errors
    /// Never for a checked spec.
    pub fn pager_of(&self, resource: &Resource) -> Result<Option<&Pager>> {
        resource.pager.as_ref().map(|name| self.pager.get(name).context("the spec lost a pager")).transpose()
    }
}

/// Names in braces.
fn parameters(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in template.split('{').skip(1) {
        names.push(part.split('}').next().unwrap_or_default().to_owned());
    }
    names
}

/// A template with every `{name}` replaced by that ancestor's id.
pub fn fill(template: &str, ids: &[(String, serde_json::Value)], encode: fn(&str) -> String) -> String {
    let mut filled = template.to_owned();
    for (name, id) in ids {
        filled = filled.replace(&format!("{{{name}}}"), &encode(&id_text(id)));
    }
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
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
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
        assert_eq!(segment("365"), "365");
    }

    fn refusal(change: impl Fn(&str) -> String) -> String {
        Spec::parse("test.toml", &change(BUILT_IN)).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_spec_is_sound() {
        let spec = Spec::load(None).unwrap();
        assert_eq!(spec.roots().count(), 4);
        let below: Vec<String> = spec.tables_below("project").into_iter().collect();
        assert_eq!(below, ["dimCycle", "dimRelease", "factExecution"]);
        assert!(!BUILT_IN.lines().any(|line| line.contains("cycleid =")));
    }

    #[test]
    fn what_is_wrong_with_a_spec_is_named() {
        let circle =
            refusal(|text| text.replace("table = \"dimProject\"", "table = \"dimProject\"\nparent = \"cycle\""));
        assert!(circle.contains("test.toml: resources are each other's parents in a circle"), "{circle}");
        let unknown = refusal(|text| text.replace("{releaseId}\"\n", "{sprintId}\"\n"));
        assert!(unknown.contains("`{sprintId}`"), "{unknown}");
        assert!(refusal(|text| text.replace("parent = \"release\"", "parent = \"epic\"")).contains("`epic`"));
        assert!(refusal(|text| text.replace("pager = \"rows\"", "pager = \"leaves\"")).contains("`leaves`"));
        assert!(refusal(|text| text.replace("tries = 5", "tries = 5\ncolour = 1")).contains("colour"));
        assert!(refusal(|text| text.replace("inside = \"cyclePhases\"", "")).contains("needs a path"));
    }

    #[test]
    fn templates_take_the_ids_of_ancestors() {
        let ids = [("a".to_owned(), serde_json::json!(7)), ("b".to_owned(), serde_json::json!("x y"))];
        assert_eq!(fill("/of/{a}/{b}", &ids, |text| text.replace(' ', "%20")), "/of/7/x%20y");
    }
}
