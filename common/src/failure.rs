//! Errors that a caller acts on: each carries the exit code an orchestrator sees and a hint for the person who reads it.

use std::fmt;

use datafusion::error::DataFusionError;
use deltalake::{DeltaTableError, ObjectStoreError};

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
#[derive(Debug)]
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
    // Finds a failure that is the context of another error too, which the chain does not show as one.
    if let Some(failure) = error.downcast_ref::<Failure>() {
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

fn exit_of_query(error: &DataFusionError) -> Option<Exit> {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Some(Exit::TryAgain),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            Some(Exit::LakeUnavailable)
        }
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => Some(Exit::DataRefused),
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
            Some(Exit::Configuration)
        }
        _ => None,
    }
}

/// The hint of the innermost failure that has one, or a standard one for running out of memory.
pub fn hint_of(error: &anyhow::Error) -> Option<String> {
    let own = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
    own.or_else(|| {
        let exhausted = error.chain().filter_map(|cause| cause.downcast_ref::<DataFusionError>());
        exhausted
            .filter(|error| matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
            .map(|_| "give the run more with --memory, or fewer --threads".to_owned())
            .next()
    })
}

/// The whole chain of an error on one line, outermost first, without repeating a cause its parent already quotes.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

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
}
