//! Releases: which versions of which tables belong together, and how a run publishes a new one.
//!
//! Delta commits one table at a time; a stage writes many. The row in `log.run` with status `published` is the
//! release. The order is: claim the number, commit each table, record what was done, write that row. A run that is
//! killed in between leaves table versions that no release names.
//!
//! What a person can do with releases is [`ReleaseCommand`]: list, show, diff, revert.

mod command;
mod compare;
mod diff;
mod list;
mod presence;
mod publish;
mod revert;
mod show;
mod whole;

pub use command::ReleaseCommand;
pub use presence::{Presence, Presences, look};
pub use publish::{Broken, Change, Files, Pending, Terms, discard_all, publish, publish_as};
pub use whole::{files_of, open};

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result};
use deltalake::DeltaTable;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, failure};
use crate::lake::Lake;
use crate::log::{self, RunRow};
use crate::session;

/// The stages in order.
pub const STAGES: [&str; 6] = ["source", "prepare", "clean", "transform", "refine", "analyse"];

/// One published release.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its number within the stage, rising.
    pub number: i64,
    /// The stage it is a release of.
    pub stage: String,
    /// The run that published it.
    pub run_id: String,
    /// The day its figures are for.
    pub as_of: Option<Date>,
    /// Hash of everything it is a function of.
    pub fingerprint: String,
    /// The releases it is built from, by stage, back to source.
    pub inputs: BTreeMap<String, i64>,
    /// Its tables, by `schema.table`.
    pub tables: BTreeMap<String, TableState>,
    /// When it was published.
    pub published_at: Timestamp,
    /// Rows its run wrote.
    pub row_count: i64,
    /// What is particular about it, such as the release it is a copy of.
    pub note: Option<String>,
}

/// A table within a release.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TableState {
    /// Delta version.
    pub version: u64,
    /// Hash of the model and its inputs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Rows in it.
    #[serde(default)]
    pub rows: i64,
    /// Whether every later stage may read it, not only the next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_carried: bool,
    /// What tells its data files from any others; not known of releases from before this was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub files: String,
    /// The older version whose rows this one has, where upkeep put them into fewer files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// What told the data files of that version from any others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub same_files: String,
}

impl TableState {
    /// Equal for two versions of a table that have the same rows, and for no others. The number alone would not do: a table
    /// that was moved away and made anew counts its versions anew.
    pub fn content(&self) -> (u64, &str) {
        match self.same_as {
            Some(version) => (version, &self.same_files),
            None => (self.version, &self.files),
        }
    }

    /// What a later version is that has the same rows; its own number is known once it is committed.
    pub fn with_same_rows(&self) -> Self {
        let (version, files) = self.content();
        Self { same_as: Some(version), same_files: files.to_owned(), ..self.clone() }
    }
}

/// How a release came about, as `log.run` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A run worked it out.
    Published,
    /// Upkeep made it out of the release before.
    Upkeep,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Upkeep => "upkeep",
        }
    }
}

/// All releases of a lake, and when source last looked.
pub struct History {
    releases: Vec<Release>,
    /// Newest end of a source run, by the release that was current then.
    walks: BTreeMap<i64, Timestamp>,
    finished: HashSet<String>,
    /// When upkeep let go of releases, by stage and number.
    gone: BTreeMap<(String, i64), Timestamp>,
    log: Option<DeltaTable>,
}

impl History {
    /// Reads `log.run`.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when it cannot be read.
    pub async fn load(lake: &Lake) -> Result<Self> {
        let mut history = Self {
            releases: Vec::new(),
            walks: BTreeMap::new(),
            finished: HashSet::new(),
            gone: BTreeMap::new(),
            log: lake.open("log", "run", None).await?,
        };
        let Some(log) = &history.log else { return Ok(history) };
        let context = session::new(256 << 20, 1)?;
        session::register_delta(&context, "log", "run", log).await?;
        // What a release consisted of is a long text, and of no use once it is gone.
        let sql = "with gone as (select stage, release from log.run where status = 'gone')
            select run.\"runId\", run.stage, run.status, run.release, run.\"startedAt\", run.\"recordedAt\", run.\"asOf\",
                run.fingerprint, run.inputs, run.message, run.\"rowCount\", run.version,
                case when gone.release is null then run.tables end as tables
            from log.run as run left join gone on run.stage = gone.stage and run.release = gone.release
            where run.status in ('published', 'upkeep', 'gone') or (run.status = 'unchanged' and run.stage = 'source')";
        let rows: Vec<RunRow> = log::rows(&context.sql(sql).await?.collect().await.context("reading log.run")?)?;
        for row in rows {
            history.take(row)?;
        }
        let gone = &history.gone;
        history.releases.retain(|release| !gone.contains_key(&(release.stage.clone(), release.number)));
        history.releases.sort_by_key(|release| release.number);
        Ok(history)
    }

    fn take(&mut self, row: RunRow) -> Result<()> {
        let Some(number) = row.release else { return Ok(()) };
        let recorded: Timestamp = row.recorded_at.parse().context("reading log.run: recordedAt")?;
        if row.status == "gone" {
            self.gone.insert((row.stage, number), recorded);
            return Ok(());
        }
        if is_newer(&row.version) {
            return Err(failure(
                Exit::LakeUnavailable,
                format!(
                    "release {number} of {} was published by spectra {}, which is newer than this one ({OUR_VERSION})",
                    row.stage, row.version
                ),
                format!("install spectra {} or later for every stage that uses this lake", row.version),
            ));
        }
        let is_upkeep = row.status == Status::Upkeep.as_str();
        if row.stage == "source" && !is_upkeep {
            self.finished.insert(row.run_id.clone());
            let newest = self.walks.entry(number).or_insert(recorded);
            *newest = recorded.max(*newest);
        }
        if row.status != Status::Published.as_str() && !is_upkeep {
            return Ok(());
        }
        let name = || format!("reading release {number} of {} in log.run", row.stage);
        self.releases.push(Release {
            number,
            run_id: row.run_id.clone(),
            as_of: row.as_of.as_deref().map(str::parse).transpose().with_context(name)?,
            fingerprint: row.fingerprint.clone().unwrap_or_default(),
            inputs: serde_json::from_str(row.inputs.as_deref().unwrap_or("{}")).with_context(name)?,
            tables: serde_json::from_str(row.tables.as_deref().unwrap_or("{}")).with_context(name)?,
            stage: row.stage.clone(),
            published_at: recorded,
            row_count: row.row_count.unwrap_or_default(),
            note: row.message.clone(),
        });
        Ok(())
    }

    /// All releases that are not gone, by number.
    pub fn all(&self) -> &[Release] {
        &self.releases
    }

    /// All releases of a stage, the newest first.
    pub fn of(&self, stage: &str) -> impl Iterator<Item = &Release> {
        self.releases.iter().rev().filter(move |release| release.stage == stage)
    }

    /// The newest release of a stage.
    pub fn newest(&self, stage: &str) -> Option<&Release> {
        self.of(stage).next()
    }

    /// A release by number.
    pub fn find(&self, stage: &str, number: i64) -> Option<&Release> {
        self.releases.iter().find(|release| release.stage == stage && release.number == number)
    }

    /// The release to build on: `wanted`, else the newest.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] when there is none, or not that one.
    pub fn pin(&self, stage: &str, wanted: Option<i64>) -> Result<&Release> {
        match wanted {
            None => self.newest(stage).ok_or_else(|| {
                failure(
                    Exit::InputMissing,
                    format!("there is no release of {stage} to build on"),
                    format!("run spectra-{stage} first"),
                )
            }),
            Some(number) => self.find(stage, number).ok_or_else(|| {
                let known: Vec<String> = self
                    .releases
                    .iter()
                    .filter(|release| release.stage == stage)
                    .map(|release| release.number.to_string())
                    .collect();
                let what = match self.gone.get(&(stage.to_owned(), number)) {
                    Some(gone) => format!("release {number} of {stage} is gone: upkeep let go of it at {gone}"),
                    None => format!("there is no release {number} of {stage}"),
                };
                failure(
                    Exit::InputMissing,
                    what,
                    if known.is_empty() {
                        format!("run spectra-{stage} first")
                    } else {
                        format!("releases of {stage}: {}", known.join(", "))
                    },
                )
            }),
        }
    }

    /// When source last ended a walk whose result was this release of source, or one that this has the content of.
    pub fn walked_at(&self, source_release: i64) -> Option<Timestamp> {
        self.walks.range(..=source_release).next_back().map(|(_, walked)| *walked)
    }

    /// Runs of source that ended well: what they walked is in a release, or was in it already.
    pub fn finished_walks(&self) -> &HashSet<String> {
        &self.finished
    }

    /// The number the next release of a stage claims: one above every number published or claimed.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the log cannot be read.
    pub async fn next_number(&self, stage: &str) -> Result<i64> {
        let claimed = match &self.log {
            Some(log) => log::claimed_release(log, &publish::application(stage)).await?.unwrap_or(0),
            None => 0,
        };
        Ok(claimed.max(self.newest(stage).map_or(0, |release| release.number)) + 1)
    }
}

const OUR_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether what this version wrote may mean something that this one does not know: a later patch changes nothing of that.
fn is_newer(version: &str) -> bool {
    let leading = |version: &str| -> Option<(u64, u64)> {
        let mut parts = version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    leading(version) > leading(OUR_VERSION)
}

#[cfg(test)]
mod tests {
    use super::TableState;

    fn state(version: u64, files: &str) -> TableState {
        TableState { version, files: files.to_owned(), ..TableState::default() }
    }

    #[test]
    fn a_table_made_anew_is_another_at_the_same_version() {
        assert_ne!(state(1, "of monday").content(), state(1, "made anew").content());
    }

    #[test]
    fn rows_put_into_fewer_files_are_the_same_rows() {
        let kept_up = TableState { version: 4, files: "merged".to_owned(), ..state(3, "many").with_same_rows() };
        assert_eq!(kept_up.content(), state(3, "many").content());
        let again = TableState { version: 5, files: "merged again".to_owned(), ..kept_up.with_same_rows() };
        assert_eq!(again.content(), state(3, "many").content());
    }
}
