//! Where every part of a spec stands in its text.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Bound;

use toml::de::{DeTable, DeValue};

use super::Mistake;

/// The way to a value: names of tables and fields, and numbers of elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<String>);

impl Path {
    /// The way to a top-level field.
    pub fn to(step: impl Display) -> Self {
        Self::default().then(step)
    }

    /// One step further.
    pub fn then(&self, step: impl Display) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_string());
        Self(steps)
    }

    /// Its steps.
    pub fn steps(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// Whether it is another path, or leads further from there.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The last step, where it is the name of a field and not the number of an element.
    pub fn field(&self) -> Option<&str> {
        self.0.iter().rev().map(String::as_str).find(|step| step.parse::<usize>().is_err())
    }
}

/// A value of a spec.
pub struct Place {
    /// Where a reader looks for it: at its name, or at itself where it has none.
    offset: usize,
    /// Where its text begins, brackets of a header included.
    start: usize,
    /// What it is, in TOML's words.
    pub kind: &'static str,
    /// Its text, where it is a text.
    pub text: Option<String>,
}

/// A spec as it is written.
pub struct Document {
    length: usize,
    line_starts: Vec<usize>,
    places: BTreeMap<Path, Place>,
}

impl Document {
    /// Reads TOML.
    ///
    /// # Errors
    /// The first place where the text is not TOML.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            length: text.len(),
            line_starts: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            places: BTreeMap::new(),
        };
        document.enter_table(&Path::default(), root.get_ref());
        let first = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start));
        match first {
            None => Ok(document),
            Some(error) => Err(document.not_toml(text, error)),
        }
    }

    fn enter_table(&mut self, path: &Path, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let path = path.then(key.get_ref());
            self.enter(&path, key.span().start, key.span().start.min(value.span().start), value.get_ref());
        }
    }

    fn enter(&mut self, path: &Path, offset: usize, start: usize, value: &DeValue<'_>) {
        let text = value.as_str().map(ToOwned::to_owned);
        self.places.insert(path.clone(), Place { offset, start, kind: value.type_str(), text });
        match value {
            DeValue::Table(table) => self.enter_table(path, table),
            DeValue::Array(elements) => {
                for (number, element) in elements.iter().enumerate() {
                    let start = element.span().start;
                    self.enter(&path.then(number), start, start, element.get_ref());
                }
            }
            _ => {}
        }
    }

    /// What is written at a path.
    pub fn at(&self, path: &Path) -> Option<&Place> {
        self.places.get(path)
    }

    /// Whether something is written at a path.
    pub fn has(&self, path: &Path) -> bool {
        self.places.contains_key(path)
    }

    /// Paths one step below another.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let all = self.places.range((Bound::Excluded(path), Bound::Unbounded)).map(|(below, _)| below);
        let below = all.take_while(|below| below.is_within(path));
        below.filter(|below| below.0.len() == path.0.len() + 1)
    }

    /// Where to look for a path, or for the nearest thing around it that is written.
    pub fn offset(&self, path: &Path) -> Option<usize> {
        (1..=path.0.len())
            .rev()
            .find_map(|length| self.places.get(&Path(path.0[..length].to_vec())))
            .map(|at| at.offset)
    }

    /// The innermost thing that an offset lies in.
    pub fn path_at(&self, offset: usize) -> Path {
        let before = self.places.iter().filter(|(_, place)| place.start <= offset);
        before.max_by_key(|(path, place)| (place.start, path.0.len())).map(|(path, _)| path.clone()).unwrap_or_default()
    }

    /// Where an error of the reader of TOML is; none if it is about the whole.
    pub fn path_of(&self, error: &toml::de::Error) -> Path {
        match error.span() {
            Some(span) if span.len() < self.length => self.path_at(span.start),
            _ => Path::default(),
        }
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// What a path is about, for messages.
    pub fn subject(&self, path: &Path) -> String {
        let name = |field: &str, kind: &str, number: &str| {
            let at = Path(path.0[..2].to_vec()).then(field);
            match self.at(&at).and_then(|place| place.text.as_ref()) {
                Some(name) => format!("{kind} `{name}`"),
                None => format!("{kind} {}", ordinal(number)),
            }
        };
        match path.steps()[..] {
            ["resource", number, ..] => name("name", "resource", number),
            ["auth", number, ..] => name("kind", "auth", number),
            ["pager", pager, ..] => format!("pager `{pager}`"),
            ["on", number, ..] => format!("rule {} of the spec", ordinal(number)),
            [table @ ("http" | "retry" | "rate" | "gate"), ..] => format!("[{table}]"),
            _ => "the spec".to_owned(),
        }
    }

    fn not_toml(&self, text: &str, error: &toml::de::Error) -> Mistake {
        let Some(span) = error.span() else {
            return Mistake {
                line: None,
                message: format!("this is not TOML: {}", error.message()),
                suggestion: GENERAL_FORM.to_owned(),
            };
        };
        let path = self.path_at(span.start.saturating_sub(1));
        let subject = self.subject(&path);
        let about = if subject == "the spec" { "the spec".to_owned() } else { format!("the spec, at {subject},") };
        let line = Some(self.line(span.start));
        if error.message() == "duplicate key" {
            let written = text.lines().nth(self.line(span.start) - 1).unwrap_or_default().trim();
            let name = text.get(span).unwrap_or_default();
            let (message, suggestion) = match written.starts_with('[') {
                true => (format!("{written} is there twice"), "keep one of the two, or give the second another name"),
                false => (format!("`{name}` of {subject} is there twice"), "keep one of the two"),
            };
            return Mistake { line, message, suggestion: suggestion.to_owned() };
        }
        Mistake {
            line,
            message: format!("{about} is not TOML here: {}", error.message()),
            suggestion: form_of(error.message()).to_owned(),
        }
    }
}

fn ordinal(number: &str) -> String {
    number.parse::<usize>().map_or_else(|_| number.to_owned(), |number| (number + 1).to_string())
}

const GENERAL_FORM: &str = "write one `name = value` a line, below a header such as [http] or [[resource]]";

fn form_of(message: &str) -> &'static str {
    match message {
        _ if message.contains("must be quoted") => "put text in double quotes",
        _ if message.contains("string") => "end the text on the same line, with the quote it began with",
        _ if message.starts_with("key with no value") => "write `=` and a value after the name",
        _ if message.contains("missing value") => {
            "write a value after the `=`: \"text\", 5, true, [\"a\"] or { a = \"b\" }"
        }
        _ if message.contains("unclosed table") => "close the header with `]`, as in [http]",
        _ if message.contains("unclosed array table") => "close the header with `]]`, as in [[resource]]",
        _ if message.contains("unclosed array") => "close the list with `]`",
        _ if message.contains("unclosed inline table") => "close the table with `}`",
        _ if message.contains("missing comma") => "put a comma between the two",
        _ => GENERAL_FORM,
    }
}
