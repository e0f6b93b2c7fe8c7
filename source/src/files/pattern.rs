//! Patterns of object names: `*` within one segment, `**` for any number of them.

use anyhow::Result;
use deltalake::Path;
use spectra_common::failure::{Exit, failure};

/// A pattern, checked.
#[derive(Debug)]
pub struct Pattern {
    segments: Vec<String>,
}

impl Pattern {
    /// A pattern below a root it cannot leave.
    ///
    /// # Errors
    /// [`Exit::Configuration`] for a pattern with `.`, `..` or nothing between two slashes.
    pub fn parse(text: &str) -> Result<Self> {
        let segments: Vec<String> = text.trim_start_matches('/').split('/').map(ToOwned::to_owned).collect();
        for segment in &segments {
            let reason = match segment.as_str() {
                "" => "holds an empty name",
                "." | ".." => "could leave the folder that --api-url names",
                _ if segment.chars().any(|each| each.is_ascii_control()) => "holds a control character",
                _ => continue,
            };
            return Err(failure(
                Exit::Configuration,
                format!("the files `{}` cannot be looked for: the pattern {reason}", text.escape_debug()),
                "check `files` of the resource, and the ids that fill it",
            ));
        }
        Ok(Self { segments })
    }

    /// The one path it matches, where it has no stars.
    ///
    /// # Errors
    /// Never for a checked pattern.
    pub fn exact(&self) -> Result<Option<Path>> {
        let has_star = self.segments.iter().any(|segment| segment.contains('*'));
        Ok(if has_star { None } else { Some(Path::parse(self.segments.join("/"))?) })
    }

    /// The folder everything it matches lies below.
    ///
    /// # Errors
    /// Never for a checked pattern.
    pub fn folder(&self) -> Result<Option<Path>> {
        let plain = self.segments.iter().take_while(|segment| !segment.contains('*')).count();
        let plain = plain.min(self.segments.len() - 1);
        Ok(if plain == 0 { None } else { Some(Path::parse(self.segments[..plain].join("/"))?) })
    }

    /// Whether everything it matches lies directly in that folder.
    pub fn is_shallow(&self) -> bool {
        let (last, before) = self.segments.split_last().map_or(("", [].as_slice()), |(last, all)| (last.as_str(), all));
        last != "**" && !before.iter().any(|segment| segment.contains('*'))
    }

    /// Whether it matches a path.
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<&str> = path.as_ref().split('/').collect();
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        match_path(&segments, &names)
    }
}

/// Names that begin with a dot are left to those who name the dot, as a shell does.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

fn match_path(segments: &[&str], names: &[&str]) -> bool {
    match (segments, names) {
        ([], []) => true,
        (["**"], []) => false,
        (["**"], [rest @ .., last]) => rest.iter().chain([last]).all(|name| !is_hidden(name)),
        (["**", "**", rest @ ..], _) => match_path(&[&["**"], rest].concat(), names),
        (["**", rest @ ..], _) => {
            let skipped = names.iter().take_while(|name| !is_hidden(name)).count();
            (0..=skipped).any(|skipped| match_path(rest, &names[skipped..]))
        }
        ([segment, segments @ ..], [name, names @ ..]) => match_name(segment, name) && match_path(segments, names),
        _ => false,
    }
}

fn match_name(segment: &str, name: &str) -> bool {
    let Some((start, behind)) = segment.split_once('*') else { return segment == name };
    let (middle, end) = behind.rsplit_once('*').unwrap_or(("", behind));
    if is_hidden(name) && !is_hidden(start) {
        return false;
    }
    let Some(mut rest) = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) else { return false };
    // The leftmost place of each part leaves the most for those behind it.
    middle.split('*').all(|part| {
        rest.find(part).is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_as_they_do_in_a_shell() {
        for (pattern, yes, no) in [
            ("a/*.json", vec!["a/x.json", "a/x.y.json"], vec!["a/.x.json", "a/b/x.json", "x.json", "a/x.json.gz"]),
            ("**/*.json", vec!["x.json", "a/x.json", "a/b/x.json"], vec!["x.ndjson", "a/.b/x.json"]),
            ("a/**", vec!["a/x", "a/b/x"], vec!["a", "b/x", "a/.x"]),
            ("a/**/**/x", vec!["a/x", "a/b/c/x"], vec!["a/xx"]),
            ("p*q*r", vec!["pqr", "pqqr", "p-q-r", "pqrqr"], vec!["pr", "qr", "pqrs"]),
            ("a*a", vec!["aa", "aba"], vec!["a"]),
            ("p=*/part-*.ndjson.gz", vec!["p=1/part-0.ndjson.gz"], vec!["p=1/q/part-0.ndjson.gz"]),
            (".*", vec![".x"], vec!["x"]),
            ("x[1].json", vec!["x[1].json"], vec!["x1.json"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for (paths, expected) in [(yes, true), (no, false)] {
                for path in paths {
                    assert_eq!(parsed.matches(&Path::parse(path).unwrap()), expected, "{pattern} {path}");
                }
            }
        }
    }

    #[test]
    fn no_pattern_leaves_the_root() {
        for pattern in ["../x", "a/../../x", "a/..", "./x", "a//x", "", "/", "a/\u{0}"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn listings_begin_where_the_stars_do() {
        for (pattern, folder, is_shallow) in [
            ("*.json", None, true),
            ("a/b/*.json", Some("a/b"), true),
            ("a/*/x.json", Some("a"), false),
            ("a/**", Some("a"), false),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.folder().unwrap().as_ref().map(AsRef::as_ref), folder);
            assert_eq!(pattern.is_shallow(), is_shallow);
        }
    }
}
