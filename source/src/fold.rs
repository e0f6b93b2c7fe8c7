//! Folding what landed: what was superseded before a day is taken out.
//!
//! Of every record stays the row that is the content of its slice on that day, or, if it had gone by then, the last one there
//! was; and everything younger. Where a content is put together from several runs, all of these stay. What `source.slice`
//! says of slices stays whole: it is small, and says when what is gone had gone.

use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::Int64Array;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use jiff::Timestamp;
use spectra_common::failure::{Exit, failure};
use spectra_common::release::{Change, Pending, Release, TableState};
use spectra_common::run::Run;
use spectra_common::schema::TableSchema;
use spectra_common::session;
use spectra_common::staging::{self, RowGroup, Staged, Writer};
use tracing::info;

/// Landings before the horizon, and whether their rows are content of their slice at the horizon or named later.
const OLD: &str = "
    with landing as (
        select resource, sliceKey, contentRunId as runId, min(release) as landedRelease, max(release) as namedRelease
        from source.slice where contentRunId is not null group by resource, sliceKey, contentRunId),
    ranked as (
        select *, row_number() over (partition by resource, sliceKey order by release desc, runId desc) as recency
        from source.slice where release <= {horizon}),
    current as (
        select ranked.resource, ranked.sliceKey, ranked.contentRunId, ranked.baseRunId, landing.landedRelease as baseRelease
        from ranked left join landing on ranked.resource = landing.resource and ranked.sliceKey = landing.sliceKey
            and ranked.baseRunId = landing.runId
        where ranked.recency = 1)
    select landing.resource, landing.sliceKey, landing.runId, landing.landedRelease,
        landing.namedRelease > {horizon} or landing.runId = current.contentRunId
            or (current.baseRunId is not null and landing.landedRelease >= coalesce(current.baseRelease, 0)) as isContent
    from landing join current on landing.resource = current.resource and landing.sliceKey = current.sliceKey
    where landing.landedRelease <= {horizon}";

/// Rows of a table that landed before the horizon, and again before it, and are not content.
const GOING: &str = "from source.{table} as r {join} join (
    with old as (
        select landed.sliceKey, landed.runId, landed.recordId, fold.landedRelease, coalesce(fold.isContent, false) as isContent
        from source.{table} as landed
        join fold.old as fold on landed.sliceKey = fold.sliceKey and landed.runId = fold.runId
        where fold.resource = '{table}' and landed.recordId is not null),
    latest as (select sliceKey, recordId, max(landedRelease) as landedRelease from old group by sliceKey, recordId)
    select distinct old.sliceKey, old.runId, old.recordId from old
    join latest on old.sliceKey = latest.sliceKey and old.recordId = latest.recordId
    where not old.isContent and old.landedRelease < latest.landedRelease
) as g on r.sliceKey = g.sliceKey and r.runId = g.runId and r.recordId = g.recordId";

/// The tables of source that change when everything superseded before `before` goes, with how many rows go.
/// With `--plan` nothing is written, and none is to be changed.
///
/// # Errors
/// [`Exit::TryAgain`] where a table is not what the release says, and what the store says.
pub async fn fold(run: Arc<Run>, last: Release, before: Timestamp) -> Result<Vec<(Pending, i64)>> {
    let context = session::new(run.settings.memory, 1)?;
    session::register_store(&context, &run.lake)?;
    let Some(horizon) = horizon(&run, &context, before).await? else { return Ok(Vec::new()) };
    let slice = open(&run, &last, "slice").await?;
    session::register_delta(&context, "source", "slice", &slice).await?;
    let old = context.sql(&OLD.replace("{horizon}", &horizon.to_string())).await?.cache().await?;
    session::register(&context, "fold", "old", old.into_view())?;
    let mut changed = Vec::new();
    for (name, state) in &last.tables {
        let Some(table) = name.strip_prefix("source.").filter(|table| *table != "slice") else { continue };
        let going = GOING.replace("{table}", table);
        let delta = open(&run, &last, table).await?;
        session::register_delta(&context, "source", table, &delta).await?;
        let gone = format!("select count(*) {}", going.replace("{join}", "left semi"));
        let count = session::number(&context, &gone).await?;
        if count == 0 {
            continue;
        }
        info!(table, rows = count, "source.{table}: {count} rows were superseded before release {horizon}");
        let change = match run.settings.plan {
            true => Change::Keep(state.clone()),
            false => rewrite(&context, &delta, state, &going.replace("{join}", "left anti"), table).await?,
        };
        let pending = Pending::new("source", table, Some(delta), change, &state.fingerprint);
        changed.push((pending, count));
    }
    Ok(changed)
}

/// The newest release that had been published by then.
async fn horizon(run: &Run, context: &SessionContext, before: Timestamp) -> Result<Option<i64>> {
    let Some(log) = run.lake.open("log", "run", None).await? else { return Ok(None) };
    session::register_delta(context, "log", "run", &log).await?;
    let sql = format!(
        "select max(release) from log.run where stage = 'source' and status in ('published', 'upkeep')
         and recordedAt <= timestamp '{before}'"
    );
    let found = context.sql(&sql).await?.collect().await.context("reading log.run")?;
    let column = found.first().and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>());
    Ok(column.and_then(|column| column.iter().next().flatten()))
}

async fn open(run: &Run, last: &Release, table: &str) -> Result<DeltaTable> {
    let delta = run.lake.open("source", table, None).await?;
    let version = last.tables.get(&format!("source.{table}")).map(|state| state.version);
    delta.filter(|delta| delta.version() == version).ok_or_else(|| {
        failure(
            Exit::TryAgain,
            format!("source.{table} is not at the version that release {} names", last.number),
            "let spectra-source run to its end, then fold",
        )
    })
}

/// Puts the rows that stay in the place of all.
async fn rewrite(
    context: &SessionContext,
    delta: &DeltaTable,
    state: &TableState,
    staying: &str,
    table: &str,
) -> Result<Change> {
    let snapshot = delta.snapshot()?.snapshot();
    let columns = TableSchema::of(snapshot.arrow_schema().as_ref())?;
    let mut writer = Writer::new(&delta.log_store(), &columns, RowGroup::Wide);
    let rows = context.sql(&format!("select r.* {staying}")).await?.execute_stream().await?;
    writer.write_all(rows).await.with_context(|| format!("copying source.{table}"))?;
    let staged = Staged::of(writer.close().await?);
    let actions = staging::replacement(delta, snapshot.schema().as_ref(), &staged.adds)?;
    let rows = staged.row_count;
    let state = TableState { same_as: None, same_files: String::new(), rows, ..state.clone() };
    Ok(Change::Rewrite { state, actions, action: "folded" })
}
