//! The flags and variables that all six binaries share, and what they mean once parsed.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, ValueEnum};
use jiff::{civil::Date, tz::TimeZone};

use crate::failure::{Exit, failure};

/// What the exit codes mean, for `--help`.
pub const EXIT_CODES: &str = "\
Secrets come from variables or files, never from flags.

Exit codes:
   0  done, or nothing to do            70  a mistake of ours
  64  wrong command line                73  another run published first
  65  data refused by a rule            74  lake cannot be read or written
  66  input missing                     75  try again
  69  API unavailable                   77  not authorised
 143  stopped by SIGTERM                78  wrong setting, spec or model

The last line of output is one JSON object: the run report.";

/// Flags of every binary. Each has a variable; the flag wins.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every stage")]
pub struct SharedArgs {
    /// Root of the lake: a folder, or an s3://, abfss:// or gs:// URL
    #[arg(long, env = "SPECTRA_LAKE", value_name = "URL")]
    pub lake: String,

    /// Name of this run in the logs; a new time-ordered one if not given
    #[arg(long, env = "SPECTRA_RUN_ID", value_name = "ID")]
    pub run_id: Option<String>,

    /// Build on this release of the stage before, not on its newest
    #[arg(long, env = "SPECTRA_FROM_RELEASE", value_name = "N")]
    pub from_release: Option<i64>,

    /// Do the work even if nothing changed
    #[arg(long, env = "SPECTRA_FORCE", value_parser = FalseyValueParser::new())]
    pub force: bool,

    /// Use the models (*.sql) of this folder in place of the built-in ones
    #[arg(long, env = "SPECTRA_MODELS", value_name = "DIR")]
    pub models: Option<PathBuf>,

    /// Take reference tables (*.csv) from this folder where it has them
    #[arg(long, env = "SPECTRA_REFERENCE", value_name = "DIR")]
    pub reference: Option<PathBuf>,

    /// The day the figures are for; the local day of the newest source walk if not given
    #[arg(long, env = "SPECTRA_AS_OF", value_name = "DATE")]
    pub as_of: Option<Date>,

    /// Time zone of the tenant: the one its days begin and end in
    #[arg(long, env = "SPECTRA_TIME_ZONE", value_name = "NAME", default_value = "Europe/London", value_parser = time_zone_name)]
    pub time_zone: String,

    /// Memory this process may use (for example 512MB, 4GiB); less where the machine or its container has less
    #[arg(long, env = "SPECTRA_MEMORY", value_name = "SIZE", default_value = "2GiB", value_parser = size_bytes)]
    pub memory: u64,

    /// Threads this process may use; all cores if not given
    #[arg(long, env = "SPECTRA_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Where queries run: local, or ballista://HOST:PORT
    #[arg(long, env = "SPECTRA_ENGINE", value_name = "ENGINE", default_value = "local")]
    pub engine: String,

    /// Say what a run would do and why, and do nothing
    #[arg(long, env = "SPECTRA_PLAN", value_parser = FalseyValueParser::new())]
    pub plan: bool,

    /// Keep a copy of the run report in this file
    #[arg(long, env = "SPECTRA_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// How log lines look: pretty, json, or auto, which is pretty on a terminal and JSON elsewhere
    #[arg(
        long,
        env = "SPECTRA_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,

    /// Exit with this code, not 0, when there was nothing to do (Airflow shows 99 as skipped)
    #[arg(long, env = "SPECTRA_SKIP_EXIT_CODE", value_name = "N", default_value_t = 0)]
    pub skip_exit_code: u8,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON lines elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl SharedArgs {
    /// Worker threads: the flag, else every core this process may use.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            Some(count) => usize::from(count),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Refuses an engine this build cannot drive.
    ///
    /// # Errors
    /// [`Exit::Configuration`] for anything but `local`.
    pub fn check_engine(&self) -> Result<()> {
        if self.engine == "local" {
            return Ok(());
        }
        Err(failure(
            Exit::Configuration,
            format!("engine `{}` is not available in this build", self.engine),
            "leave --engine out, or pass --engine local",
        ))
    }
}

/// Parses the command line. Where there are other things to do than a run, the flags of every stage may stand before the
/// word or after it.
///
/// # Errors
/// What is wrong with the command line, or the help that was asked for.
pub fn parse<Arguments: Parser>() -> Result<Arguments, clap::Error> {
    // The value of a variable is nobody's business, and makes the help hard to read.
    let mut command = Arguments::command().mut_args(|argument| argument.hide_env_values(true));
    if command.has_subcommands() {
        let shared = SharedArgs::augment_args(clap::Command::new("shared"));
        let shared: HashSet<clap::Id> = shared.get_arguments().map(|argument| argument.get_id().clone()).collect();
        command = command.mut_args(|argument| {
            let is_shared = shared.contains(argument.get_id());
            // What is global cannot be required; it is asked for below.
            if is_shared { argument.global(true).required(false) } else { argument }
        });
    }
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    if !matches.contains_id("lake") {
        let message = "the following required arguments were not provided: --lake <URL>";
        return Err(command.error(ErrorKind::MissingRequiredArgument, message));
    }
    Arguments::from_arg_matches(&matches)
}

/// Bytes of a size such as `512MB`, `4GiB` or `1073741824`; `k`, `M`, `G`, `T` are powers of 1000, with `i` of 1024.
fn size_bytes(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().with_context(|| format!("`{text}` does not start with a whole number"))?;
    let factor: u64 = match unit.trim().trim_end_matches(['b', 'B']).to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        "ti" => 1 << 40,
        other => anyhow::bail!("`{other}` is no unit of size: use MB, GB, MiB or GiB"),
    };
    let bytes = number.checked_mul(factor).with_context(|| format!("`{text}` is more than any machine has"))?;
    anyhow::ensure!(bytes >= 64 << 20, "{text} is too little to work with: give at least 64MiB");
    Ok(bytes)
}

fn time_zone_name(text: &str) -> Result<String> {
    TimeZone::get(text)
        .with_context(|| format!("`{text}` is not a time zone of the IANA list, such as Europe/London"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_systems() {
        assert_eq!(size_bytes("1GiB").unwrap(), 1 << 30);
        assert_eq!(size_bytes("512MB").unwrap(), 512_000_000);
        assert_eq!(size_bytes("512m").unwrap(), 512_000_000);
        assert_eq!(size_bytes("67108864").unwrap(), 64 << 20);
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        for text in ["", "big", "4 apples", "1MB", "99999999999999TiB"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }
}
