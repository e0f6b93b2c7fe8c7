//! The form of a spec: fields that are not there, values of the wrong kind.

use serde::de::DeserializeOwned;

use super::super::{Auth, ChangedSince, Closed, Gate, Http, Pager, Rate, Resource, Retry, Rule, Spec};
use super::document::Path;
use super::{Mistakes, in_backticks, instead_of, nearest};

/// A table of a spec: how it is called, and what may be in it.
struct Form {
    label: &'static str,
    fields: Vec<String>,
}

impl Form {
    fn new<T: DeserializeOwned>(label: &'static str) -> Self {
        Self { label, fields: named_by::<T>("\"?\" = 0") }
    }
}

/// What a type says it expected, when it is given something that nothing can expect. So the fields of the types are
/// the only list of them.
fn named_by<T: DeserializeOwned>(probe: &str) -> Vec<String> {
    let refused = toml::from_str::<T>(probe).err().map(|error| error.message().to_owned()).unwrap_or_default();
    expected(&refused).into_iter().map(ToOwned::to_owned).collect()
}

/// Names in backticks after "expected".
fn expected(message: &str) -> Vec<&str> {
    let (_, list) = message.split_once("expected").unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect()
}

/// Finds fields that nobody knows and values of the wrong kind that would not be noticed, or not on the right line.
pub fn check(mistakes: &mut Mistakes<'_>) {
    let forms = [
        Form::new::<Spec>(""),
        Form::new::<Resource>("[[resource]]"),
        Form::new::<Pager>("[pager.NAME]"),
        Form::new::<Http>("[http]"),
        Form::new::<Retry>("[retry]"),
        Form::new::<Rate>("[rate]"),
        Form::new::<Gate>("[gate]"),
        Form::new::<Rule>("[[on]]"),
        Form::new::<Closed>("closed"),
        Form::new::<ChangedSince>("changed_since"),
    ];
    let [spec, resource, pager, http, retry, rate, gate, rule, closed, changed_since] = &forms;
    let root = Path::default();
    fields(mistakes, &forms, &root, &spec.fields);
    for (name, form) in [("http", http), ("retry", retry), ("rate", rate), ("gate", gate)] {
        table(mistakes, &forms, &Path::to(name), &form.fields);
    }
    let pagers: Vec<Path> = mistakes.document.below(&Path::to("pager")).cloned().collect();
    for path in pagers {
        table(mistakes, &forms, &path, &pager.fields);
    }
    for path in tables(mistakes, &Path::to("auth")) {
        auth(mistakes, &forms, &path);
    }
    rules(mistakes, &forms, &root, &rule.fields);
    for path in tables(mistakes, &Path::to("resource")) {
        fields(mistakes, &forms, &path, &resource.fields);
        table(mistakes, &forms, &path.then("closed"), &closed.fields);
        table(mistakes, &forms, &path.then("changed_since"), &changed_since.fields);
        rules(mistakes, &forms, &path, &rule.fields);
    }
}

/// Elements of a list of tables.
fn tables(mistakes: &mut Mistakes<'_>, path: &Path) -> Vec<Path> {
    let Some(place) = mistakes.document.at(path) else { return Vec::new() };
    let name = path.field().unwrap_or_default().to_owned();
    let header = path.steps().into_iter().filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".");
    let suggestion = format!("write [[{header}]] with double brackets above each one");
    if place.kind != "array" {
        let subject = mistakes.document.subject(path);
        mistakes.add(path, format!("`{name}` of {subject} is {}, not a list of tables", kind(place.kind)), suggestion);
        return Vec::new();
    }
    let mut found = Vec::new();
    for element in mistakes.document.below(path).cloned().collect::<Vec<_>>() {
        match mistakes.document.at(&element) {
            Some(place) if place.kind != "table" => {
                let subject = mistakes.document.subject(path);
                let message = format!("`{name}` of {subject} holds {}, not a table", kind(place.kind));
                mistakes.add(&element, message, suggestion.clone());
            }
            _ => found.push(element),
        }
    }
    found
}

fn table(mistakes: &mut Mistakes<'_>, forms: &[Form], path: &Path, known: &[String]) {
    let Some(place) = mistakes.document.at(path) else { return };
    if place.kind != "table" {
        let (name, subject) = (path.field().unwrap_or_default().to_owned(), mistakes.document.subject(path));
        let message = if subject.ends_with(&format!("`{name}`")) || subject == format!("[{name}]") {
            format!("{subject} is {}, not one table", kind(place.kind))
        } else {
            format!("`{name}` of {subject} is {}, not one table", kind(place.kind))
        };
        mistakes.add(path, message, "write one table, in single brackets or in braces");
        return;
    }
    fields(mistakes, forms, path, known);
}

fn fields(mistakes: &mut Mistakes<'_>, forms: &[Form], path: &Path, known: &[String]) {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for field in mistakes.document.below(path).cloned().collect::<Vec<_>>() {
        let Some(name) = field.steps().last().map(|name| (*name).to_owned()) else { continue };
        if known.contains(&name.as_str()) {
            continue;
        }
        let home = forms.iter().find(|form| form.fields.contains(&name)).map(|form| form.label);
        let suggestion = match (home, nearest(&name, &known)) {
            (Some(""), _) => format!("write `{name}` above the first header: it is about the whole spec"),
            (Some(label), None) => format!("write `{name}` in {label}, where it belongs"),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => format!("take it out, or write one of {}", in_backticks(&known)),
        };
        let subject = subject_of(mistakes, path);
        mistakes.add(&field, format!("{subject} has a field `{name}`, which is not known"), suggestion);
    }
}

/// What a table is about, the tables inside others named too.
fn subject_of(mistakes: &Mistakes<'_>, path: &Path) -> String {
    let subject = mistakes.document.subject(path);
    match path.steps()[..] {
        ["resource", _, inner @ ("closed" | "changed_since")] => format!("`{inner}` of {subject}"),
        ["resource", _, "on", number, ..] => match number.parse::<usize>() {
            Ok(number) => format!("rule {} of {subject}", number + 1),
            Err(_) => subject,
        },
        _ => subject,
    }
}

fn auth(mistakes: &mut Mistakes<'_>, forms: &[Form], path: &Path) {
    let document = mistakes.document;
    let kinds = named_by::<Auth>("kind = \"?\"");
    let Some(named) = document.at(&path.then("kind")).and_then(|place| place.text.as_ref()) else { return };
    if !kinds.contains(named) {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let suggestion = instead_of(named, &kinds, "");
        let message = format!("{} is of no known kind", document.subject(path));
        mistakes.add(&path.then("kind"), message, suggestion);
        return;
    }
    let mut known = named_by::<Auth>(&format!("kind = \"{named}\"\n\"?\" = 0"));
    known.push("kind".to_owned());
    fields(mistakes, forms, path, &known);
    for field in document.below(path) {
        let (Some(name), Some(place)) = (field.field(), document.at(field)) else { continue };
        let wanted = match name {
            "lifetime_seconds" => "integer",
            "body_variables" => "table",
            _ => "string",
        };
        if place.kind != wanted && known.iter().any(|known| known == name) {
            let message = format!("`{name}` of auth `{named}` is {}, not {}", kind(place.kind), kind(wanted));
            mistakes.add(field, message, form_of(wanted));
        }
    }
}

fn rules(mistakes: &mut Mistakes<'_>, forms: &[Form], owner: &Path, known: &[String]) {
    for path in tables(mistakes, &owner.then("on")) {
        fields(mistakes, forms, &path, known);
        for element in mistakes.document.below(&path.then("what")).cloned().collect::<Vec<_>>() {
            let Some(place) = mistakes.document.at(&element) else { continue };
            if !matches!(place.kind, "integer" | "string") {
                let subject = subject_of(mistakes, &path);
                let message = format!("`what` of {subject} holds {}, which names nothing", kind(place.kind));
                mistakes.add(
                    &element,
                    message,
                    "write a status such as 404, a class such as \"5xx\", or an incident's name",
                );
            }
        }
    }
}

/// A kind of value as a reader who does not know TOML would call it; takes TOML's and serde's names.
fn kind(name: &str) -> String {
    let (name, value) = name.split_once(' ').unwrap_or((name, ""));
    match name {
        "string" if value.is_empty() => "text".to_owned(),
        "string" => format!("the text {value}"),
        "integer" | "floating" if value.is_empty() => "a number".to_owned(),
        "integer" | "floating" => format!("the number {}", value.trim_start_matches("point ")),
        "array" | "sequence" => "a list".to_owned(),
        "table" | "map" => "a table".to_owned(),
        "boolean" => "true or false".to_owned(),
        "u16" | "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "struct" => "a table".to_owned(),
        "a" => kind(value),
        _ => format!("{name} {value}").trim().to_owned(),
    }
}

/// How a kind of value is written.
fn form_of(name: &str) -> &'static str {
    match name.trim_start_matches("a ").split(' ').next().unwrap_or_default() {
        "string" => "write text in double quotes",
        "integer" | "u16" | "u32" | "u64" | "usize" => {
            "write a whole number without quotes and without a sign, small enough for what it counts"
        }
        "sequence" => "write a list in brackets, such as [\"a\", \"b\"]",
        "table" | "map" | "struct" => "write a table, such as { name = \"value\" }",
        "boolean" => "write true or false, without quotes",
        _ => "compare it with docs/spec.md",
    }
}

/// Adds what serde refused, in words of the spec.
pub fn translate(mistakes: &mut Mistakes<'_>, error: &toml::de::Error) {
    let path = mistakes.document.path_of(error);
    let message = error.message();
    let subject = subject_of(mistakes, &path);
    let word = message.split('`').nth(1).unwrap_or_default();
    let field = path.field().unwrap_or_default();
    if mistakes.has_near(&path) {
        return;
    }
    if message.starts_with("missing field") {
        mistakes.add(&path, format!("{subject} has no `{word}`"), missing(word));
    } else if message.starts_with("unknown variant") {
        let names = if field == "stop" { stops(&expected(message)) } else { expected(message) };
        let suggestion = instead_of(word, &names, "compare it with docs/spec.md");
        mistakes.add(&path, format!("{subject} has `{field}` `{word}`, which is not known"), suggestion);
    } else if message.contains("is neither a status") {
        let (said, names) = message.split_once(", nor one of ").unwrap_or((message, ""));
        let names: Vec<&str> = names.split(", ").collect();
        let suggestion = instead_of(word, &names, "");
        mistakes.add(&path, format!("{subject}: {said}, nor the name of an incident"), suggestion);
    } else if field == "stop" && (message.contains("newtype variant") || message.contains("wanted exactly 1")) {
        let suggestion =
            "write each rule by itself, and flags with their field: [{ flag = \"isLast\" }, \"empty-page\"]";
        mistakes.add(&path, format!("{subject} has a stop rule that is not one rule with what it needs"), suggestion);
    } else if let Some((found, wanted)) = message.rsplit_once(", expected ") {
        let found = found.split_once(": ").map_or(found, |(_, found)| found);
        let suggestion = if field == "stop" { "write a list, such as [\"short-page\"]" } else { form_of(wanted) };
        mistakes.add(&path, format!("`{field}` of {subject} is {}, not {}", kind(found), kind(wanted)), suggestion);
    } else {
        mistakes.add(&path, format!("{subject}: {message}"), "compare it with docs/spec.md");
    }
}

/// A flag is written as a table, so a bare `flag` would be the next mistake.
fn stops<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().map(|name| if *name == "flag" { "{ flag = \"isLast\" }" } else { name }).collect()
}

fn missing(field: &str) -> String {
    let example = match field {
        "name" => "`name = \"…\"`, the word that messages call it by",
        "base_path" => "`base_path = \"/rest/v1\"` at the top, or \"\" where paths begin at the server's root",
        "record_id" => "`record_id = \"id\"`, the field that identifies a record",
        "resource" => "a [[resource]] for each thing to list",
        "kind" => "`kind = \"…\"`, which decides what else it needs",
        "what" => "`what = [404]`: the statuses and incidents it is about",
        "then" => "`then = \"skip\"`, or retry, forbidden, empty or fail",
        other => return format!("add `{other} = …`"),
    };
    format!("add {example}")
}
