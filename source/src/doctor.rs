//! Checks what a walk depends on, without walking: the far end, the credentials and what they may read, clocks and
//! time zones, and the lake.

mod reading;
mod server;
mod storage;
mod zone;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use spectra_common::failure::{Exit, exit_of, one_line};
use spectra_common::run::{Check, Outcome, Run, Verdict};
use tracing::{error, info, warn};

use crate::Far;
use crate::arguments::Arguments;
use crate::fetch::{Fetcher, Origin};
use crate::plan::everywhere;
use crate::spec::Spec;
use crate::tree::Scope;
use zone::Stamps;

/// Looks at everything and says what it found; what is wrong decides how the process ends.
///
/// # Errors
/// When the run is asked to stop.
pub async fn examine(run: Arc<Run>, spec: Arc<Spec>, far: Result<Far>, arguments: Arguments) -> Result<Outcome> {
    let mut findings = Findings::default();
    let clock = Instant::now();
    let tables = spec.tables().count();
    findings.ok("spec", clock, format!("`{}`: {} resources land in {tables} tables", spec.name, spec.resource.len()));
    match far {
        Ok(far) => far_end(&mut findings, &run, &spec, far, &arguments).await?,
        Err(error) if exit_of(&error) == Exit::NotAuthorised => findings.wrong("credentials", clock, &error),
        Err(error) => findings.wrong("api", clock, &error),
    }
    storage::check(&mut findings, &run).await;
    let Findings { checks, wrong } = findings;
    Ok(Outcome { checks, wrong, is_inspection: true, ..Outcome::default() })
}

async fn far_end(
    findings: &mut Findings,
    run: &Arc<Run>,
    spec: &Arc<Spec>,
    far: Far,
    arguments: &Arguments,
) -> Result<()> {
    let http = match &far {
        Far::Server { http, .. } => Some(http.clone()),
        _ => None,
    };
    // Nothing is landed here, so nobody wants what is half landed.
    let (halves, _) = tokio::sync::mpsc::unbounded_channel();
    let fetcher = far.fetcher(run, spec, arguments, None, halves);
    let client = match &fetcher.origin {
        Origin::Files(_) => return files(findings, &fetcher).await,
        Origin::Api(client) => client,
    };
    let may_go_on = match http {
        Some(http) => server::check(findings, &fetcher, client, &http).await?,
        None => {
            findings.ok("api", Instant::now(), format!("a recording of {} answers; nobody is asked", client.base()));
            true
        }
    };
    if !may_go_on {
        findings.skipped("time zone", Instant::now(), "nothing could be read");
        return Ok(());
    }
    let mut stamps = Stamps::default();
    let scope = Arc::new(Scope(arguments.project.iter().cloned().collect()));
    reading::check(findings, &fetcher, client, scope, &mut stamps).await?;
    let (verdict, message) = stamps.judge(&run.settings.time_zone)?;
    findings.add("time zone", verdict, Instant::now(), message);
    Ok(())
}

async fn files(findings: &mut Findings, fetcher: &Fetcher) -> Result<()> {
    let Origin::Files(files) = &fetcher.origin else { return Ok(()) };
    for resource in fetcher.spec.resource.iter().filter(|resource| resource.files.is_some()) {
        let clock = Instant::now();
        let pattern = everywhere(resource.files.as_deref().unwrap_or_default());
        let table = resource.table.as_deref().unwrap_or_default();
        match files.list(&pattern).await {
            Ok(found) if found.is_empty() => findings.warning(table, clock, format!("there are no files at {pattern}")),
            Ok(found) => {
                let bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
                findings.ok(table, clock, format!("{} files with {bytes} bytes at {pattern}", found.len()));
            }
            Err(error) => findings.wrong(table, clock, &error),
        }
    }
    Ok(())
}

/// What was found so far.
#[derive(Default)]
pub struct Findings {
    checks: Vec<Check>,
    /// How the first failure would end a run: those after it may only follow from it.
    wrong: Option<Exit>,
}

impl Findings {
    fn add(&mut self, name: &str, verdict: Verdict, clock: Instant, message: String) {
        let seconds = (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        };
        let line = format!("{name:<24}{word:<9}{message}");
        match verdict {
            Verdict::Failed => error!(check = name, verdict = word, seconds, "{line}"),
            Verdict::Warning => warn!(check = name, verdict = word, seconds, "{line}"),
            Verdict::Ok | Verdict::Skipped => info!(check = name, verdict = word, seconds, "{line}"),
        }
        self.checks.push(Check { name: name.to_owned(), verdict, message, seconds });
    }

    fn ok(&mut self, name: &str, clock: Instant, message: impl Into<String>) {
        self.add(name, Verdict::Ok, clock, message.into());
    }

    fn warning(&mut self, name: &str, clock: Instant, message: impl Into<String>) {
        self.add(name, Verdict::Warning, clock, message.into());
    }

    fn skipped(&mut self, name: &str, clock: Instant, message: impl Into<String>) {
        self.add(name, Verdict::Skipped, clock, message.into());
    }

    fn failed(&mut self, name: &str, clock: Instant, exit: Exit, message: impl Into<String>) {
        self.wrong.get_or_insert(exit);
        self.add(name, Verdict::Failed, clock, message.into());
    }

    fn wrong(&mut self, name: &str, clock: Instant, error: &anyhow::Error) {
        let mut message = one_line(error);
        if let Some(hint) = spectra_common::failure::hint_of(error) {
            message.push_str(&format!(" (hint: {hint})"));
        }
        self.failed(name, clock, exit_of(error), message);
    }
}
