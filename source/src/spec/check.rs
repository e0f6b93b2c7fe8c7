//! Whether a spec makes sense, before anything is asked: every mistake is found with its line and what was meant.

mod auth;
mod document;
mod form;
mod pager;
mod records;
mod request;
mod rules;
mod settings;
mod tree;

use document::{Document, Path};

use super::Spec;

/// Something in a spec that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1; none where it is about the whole.
    pub line: Option<usize>,
    /// What is wrong, and with what.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
}

/// Reads a spec and checks it.
///
/// # Errors
/// The first mistake of the text, which says how many more there are.
pub fn parse(text: &str) -> Result<Spec, Mistake> {
    let document = Document::read(text)?;
    let mut mistakes = Mistakes { document: &document, found: Vec::new() };
    form::check(&mut mistakes);
    match toml::from_str::<Spec>(text) {
        Err(error) => {
            form::translate(&mut mistakes, &error);
            Err(mistakes.first())
        }
        // A field that is a list where a table was meant is read all the same, by position.
        Ok(_) if !mistakes.found.is_empty() => Err(mistakes.first()),
        Ok(mut spec) => {
            settings::check(&mut mistakes, &spec);
            for (name, pager) in &spec.pager {
                pager::check(&mut mistakes, name, pager);
            }
            let tree = tree::check(&mut mistakes, &spec);
            for number in 0..spec.resource.len() {
                records::check(&mut mistakes, &spec, &tree, number);
                request::check(&mut mistakes, &spec, &tree, number);
            }
            if !mistakes.found.is_empty() {
                return Err(mistakes.first());
            }
            text.clone_into(&mut spec.text);
            Ok(spec)
        }
    }
}

/// Mistakes found so far.
struct Mistakes<'a> {
    document: &'a Document,
    found: Vec<Found>,
}

struct Found {
    offset: Option<usize>,
    path: Path,
    mistake: Mistake,
}

impl Mistakes<'_> {
    fn add(&mut self, path: &Path, message: impl Into<String>, suggestion: impl Into<String>) {
        let offset = self.document.offset(path);
        let line = offset.map(|offset| self.document.line(offset));
        let mistake = Mistake { line, message: message.into(), suggestion: suggestion.into() };
        self.found.push(Found { offset, path: path.clone(), mistake });
    }

    /// Whether something around a path, or below it, is wrong already, so that the next mistake may be the same one.
    fn has_near(&self, path: &Path) -> bool {
        self.found.iter().any(|found| found.path.is_within(path) || path.is_within(&found.path))
    }

    fn first(mut self) -> Mistake {
        self.found.sort_by_key(|found| found.offset);
        let more = self.found.len().saturating_sub(1);
        let first = self.found.into_iter().next().map(|found| found.mistake);
        let mut first = first.unwrap_or_else(|| Mistake {
            line: None,
            message: "the spec cannot be read".to_owned(),
            suggestion: "compare it with docs/spec.md".to_owned(),
        });
        if more > 0 {
            first.message.push_str(&format!(" (and {more} more)"));
        }
        first
    }
}

/// The word of a list that somebody who wrote another one probably meant.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = known.iter().filter_map(|name| {
        let lower = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&word, &lower);
        let allowed = (word.chars().count().max(lower.chars().count()) / 3).max(1);
        let holds = word.len().min(lower.len()) >= 4 && (word.contains(&lower) || lower.contains(&word));
        (distance <= allowed || holds).then_some((distance, *name))
    });
    distances.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// What to write instead of a word that is none of a list.
fn instead_of(word: &str, known: &[&str], none: &str) -> String {
    match (nearest(word, known), known) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, []) => none.to_owned(),
        (None, [one]) => format!("write `{one}` instead"),
        (None, many) => format!("write one of {}", in_backticks(many)),
    }
}

fn in_backticks(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a path into a body has a name between any two dots.
fn is_path_into_body(path: &str) -> bool {
    path.split('.').all(|step| !step.trim().is_empty())
}

#[cfg(test)]
mod tests;
