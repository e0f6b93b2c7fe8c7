//! A look at the lake as of one release: the tables it names, and those of the releases it was built from.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use anyhow::Result;
use datafusion::prelude::SessionContext;

use spectra_common::failure::{Exit, failure};
use spectra_common::lake::Lake;
use spectra_common::model::TableName;
use spectra_common::release::{History, Release, STAGES};
use spectra_common::{log, session};

/// A release somebody asks for: `12`, `refine` or `refine@12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The stage; analyse where only a number is given.
    pub stage: String,
    /// The number; the newest if not given.
    pub number: Option<i64>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stage, number) = match text.split_once('@') {
            Some((stage, number)) => (stage, Some(number)),
            None if text.starts_with(|first: char| first.is_ascii_digit()) => ("analyse", Some(text)),
            None => (text, None),
        };
        let number = number.map(|number| number.parse().map_err(|_| format!("`{number}` is no number of a release")));
        if !STAGES.contains(&stage) {
            return Err(format!("`{stage}` is no stage: there are {}", STAGES.join(", ")));
        }
        Ok(Self { stage: stage.to_owned(), number: number.transpose()? })
    }
}

/// The releases that are looked at.
pub struct View {
    lake: Lake,
    history: History,
    /// One release a stage: the one looked at, and those it was built from.
    pub releases: BTreeMap<String, i64>,
    /// The stage of the release looked at.
    pub stage: String,
}

impl View {
    /// Looks at a release, or at the newest of the last stage that has one.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is no such release.
    pub async fn open(lake: &Lake, wanted: Option<&Wanted>) -> Result<Self> {
        let history = History::load(lake).await?;
        let last = STAGES.iter().rev().find(|stage| history.newest(stage).is_some());
        let stage = match (wanted, last) {
            (Some(wanted), _) => wanted.stage.clone(),
            (None, Some(stage)) => (*stage).to_owned(),
            (None, None) => {
                return Err(failure(
                    Exit::InputMissing,
                    format!("there is no release in the lake at {}", lake.display(lake.root())),
                    "check --lake, or run spectra-source first",
                ));
            }
        };
        let release = history.pin(&stage, wanted.and_then(|wanted| wanted.number))?;
        let mut releases = release.inputs.clone();
        releases.insert(stage.clone(), release.number);
        Ok(Self { lake: lake.clone(), releases, stage, history })
    }

    /// The releases that are looked at, stages in order.
    pub fn pinned(&self) -> impl Iterator<Item = &Release> {
        STAGES.iter().filter_map(|stage| self.history.find(stage, *self.releases.get(*stage)?))
    }

    /// Every table there is to read, stages in order, the logs last.
    pub fn tables(&self) -> Vec<TableName> {
        let mut tables = Vec::new();
        for release in self.pinned() {
            tables.extend(release.tables.keys().filter_map(|name| TableName::parse(name)));
        }
        tables.extend(log::TABLES.map(|table| TableName { schema: "log".to_owned(), table: table.to_owned() }));
        tables
    }

    /// Whether there is such a table.
    pub fn has(&self, name: &TableName) -> bool {
        self.version(name).is_ok_and(|version| version.is_some())
    }

    /// How many rows a table has in its release; unknown for the tables that only grow.
    pub fn row_count(&self, name: &TableName) -> Option<i64> {
        if ["source", "log"].contains(&name.schema.as_str()) {
            return None;
        }
        self.pinned().find_map(|release| release.tables.get(&name.to_string())).map(|state| state.rows)
    }

    /// The version of a table that is looked at. `stage@N` in place of a schema is that release, whatever is looked at.
    fn version(&self, name: &TableName) -> Result<Option<(String, u64)>> {
        if let Some((stage, number)) = name.schema.split_once('@') {
            let wanted: Wanted = format!("{stage}@{number}").parse().map_err(|why: String| {
                failure(Exit::Usage, why, "write \"refine@3\".dimCycle for the table of a certain release")
            })?;
            let release = self.history.pin(&wanted.stage, wanted.number)?;
            let state = release.tables.get(&format!("{stage}.{}", name.table));
            return Ok(state.map(|state| (stage.to_owned(), state.version)));
        }
        let state = self.pinned().find_map(|release| release.tables.get(&name.to_string()));
        Ok(state.map(|state| (name.schema.clone(), state.version)))
    }

    /// Makes a table readable under the name it is asked for by.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is no such table; the hint says which are like it.
    pub async fn register(&self, context: &SessionContext, name: &TableName) -> Result<()> {
        if session::has(context, &name.schema, &name.table) {
            return Ok(());
        }
        if name.schema == "log" && log::columns(&name.table).is_ok() {
            let columns = log::columns(&name.table)?;
            // A lake that is only looked at gets no table by being looked at.
            return match self.lake.open("log", &name.table, None).await? {
                Some(delta) => session::register_delta(context, "log", &name.table, &delta).await,
                None => {
                    let empty = datafusion::datasource::MemTable::try_new(columns.arrow, vec![vec![]])?;
                    session::register(context, "log", &name.table, std::sync::Arc::new(empty))
                }
            };
        }
        let Some((schema, version)) = self.version(name)? else { return Err(self.missing(name)) };
        let delta = self.lake.open(&schema, &name.table, Some(version)).await?.ok_or_else(|| {
            failure(
                Exit::LakeUnavailable,
                format!("table {schema}.{} is gone although a release names it", name.table),
                format!("restore it, or build the stage {schema} again with --force"),
            )
        })?;
        session::register_delta(context, &name.schema, &name.table, &delta).await
    }

    /// A table named without its schema: the one of the last stage that has it.
    pub fn nearest(&self, table: &str) -> Option<TableName> {
        let schemas = STAGES.iter().rev().chain(&["quarantine", "log"]);
        let tables: BTreeSet<TableName> = self.tables().into_iter().collect();
        schemas
            .map(|schema| TableName { schema: (*schema).to_owned(), table: table.to_owned() })
            .find(|name| tables.contains(name))
    }

    fn missing(&self, name: &TableName) -> anyhow::Error {
        let tables = self.tables();
        let same = |each: &&TableName| each.table.eq_ignore_ascii_case(&name.table);
        let mut near: Vec<String> = tables.iter().filter(same).map(ToString::to_string).collect();
        if near.is_empty() {
            near = tables.iter().filter(|each| each.schema == name.schema).map(ToString::to_string).collect();
        }
        let hint = match near.is_empty() {
            true => "spectra-analyse describe lists all tables".to_owned(),
            false => format!("there are {}; spectra-analyse describe lists all tables", near.join(", ")),
        };
        let number = self.releases.get(&self.stage).copied().unwrap_or_default();
        let message =
            format!("there is no table {name} in release {number} of {} and what it is built from", self.stage);
        failure(Exit::InputMissing, message, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_by_number_stage_or_both() {
        let wanted = |stage: &str, number| Ok(Wanted { stage: stage.to_owned(), number });
        assert_eq!("12".parse::<Wanted>(), wanted("analyse", Some(12)));
        assert_eq!("refine".parse::<Wanted>(), wanted("refine", None));
        assert_eq!("refine@12".parse::<Wanted>(), wanted("refine", Some(12)));
        assert!("refined@12".parse::<Wanted>().unwrap_err().contains("no stage"));
        assert!("refine@last".parse::<Wanted>().unwrap_err().contains("no number"));
    }
}
