//! What must not be kept, taken out of what is kept; every other byte stays what it was.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Result};
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;
use serde_json::Value;
use url::form_urlencoded;

use super::scan::Scan;

/// What stands where something was taken out.
pub const MASKED: &str = "***";

/// Shorter secrets are taken out only where they are a whole value: `a` or `12` is part of half of all words.
pub const SHORTEST_PART: usize = 4;

const WINDOW: usize = 256 << 10;

/// Fields and secrets that are taken out.
#[derive(Clone, Default)]
pub struct Mask {
    fields: Arc<HashSet<String>>,
    /// Query parameters and fields of a request's body that are taken out whatever they hold.
    hidden: BTreeSet<String>,
    plain: Vec<String>,
    finders: Vec<Finder<'static>>,
    longest: usize,
}

/// A part of a text and what takes its place.
pub type Edit = (Range<usize>, &'static [u8]);

impl Mask {
    /// Takes out the strings and numbers that these fields hold, at any depth of a JSON text, and those in lists that
    /// they hold.
    pub fn of_fields(fields: &[String]) -> Self {
        Self { fields: Arc::new(fields.iter().cloned().collect()), ..Self::default() }
    }

    /// Takes out these secrets as well, in every spelling that JSON and URLs give them.
    pub fn with_secrets(&self, secrets: &[String]) -> Self {
        let mut spellings = BTreeSet::new();
        let mut plain: Vec<String> = secrets.iter().filter(|secret| !secret.is_empty()).cloned().collect();
        plain.sort();
        plain.dedup();
        for secret in plain.iter().filter(|secret| secret.len() >= SHORTEST_PART) {
            let json = Value::from(secret.as_str()).to_string();
            let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
            let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let path = crate::spec::segment(secret);
            spellings.extend([json.replace('/', "\\/"), json.to_owned(), lower_escapes(&form), form]);
            spellings.extend([lower_escapes(&path), path, secret.clone()]);
        }
        let longest = spellings.iter().map(String::len).max().unwrap_or(0);
        let finders = spellings.iter().map(|spelling| Finder::new(spelling.as_bytes()).into_owned()).collect();
        Self { plain, finders, longest, ..self.clone() }
    }

    /// Takes out whatever these query parameters and fields of a request hold.
    pub fn with_hidden(&self, names: &BTreeSet<String>) -> Self {
        Self { hidden: names.clone(), ..self.clone() }
    }

    /// A text that is neither a URL nor JSON.
    pub fn text(&self, text: &str) -> String {
        let edits: Vec<Edit> = self.secrets_in(text.as_bytes()).into_iter().map(with_stars).collect();
        let mut masked = Vec::with_capacity(text.len());
        apply(text.as_bytes(), &edits, &mut |piece| {
            masked.extend_from_slice(piece);
            Ok(())
        })
        .ok();
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// A URL, whole or not; the names of the parameters whose values were taken out are added to `names`.
    pub fn url(&self, url: &str, names: &mut BTreeSet<String>) -> String {
        let Some((path, query)) = url.split_once('?') else { return self.text(url) };
        let pairs = query.split('&').map(|pair| {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { return pair.to_owned() };
            if !self.hidden.contains(name.as_ref()) && !self.is_telling(&value) {
                return pair.to_owned();
            }
            names.insert(name.into_owned());
            format!("{}={MASKED}", pair.split('=').next().unwrap_or_default())
        });
        let query: Vec<String> = pairs.collect();
        self.text(&format!("{path}?{}", query.join("&")))
    }

    /// The body of a request; the names of the fields whose values were taken out for a secret are added to `names`.
    pub fn value(&self, value: &mut Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    let holds_secret = match &*value {
                        Value::String(text) => self.is_telling(text),
                        Value::Number(number) => self.is_telling(&number.to_string()),
                        _ => false,
                    };
                    if holds_secret || (self.hidden.contains(name) && !value.is_array() && !value.is_object()) {
                        *value = Value::from(MASKED);
                        names.insert(name.clone());
                    } else if self.fields.contains(name) {
                        take_out(value);
                    }
                    self.value(value, names);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|each| self.value(each, names)),
            Value::String(text) if self.is_telling(text) => *value = Value::from(MASKED),
            _ => {}
        }
    }

    /// The body of an answer, piece by piece, with little more of it in memory than its longest value.
    ///
    /// # Errors
    /// When it cannot be read, or `to` takes no more.
    pub fn copy(&self, mut from: impl Read, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut window = Vec::with_capacity(WINDOW);
        let mut wanted = WINDOW;
        loop {
            from.by_ref().take((wanted - window.len()) as u64).read_to_end(&mut window)?;
            let is_last = window.len() < wanted;
            let (edits, safe) = self.scan(&window, is_last);
            apply(&window[..safe], &edits, to)?;
            if is_last {
                return Ok(());
            }
            window.drain(..safe);
            wanted = WINDOW.max(window.len() * 2);
        }
    }

    /// Whether a value is a secret or has one in it.
    pub fn is_telling(&self, value: &str) -> bool {
        self.plain.iter().any(|secret| value == secret || (secret.len() >= SHORTEST_PART && value.contains(secret)))
    }

    /// Whether a value is one of the secrets.
    pub fn is_secret(&self, value: &[u8]) -> bool {
        self.plain.iter().any(|secret| secret.as_bytes() == value)
    }

    /// Whether there are secrets at all.
    pub fn has_secrets(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Whether a field is taken out.
    pub fn is_field(&self, name: &str) -> bool {
        self.fields.contains(name)
    }

    /// Places of secrets, in order, those that touch as one.
    fn secrets_in(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for finder in &self.finders {
            found.extend(finder.find_iter(text).map(|start| start..start + finder.needle().len()));
        }
        found.sort_by_key(|range| (range.start, range.end));
        found.dedup_by(|next, last| {
            let is_one = next.start <= last.end;
            if is_one {
                last.end = last.end.max(next.end);
            }
            is_one
        });
        found
    }

    /// Edits of a text, and where it may be cut so that what follows can be read without what is before.
    fn scan(&self, text: &[u8], is_last: bool) -> (Vec<Edit>, usize) {
        if self.fields.is_empty() && self.plain.is_empty() {
            return (Vec::new(), text.len());
        }
        let secrets = self.secrets_in(text);
        let limit = if is_last { text.len() } else { text.len().saturating_sub(self.longest) };
        let mut scan = Scan::new(self, text, is_last, limit, &secrets);
        scan.run();
        let safe = if is_last { text.len() } else { scan.safe };
        let mut edits = scan.edits;
        edits.extend(secrets.into_iter().map(with_stars));
        edits.sort_by_key(|(range, _)| (range.start, range.end));
        // Where a secret and a value overlap both have to go; the first to begin says what stands there.
        edits.dedup_by(|(next, _), (last, _)| {
            let is_one = next.start < last.end;
            if is_one {
                last.end = last.end.max(next.end);
            }
            is_one
        });
        edits.retain(|(range, _)| range.end <= safe);
        (edits, safe)
    }
}

/// Percent escapes in lower case, everything else as it is.
fn lower_escapes(text: &str) -> String {
    let mut lower = text.to_owned();
    for (at, _) in text.match_indices('%') {
        if let Some(escape) = text.get(at..at + 3) {
            lower.replace_range(at..at + 3, &escape.to_lowercase());
        }
    }
    lower
}

/// An edit that leaves stars.
pub fn with_stars(range: Range<usize>) -> Edit {
    (range, MASKED.as_bytes())
}

fn take_out(value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) => *value = Value::from(MASKED),
        Value::Array(list) => list.iter_mut().for_each(take_out),
        _ => {}
    }
}

fn apply(text: &[u8], edits: &[Edit], to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut at = 0;
    for (range, instead) in edits {
        to(&text[at..range.start])?;
        to(instead)?;
        at = range.end;
    }
    to(&text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(fields: &[&str], secrets: &[&str]) -> Mask {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Mask::of_fields(&owned(fields)).with_secrets(&owned(secrets))
    }

    fn copied(mask: &Mask, body: &[u8]) -> String {
        let mut masked = Vec::new();
        mask.copy(body, &mut |piece| {
            masked.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn fields_are_taken_out_at_any_depth_and_nothing_else_changes() {
        let mask = mask(&["email", "phone"], &[]);
        for (body, expected) in [
            (r#"{ "email" : "a@b" ,"x":1.50}"#, r#"{ "email" : "***" ,"x":1.50}"#),
            (r#"[{"user":{"email":"say \"hi\", \\","id":7}}]"#, r#"[{"user":{"email":"***","id":7}}]"#),
            (r#"{"phone":-12.5e3,"phones":1}"#, r#"{"phone":"***","phones":1}"#),
            (r#"{"phone":null,"email":true,"y":"email"}"#, r#"{"phone":null,"email":true,"y":"email"}"#),
            (
                r#"{"email":["a",["b",3],{"c":"d","email":""}],"e":"f"}"#,
                r#"{"email":["***",["***","***"],{"c":"d","email":"***"}],"e":"f"}"#,
            ),
            (r#"{"email":{"of":"x"},"z":"y"}"#, r#"{"email":{"of":"x"},"z":"y"}"#),
            (r#"{"e\u006dail":"x"}"#, r#"{"e\u006dail":"***"}"#),
            (r#"{"x":"\"email\":\"kept\""}"#, r#"{"x":"\"email\":\"kept\""}"#),
            (r#"{"email":"broke o"#, r#"{"email":"***"#),
            (r#"{"email":"broke \"#, r#"{"email":"***"#),
            (r#"{"phone":12"#, r#"{"phone":"***""#),
            ("<html>\"email\" 12, ü</html>", "<html>\"email\" 12, ü</html>"),
            ("", ""),
        ] {
            assert_eq!(copied(&mask, body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn secrets_are_taken_out_in_every_spelling() {
        let mask = mask(&[], &["s3cr/t+\"é", "4711815", "ab"]);
        for (body, expected) in [
            (r#"{"a":"x s3cr/t+\"é y"}"#, r#"{"a":"***"}"#),
            (r#"{"a":"s3cr\/t+\"é"}"#, r#"{"a":"***"}"#),
            (r#"{"a":"p \u0073\u0033cr/t+\"\u00e9 q"}"#, r#"{"a":"***"}"#),
            (r#"{"next":"/x?k=s3cr%2Ft%2B%22%C3%A9&y=1"}"#, r#"{"next":"/x?k=***&y=1"}"#),
            (r#"{"next":"/x?k=s3cr%2ft%2b%22%c3%a9"}"#, r#"{"next":"/x?k=***"}"#),
            (r#"{"id":4711815,"n":[14711815.0]}"#, r#"{"id":"***","n":["***"]}"#),
            (r#"{"a":"ab","b":"cab","ab":1}"#, r#"{"a":"***","b":"cab","***":1}"#),
            ("<p>token s3cr/t+\"é was refused", "<p>token *** was refused"),
            (r#"{"s3cr/t+\"é":1}"#, r#"{"***":1}"#),
        ] {
            assert_eq!(copied(&mask, body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn windows_change_nothing() {
        let mask = mask(&["email"], &["the secret, with a comma"]);
        let mut body = String::from("[");
        let mut expected = String::from("[");
        for row in 0..30_000 {
            let filling = "ü".repeat(row % 7);
            body.push_str(&format!(
                r#"{{"id":{row},"x":"{filling}","email":["a{row}","b"],"y":"the secret, with a comma"}},"#
            ));
            expected.push_str(&format!(r#"{{"id":{row},"x":"{filling}","email":["***","***"],"y":"***"}},"#));
        }
        let long = "z".repeat(3 * WINDOW);
        body.push_str(&format!("\"{long}\", the secret, with a comma and more]"));
        expected.push_str(&format!("\"{long}\", *** and more]"));
        assert!(copied(&mask, body.as_bytes()) == expected);
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_were() {
        let bytes: Vec<u8> = (0..=255).cycle().take(WINDOW * 3 + 17).collect();
        let mut masked = Vec::new();
        let mut to = |piece: &[u8]| {
            masked.extend_from_slice(piece);
            Ok(())
        };
        mask(&["email"], &["never there"]).copy(bytes.as_slice(), &mut to).unwrap();
        assert!(masked == bytes);
    }

    #[test]
    fn a_url_keeps_its_spelling_and_loses_its_secrets() {
        let mask = mask(&[], &["s3cr/t", "ab"]);
        let mut names = BTreeSet::new();
        let masked = mask.url("/of/s3cr%2Ft/x?q=a%20b&key=%733cr%2ft&short=ab&also=cab&flag", &mut names);
        assert_eq!(masked, "/of/***/x?q=a%20b&key=***&short=***&also=cab&flag");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["key", "short"]);
    }

    #[test]
    fn a_request_body_loses_fields_and_secrets() {
        let mut body = serde_json::json!({"user": "ann", "auth": {"password": "s3cr/t"}, "ids": [1, "s3cr/t"]});
        let mut names = BTreeSet::new();
        mask(&["user"], &["s3cr/t"]).value(&mut body, &mut names);
        assert_eq!(body.to_string(), r#"{"auth":{"password":"***"},"ids":[1,"***"],"user":"***"}"#);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["password"]);
    }
}
