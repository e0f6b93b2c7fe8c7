//! What a person can do with the releases of a stage.

use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::diff::Wanted;
use super::{History, Presences, Release, diff, list, look, revert, show};
use crate::failure::{Exit, failure};
use crate::model;
use crate::output::Format;
use crate::run::{Outcome, Run, Work};
use crate::settings::SharedArgs;
use crate::stage::Definition;

/// What a person can do with the releases of a stage.
#[derive(Clone, Debug, Subcommand)]
pub enum ReleaseCommand {
    /// List releases, the newest first
    ///
    /// A release can be read as long as the lake has every file of every table version it names. Standard output holds the
    /// answer and nothing else: the run report is the last line of standard error.
    List {
        /// How many at most
        #[arg(long, env = "SPECTRA_LIMIT", value_name = "N", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,

        /// How the answer looks
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },

    /// Say what a release consists of and what it was built from
    Show {
        /// Its number; the newest if not given
        number: Option<i64>,

        /// How the answer looks
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },

    /// Count the rows that were added, removed and changed between two releases, table by table
    ///
    /// Rows are told apart by the key in the header of their model, rows without one (those set aside) by all columns. Where a
    /// record was landed (recordKey) is not compared, for all of a slice is landed again when some of it changed. The tables of
    /// source only grow: of these, what was current in each release is compared, record by record.
    Diff {
        /// The older release; the one before the newest if not given
        before: Option<i64>,

        /// The newer release; the newest if not given
        after: Option<i64>,

        /// Show the rows of this table that differ, with the columns that changed
        #[arg(long, env = "SPECTRA_TABLE", value_name = "TABLE")]
        table: Option<String>,

        /// How many rows at most
        #[arg(long, env = "SPECTRA_LIMIT", value_name = "N", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,

        /// How the answer looks
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },

    /// Publish an older release again, as the newest
    ///
    /// The new release has the tables, inputs, day and fingerprints of the old one, and the newest version of each table gets
    /// that content back, so that those who open the lake without asking for a release see it too. Nothing is lost: what is
    /// taken back stays a release and can be reverted to as well. The next ordinary run builds the newest again, unless
    /// --from-release pins it to what the old one was built from. Source cannot be reverted: nothing the API said is taken
    /// back.
    Revert {
        /// Its number
        number: i64,
    },
}

impl ReleaseCommand {
    /// The command as work. `stage` is what the stage is made of; source gives none.
    ///
    /// # Errors
    /// [`Exit::Usage`] for what makes no sense for this stage, [`Exit::Configuration`] for broken models.
    pub fn ready(self, stage: Option<Definition>, settings: &SharedArgs) -> Result<Work> {
        let models = match (&self, &stage) {
            (Self::Diff { .. } | Self::Revert { .. }, Some(stage)) => {
                model::load(stage.models, settings.models.as_deref())?
            }
            _ => Vec::new(),
        };
        Ok(match self {
            Self::List { limit, format } => question(move |run| list::answer(run, limit as usize, format).boxed()),
            Self::Show { number, format } => question(move |run| show::answer(run, number, format).boxed()),
            Self::Diff { before, after, table, limit, format } => {
                let wanted = Wanted { before, after, table, limit: limit as usize, format };
                question(move |run| diff::answer(run, wanted, models).boxed())
            }
            Self::Revert { number } => {
                let Some(stage) = stage else { return Err(irrevocable(number)) };
                Work::recorded(move |run| revert::revert(run, stage, models, number).boxed())
            }
        })
    }
}

fn irrevocable(number: i64) -> anyhow::Error {
    failure(
        Exit::Usage,
        "source cannot be reverted: its tables are a log of what the API said, and nothing said is taken back",
        format!("build the stages after it on the older walk: spectra-prepare --from-release {number}"),
    )
}

/// A question about one release: what it answers with is the release looked at.
fn question(ask: impl FnOnce(Arc<Run>) -> BoxFuture<'static, Result<Release>> + Send + 'static) -> Work {
    Work::question(move |run| {
        async move {
            let release = run.until_stopped(ask(Arc::clone(&run))).await?;
            Ok(Outcome {
                release: Some(release.number),
                as_of: release.as_of.map(|date| date.to_string()),
                inputs: release.inputs,
                is_inspection: true,
                ..Outcome::default()
            })
        }
        .boxed()
    })
}

/// The releases of a lake, of which the stage has at least one.
///
/// # Errors
/// [`Exit::InputMissing`] when there is no lake, or no release of the stage in it.
pub async fn history(run: &Run) -> Result<History> {
    let history = History::load(&run.lake).await?;
    if history.newest(run.stage).is_some() {
        return Ok(history);
    }
    let place = run.lake.display(run.lake.root());
    Err(failure(
        Exit::InputMissing,
        format!("there is no release of {} in the lake at {place}", run.stage),
        format!("check --lake, or run spectra-{} first", run.stage),
    ))
}

/// Refuses a release that cannot be read any more.
///
/// # Errors
/// [`Exit::InputMissing`], naming the first table that is not whole and why.
pub async fn readable(run: &Run, release: &Release) -> Result<Presences> {
    let presences = look(&run.lake, &[release]).await?;
    match presences.iter().find_map(|((table, _), presence)| Some((table, presence.missing.as_ref()?))) {
        None => Ok(presences),
        Some((table, why)) => Err(failure(
            Exit::InputMissing,
            format!("release {} of {} can no longer be read: {table}: {why}", release.number, release.stage),
            format!("spectra-{} release list says which releases can be", release.stage),
        )),
    }
}

/// What a release was built from, for people: the stages in order.
pub fn inputs_text(release: &Release) -> String {
    let inputs = super::STAGES.iter().filter_map(|stage| Some(format!("{stage} {}", release.inputs.get(*stage)?)));
    inputs.collect::<Vec<_>>().join(", ")
}
