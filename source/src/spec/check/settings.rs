//! What is about the whole spec: where the API is, how it is asked, how patiently.

use super::super::Spec;
use super::document::Path;
use super::{Mistakes, auth, instead_of, rules};

/// Headers that carry secrets, or that belong to the client.
const RESERVED: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "user-agent",
];

/// Checks everything but pagers and resources.
pub fn check(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    head(mistakes, spec);
    http(mistakes, spec);
    patience(mistakes, spec);
    rules::check(mistakes, &Path::default(), "the spec", &spec.on);
    auth::check(mistakes, spec);
}

/// What is wrong with a path of a URL, and what to write instead.
pub fn path_flaw(path: &str, is_base: bool) -> Option<(&'static str, &'static str)> {
    let flaw = match path {
        "" if is_base => return None,
        _ if is_base && path.contains(['{', '}']) => {
            ("holds a brace", "write the base path as it is, and {ancestor} in `path`")
        }
        _ if is_base && path.ends_with('/') => ("ends with a `/`", "take the `/` away: paths begin with one"),
        _ if !path.starts_with('/') => ("does not start with `/`", "put a `/` before it"),
        _ if path.contains('?') => {
            ("holds a `?`", "write what follows the `?` as `query = { name = \"value\" }` of a resource")
        }
        _ if path.contains('#') => ("holds a `#`", "take the `#` and what follows it away: it is never sent"),
        _ if path.contains("//") => ("holds an empty step", "write single slashes; the server is given by --api-url"),
        _ if path.contains("..") => ("leads upwards", "write the path itself, without `..`"),
        _ if path.contains('\\') || path.contains(char::is_whitespace) => {
            ("holds a backslash or a space", "write it as it stands in a URL, with %20 for a space")
        }
        _ => return None,
    };
    Some(flaw)
}

fn head(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    if spec.name.trim().is_empty() {
        mistakes.add(&Path::to("name"), "the spec has an empty name", "write what the API is called");
    }
    if let Some((flaw, suggestion)) = path_flaw(&spec.base_path, true) {
        let message = format!("the spec has base_path `{}`, which {flaw}", spec.base_path);
        mistakes.add(&Path::to("base_path"), message, suggestion);
    }
    if let Some(probe) = &spec.probe {
        let flaw = match probe.contains(['{', '}']) {
            true => Some(("holds a brace", "name a path that needs no ids, such as \"/user/current\"")),
            false => path_flaw(probe, false),
        };
        if let Some((flaw, suggestion)) = flaw {
            mistakes.add(&Path::to("probe"), format!("the spec has probe `{probe}`, which {flaw}"), suggestion);
        }
    }
    if let Some(scope) = &spec.scope {
        let keys: Vec<&str> = spec.resource.iter().filter_map(|resource| resource.key.as_deref()).collect();
        if !keys.contains(&scope.as_str()) {
            let suggestion = instead_of(scope, &keys, "take `scope` out, or give a resource that `key`");
            let message = format!("the spec has scope `{scope}`, which is the key of no resource");
            mistakes.add(&Path::to("scope"), message, suggestion);
        }
    }
}

fn http(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    let http = &spec.http;
    let at = Path::to("http");
    let numbers = [
        ("connect_timeout_ms", http.connect_timeout_ms, "30_000"),
        ("read_timeout_ms", http.read_timeout_ms, "120_000"),
        ("largest_body_bytes", http.largest_body_bytes, "268_435_456"),
        ("largest_record_bytes", http.largest_record_bytes, "33_554_432"),
    ];
    for (field, _, usual) in numbers.into_iter().filter(|(_, value, _)| *value == 0) {
        let message = format!("[http] has `{field} = 0`, with which nothing could be read");
        mistakes.add(&at.then(field), message, format!("write `{field} = {usual}`, or leave it out"));
    }
    if http.content_types.is_empty() {
        let suggestion = "write `content_types = [\"application/json\"]`, or leave it out";
        mistakes.add(&at.then("content_types"), "[http] accepts no content type", suggestion);
    }
    for (number, content_type) in http.content_types.iter().enumerate() {
        let is_plain = content_type.split('/').filter(|part| is_token(part)).count() == 2;
        if !is_plain || content_type.matches('/').count() != 1 {
            let message = format!("[http] accepts `{content_type}`, which is no content type without parameters");
            let suggestion = "write it like \"application/json\"; what follows a `;` is not compared";
            mistakes.add(&at.then("content_types").then(number), message, suggestion);
        }
    }
    for (name, value) in &http.headers {
        let place = at.then("headers").then(name);
        if RESERVED.contains(&name.to_lowercase().as_str()) {
            let suggestion = "take it out: who we are is said with [[auth]] and variables, never in a spec, and the rest is the client's";
            mistakes.add(&place, format!("[http] sets the header `{name}`"), suggestion);
        } else if !is_token(name) || value.chars().any(char::is_control) {
            let suggestion = "write a name of letters, digits and dashes, and a value on one line";
            mistakes.add(&place, format!("[http] sets `{name}`, which cannot be sent as a header"), suggestion);
        }
    }
}

fn patience(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    let retry = &spec.retry;
    let at = Path::to("retry");
    let counts = [
        ("tries", retry.tries, "nothing would ever be asked", "5"),
        ("walks", retry.walks, "no slice would ever be walked", "3"),
        ("breaker_failures", retry.breaker_failures, "the server would be left alone before it was asked", "5"),
    ];
    for (field, _, consequence, usual) in counts.into_iter().filter(|(_, count, ..)| *count == 0) {
        let message = format!("[retry] has `{field} = 0`: {consequence}");
        mistakes.add(&at.then(field), message, format!("write `{field} = {usual}`, or leave it out"));
    }
    if retry.first_wait_ms > retry.longest_wait_ms {
        let first = at.then("first_wait_ms");
        let place = if mistakes.document.has(&first) { first } else { at.then("longest_wait_ms") };
        let message = format!(
            "[retry] waits at first up to {} ms and never longer than {} ms",
            retry.first_wait_ms, retry.longest_wait_ms
        );
        mistakes.add(&place, message, "make `first_wait_ms` the smaller of the two");
    }
    if let Some(rate) = spec.rate {
        for (field, _) in [("per_minute", rate.per_minute), ("burst", rate.burst)].into_iter().filter(|(_, n)| *n == 0)
        {
            let message = format!("[rate] has `{field} = 0`: nothing would ever be asked");
            mistakes.add(&Path::to("rate").then(field), message, "write at least 1, or take [rate] out");
        }
    }
    if spec.gate.failed_percent > 100 {
        let message = format!("[gate] accepts {} failed slices of a hundred", spec.gate.failed_percent);
        mistakes.add(&Path::to("gate").then("failed_percent"), message, "write a number from 0 to 100");
    }
}

/// Whether a text may be the name of a header.
pub fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
