//! What is made of `prepare.drift`: the contract as it would have to be, the patch that leads there, and the refusal of
//! a run whose contract is frozen.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use spectra_common::failure::{Exit, failure};
use spectra_common::log;
use spectra_common::release::Files;
use spectra_common::stage::{FilesForPeople, Making};
use tracing::warn;

const CONTRACT: &str = "prepare/contract.csv";
const PATCH: &str = "prepare/contract.patch";

/// The columns of a contract, as its first line names them.
const HEADER: &str = "resource,path,types,isAlwaysPresent,isNullable,smallValues";

/// Lines around a change that a patch shows, so that it finds its place.
const CONTEXT: usize = 3;

/// How many differences a message names.
const EXAMPLE_COUNT: usize = 5;

/// How many differences are told one by one in the log.
const WARNING_COUNT: usize = 20;

/// The contract that would fit, and how to get there.
pub fn files() -> FilesForPeople {
    FilesForPeople { paths: vec![CONTRACT.to_owned(), PATCH.to_owned()], choice: String::new(), make: Arc::new(boxed) }
}

fn boxed(making: Making<'_>) -> BoxFuture<'_, Result<Files>> {
    make(making).boxed()
}

/// A line of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clause {
    resource: String,
    path: String,
    types: String,
    #[serde(default)]
    is_always_present: bool,
    #[serde(default)]
    is_nullable: bool,
    small_values: Option<String>,
}

/// A difference between the contract and what was found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    resource: String,
    path: String,
    kind: String,
    expected: Option<String>,
    found: Option<String>,
    drift_mode: String,
    touched_columns: Option<String>,
    #[serde(default)]
    is_breaking: bool,
}

async fn make(making: Making<'_>) -> Result<Files> {
    let context = making.context;
    let sql = "select * from prepare.contract order by resource, path";
    let old: Vec<Clause> = log::rows(&context.sql(sql).await?.collect().await?)?;
    let sql =
        "select s.resource, s.path, coalesce(s.types, 'null') as types, s.\"presenceShare\" = 1 as \"isAlwaysPresent\",
          s.\"nullShare\" > 0 as \"isNullable\", case when s.\"isEnum\" then s.\"smallValues\" end as \"smallValues\"
        from prepare.schema as s order by s.resource, s.path";
    let seen: Vec<Clause> = log::rows(&context.sql(sql).await?.collect().await?)?;
    let sql = "select * from prepare.drift where \"comparedWith\" = 'contract' order by resource, path, kind";
    let drift: Vec<Difference> = log::rows(&context.sql(sql).await?.collect().await?)?;
    let new = amended(&old, &seen, &drift);
    let patch = patch(&lines(&old), &lines(&new));
    let mut breaking: Vec<&Difference> = drift.iter().filter(|difference| difference.is_breaking).collect();
    // Few are shown: those that matter downstream come first.
    breaking.sort_by_key(|difference| std::cmp::Reverse(difference.touched().len()));
    for difference in breaking.iter().take(WARNING_COUNT) {
        warn!(resource = difference.resource, path = difference.path, "{}", difference.told());
    }
    if breaking.len() > WARNING_COUNT {
        warn!("{} more differences from the contract stand in prepare.drift", breaking.len() - WARNING_COUNT);
    }
    if breaking.iter().any(|difference| difference.drift_mode == "freeze") {
        return Err(refusal(&breaking, &patch));
    }
    let text = lines(&new).iter().fold(String::new(), |text, line| text + line + "\n");
    Ok(vec![(CONTRACT.to_owned(), text.into_bytes()), (PATCH.to_owned(), patch.into_bytes())])
}

impl Difference {
    /// Columns made of the field.
    fn touched(&self) -> Vec<&str> {
        let touched = self.touched_columns.as_deref().unwrap_or_default();
        touched.split(", ").filter(|column| !column.is_empty()).collect()
    }

    fn told(&self) -> String {
        let (found, expected) =
            (self.found.as_deref().unwrap_or_default(), self.expected.as_deref().unwrap_or_default());
        let what = match self.kind.as_str() {
            "new" => format!("is new ({found})"),
            "vanished" => format!("has vanished (was {expected})"),
            "retyped" => format!("is {found} and was {expected}"),
            other => format!("is {other}"),
        };
        let columns = self.touched();
        // The column of this stage is the one that reads the field; all others follow from it.
        let nearest = columns.iter().find(|column| column.starts_with("prepare.")).or(columns.first());
        let touches = match nearest {
            None => "no column is made of it".to_owned(),
            Some(one) if columns.len() == 1 => format!("touches {one}"),
            Some(one) => format!("touches {one} and {} more columns", columns.len() - 1),
        };
        format!("{} {} {what}; {touches}", self.resource, self.path)
    }
}

/// The contract with every difference taken in. What no longer comes is kept as something that may come.
fn amended(old: &[Clause], seen: &[Clause], drift: &[Difference]) -> Vec<Clause> {
    let key = |resource: &str, path: &str| (resource.to_owned(), path.to_owned());
    let seen: BTreeMap<_, _> = seen.iter().map(|clause| (key(&clause.resource, &clause.path), clause)).collect();
    let mut new: BTreeMap<_, Clause> =
        old.iter().map(|clause| (key(&clause.resource, &clause.path), clause.clone())).collect();
    for difference in drift {
        let place = key(&difference.resource, &difference.path);
        let found = seen.get(&place);
        if difference.kind == "new" {
            if let Some(found) = found {
                // Which values there may be is for a person to say.
                new.insert(place, Clause { small_values: None, ..(*found).clone() });
            }
            continue;
        }
        let Some(clause) = new.get_mut(&place) else { continue };
        match (difference.kind.as_str(), found) {
            ("vanished", _) => clause.is_always_present = false,
            ("retyped", Some(found)) => {
                let mut types: Vec<&str> = clause.types.split('|').chain(found.types.split('|')).collect();
                types.sort_unstable();
                types.dedup();
                clause.types = types.join("|");
            }
            ("nulled", _) => clause.is_nullable = true,
            ("newValue", Some(found)) => clause.small_values.clone_from(&found.small_values),
            _ => {}
        }
    }
    new.into_values().collect()
}

fn lines(clauses: &[Clause]) -> Vec<String> {
    let mut lines = vec![HEADER.to_owned()];
    for clause in clauses {
        let values = clause.small_values.as_deref().unwrap_or_default();
        let cells = [&clause.resource, &clause.path, &clause.types].map(|cell| quoted(cell));
        lines.push(format!(
            "{},{},{},{}",
            cells.join(","),
            clause.is_always_present,
            clause.is_nullable,
            quoted(values)
        ));
    }
    lines
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// What `diff -u` would say, for lines that are sorted by what stands before their second comma.
fn patch(old: &[String], new: &[String]) -> String {
    let key = |line: &String| line.splitn(3, ',').take(2).map(ToOwned::to_owned).collect::<Vec<_>>();
    let mut edits: Vec<(char, &String)> = Vec::new();
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    // The headers stand first, whatever their words.
    if let (Some(header), Some(_)) = (left.next(), right.next()) {
        edits.push((' ', header));
    }
    loop {
        match (left.peek(), right.peek()) {
            (Some(was), Some(is)) if was == is => {
                edits.push((' ', was));
                left.next();
                right.next();
            }
            (Some(was), Some(is)) if key(was) <= key(is) => {
                edits.push(('-', was));
                left.next();
            }
            (_, Some(is)) => {
                edits.push(('+', is));
                right.next();
            }
            (Some(was), None) => {
                edits.push(('-', was));
                left.next();
            }
            (None, None) => break,
        }
    }
    hunks(&edits)
}

fn hunks(edits: &[(char, &String)]) -> String {
    let mut shown: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..edits.len()).filter(|at| edits[*at].0 != ' ') {
        let range = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(edits.len());
        match shown.last_mut() {
            Some(last) if last.end >= range.start => last.end = range.end,
            _ => shown.push(range),
        }
    }
    if shown.is_empty() {
        return String::new();
    }
    let mut text = "--- a/prepare/reference/contract.csv\n+++ b/prepare/reference/contract.csv\n".to_owned();
    let count = |edits: &[(char, &String)], other: char| edits.iter().filter(|(sign, _)| *sign != other).count();
    for range in shown {
        let (before, inside) = (&edits[..range.start], &edits[range]);
        text.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            count(before, '+') + 1,
            count(inside, '+'),
            count(before, '-') + 1,
            count(inside, '-')
        ));
        for (sign, line) in inside {
            text.push(*sign);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn refusal(breaking: &[&Difference], patch: &str) -> anyhow::Error {
    let named: Vec<String> = breaking.iter().take(EXAMPLE_COUNT).map(|difference| difference.told()).collect();
    let more = breaking.len().saturating_sub(EXAMPLE_COUNT);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let amended: Vec<&str> =
        patch.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).take(EXAMPLE_COUNT).collect();
    failure(
        Exit::DataRefused,
        format!(
            "the contract is frozen and {} of its fields are not as it says: {}{rest}",
            breaking.len(),
            named.join("; ")
        ),
        format!(
            "nothing of this run was published: run with --drift evolve and take Files/{PATCH} into \
             prepare/reference/contract.csv, or --drift quarantine to do without those records; lines it needs: {}",
            amended.join(" ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(path: &str, types: &str) -> Clause {
        Clause {
            resource: "dimCycle".to_owned(),
            path: path.to_owned(),
            types: types.to_owned(),
            is_always_present: true,
            is_nullable: false,
            small_values: None,
        }
    }

    fn difference(path: &str, kind: &str) -> Difference {
        Difference {
            resource: "dimCycle".to_owned(),
            path: path.to_owned(),
            kind: kind.to_owned(),
            expected: Some("integer".to_owned()),
            found: Some("text".to_owned()),
            drift_mode: "freeze".to_owned(),
            touched_columns: Some("clean.dimCycle.cycleName, prepare.dimCycle.cycleName".to_owned()),
            is_breaking: true,
        }
    }

    #[test]
    fn the_patch_leads_from_one_contract_to_the_other() {
        let old = [clause("a", "integer"), clause("c", "integer"), clause("d", "text")];
        let seen = [clause("a", "integer"), clause("b", "text"), clause("c", "text")];
        let drift = [difference("b", "new"), difference("c", "retyped"), difference("d", "vanished")];
        let new = amended(&old, &seen, &drift);
        let patch = patch(&lines(&old), &lines(&new));
        assert_eq!(
            patch.lines().skip(2).collect::<Vec<_>>(),
            [
                "@@ -1,4 +1,5 @@",
                " resource,path,types,isAlwaysPresent,isNullable,smallValues",
                " dimCycle,a,integer,true,false,",
                "+dimCycle,b,text,true,false,",
                "-dimCycle,c,integer,true,false,",
                "+dimCycle,c,integer|text,true,false,",
                "-dimCycle,d,text,true,false,",
                "+dimCycle,d,text,false,false,",
            ]
        );
        assert_eq!(super::patch(&lines(&old), &lines(&old)), "");
    }

    #[test]
    fn a_refusal_names_fields_and_what_they_touch() {
        let error = refusal(&[&difference("c", "retyped")], "+++ b\n+dimCycle,c,integer|text,true,false,\n");
        assert_eq!(
            error.to_string(),
            "the contract is frozen and 1 of its fields are not as it says: dimCycle c is text and was integer; \
             touches prepare.dimCycle.cycleName and 1 more columns"
        );
    }
}
