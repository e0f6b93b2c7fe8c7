//! What the report shows, as queries over this stage's tables.

use anyhow::{Context, Result};
use datafusion::prelude::SessionContext;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spectra_common::log;

/// How many cycles get a burn-down chart.
const CHART_LIMIT: usize = 12;
/// How many lines of stale slices are listed; the page says when there are more.
const STALE_LIMIT: usize = 200;
/// Days drawn past the end of a cycle or its last change; a flat line beyond says nothing.
const TAIL_DAYS: usize = 14;

/// All that the page shows.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    as_of: Option<String>,
    cycles: Vec<Cycle>,
    burndowns: Vec<Burndown>,
    pass_rates: Vec<PassRate>,
    freshness: Freshness,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cycle {
    project_name: Option<String>,
    release_name: Option<String>,
    cycle_name: Option<String>,
    cycle_start_date: Option<String>,
    cycle_end_date: Option<String>,
    total_testcases: i64,
    burned_testcases: i64,
    remaining_testcases: i64,
    total_executions: i64,
    completed_executions: i64,
    cycle_pass_rate: Option<f64>,
    days_behind_schedule: Option<i64>,
    is_active_cycle: Option<bool>,
    is_past_cycle: Option<bool>,
    is_future_cycle: Option<bool>,
    is_on_track: Option<bool>,
    is_stale: Option<bool>,
}

/// Under way: what ends first; to come: what starts first; over: what ended last.
const CYCLES: &str = "
select
  projectName,
  releaseName,
  cycleName,
  cycleStartDate,
  cycleEndDate,
  totalTestcases,
  burnedTestcases,
  remainingTestcases,
  totalExecutions,
  completedExecutions,
  cyclePassRate,
  daysBehindSchedule,
  isActiveCycle,
  isPastCycle,
  isFutureCycle,
  isOnTrack,
  isStale
from analyse.cycleProgress
order by
  case when isActiveCycle then 0 when isFutureCycle then 1 when isPastCycle then 2 else 3 end,
  case when isActiveCycle then cycleEndDate when isFutureCycle then cycleStartDate end,
  cycleEndDate desc nulls last,
  projectName, releaseName, cycleName, cycleKey";

/// A cycle worth a chart.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Busy {
    #[serde(skip_serializing)]
    cycle_key: i64,
    project_name: Option<String>,
    release_name: Option<String>,
    cycle_name: Option<String>,
    cycle_start_date: Option<String>,
    cycle_end_date: Option<String>,
    is_active: bool,
    is_stale: Option<bool>,
}

/// The busiest of the cycles under way; where there are not enough of those, the ones executed last.
fn busiest() -> String {
    format!(
        "
with
cycle as (select * from analyse.cycleProgress),

charted as (select distinct cycleKey from analyse.burndown),

candidate as (
  select cycle.*, coalesce(cycle.isActiveCycle, false) as isActive
  from cycle
  join charted on cycle.cycleKey = charted.cycleKey
  where cycle.totalTestcases > 0
    and (cycle.completedExecutions > 0 or coalesce(cycle.isActiveCycle, false))
)

select cycleKey, projectName, releaseName, cycleName, cycleStartDate, cycleEndDate, isActive, isStale
from candidate
order by isActive desc, case when isActive then completedExecutions end desc nulls last,
  lastExecutionDate desc nulls last, completedExecutions desc, cycleKey
limit {CHART_LIMIT}"
    )
}

/// One day of a burn-down.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    cycle_key: i64,
    date: String,
    in_scope_count: Option<i64>,
    burned_count: Option<i64>,
    remaining_count: Option<i64>,
    planned_remaining: Option<f64>,
    days_behind: Option<f64>,
    forecast_date: Option<String>,
    burndown_health_score: Option<f64>,
    is_working_day: Option<bool>,
    is_within_cycle: Option<bool>,
    is_future: Option<bool>,
    #[serde(default)]
    is_change: bool,
}

fn days_of(cycle_keys: &[i64]) -> String {
    let keys = cycle_keys.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "
select
  cycleKey,
  date,
  inScopeCount,
  burnedCount,
  remainingCount,
  round(plannedRemaining, 2) as plannedRemaining,
  round(daysBehind, 2) as daysBehind,
  forecastDate,
  burndownHealthScore,
  isWorkingDay,
  isWithinCycle,
  isFuture,
  coalesce(addedCount, 0) > 0 or coalesce(burnedOnDayCount, 0) > 0 as isChange
from analyse.burndown
where cycleKey in ({keys})
order by cycleKey, date"
    )
}

/// A chart: one list per line, all as long as the list of dates.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Burndown {
    #[serde(flatten)]
    cycle: Busy,
    dates: Vec<String>,
    in_scope: Vec<Option<i64>>,
    remaining: Vec<Option<i64>>,
    planned: Vec<Option<f64>>,
    /// Positions of the days nobody works.
    days_off: Vec<usize>,
    /// Figures of the last day with facts, which may lie past the days drawn.
    today: Option<Today>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Today {
    date: String,
    in_scope: Option<i64>,
    burned: Option<i64>,
    remaining: Option<i64>,
    planned: Option<f64>,
    days_behind: Option<f64>,
    forecast_date: Option<String>,
    health: Option<f64>,
}

impl Burndown {
    fn new(cycle: Busy, days: &[Day]) -> Self {
        let today = days.iter().rfind(|day| day.is_future != Some(true)).map(|day| Today {
            date: day.date.clone(),
            in_scope: day.in_scope_count,
            burned: day.burned_count,
            remaining: day.remaining_count,
            planned: day.planned_remaining,
            days_behind: day.days_behind,
            forecast_date: day.forecast_date.clone(),
            health: day.burndown_health_score.map(f64::round),
        });
        let telling = days.iter().rposition(|day| day.is_within_cycle == Some(true) || day.is_change).unwrap_or(0);
        let drawn = days.get(..telling + 1 + TAIL_DAYS).unwrap_or(days);
        let days_off =
            drawn.iter().enumerate().filter(|(_, day)| day.is_working_day == Some(false)).map(|(index, _)| index);
        Self {
            cycle,
            dates: drawn.iter().map(|day| day.date.clone()).collect(),
            in_scope: drawn.iter().map(|day| day.in_scope_count).collect(),
            remaining: drawn.iter().map(|day| day.remaining_count).collect(),
            planned: drawn.iter().map(|day| day.planned_remaining).collect(),
            days_off: days_off.collect(),
            today,
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PassRate {
    project_name: Option<String>,
    execution_count: i64,
    executed_count: i64,
    passed_count: i64,
    failed_count: i64,
    blocked_count: i64,
    pending_count: i64,
    other_count: i64,
    pass_rate: Option<f64>,
    is_stale: Option<bool>,
}

const PASS_RATES: &str = "
select
  projectName,
  executionCount,
  executedCount,
  passedCount,
  failedCount,
  blockedCount,
  pendingCount,
  otherCount,
  passRate,
  isStale
from analyse.passRate
where level = 'project'
order by executionCount desc, projectName, levelKey";

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Freshness {
    resources: Vec<ResourceAge>,
    stale: Vec<Stale>,
    /// How many lines of stale slices there are, listed or not.
    stale_line_count: usize,
}

/// How fresh the slices of one resource are; those that have gone need no refreshing.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceAge {
    resource: String,
    slice_count: i64,
    stale_count: i64,
    forbidden_count: i64,
    failed_count: i64,
    oldest_date: Option<String>,
    newest_date: Option<String>,
    last_walked_date_time: Option<String>,
}

const RESOURCE_AGES: &str = "
select
  resource,
  count(*) as sliceCount,
  sum(case when isStale then 1 else 0 end) as staleCount,
  sum(case when status = 'forbidden' then 1 else 0 end) as forbiddenCount,
  sum(case when status = 'failed' then 1 else 0 end) as failedCount,
  min(lastCompleteDate) as oldestDate,
  max(lastCompleteDate) as newestDate,
  max(lastWalkedDateTime) as lastWalkedDateTime
from analyse.freshness
where not isGone
group by resource
order by resource";

/// Slices of one resource and project that are stale for the same reason.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stale {
    resource: String,
    project_id: Option<i64>,
    project_name: Option<String>,
    release_name: Option<String>,
    cycle_name: Option<String>,
    cycle_phase_name: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    slice_count: i64,
    never_count: i64,
    oldest_date: Option<String>,
    age_days: Option<i64>,
}

/// A name below the project is told where all the slices of a line share it.
const STALE: &str = "
select
  resource,
  projectId,
  min(projectName) as projectName,
  case when min(releaseName) = max(releaseName) then min(releaseName) end as releaseName,
  case when min(cycleName) = max(cycleName) then min(cycleName) end as cycleName,
  case when min(cyclePhaseName) = max(cyclePhaseName) then min(cyclePhaseName) end as cyclePhaseName,
  status,
  staleReason as reason,
  count(*) as sliceCount,
  sum(case when lastCompleteDate is null then 1 else 0 end) as neverCount,
  min(lastCompleteDate) as oldestDate,
  max(ageDays) as ageDays
from analyse.freshness
where isStale and not isGone
group by resource, projectId, status, staleReason
order by oldestDate nulls first, resource, projectId, status, reason";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AsOf {
    as_of: Option<String>,
}

const AS_OF: &str = "
select max(asOf) as asOf
from (select asOf from analyse.cycleProgress union all select asOf from analyse.freshness) as known";

pub(super) async fn read(context: &SessionContext) -> Result<Report> {
    let as_of = fetch::<AsOf>(context, "the as-of date", AS_OF).await?;
    let cycles = fetch(context, "analyse.cycleProgress", CYCLES).await?;
    let busy: Vec<Busy> = fetch(context, "the busiest cycles", &busiest()).await?;
    let keys: Vec<i64> = busy.iter().map(|cycle| cycle.cycle_key).collect();
    let days: Vec<Day> = match keys.as_slice() {
        [] => Vec::new(),
        keys => fetch(context, "analyse.burndown", &days_of(keys)).await?,
    };
    let days: Vec<&[Day]> = days.chunk_by(|one, next| one.cycle_key == next.cycle_key).collect();
    let burndowns = busy.into_iter().map(|cycle| {
        let own = days.iter().find(|days| days.first().is_some_and(|day| day.cycle_key == cycle.cycle_key));
        Burndown::new(cycle, own.copied().unwrap_or_default())
    });
    let burndowns = burndowns.filter(|burndown| !burndown.dates.is_empty());
    let mut stale: Vec<Stale> = fetch(context, "the stale slices", STALE).await?;
    let stale_line_count = stale.len();
    stale.truncate(STALE_LIMIT);
    Ok(Report {
        as_of: as_of.into_iter().find_map(|row| row.as_of),
        cycles,
        burndowns: burndowns.collect(),
        pass_rates: fetch(context, "analyse.passRate", PASS_RATES).await?,
        freshness: Freshness {
            resources: fetch(context, "analyse.freshness", RESOURCE_AGES).await?,
            stale,
            stale_line_count,
        },
    })
}

async fn fetch<Row: DeserializeOwned>(context: &SessionContext, what: &str, sql: &str) -> Result<Vec<Row>> {
    let reading = || format!("reading {what} for the report");
    let batches = context.sql(sql).await.with_context(reading)?.collect().await.with_context(reading)?;
    log::rows(&batches).with_context(reading)
}

/// A report whose only content is a project of that name.
#[cfg(test)]
pub(super) fn report_with_project(name: &str) -> Report {
    Report {
        pass_rates: vec![PassRate {
            project_name: Some(name.to_owned()),
            execution_count: 1,
            executed_count: 1,
            passed_count: 1,
            failed_count: 0,
            blocked_count: 0,
            pending_count: 0,
            other_count: 0,
            pass_rate: Some(1.0),
            is_stale: Some(false),
        }],
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::RecordBatch;
    use datafusion::datasource::MemTable;
    use spectra_common::session;

    use super::*;

    #[test]
    fn the_flat_tail_of_a_cycle_is_cut() {
        let day = |index: usize| Day {
            cycle_key: 7,
            date: format!("day {index}"),
            in_scope_count: Some(10),
            burned_count: Some(4),
            remaining_count: Some(6),
            planned_remaining: None,
            days_behind: None,
            forecast_date: None,
            burndown_health_score: None,
            is_working_day: Some(index != 1),
            is_within_cycle: Some(index < 3),
            is_future: Some(false),
            is_change: index == 5,
        };
        let cycle = || Busy {
            cycle_key: 7,
            project_name: None,
            release_name: None,
            cycle_name: None,
            cycle_start_date: None,
            cycle_end_date: None,
            is_active: false,
            is_stale: None,
        };
        let long = Burndown::new(cycle(), &(0..100).map(day).collect::<Vec<_>>());
        assert_eq!(long.dates.len(), 6 + TAIL_DAYS);
        assert_eq!(long.days_off, [1]);
        assert_eq!(long.today.unwrap().date, "day 99");
        assert_eq!(Burndown::new(cycle(), &[]).dates.len(), 0);
    }

    /// Tables as the models make them, with the rows of `values` (none where it is empty).
    async fn table(context: &SessionContext, name: &str, columns: &str, values: &str) {
        let columns: Vec<(&str, &str)> = columns.split(", ").map(|column| column.split_once(' ').unwrap()).collect();
        let typed: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, (name, kind))| format!("cast(column{} as {kind}) as {name}", index + 1))
            .collect();
        let nulls = format!("({})", vec!["null"; columns.len()].join(", "));
        let (rows, filter) = if values.is_empty() { (nulls.as_str(), "where false") } else { (values, "") };
        let sql = format!("select {} from (values {rows}) as given {filter}", typed.join(", "));
        let frame = context.sql(&sql).await.unwrap();
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches: Vec<RecordBatch> = frame.collect().await.unwrap();
        let provider = MemTable::try_new(schema, vec![batches]).unwrap();
        session::register(context, "analyse", name, Arc::new(provider)).unwrap();
    }

    async fn lake(cycles: &str, days: &str, rates: &str, slices: &str) -> SessionContext {
        let context = session::new(1 << 28, 1).unwrap();
        table(
            &context,
            "cycleProgress",
            "cycleKey bigint, projectName string, releaseName string, cycleName string, asOf date, \
             cycleStartDate date, cycleEndDate date, lastExecutionDate date, totalTestcases bigint, \
             burnedTestcases bigint, remainingTestcases bigint, totalExecutions bigint, completedExecutions bigint, \
             cyclePassRate double, daysBehindSchedule int, isActiveCycle boolean, isPastCycle boolean, \
             isFutureCycle boolean, \
             isOnTrack boolean, isStale boolean",
            cycles,
        )
        .await;
        table(
            &context,
            "burndown",
            "cycleKey bigint, date date, inScopeCount bigint, burnedCount bigint, remainingCount bigint, \
             addedCount bigint, burnedOnDayCount bigint, plannedRemaining double, daysBehind double, \
             forecastDate date, burndownHealthScore double, isWorkingDay boolean, isWithinCycle boolean, \
             isFuture boolean",
            days,
        )
        .await;
        table(
            &context,
            "passRate",
            "level string, levelKey bigint, projectName string, executionCount bigint, executedCount bigint, \
             passedCount bigint, failedCount bigint, blockedCount bigint, pendingCount bigint, otherCount bigint, \
             passRate double, isStale boolean",
            rates,
        )
        .await;
        table(
            &context,
            "freshness",
            "resource string, sliceKey string, projectId bigint, projectName string, releaseName string, \
             cycleName string, cyclePhaseName string, status string, staleReason string, asOf date, \
             lastCompleteDate date, lastWalkedDateTime timestamp, ageDays int, isGone boolean, isStale boolean",
            slices,
        )
        .await;
        context
    }

    #[tokio::test]
    async fn empty_tables_make_an_empty_report() {
        let context = lake("", "", "", "").await;
        let report = read(&context).await.unwrap();
        assert!(report.as_of.is_none() && report.cycles.is_empty() && report.burndowns.is_empty());
    }

    #[tokio::test]
    async fn cycles_under_way_come_first_and_bring_their_days() {
        let context = lake(
            "(1, 'P', 'R', 'past', '2026-01-05', '2025-12-01', '2025-12-05', '2025-12-04', 9, 9, 0, 9, 9, 1, 0, \
              false, true, false, true, false),
             (2, 'P', 'R', 'busy', '2026-01-05', '2026-01-05', '2026-01-06', '2026-01-05', 2, 1, 1, 2, 1, 0.5, 0, \
              true, false, false, true, false),
             (3, 'P', 'R', 'idle', '2026-01-05', null, null, null, 5, 0, 5, 5, 0, null, null, \
              null, null, null, null, false)",
            "(1, '2025-12-01', 9, 9, 0, 0, 9, 0, 0, '2025-12-01', 100, true, true, false),
             (2, '2026-01-06', null, null, null, null, null, 0, null, null, null, true, true, true),
             (2, '2026-01-05', 2, 1, 1, 0, 1, 1, 0, '2026-01-06', 100, true, true, false),
             (3, '2026-01-05', 5, 0, 5, 0, 0, null, null, null, null, true, null, false)",
            "('project', 10, 'P', 16, 10, 9, 1, 0, 6, 0, 0.9, false), ('cycle', 1, 'P', 9, 9, 9, 0, 0, 0, 0, 1, false)",
            "('dimCycle', '{\"projectId\":4}', 4, 'P', null, null, null, 'forbidden', 'not allowed', '2026-01-05', \
              '2026-01-03', '2026-01-05T09:00:00', 2, false, true),
             ('dimCycle', '{\"projectId\":5}', 5, 'Q', null, null, null, 'complete', null, '2026-01-05', \
              '2026-01-05', '2026-01-05T09:00:00', 0, false, false)",
        )
        .await;
        let report = read(&context).await.unwrap();
        assert_eq!(report.as_of.as_deref(), Some("2026-01-05"));
        let names: Vec<_> = report.burndowns.iter().map(|chart| chart.cycle.cycle_name.as_deref()).collect();
        assert_eq!(names, [Some("busy"), Some("past")]);
        assert_eq!(report.burndowns[0].dates, ["2026-01-05", "2026-01-06"]);
        assert_eq!(report.burndowns[0].remaining, [Some(1), None]);
        assert_eq!(report.burndowns[0].today.as_ref().unwrap().forecast_date.as_deref(), Some("2026-01-06"));
        assert_eq!(report.pass_rates.len(), 1);
        assert_eq!(report.freshness.resources[0].forbidden_count, 1);
        assert_eq!(report.freshness.stale_line_count, 1);
        assert_eq!(report.freshness.stale[0].reason.as_deref(), Some("not allowed"));
    }
}
