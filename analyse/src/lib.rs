//! The analyse stage. Answers: measures ready to plot, freshness, and a report to look at.
//!
//! Everything it does is a model in `analyse/models`, run by [`spectra_common::stage`].

pub mod report;

use std::process::ExitCode;

use clap::Parser;
use include_dir::{Dir, include_dir};
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::{self, Definition};

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Answers: measures ready to plot, freshness, and a report to look at
#[derive(Parser)]
#[command(name = "spectra-analyse", version, about, after_help = EXIT_CODES)]
struct Arguments {
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
    stage::main::<Arguments>(Definition {
        name: "analyse",
        upstream: "refine",
        models: &MODELS,
        references: None,
        files: Some(report::make),
    })
}
