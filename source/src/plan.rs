//! What a walk would ask, and how long that would take: judged by the walks before it and by a few requests.

mod files;
mod forecast;
mod landing;
mod level;
pub mod look;
mod past;
mod sample;
mod table;

use anyhow::Result;
use spectra_common::release::Release;
use spectra_common::run::{Outcome, Planned};
use tracing::info;

use crate::fetch::Origin;
use crate::spec::Rate;
use crate::tree;
use crate::walk::{Before, Request};
use forecast::Forecast;
use landing::Trial;
use level::Expected;
use past::{Besides, Log};
use sample::{Found, Sampler};
use table::{Story, time};

pub use files::everywhere;
pub use sample::spread;
pub use table::number;

/// Says what a walk would ask and why, how long it would take, and how sure that is. Asks a little and writes nothing.
///
/// # Errors
/// When the lake cannot be read, or a walk could not begin either.
pub async fn tell(request: &Request, before: &Before, last: Option<&Release>, rate: Option<Rate>) -> Result<Outcome> {
    let run = &request.fetcher.run;
    let begun_ms = run.elapsed_ms() as f64;
    let mut forecast = known(request, before, last).await?;
    let mut outcome = Outcome { release: last.map(|last| last.number), ..Outcome::default() };
    let client = match &request.fetcher.origin {
        Origin::Files(files) => {
            outcome.planned = files::tell(request, files, &forecast).await?;
            return Ok(outcome);
        }
        Origin::Api(client) => client,
    };
    if let Some(path) = &request.fetcher.spec.probe {
        request.fetcher.probe(client, path).await?;
    }
    let bar = run.progress.bar("asking", None);
    let mut sampler = Sampler { request, before, client, bar, found: Found::default(), trial: Trial::default() };
    let sampled = sampler.sample(&mut forecast).await;
    sampler.bar.finish_and_clear();
    sampled?;
    let expected = forecast.expect();
    let limit = Limit::of(request, before, rate);
    let besides = match forecast.log.besides {
        Some(besides) => besides,
        None => Besides::guess(begun_ms, expected.len() + 1, &run.lake, sampler.trial.byte_ms(run).await?),
    };
    let planned = plan(request, &expected, &besides, limit.per_minute());
    let since = past::out_of_sight(&run.lake, run.settings.memory).await?;
    let found = &sampler.found;
    let story = Story { request, before, forecast: &forecast, expected: &expected, found, since: &since };
    story.print(&planned, &limit, client.request_count());
    outcome.slices = story.counts();
    outcome.warnings = story.warnings();
    outcome.request_count = Some(client.request_count());
    outcome.planned = Some(planned);
    Ok(outcome)
}

/// What a walk is expected to ask, as far as that is known without asking; none where it is not.
///
/// # Errors
/// When the lake cannot be read.
pub async fn expected(
    request: &Request,
    before: &Before,
    last: Option<&Release>,
    rate: Option<Rate>,
) -> Result<Option<Planned>> {
    let run = &request.fetcher.run;
    let begun_ms = run.elapsed_ms() as f64;
    let forecast = known(request, before, last).await?;
    let expected = forecast.expect();
    if forecast.log.is_empty() || expected.iter().any(|expected| expected.is_blind) {
        return Ok(None);
    }
    let limit = Limit::of(request, before, rate);
    let guess = || Besides::guess(begun_ms, expected.len() + 1, &run.lake, 0.0);
    let besides = forecast.log.besides.unwrap_or_else(guess);
    Ok(Some(plan(request, &expected, &besides, limit.per_minute())))
}

async fn known(request: &Request, before: &Before, last: Option<&Release>) -> Result<Forecast> {
    let run = &request.fetcher.run;
    let memory_bytes = run.settings.memory;
    let log = Log::read(&run.lake, memory_bytes).await?;
    let mut forecast = Forecast::new(request, before, last, log)?;
    if request.recheck_closed.is_some() && !request.is_full {
        forecast.read_ends(&run.lake, before, memory_bytes).await?;
    }
    forecast.settle(request, before);
    Ok(forecast)
}

fn plan(request: &Request, expected: &[Expected], besides: &Besides, per_minute: Option<f64>) -> Planned {
    let mut total = past::Cost::default();
    expected.iter().for_each(|expected| total += expected.cost);
    total.requests = match &request.fetcher.origin {
        Origin::Api(_) => total.requests + f64::from(u8::from(request.fetcher.spec.probe.is_some())),
        Origin::Files(_) => 0.0,
    };
    let asked = expected.iter().map(|expected| expected.asked).sum();
    let seconds = besides.seconds(&total, asked, request.concurrency, per_minute);
    Planned {
        request_count: total.requests.round() as i64,
        row_count: total.rows.round() as i64,
        seconds: (seconds * 1000.0).round() / 1000.0,
    }
}

/// How often the API may be asked.
struct Limit {
    /// What was declared.
    declared: Option<f64>,
    /// What an earlier run found out.
    learned: Option<f64>,
}

impl Limit {
    fn of(request: &Request, before: &Before, rate: Option<Rate>) -> Self {
        let Origin::Api(client) = &request.fetcher.origin else { return Self { declared: None, learned: None } };
        if matches!(client.line(), crate::client::Line::Replay(_)) {
            return Self { declared: None, learned: None };
        }
        let learned = before.unfinished.learned.get(&tree::host(client.base()));
        Self {
            declared: rate.map(|rate| f64::from(rate.per_minute)),
            learned: learned.and_then(|learned| learned.per_minute),
        }
    }

    fn per_minute(&self) -> Option<f64> {
        match (self.declared, self.learned) {
            (Some(declared), Some(learned)) => Some(declared.min(learned)),
            (declared, learned) => declared.or(learned),
        }
    }
}

/// Says how far the plan was from what happened.
pub fn compare(planned: Option<Planned>, request_count: i64, took_ms: i64) {
    let Some(planned) = planned else { return };
    let seconds = took_ms as f64 / 1000.0;
    let off = |planned: f64, made: f64| match planned > 0.0 {
        true => format!("{:+.0} %", (made / planned - 1.0) * 100.0),
        false => "none were planned".to_owned(),
    };
    info!(
        planned_requests = planned.request_count,
        requests = request_count,
        planned_seconds = planned.seconds,
        seconds,
        "planned {} requests and {}, made {} ({}) in {} ({})",
        number(planned.request_count as f64),
        time(planned.seconds),
        number(request_count as f64),
        off(planned.request_count as f64, request_count as f64),
        time(seconds),
        off(planned.seconds, seconds)
    );
}
