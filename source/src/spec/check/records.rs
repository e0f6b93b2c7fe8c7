//! A resource's records: where they come from, what identifies them, whom they belong to, when they change.

use super::super::{Resource, Spec};
use super::document::Path;
use super::tree::{Tree, path_of};
use super::{Mistakes, in_backticks, instead_of, is_path_into_body};

const FORMATS: [&str; 3] = ["rfc3339", "date", "epoch-ms"];

/// Checks what a resource says about its records.
pub fn check(mistakes: &mut Mistakes<'_>, spec: &Spec, tree: &Tree, number: usize) {
    let resource = &spec.resource[number];
    let mut checker = Checker { mistakes, path: path_of(number), resource };
    match &resource.inside {
        Some(_) => checker.inside(parent_of(spec, resource)),
        None => {
            checker.origin();
            let other = spec.resource.iter().find(|other| other.path.is_some() && other.files.is_none());
            checker.only_files(other.map(|other| other.name.as_str()));
        }
    }
    checker.paths();
    checker.nested(tree.is_parent(number));
    checker.owner(tree.names(spec, number));
    checker.each();
    checker.hints_in_parent(parent_of(spec, resource));
    checker.closed(tree.is_parent(number));
    checker.changed_since(tree.is_parent(number));
}

fn parent_of<'a>(spec: &'a Spec, resource: &Resource) -> Option<&'a Resource> {
    let parent = resource.parent.as_ref()?;
    spec.resource.iter().find(|other| other.name == *parent).map(AsRef::as_ref)
}

struct Checker<'a, 'b> {
    mistakes: &'a mut Mistakes<'b>,
    path: Path,
    resource: &'a Resource,
}

impl Checker<'_, '_> {
    fn add(&mut self, field: &str, complaint: &str, suggestion: impl Into<String>) {
        self.add_at(&self.path.then(field), complaint, suggestion);
    }

    fn add_at(&mut self, path: &Path, complaint: &str, suggestion: impl Into<String>) {
        self.mistakes.add(path, format!("resource `{}` {complaint}", self.resource.name), suggestion);
    }

    fn is_given(&self, field: &str) -> bool {
        self.mistakes.document.has(&self.path.then(field))
    }

    fn origin(&mut self) {
        let resource = self.resource;
        match (&resource.path, &resource.files) {
            (None, None) => {
                let suggestion =
                    "add the `path` it is asked at, the `files` it is read from, or the array it lies `inside`";
                self.add("", "comes from nowhere: it has neither `path` nor `files` nor `inside`", suggestion);
            }
            (Some(_), Some(_)) => {
                self.add("files", "has both `path` and `files`", "keep the one that its records come from");
            }
            (None, Some(_)) => self.needless(
                "is read from `files`",
                &["base_path", "method", "query", "body", "pager", "changed_since"],
                "files are neither asked nor paged",
            ),
            (Some(_), None) => {}
        }
        if resource.table.is_none() && (resource.path.is_some() || resource.files.is_some()) {
            self.add(
                "",
                "lands in no table",
                format!("add a table, such as `table = \"{}\"`", table_for(&resource.name)),
            );
        }
    }

    /// A walk has one far end: a server or a folder.
    fn only_files(&mut self, asked: Option<&str>) {
        let (Some(asked), None, Some(_)) = (asked, &self.resource.path, &self.resource.files) else { return };
        let complaint = format!("is read from `files`, and `{asked}` is asked of a server");
        self.add("files", &complaint, "write two specs: --api-url is either a folder or a server");
    }

    fn inside(&mut self, parent: Option<&Resource>) {
        if self.resource.parent.is_none() {
            let suggestion = "add `parent`: the resource whose records hold the array";
            self.add("inside", "lies `inside` a parent and names none", suggestion);
        }
        // Of records inside others only the ids are kept.
        if let Some(parent) = parent.filter(|parent| parent.inside.is_some()) {
            let complaint = format!("lies `inside` `{}`, which lies inside another itself", parent.name);
            self.add("inside", &complaint, "ask for one of the two with a `path`: only one level inside is read");
        }
        let needless =
            ["path", "files", "table", "base_path", "method", "query", "body", "records", "pager", "changed_since"];
        self.needless(
            "lies `inside` its parent's records",
            &needless,
            "nothing is asked for it, and it has no table of its own",
        );
        self.needless(
            "lies `inside` its parent's records",
            &["count_in_parent", "version_in_parent", "closed", "nested"],
            "only the ids of records inside others are read",
        );
    }

    fn nested(&mut self, is_parent: bool) {
        if self.resource.nested.is_some() && !is_parent {
            let suggestion =
                "take `nested` out: the records inside lie in the payload of the outermost one all the same";
            self.add("nested", "has `nested` records and nothing hangs below them", suggestion);
        }
    }

    fn needless(&mut self, situation: &str, fields: &[&str], reason: &str) {
        let given: Vec<&str> = fields.iter().copied().filter(|field| self.is_given(field)).collect();
        if let Some(first) = given.first() {
            let suggestion = format!("take {} out: {reason}", in_backticks(&given));
            self.add(first, &format!("{situation} and has `{first}`"), suggestion);
        }
    }

    fn paths(&mut self) {
        let resource = self.resource;
        if resource.record_id.trim().is_empty() {
            let suggestion = "name the field that identifies a record, such as \"id\"";
            self.add("record_id", "has an empty `record_id`", suggestion);
        }
        let suggestion = "write names with single dots between them, such as \"data.results\"";
        let records = resource.records.as_ref().filter(|records| *records != ".");
        for (field, path) in
            [("records", records), ("inside", resource.inside.as_ref()), ("nested", resource.nested.as_ref())]
        {
            if let Some(path) = path.filter(|path| !is_path_into_body(path)) {
                self.add(field, &format!("has `{path}` in `{field}`, a path with an empty step"), suggestion);
            }
        }
        for (number, path) in resource.unordered.iter().enumerate() {
            if !is_path_into_body(path) {
                let at = self.path.then("unordered").then(number);
                self.add_at(&at, &format!("has `{path}` in `unordered`, a path with an empty step"), suggestion);
            }
        }
    }

    fn owner(&mut self, names: Option<Vec<&str>>) {
        let Some(names) = names else { return };
        for (field, key) in &self.resource.owner {
            let at = self.path.then("owner").then(field);
            if field.trim().is_empty() {
                self.add_at(&at, "has an `owner` without a field", "write { fieldOfTheRecord = \"keyOfAnAncestor\" }");
            } else if !names.contains(&key.as_str()) {
                let suggestion = instead_of(key, &names, "take `owner` out: it has no ancestors");
                self.add_at(
                    &at,
                    &format!("is owned by `{key}`, which is the key of none of its ancestors"),
                    suggestion,
                );
            }
        }
    }

    fn each(&mut self) {
        let resource = self.resource;
        if resource.parent.is_some() && !resource.each.is_empty() {
            let suggestion = "take one of the two out: values belong to a resource that no record leads to";
            self.add("each", "has both `parent` and `each`", suggestion);
            return;
        }
        if resource.each.is_empty() && self.is_given("each") {
            let suggestion = "write the values, such as { kind = [\"a\", \"b\"] }, or take `each` out";
            self.add("each", "has an `each` without values", suggestion);
        }
        for (name, values) in &resource.each {
            let at = self.path.then("each").then(name);
            if values.is_empty() {
                self.add_at(&at, &format!("has no values for `{name}` in `each`"), "write the values it is asked for");
            }
            for (number, value) in values.iter().enumerate() {
                if values[..number].contains(value) {
                    let complaint = format!("has `{value}` twice in `{name}` of `each`");
                    self.add_at(&at.then(number), &complaint, "keep one of the two");
                }
            }
        }
    }

    fn hints_in_parent(&mut self, parent: Option<&Resource>) {
        let resource = self.resource;
        if resource.inside.is_some() {
            return;
        }
        let fields =
            [("count_in_parent", &resource.count_in_parent), ("version_in_parent", &resource.version_in_parent)];
        for (field, value) in fields {
            let Some(value) = value else { continue };
            if resource.parent.is_none() {
                let complaint = match resource.each.is_empty() {
                    true => format!("has `{field}` and no parent"),
                    false => format!("has `{field}` and is asked for `each` value, not for each record of a parent"),
                };
                self.add(field, &complaint, format!("take `{field}` out: there is no parent's record to look at"));
            } else if let Some(parent) = parent.filter(|parent| parent.inside.is_some()) {
                let complaint = format!("has `{field}` below `{}`, of which only the ids are read", parent.name);
                self.add(
                    field,
                    &complaint,
                    format!("take `{field}` out: `{}` lies inside another resource", parent.name),
                );
            } else if !is_path_into_body(value) {
                let suggestion = "name a field of the parent's record, such as \"caseCount\"";
                self.add(field, &format!("has an empty step in `{field}`"), suggestion);
            }
        }
    }

    fn closed(&mut self, is_parent: bool) {
        let Some(closed) = self.resource.closed.as_ref().filter(|_| self.resource.inside.is_none()) else { return };
        if !is_parent {
            let suggestion = "take `closed` out, or move it to the resource whose children shall be visited less often";
            self.add("closed", "has `closed` and nothing hangs below it", suggestion);
        }
        if !is_path_into_body(&closed.field) {
            let suggestion = "name the field with the instant it ended, such as \"endDate\"";
            self.add_at(&self.path.then("closed").then("field"), "has an empty step in `closed.field`", suggestion);
        }
    }

    fn changed_since(&mut self, is_parent: bool) {
        let Some(filter) = &self.resource.changed_since else { return };
        let at = self.path.then("changed_since");
        if is_parent && self.resource.inside.is_none() {
            let suggestion =
                "take `changed_since` out: a record that is left out of the answer would take its children along";
            self.add("changed_since", "is a parent and lists only what changed", suggestion);
        }
        if !FORMATS.contains(&filter.format.as_str()) {
            let complaint = format!("has `changed_since` with format `{}`, which is not known", filter.format);
            self.add_at(&at.then("format"), &complaint, instead_of(&filter.format, &FORMATS, ""));
        }
        if filter.full_every_days == 0 {
            let suggestion =
                "write the days after which everything is listed again, such as 7, so that deletes are seen";
            self.add_at(&at.then("full_every_days"), "has `full_every_days = 0`", suggestion);
        }
        if filter.parameter.trim().is_empty() {
            let suggestion = "name the query parameter that takes the instant, such as \"updatedAfter\"";
            self.add_at(&at.then("parameter"), "has an empty `changed_since.parameter`", suggestion);
        }
    }
}

fn table_for(name: &str) -> String {
    let mut letters = name.chars().filter(char::is_ascii_alphanumeric);
    let first: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().collect();
    format!("dim{first}{}", letters.collect::<String>())
}
