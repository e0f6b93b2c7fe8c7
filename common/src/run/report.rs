//! The run report: one JSON object, the last line of output, on success and on failure alike.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use tracing::{error, info, warn};

use super::{Outcome, Verdict};
use crate::failure::{Exit, exit_of, hint_of, one_line};
use crate::settings::SharedArgs;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    stage: &'static str,
    run_id: Option<String>,
    status: &'static str,
    exit_code: u8,
    noop: bool,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Where the run report goes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Output {
    Standard,
    Error,
}

pub(super) fn refuse_usage(stage: &'static str, refusal: &clap::Error) -> ExitCode {
    let _ = refusal.print();
    if !refusal.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let rendered = refusal.to_string();
    let first: Vec<&str> = rendered.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let message = first.join(" ").trim_start_matches("error: ").to_owned();
    let report = Report {
        stage,
        run_id: None,
        status: "failed",
        exit_code: Exit::Usage.code(),
        noop: false,
        seconds: 0.0,
        peak_memory_bytes: None,
        outcome: Outcome::default(),
        message: Some(message),
        hint: Some(format!("spectra-{stage} --help lists every flag")),
    };
    print_report(&report, Output::Standard);
    ExitCode::from(Exit::Usage.code())
}

pub(super) fn status_of(exit: Exit) -> &'static str {
    match exit {
        Exit::Stopped => "stopped",
        Exit::Lost => "lost",
        _ => "failed",
    }
}

pub(super) fn report(
    stage: &'static str,
    run_id: Option<String>,
    settings: &SharedArgs,
    clock: Instant,
    result: Result<Outcome>,
    output: Output,
) -> ExitCode {
    let (status, exit_code, outcome, message, hint) = match result {
        Ok(outcome) if outcome.is_inspection => {
            let failed: Vec<&str> = outcome
                .checks
                .iter()
                .filter(|check| check.verdict == Verdict::Failed)
                .map(|check| check.message.as_str())
                .collect();
            let message = (!failed.is_empty()).then(|| failed.join("; "));
            ("inspected", outcome.wrong.map_or(0, Exit::code), outcome, message, None)
        }
        Ok(outcome) if settings.plan => ("planned", 0, outcome, None, None),
        Ok(outcome) if outcome.is_published => ("published", 0, outcome, None, None),
        Ok(outcome) if outcome.is_done => ("done", 0, outcome, None, None),
        Ok(outcome) => ("unchanged", settings.skip_exit_code, outcome, None, None),
        Err(failed) => {
            let exit = exit_of(&failed);
            let hint = hint_of(&failed);
            error!(exit_code = exit.code(), "{}", one_line(&failed));
            if let Some(hint) = &hint {
                info!("hint: {hint}");
            }
            (status_of(exit), exit.code(), Outcome::default(), Some(one_line(&failed)), hint)
        }
    };
    let report = Report {
        stage,
        run_id,
        status,
        exit_code,
        noop: status == "unchanged",
        seconds: (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        peak_memory_bytes: peak_memory_bytes(),
        outcome,
        message,
        hint,
    };
    if let Some(file) = &settings.report
        && let Err(error) = keep_report(file, &report)
    {
        warn!("the report could not be kept in {}: {}", file.display(), one_line(&error));
    }
    print_report(&report, output);
    ExitCode::from(exit_code)
}

fn print_report(report: &Report, output: Output) {
    // Nobody may be reading; that must not change the exit code.
    if let Ok(line) = serde_json::to_string(report) {
        let _ = std::io::stderr().flush();
        let _ = match output {
            Output::Standard => writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush()),
            Output::Error => writeln!(std::io::stderr(), "{line}"),
        };
    }
}

fn keep_report(file: &Path, report: &Report) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut unfinished, report)?;
    unfinished.write_all(b"\n")?;
    unfinished.persist(file)?;
    Ok(())
}

/// The most memory this process ever held, as the kernel counts it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
