//! The prepare stage. JSON becomes typed columns: the current state of every slice, status map, reference tables; and
//! what the JSON looks like is compared with what the contract says of it.
//!
//! Almost everything it does is a model in `prepare/models`, run by [`spectra_common::stage`].

mod contract;
mod json_breaks;
mod json_fields;
pub mod landed;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use include_dir::{Dir, include_dir};
use spectra_common::command::{self, StageCommand};
use spectra_common::model;
use spectra_common::run;
use spectra_common::settings::{EXIT_CODES, SharedArgs};
use spectra_common::stage::Definition;

static MODELS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");
static REFERENCES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/reference");

/// JSON becomes typed columns: the current state of every slice, status map, reference tables
#[derive(Parser)]
#[command(name = "spectra-prepare", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// What to do instead of a run
    #[command(subcommand)]
    command: Option<StageCommand>,

    /// What to do when records are not as the contract says; the control driftMode if not given: evolve goes on and
    /// tells of it, freeze publishes nothing, quarantine sets those records aside
    #[arg(long, env = "SPECTRA_DRIFT", value_name = "MODE")]
    drift: Option<DriftMode>,

    #[command(flatten)]
    shared: SharedArgs,
}

/// What to do when records are not as the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DriftMode {
    Evolve,
    Freeze,
    Quarantine,
}

impl DriftMode {
    fn word(self) -> &'static str {
        match self {
            Self::Evolve => "evolve",
            Self::Freeze => "freeze",
            Self::Quarantine => "quarantine",
        }
    }
}

impl AsRef<SharedArgs> for Arguments {
    fn as_ref(&self) -> &SharedArgs {
        &self.shared
    }
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    run::main("prepare", |arguments: Arguments| {
        // Models of somebody's own need not know any contract.
        let models = model::load(&MODELS, arguments.shared.models.as_deref())?;
        let has_contract =
            ["contract", "schema", "drift"].iter().all(|name| models.iter().any(|model| model.table == *name));
        let definition = Definition {
            name: "prepare",
            upstream: "source",
            models: &MODELS,
            references: Some(&REFERENCES),
            controls: arguments.drift.iter().map(|mode| ("driftMode", mode.word().to_owned())).collect(),
            worked_out: Some(landed::work_out),
            files: has_contract.then(contract::files),
        };
        command::ready(arguments.command, definition, &arguments.shared)
    })
}
