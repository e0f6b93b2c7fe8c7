//! What every stage can do besides a run: the words behind the name of its binary.

use anyhow::Result;
use clap::Subcommand;

use crate::failure::{Exit, failure};
use crate::release::ReleaseCommand;
use crate::run::Work;
use crate::settings::SharedArgs;
use crate::stage::{self, Definition, Replay};
use crate::upkeep;

/// What every stage can do besides a run.
#[derive(Clone, Debug, Subcommand)]
pub enum StageCommand {
    /// List this stage's releases, look at one, compare two, or go back to one
    #[command(subcommand)]
    Release(ReleaseCommand),

    /// Merge small files, let go of old releases, and delete files that nothing names any more
    ///
    /// Looks after the tables of this stage and the logs all stages share. What a kept release names is never touched.
    /// --plan says what would be done.
    Upkeep(upkeep::Arguments),

    /// Try rows again that were set aside
    ///
    /// An ordinary run builds what changed: after a mended spec, model or reference row it lets rows back in by itself.
    /// This builds every table that has rows set aside as well, whatever changed, and says by rule how many there were
    /// and are. A release is published only if something came out otherwise. A row that is right although it breaks a
    /// rule is accepted by a line in the reference file acceptances.csv, with the reason.
    Replay(Replay),
}

impl StageCommand {
    /// The command as work. `stage` is what the stage is made of; source, which has no models, gives none.
    ///
    /// # Errors
    /// What can be refused before the lake is touched.
    pub fn ready(self, stage: Option<Definition>, settings: &SharedArgs) -> Result<Work> {
        match self {
            Self::Release(command) => command.ready(stage, settings),
            Self::Upkeep(arguments) => upkeep::ready(arguments, None),
            Self::Replay(arguments) => match stage {
                Some(stage) => stage::replay(stage, settings, arguments),
                None => Err(failure(
                    Exit::Usage,
                    "source sets no rows aside, so there is nothing to replay",
                    "spectra-prepare replay tries the records again that could not be read",
                )),
            },
        }
    }
}

/// A stage of models, ready to do what was asked for: a command, or else a run.
///
/// # Errors
/// What can be refused before the lake is touched.
pub fn ready(command: Option<StageCommand>, stage: Definition, settings: &SharedArgs) -> Result<Work> {
    match command {
        Some(command) => command.ready(Some(stage), settings),
        None => stage::ready(stage, settings),
    }
}
