//! The prepare stage. JSON becomes typed columns: the current state of every slice, status map, reference tables.
//!
//! Everything it does is a model in `prepare/models`, run by [`spectra_common::stage`].

use std::process::ExitCode;

use clap::Parser;
use include_dir::{Dir, include_dir};
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::{self, Definition};

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");
static REFERENCES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/reference");

/// JSON becomes typed columns: the current state of every slice, status map, reference tables
#[derive(Parser)]
#[command(name = "spectra-prepare", version, about, after_help = EXIT_CODES)]
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
        name: "prepare",
        upstream: "source",
        models: &MODELS,
        references: Some(&REFERENCES),
        files: None,
    })
}
