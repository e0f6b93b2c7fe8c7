//! The analyse stage. Answers: measures ready to plot, freshness, and a report to look at.
//!
//! - its run is a folder of models, `analyse/models`, run by [`spectra_common::stage`]
//! - [`report`]: one page to look at
//! - [`export`]: files to take away
//! - [`ask`]: questions to any table of any stage

pub mod ask;
pub mod export;
pub mod report;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Parser, Subcommand};
use futures::FutureExt;
use futures::future::BoxFuture;
use include_dir::{Dir, include_dir};
use spectra_common::command::{self, StageCommand};
use spectra_common::model;
use spectra_common::release::Files;
use spectra_common::run::{self, Work};
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::{Definition, FilesForPeople, MakeFiles, Making};

use ask::Question;
use export::{Choice, Format};

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Answers: measures ready to plot, freshness, a report to look at, files to take away, and questions
#[derive(Parser)]
#[command(name = "spectra-analyse", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// What to do instead of a run
    #[command(subcommand)]
    command: Option<Command>,

    /// Write the marts as files too, to Files/analyse/export in the lake: csv, parquet, xlsx
    #[arg(long, env = "SPECTRA_EXPORT", value_name = "FORMAT", value_delimiter = ',')]
    export: Vec<Format>,

    /// Write only these marts as files
    #[arg(long, env = "SPECTRA_EXPORT_TABLES", value_name = "TABLE", value_delimiter = ',')]
    export_tables: Vec<String>,

    #[command(flatten)]
    shared: SharedArgs,
}

/// What analyse can do besides a run.
#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Question(Question),
    #[command(flatten)]
    Stage(StageCommand),
}

impl AsRef<SharedArgs> for Arguments {
    fn as_ref(&self) -> &SharedArgs {
        &self.shared
    }
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    run::main("analyse", |arguments: Arguments| {
        let command = match arguments.command {
            Some(Command::Question(question)) => return Ok(Work::question(|run| question.ask(run))),
            Some(Command::Stage(command)) => Some(command),
            None => None,
        };
        let models = model::load(&MODELS, arguments.shared.models.as_deref())?;
        let choice = Choice::new(arguments.export, &arguments.export_tables, &models)?;
        command::ready(command, definition(choice), &arguments.shared)
    })
}

fn definition(choice: Choice) -> Definition {
    let mut paths = vec![report::PATH.to_owned()];
    paths.extend(choice.paths());
    let text = format!("{} {}", choice.text(), report::design());
    let choice = Arc::new(choice);
    let make = maker(move |making| files(making, Arc::clone(&choice)).boxed());
    Definition {
        name: "analyse",
        upstream: "refine",
        models: &MODELS,
        references: None,
        controls: Vec::new(),
        worked_out: None,
        files: Some(FilesForPeople { paths, choice: text, make }),
    }
}

/// A closure as what it is to be: one for making of any lifetime.
fn maker(make: impl for<'a> Fn(Making<'a>) -> BoxFuture<'a, Result<Files>> + Send + Sync + 'static) -> MakeFiles {
    Arc::new(make)
}

async fn files(making: Making<'_>, choice: Arc<Choice>) -> Result<Files> {
    let mut files = report::make(making.context).await?;
    files.extend(export::make(making, &choice).await?);
    Ok(files)
}
