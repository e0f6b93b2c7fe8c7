//! What a walk would ask, judged by the last one.

use anyhow::Result;
use spectra_common::log;
use spectra_common::release::Release;
use spectra_common::run::{Outcome, Run};
use spectra_common::session;
use tracing::info;

use crate::spec::Spec;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Past {
    resource: String,
    slices: i64,
    requests: i64,
    rows: i64,
    seconds: f64,
}

/// Says, per resource, how many slices, requests, rows and seconds the last walk of each known slice took.
///
/// # Errors
/// When `log.slice` cannot be read.
pub async fn tell(run: &Run, spec: &Spec, last: Option<&Release>) -> Result<Outcome> {
    let outcome = Outcome { release: last.map(|last| last.number), ..Outcome::default() };
    let Some(table) = run.lake.open("log", "slice", None).await? else {
        info!("nothing is known yet: the first run walks everything");
        for resource in spec.roots() {
            info!("would list {}", resource.name);
        }
        return Ok(outcome);
    };
    let context = session::new(run.settings.memory, run.settings.thread_count())?;
    session::register_delta(&context, "log", "slice", &table).await?;
    let sql = "with walk as (
            select *, row_number() over (partition by resource, \"sliceKey\" order by \"walkedAt\" desc, \"runId\" desc) as age
            from log.slice where outcome in ('complete', 'unchanged', 'gone', 'forbidden', 'failed'))
        select resource, count(*) as slices, sum(\"requestCount\") as requests, sum(\"rowCount\") as rows,
            sum(\"durationMs\") / 1000.0 as seconds
        from walk where age = 1 and outcome <> 'gone' group by resource order by resource";
    let past: Vec<Past> = log::rows(&context.sql(sql).await?.collect().await?)?;
    for each in &past {
        info!(
            resource = each.resource,
            slices = each.slices,
            requests = each.requests,
            rows = each.rows,
            seconds = each.seconds,
            "would ask {} times for {} slices of {}: {} rows, {:.1} s last time",
            each.requests,
            each.slices,
            each.resource,
            each.rows,
            each.seconds
        );
    }
    let requests: i64 = past.iter().map(|each| each.requests).sum();
    info!(requests, "in all about {requests} requests, more where something new appears");
    Ok(Outcome { request_count: Some(requests), ..outcome })
}
