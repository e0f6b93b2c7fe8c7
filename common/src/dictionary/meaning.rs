//! What a model's header says about its columns: `-- columnName[, columnName]: meaning`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::DIRECTIVES;

/// A header's words, taken apart.
#[derive(Debug, Default, PartialEq)]
pub struct Words {
    /// What a row is, and whatever else is no column's meaning.
    pub purpose: String,
    /// Meanings by column.
    pub columns: BTreeMap<String, String>,
}

/// Takes the words of a header apart. Only names of columns begin a meaning, at the start of a line or a sentence; it goes on
/// until the next one, or until a line begins after a full stop.
pub fn words(sql: &str, columns: &BTreeSet<String>) -> Words {
    let mut words = Words::default();
    let mut open: Option<Vec<String>> = None;
    let mut is_directive = false;
    let mut ended = true;
    for line in sql.lines() {
        let Some(comment) = line.strip_prefix("--") else { break };
        if comment.starts_with("    ") && is_directive {
            continue;
        }
        let text = comment.trim();
        is_directive = text.split_once(':').is_some_and(|(word, _)| DIRECTIVES.contains(&word));
        if is_directive {
            open = None;
            continue;
        }
        for (at, part) in sentences(text).into_iter().enumerate() {
            match entry(part, columns) {
                Some((names, meaning)) => {
                    for name in &names {
                        words.columns.insert(name.clone(), meaning.to_owned());
                    }
                    open = Some(names);
                }
                None if at == 0 && ended && !comment.starts_with("    ") => {
                    open = None;
                    append(&mut words.purpose, part);
                }
                None => match &open {
                    Some(names) => {
                        for name in names {
                            append(words.columns.entry(name.clone()).or_default(), part);
                        }
                    }
                    None => append(&mut words.purpose, part),
                },
            }
        }
        ended = text.ends_with('.');
    }
    for meaning in words.columns.values_mut() {
        let plain = meaning.trim().trim_end_matches(['.', ';']).to_owned();
        *meaning = plain;
    }
    words
}

fn append(text: &mut String, part: &str) {
    if !text.is_empty() && !part.is_empty() {
        text.push(' ');
    }
    text.push_str(part);
}

/// A line cut where a sentence, or a part of one, ends.
fn sentences(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (at, _) in text.match_indices(". ").chain(text.match_indices("; ")).collect::<BTreeSet<_>>() {
        parts.push(&text[begin..=at]);
        begin = at + 2;
    }
    parts.push(&text[begin..]);
    parts
}

/// The columns a part of a line is about, and what it says of them.
fn entry<'a>(part: &'a str, columns: &BTreeSet<String>) -> Option<(Vec<String>, &'a str)> {
    let (names, meaning) = part.split_once(": ").or_else(|| Some((part.strip_suffix(':')?, "")))?;
    let names: Vec<String> = names
        .replace(" and ", ", ")
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    (!names.is_empty() && names.iter().all(|name| columns.contains(name))).then_some((names, meaning.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- One row per cycle: where a release is tested.\n\
        -- cycleName, build: as typed; may\n\
        -- be empty.\n\
        -- Note: dates are local.\n\
        -- daysElapsed: days since the start. daysRemaining: days to the end;\n\
        --     negative when past.\n\
        -- key: cycleKey\n\
        -- incremental: cycleId of a.cycle, b.release\n\
        -- expect: build is not null\n--     or true, else warn\n\
        -- cycleKey: surrogate key of the cycle.\n\
        select 1";

    #[test]
    fn meanings_are_told_from_purpose_and_directives() {
        let columns = ["cycleName", "build", "daysElapsed", "daysRemaining", "cycleKey"];
        let words = words(SQL, &columns.map(ToOwned::to_owned).into());
        assert_eq!(words.purpose, "One row per cycle: where a release is tested. Note: dates are local.");
        let of = |name: &str| words.columns[name].as_str();
        assert_eq!(of("cycleName"), "as typed; may be empty");
        assert_eq!(of("build"), of("cycleName"));
        assert_eq!(of("daysElapsed"), "days since the start");
        assert_eq!(of("daysRemaining"), "days to the end; negative when past");
        assert_eq!(of("cycleKey"), "surrogate key of the cycle");
    }
}
