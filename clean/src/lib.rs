//! The clean stage. Trustworthy rows: local dates, trimmed text, resolved duplicates, checked references; the rest quarantined.
//!
//! Everything it does is a model in `clean/models`, run by [`spectra_common::stage`].

use std::process::ExitCode;

use clap::Parser;
use include_dir::{Dir, include_dir};
use spectra_common::command::{self, StageCommand};
use spectra_common::run;
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::Definition;

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Trustworthy rows: local dates, trimmed text, resolved duplicates, checked references; the rest quarantined
#[derive(Parser)]
#[command(name = "spectra-clean", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// What to do instead of a run
    #[command(subcommand)]
    command: Option<StageCommand>,

    #[command(flatten)]
    shared: SharedArgs,
}

impl AsRef<SharedArgs> for Arguments {
    fn as_ref(&self) -> &SharedArgs {
        &self.shared
    }
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    run::main("clean", |arguments: Arguments| command::ready(arguments.command, definition(), &arguments.shared))
}

fn definition() -> Definition {
    Definition {
        name: "clean",
        upstream: "prepare",
        models: &MODELS,
        references: None,
        controls: Vec::new(),
        worked_out: None,
        files: None,
    }
}
