//! The clean stage. Trustworthy rows: local dates, trimmed text, resolved duplicates, checked references; the rest quarantined.
//!
//! Everything it does is a model in `clean/models`, run by [`spectra_common::stage`].

use std::process::ExitCode;

use clap::Parser;
use include_dir::{Dir, include_dir};
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::{self, Definition};

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Trustworthy rows: local dates, trimmed text, resolved duplicates, checked references; the rest quarantined
#[derive(Parser)]
#[command(name = "spectra-clean", version, about, after_help = EXIT_CODES)]
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
        name: "clean",
        upstream: "prepare",
        models: &MODELS,
        references: None,
        controls: Vec::new(),
        worked_out: None,
        files: None,
    })
}
