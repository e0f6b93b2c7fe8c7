//! Errors that a caller acts on: each carries the exit code an orchestrator sees and a hint for the person who reads it.

use std::fmt;
use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake::{DeltaTableError, ObjectStoreError};

use crate::verified::refusal;

/// How a process ends. The numbers are a contract with orchestrators and follow `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The command line is wrong.
    Usage = 64,
    /// Data broke a rule that says the stage must fail.
    DataRefused = 65,
    /// What this stage reads is not there.
    InputMissing = 66,
    /// The API did not answer, or not usefully, after all tries.
    ApiUnavailable = 69,
    /// Our own mistake.
    Bug = 70,
    /// Another run of the same stage published first.
    Lost = 73,
    /// The lake could not be read or written.
    LakeUnavailable = 74,
    /// Resources ran out; the same call may pass later or with more of them.
    TryAgain = 75,
    /// Credentials are missing or refused.
    NotAuthorised = 77,
    /// A setting, spec or model is wrong.
    Configuration = 78,
    /// Ended by SIGTERM.
    Stopped = 143,
}

impl Exit {
    /// The process exit status.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error with an exit code and, where there is one, a hint.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the process will end.
    pub exit: Exit,
    /// What went wrong: lower case, no full stop.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what the reader can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A failure of `exit` as a ready [`anyhow::Error`].
pub fn failure(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Failure::new(exit, message).hint(hint).into()
}

/// The exit code of any error: the one it carries, else the one its cause implies, else [`Exit::Bug`].
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(failure) = failure_of(error) {
        return failure.exit;
    }
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<DataFusionError>()
            && let Some(exit) = exit_of_query(error)
        {
            return exit;
        }
        if let Some(error) = cause.downcast_ref::<DeltaTableError>() {
            return match error {
                DeltaTableError::Transaction { .. } => Exit::Lost,
                _ => Exit::LakeUnavailable,
            };
        }
        if cause.is::<ObjectStoreError>() || cause.is::<std::io::Error>() {
            return Exit::LakeUnavailable;
        }
    }
    Exit::Bug
}

/// The failure that an error is or comes from, even where a library carried it as the cause of an error of its own.
fn failure_of(error: &anyhow::Error) -> Option<Failure> {
    // The first finds a failure that is the context of another error too, which the chain does not show as one.
    let own = error.downcast_ref::<Failure>();
    own.or_else(|| carried(error)).cloned().or_else(|| error.chain().find_map(|cause| refusal(&cause.to_string())))
}

fn carried(error: &anyhow::Error) -> Option<&Failure> {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>())
}

fn exit_of_query(error: &DataFusionError) -> Option<Exit> {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Some(Exit::TryAgain),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            Some(Exit::LakeUnavailable)
        }
        DataFusionError::ArrowError(error, _)
            if matches!(**error, ArrowError::ParquetError(_) | ArrowError::IoError(..)) =>
        {
            Some(Exit::LakeUnavailable)
        }
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => Some(Exit::DataRefused),
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
            Some(Exit::Configuration)
        }
        _ => None,
    }
}

/// What the reader can do: what the failure says, else what its cause suggests.
pub fn hint_of(error: &anyhow::Error) -> Option<String> {
    if let Some(hint) = failure_of(error).and_then(|failure| failure.hint) {
        return Some(hint);
    }
    if is_out_of_memory(error) {
        return Some("give the run more with --memory, or fewer --threads".to_owned());
    }
    let hint = match io_kind(error) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
            "there is no room left: make some and run again; nothing of this run is visible"
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            "let this user write to the lake and run again; nothing of this run is visible"
        }
        _ if exit_of(error) == Exit::LakeUnavailable => {
            "look after the storage of the lake and run again; nothing of this run is visible"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether a query was refused memory that it can neither do without nor spill.
pub fn is_out_of_memory(error: &anyhow::Error) -> bool {
    let mut queries = error.chain().filter_map(|cause| cause.downcast_ref::<DataFusionError>());
    queries.any(|error| matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
}

/// What the system said, even where a library kept only the words of it.
fn io_kind(error: &anyhow::Error) -> Option<io::ErrorKind> {
    let mut own = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    own.find(|kind| *kind != io::ErrorKind::Other).or_else(|| {
        let text = one_line(error);
        let (_, number) = text.rsplit_once("(os error ")?;
        Some(io::Error::from_raw_os_error(number.split(')').next()?.parse().ok()?).kind())
    })
}

/// The whole chain of an error on one line, outermost first, without repeating a cause its parent already quotes, and
/// without what libraries say around a failure of ours or below their message.
pub fn one_line(error: &anyhow::Error) -> String {
    let failure = carried(error).cloned().or_else(|| error.chain().find_map(|cause| refusal(&cause.to_string())));
    let own = failure.map(|failure| plain(&failure.message));
    let mut parts: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    };
    for cause in error.chain() {
        let text = plain(&cause.to_string());
        match &own {
            Some(own) if text.contains(own.as_str()) => add(own.clone()),
            _ => add(text),
        }
    }
    parts.join(": ")
}

/// What libraries say of themselves, which tells a reader nothing or the wrong thing.
const NOISE: [&str; 4] =
    ["Failed to parse parquet: ", "External: ", "Generic LocalFileSystem error: ", "Kernel error: "];

/// A message on one line, without the backtrace that some libraries print into theirs.
fn plain(text: &str) -> String {
    let is_frame = |line: &&str| line.trim_start().starts_with("0: ");
    let lines = text.lines().take_while(|line| !is_frame(line));
    let line = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    NOISE.iter().fold(line, |line, noise| line.replace(noise, ""))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use deltalake::parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn the_exit_code_survives_added_context() {
        let error = Err::<(), _>(failure(Exit::InputMissing, "no release of prepare", "run spectra-prepare first"))
            .context("pinning the inputs of clean")
            .unwrap_err();
        assert_eq!(exit_of(&error), Exit::InputMissing);
        assert_eq!(one_line(&error), "pinning the inputs of clean: no release of prepare");
        assert_eq!(hint_of(&error).as_deref(), Some("run spectra-prepare first"));
    }

    #[test]
    fn a_failure_that_is_itself_context_keeps_its_exit_code() {
        let cause = std::io::Error::other("no such file");
        let error = anyhow::Error::from(cause).context(Failure::new(Exit::Configuration, "reading models"));
        assert_eq!(exit_of(&error.context("starting")), Exit::Configuration);
    }

    #[test]
    fn running_out_of_memory_asks_to_try_again_with_more() {
        let cause = DataFusionError::ResourcesExhausted("sort".into()).context("transform.factExecution");
        let error = anyhow::Error::from(cause);
        assert_eq!(exit_of(&error), Exit::TryAgain);
        assert!(hint_of(&error).is_some_and(|hint| hint.contains("--memory")));
    }

    #[test]
    fn an_error_nobody_foresaw_is_our_bug() {
        assert_eq!(exit_of(&anyhow::anyhow!("surprise")), Exit::Bug);
    }

    #[test]
    fn a_failure_that_a_library_carried_is_found_and_told_without_the_library() {
        let carried = Failure::new(Exit::LakeUnavailable, "the data file a.parquet is damaged").hint("restore it");
        let store = ObjectStoreError::Generic { store: "lake", source: Box::new(carried) };
        let error =
            anyhow::Error::from(DataFusionError::ObjectStore(Box::new(store))).context("building clean.dimCycle");
        assert_eq!(exit_of(&error), Exit::LakeUnavailable);
        assert_eq!(one_line(&error), "building clean.dimCycle: the data file a.parquet is damaged");
        assert_eq!(hint_of(&error).as_deref(), Some("restore it"));
    }

    #[test]
    fn a_failure_of_which_a_library_kept_the_text_is_found_too() {
        let text =
            "Failed to fetch metadata: Generic lake error: the data file a.parquet of table clean.dimCycle is missing";
        let error = anyhow::Error::from(DataFusionError::ParquetError(Box::new(ParquetError::General(text.into()))))
            .context("building transform.dimCycle");
        assert_eq!(exit_of(&error), Exit::LakeUnavailable);
        let told = "building transform.dimCycle: the data file a.parquet of table clean.dimCycle is missing";
        assert_eq!(one_line(&error), told);
        assert!(hint_of(&error).is_some_and(|hint| hint.contains("run spectra-clean again")));
    }

    #[test]
    fn no_backtrace_is_told() {
        let error = anyhow::anyhow!("Json error: bad value\n   0: core::ops::call\n   1: main");
        assert_eq!(one_line(&error), "Json error: bad value");
    }

    #[test]
    fn a_full_disk_asks_for_room() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("appending to log.run");
        assert_eq!(exit_of(&error), Exit::LakeUnavailable);
        assert!(hint_of(&error).is_some_and(|hint| hint.contains("no room")));
        let told = ParquetError::General("External: No space left on device (os error 28)".into());
        let error = anyhow::Error::from(DataFusionError::ParquetError(Box::new(told)));
        assert!(hint_of(&error).is_some_and(|hint| hint.contains("no room")));
    }
}
