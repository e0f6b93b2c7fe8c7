//! The command line of source.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};
use jiff::SignedDuration;
use spectra_common::command::StageCommand;
use spectra_common::settings::{EXIT_CODES, SharedArgs};

use crate::pace::parse_rate;
use crate::skip::parse_cadence;
use crate::spec::Rate;

/// What the API said, as it said it: walk a hierarchical REST API politely and land its answers, slice by slice
#[derive(Parser)]
#[command(name = "spectra-source", version, about, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do instead of a walk
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Root of the API's server, such as https://tenant.yourzephyr.com, or of a folder of files
    #[arg(long, env = "SPECTRA_API_URL", value_name = "URL", global = true)]
    pub api_url: Option<String>,

    /// Walk the API that this file describes, not Zephyr Enterprise
    #[arg(long, env = "SPECTRA_SPEC", value_name = "FILE", global = true)]
    pub spec: Option<PathBuf>,

    /// Show who we are in this way of the spec's, not in the first whose secrets are set
    #[arg(long, env = "SPECTRA_AUTH", value_name = "KIND", global = true)]
    pub auth: Option<String>,

    /// Trust the authorities in this PEM file as well
    #[arg(long, env = "SPECTRA_CA_FILE", value_name = "FILE", global = true)]
    pub ca_file: Option<PathBuf>,

    /// Show the server this certificate: a PEM file that holds it and its key
    #[arg(long, env = "SPECTRA_CLIENT_CERTIFICATE", value_name = "FILE", global = true)]
    pub client_certificate: Option<PathBuf>,

    /// Walk only what lies below these projects
    #[arg(long, env = "SPECTRA_PROJECT", value_name = "ID", value_delimiter = ',')]
    pub project: Vec<String>,

    /// Rows to ask for at a time
    #[arg(long, env = "SPECTRA_PAGE_SIZE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub page_size: Option<u32>,

    /// Requests to send at most, such as 300/min, 20/s or 300/min+20 for bursts of 20
    #[arg(long, env = "SPECTRA_RATE", value_name = "N/min", value_parser = parse_rate)]
    pub rate: Option<Rate>,

    /// Slices to ask for at once; what is landed is the same whatever the number
    #[arg(long, env = "SPECTRA_CONCURRENCY", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,

    /// Ask again only after this time for what lies below something that ended long ago, such as 7d; 0 asks always
    #[arg(long, env = "SPECTRA_RECHECK_CLOSED", value_name = "TIME", default_value = "0", value_parser = parse_cadence)]
    pub recheck_closed: SignedDuration,

    /// Ask for everything, also what an unfinished run has walked and what need not be asked for
    #[arg(long, env = "SPECTRA_FULL", value_parser = FalseyValueParser::new())]
    pub full: bool,

    /// Accept that nothing comes any more for this table
    #[arg(long, env = "SPECTRA_ACCEPT_EMPTY", value_name = "TABLE", value_delimiter = ',')]
    pub accept_empty: Vec<String>,

    /// Keep what was walked at least this often, so that a killed run goes on from there; 0 keeps every slice
    #[arg(long, env = "SPECTRA_CHECKPOINT_SECONDS", value_name = "N", default_value_t = 5)]
    pub checkpoint_seconds: u64,

    /// Keep the whole exchange with the API in this folder, without secrets
    #[arg(long, env = "SPECTRA_RECORD", value_name = "DIR", conflicts_with = "replay")]
    pub record: Option<PathBuf>,

    /// Fields whose values are masked in a recording
    #[arg(long, env = "SPECTRA_RECORD_MASK", value_name = "FIELD", value_delimiter = ',')]
    pub record_mask: Vec<String>,

    /// Take all answers from a recording, and ask nobody
    #[arg(long, env = "SPECTRA_REPLAY", value_name = "DIR")]
    pub replay: Option<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a comment here would become part of the help")]
    pub shared: SharedArgs,
}

/// What source can do besides walking.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check the credentials, what they may read, the clock, and that the lake refuses a second writer
    Doctor,

    /// What every stage can do.
    #[command(flatten)]
    Stage(StageCommand),
}

impl AsRef<SharedArgs> for Arguments {
    fn as_ref(&self) -> &SharedArgs {
        &self.shared
    }
}
