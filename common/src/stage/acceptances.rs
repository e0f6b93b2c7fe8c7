//! Rows that break a rule and are let through all the same, because somebody said so and why.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Deserialize;
use tracing::warn;

use super::inputs::Inputs;
use crate::failure::{Exit, failure};
use crate::log;
use crate::model::{Model, TableName};
use crate::release::{self, STAGES};
use crate::run::Run;
use crate::session;

/// The reference file, and the table of prepare that is made of it.
const NAME: &str = "acceptances";

/// A line of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    stage: Option<String>,
    table_name: Option<String>,
    row_key: Option<String>,
    expectation: Option<String>,
    reason: Option<String>,
}

/// What is let through of one table: by key of a row, as messages print it, the rules it may break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted(BTreeMap<String, BTreeSet<String>>);

impl Accepted {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row may break all of these rules.
    pub fn covers<'a>(&self, key: &str, mut rules: impl Iterator<Item = &'a str>) -> bool {
        self.0.get(key).is_some_and(|accepted| rules.all(|rule| accepted.contains(rule)))
    }

    /// Each key with each rule.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(key, rules)| rules.iter().map(|rule| (key.as_str(), rule.as_str())))
    }
}

/// What is let through of each table of a stage. Prepare reads the file, later stages what prepare made of it.
///
/// # Errors
/// [`Exit::Configuration`] for a line of the file that says no reason, or not what it is about.
pub async fn load(run: &Run, inputs: &Inputs, models: &[Model]) -> Result<BTreeMap<String, Accepted>> {
    let table = TableName { schema: "prepare".to_owned(), table: NAME.to_owned() };
    let lines: Vec<Line> = match (inputs.reference(NAME), inputs.state(&table)) {
        (Some(file), _) => {
            let lines = log::rows(&file.batches()?)?;
            check(&lines)?;
            lines
        }
        (None, Some(state)) if state.rows > 0 => {
            let delta = release::open(&run.lake, &table.schema, &table.table, state).await?;
            let context = session::new(run.settings.memory, 1)?;
            session::register_delta(&context, &table.schema, &table.table, &delta).await?;
            log::rows(&context.sql(&format!("select * from {table}")).await?.collect().await?)?
        }
        _ => Vec::new(),
    };
    let accepted = of_stage(inputs.stage, &lines);
    for table in accepted.keys().filter(|table| !models.iter().any(|model| model.table == **table)) {
        warn!("rows of {}.{table} are accepted, and there is no such table", inputs.stage);
    }
    Ok(accepted)
}

fn plain(value: &Option<String>) -> &str {
    value.as_deref().map(str::trim).unwrap_or_default()
}

fn check(lines: &[Line]) -> Result<()> {
    for (index, line) in lines.iter().enumerate() {
        let refuse = |what: String| {
            failure(
                Exit::Configuration,
                format!("reading reference table {NAME}.csv: row {} {what}", index + 1),
                "each row says stage, tableName, rowKey (as the log prints it: executionId=5), expectation (the text of \
                 the rule) and the reason",
            )
        };
        let cells = [
            ("stage", &line.stage),
            ("tableName", &line.table_name),
            ("rowKey", &line.row_key),
            ("expectation", &line.expectation),
            ("reason", &line.reason),
        ];
        if let Some((name, _)) = cells.iter().find(|(_, value)| plain(value).is_empty()) {
            return Err(refuse(format!("has no {name}")));
        }
        let stage = plain(&line.stage);
        if !STAGES[1..].contains(&stage) {
            return Err(refuse(format!("names the stage `{stage}`, which is none of {}", STAGES[1..].join(", "))));
        }
    }
    Ok(())
}

fn of_stage(stage: &str, lines: &[Line]) -> BTreeMap<String, Accepted> {
    let mut accepted: BTreeMap<String, Accepted> = BTreeMap::new();
    for line in lines.iter().filter(|line| plain(&line.stage) == stage) {
        let table = accepted.entry(plain(&line.table_name).to_owned()).or_default();
        let rules = table.0.entry(plain(&line.row_key).to_owned()).or_default();
        rules.insert(plain(&line.expectation).to_owned());
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: [&str; 5]) -> Line {
        let [stage, table_name, row_key, expectation, reason] = cells.map(|cell| Some(cell.to_owned()));
        Line { stage, table_name, row_key, expectation, reason }
    }

    #[test]
    fn a_row_passes_that_breaks_only_what_is_accepted_of_it() {
        let lines = [
            line(["clean", "fact", " id=5 ", "a > 0 ", "known"]),
            line(["clean", "fact", "id=5", "b > 0", "known"]),
            line(["prepare", "fact", "id=6", "a > 0", "known"]),
        ];
        let accepted = of_stage("clean", &lines);
        let fact = &accepted["fact"];
        assert!(fact.covers("id=5", ["a > 0"].into_iter()));
        assert!(fact.covers("id=5", ["b > 0", "a > 0"].into_iter()));
        assert!(!fact.covers("id=5", ["a > 0", "c > 0"].into_iter()));
        assert!(!fact.covers("id=6", ["a > 0"].into_iter()), "that is a row of another stage");
        assert_eq!(fact.each().collect::<Vec<_>>(), [("id=5", "a > 0"), ("id=5", "b > 0")]);
    }

    #[test]
    fn what_is_accepted_without_a_reason_is_refused_by_its_row() {
        let good = ["clean", "fact", "id=5", "a > 0", "known"];
        assert!(check(&[line(good)]).is_ok());
        for (at, words) in [(0, "no stage"), (2, "no rowKey"), (4, "no reason")] {
            let mut cells = good;
            cells[at] = " ";
            let refused = check(&[line(good), line(cells)]).unwrap_err().to_string();
            assert!(refused.contains("row 2") && refused.contains(words), "{refused}");
        }
        let refused = check(&[line(["source", "fact", "id=5", "a > 0", "known"])]).unwrap_err().to_string();
        assert!(refused.contains("`source`, which is none of prepare"), "{refused}");
    }
}
