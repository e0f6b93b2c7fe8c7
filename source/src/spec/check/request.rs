//! What a resource asks, and with which pager.

use super::super::{Pager, PagerKind, Place, Resource, Spec};
use super::document::Path;
use super::settings::path_flaw;
use super::tree::{Tree, path_of};
use super::{Mistakes, instead_of, pager, rules};

/// Checks what a resource asks.
pub fn check(mistakes: &mut Mistakes<'_>, spec: &Spec, tree: &Tree, number: usize) {
    let resource = &spec.resource[number];
    let names = tree.names(spec, number);
    let path = path_of(number);
    rules::check(mistakes, &path, &format!("resource `{}`", resource.name), &resource.on);
    let mut checker = Checker { mistakes, path, resource };
    if let Some(names) = names {
        let used = checker.templates(&names);
        let is_asked = resource.inside.is_none() && (resource.path.is_some() || resource.files.is_some());
        if let Some(used) = used.filter(|_| is_asked) {
            checker.is_specific(spec, &used);
        }
    }
    // What lies inside another asks nothing, which is said once elsewhere.
    if resource.inside.is_none() && resource.path.is_some() {
        checker.places();
        checker.method();
        checker.pager(spec);
    }
    checker.files();
}

struct Checker<'a, 'b> {
    mistakes: &'a mut Mistakes<'b>,
    path: Path,
    resource: &'a Resource,
}

impl<'a> Checker<'a, '_> {
    fn add(&mut self, field: &str, complaint: &str, suggestion: impl Into<String>) {
        self.add_at(&self.path.then(field), complaint, suggestion);
    }

    fn add_at(&mut self, path: &Path, complaint: &str, suggestion: impl Into<String>) {
        self.mistakes.add(path, format!("resource `{}` {complaint}", self.resource.name), suggestion);
    }

    /// Checks everything that may hold `{name}`; gives the names that decide what is asked, where all are right.
    fn templates(&mut self, names: &[&str]) -> Option<Vec<&'a str>> {
        let resource = self.resource;
        let mut texts = Vec::new();
        for (field, text) in [("path", &resource.path), ("files", &resource.files)] {
            texts.extend(text.iter().map(|text| (self.path.then(field), field, text.as_str())));
        }
        let query = self.path.then("query");
        texts.extend(resource.query.iter().map(|(name, text)| (query.then(name), "query", text.as_str())));
        for (name, value) in resource.body.iter().flatten() {
            texts_of(&self.path.then("body").then(name), value, &mut texts);
        }
        let mut used = Some(Vec::new());
        for (path, field, text) in texts {
            let found = self.template(&path, field, text, names);
            used = used.and_then(|used| Some([used, found?].concat()));
        }
        self.template(&self.path.then("record_id"), "record_id", &resource.record_id, names);
        used
    }

    fn template<'t>(&mut self, path: &Path, field: &str, text: &'t str, names: &[&str]) -> Option<Vec<&'t str>> {
        let Some(used) = names_in(text) else {
            let complaint = format!("has `{text}` in `{field}`, with a brace that has no partner");
            self.add_at(path, &complaint, "write the id of an ancestor as {projectId}, with one brace on either side");
            return None;
        };
        let in_braces: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
        let in_braces: Vec<&str> = in_braces.iter().map(String::as_str).collect();
        for name in used.iter().filter(|name| !names.contains(name)) {
            let name = format!("{{{name}}}");
            let complaint = format!("uses `{name}` in `{field}`, which is the key of none of its ancestors");
            let suggestion = instead_of(&name, &in_braces, "take it out, or add the `parent` whose key it is");
            self.add_at(path, &complaint, suggestion);
        }
        used.iter().all(|name| names.contains(name)).then_some(used)
    }

    /// A request that does not say for whom would be answered alike for every one.
    fn is_specific(&mut self, spec: &Spec, used: &[&str]) {
        let resource = self.resource;
        let parent =
            resource.parent.as_ref().and_then(|parent| spec.resource.iter().find(|other| other.name == *parent));
        let wanted = match parent {
            Some(parent) => parent.key.iter().map(|key| (key, format!("every `{}`", parent.name))).collect::<Vec<_>>(),
            None => resource.each.keys().map(|name| (name, format!("each `{name}`"))).collect(),
        };
        let field = if resource.path.is_some() { "path" } else { "files" };
        let places = if resource.path.is_some() { "`path`, `query` or `body`" } else { "`files`" };
        for (name, whom) in wanted {
            if !used.contains(&name.as_str()) {
                let complaint = format!("is asked for {whom} and never says for which");
                self.add(field, &complaint, format!("put {{{name}}} into {places}"));
            }
        }
    }

    fn places(&mut self) {
        let resource = self.resource;
        for (field, text) in [("base_path", &resource.base_path), ("path", &resource.path)] {
            let Some(text) = text else { continue };
            if let Some((flaw, suggestion)) = path_flaw(text, field == "base_path") {
                self.add(field, &format!("has {field} `{text}`, which {flaw}"), suggestion);
            }
        }
        if let Some(name) = resource.query.keys().find(|name| name.trim().is_empty() || name.contains(['{', '}'])) {
            let at = self.path.then("query").then(name);
            let complaint = format!("has a query parameter `{name}`, which is no name");
            self.add_at(&at, &complaint, "write the name as it is; only values may hold {ancestor}");
        }
    }

    fn method(&mut self) {
        let resource = self.resource;
        match (resource.method.as_str(), &resource.body) {
            ("GET", Some(_)) => {
                self.add("body", "has a `body` and is a GET", "add `method = \"POST\"`, or take `body` out");
            }
            ("GET" | "POST", _) => {}
            (method, _) => {
                let suggestion = match method.to_uppercase().as_str() {
                    upper @ ("GET" | "POST") => format!("write \"{upper}\""),
                    _ => "write \"GET\", or \"POST\" where reading needs a body; nothing else is ever sent".to_owned(),
                };
                self.add("method", &format!("has method `{method}`, which is neither GET nor POST"), suggestion);
            }
        }
    }

    fn files(&mut self) {
        let Some(files) = &self.resource.files else { return };
        let suggestion = "write a path or pattern below --api-url, such as \"executions/{cycleId}/*.ndjson\"";
        if files.trim().is_empty() {
            self.add("files", "has an empty `files`", suggestion);
        } else if files.split('/').any(|step| step == "..") {
            self.add("files", &format!("has files `{files}`, which leave the folder of --api-url"), suggestion);
        }
    }

    fn pager(&mut self, spec: &Spec) {
        let resource = self.resource;
        let own = resource.changed_since.as_ref().map(|filter| ("changed_since", &filter.parameter));
        let Some(name) = &resource.pager else {
            self.collisions(own.into_iter().collect());
            return;
        };
        let Some(pager) = spec.pager.get(name) else {
            let known: Vec<&str> = spec.pager.keys().map(String::as_str).collect();
            let suggestion = instead_of(name, &known, &format!("add a table [pager.{name}]"));
            self.add("pager", &format!("uses pager `{name}`, which is not there"), suggestion);
            return;
        };
        let mut set: Vec<(&str, &String)> = own.into_iter().collect();
        match pager.place {
            Place::Query => {
                set.extend(pager.parameter.iter().chain(&pager.size).map(|parameter| ("its pager", parameter)));
            }
            Place::Body => self.body_for(name),
        }
        self.collisions(set);
        self.envelope(name, pager);
        if pager.kind == PagerKind::Next && resource.method == "POST" {
            let suggestion = "use a pager whose parameters are known, with `place = \"body\"`";
            let complaint =
                format!("is a POST, and its pager `{name}` follows URLs, which would be asked without the body");
            self.add("pager", &complaint, suggestion);
        }
    }

    fn body_for(&mut self, pager: &str) {
        let resource = self.resource;
        if resource.method == "GET" {
            let suggestion = "add `method = \"POST\"` and a `body`, or use a pager with `place = \"query\"`";
            self.add("pager", &format!("is a GET, and its pager `{pager}` writes into the body of a POST"), suggestion);
        } else if resource.body.is_none() {
            let suggestion = "add the `body` that the pager's parameters are put into";
            self.add("pager", &format!("has no `body`, which its pager `{pager}` writes into"), suggestion);
        }
    }

    /// Query parameters that something else sets.
    fn collisions(&mut self, set: Vec<(&str, &String)>) {
        for (number, (by, name)) in set.iter().enumerate() {
            if self.resource.query.contains_key(*name) {
                let at = self.path.then("query").then(name);
                let complaint = format!("has `{name}` in `query`, which is set by {by}");
                self.add_at(&at, &complaint, format!("take `{name}` out of `query`"));
            } else if set[..number].iter().any(|(earlier, other)| earlier != by && other == name) {
                let complaint = format!("has `{name}` set by `changed_since` and by its pager");
                self.add("changed_since", &complaint, "name the parameter that takes the instant");
            }
        }
    }

    fn envelope(&mut self, name: &str, pager: &Pager) {
        match self.resource.records.as_deref() {
            None => {
                if let Some(field) = pager::beside_records(pager) {
                    let complaint =
                        format!("expects a bare list, and its pager `{name}` reads `{field}` from beside the records");
                    let suggestion = "add `records`: the path of the list in the body, such as \"results\"";
                    self.add("pager", &complaint, suggestion);
                }
            }
            Some(".") => {
                let suggestion = "take `pager` out, or name the list of the body in `records`";
                self.add("pager", &format!("is one record, and has pager `{name}`"), suggestion);
            }
            Some(_) => {}
        }
    }
}

fn texts_of<'v>(path: &Path, value: &'v toml::Value, texts: &mut Vec<(Path, &'static str, &'v str)>) {
    match value {
        toml::Value::String(text) => texts.push((path.clone(), "body", text)),
        toml::Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                texts_of(&path.then(number), value, texts);
            }
        }
        toml::Value::Table(table) => {
            for (name, value) in table {
                texts_of(&path.then(name), value, texts);
            }
        }
        _ => {}
    }
}

/// Names in braces; none if a brace has no partner.
fn names_in(template: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = template;
    loop {
        let Some(open) = rest.find(['{', '}']) else { return Some(names) };
        let inner = rest[open..].strip_prefix('{')?;
        let close = inner.find(['{', '}']).filter(|close| inner[*close..].starts_with('}'))?;
        names.push(&inner[..close]);
        rest = &inner[close + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_have_partners() {
        assert_eq!(names_in("/of/{a}/{b}"), Some(vec!["a", "b"]));
        assert_eq!(names_in("/of/all"), Some(Vec::new()));
        for text in ["/of/{a", "/of/a}", "/of/{a{b}}", "}{"] {
            assert_eq!(names_in(text), None, "{text}");
        }
    }
}
