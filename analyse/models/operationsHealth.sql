-- One row per stage: how its runs have gone, how fresh and how clean what they left is, and for source how the API behaved.
-- Recent are the runs of the control operationsRecentDays days up to the as-of date. The run that makes this table is not
-- over, so this stage is told of as of the release before this one. There is no clock here: age is counted to the newest
-- entry of the log.
-- stage: the stage.
-- stageOrder: 1 for source to 6 for analyse
-- lastRunStatus: how the newest run ended: published, unchanged, failed, stopped, lost, or unfinished
-- lastRunMessage: why, where it did not end well
-- lastRunDateTime: when it started
-- lastRelease, lastReleaseDateTime: the newest release, and when it was published
-- runCount: runs ever
-- endedCount: those of them that ended
-- succeededCount: runs that published, or found nothing to do
-- failedCount, stoppedCount, lostCount: runs that failed, were asked to end, or were overtaken
-- unfinishedCount: runs that have no end in the log: killed, or still going on
-- recentRunCount, recentSucceededCount: recent runs that ended, and that succeeded
-- successRate, recentSuccessRate: succeeded of ended runs, 0 to 1
-- meanDurationSeconds, p95DurationSeconds: of the runs that published: mean, and not exceeded by 95 of 100
-- hoursSinceRelease: hours from the newest release to the newest entry of the log
-- rowCount, quarantinedCount, warningCount: of its tables as they were last built
-- quarantineRate: rows set aside, of all that came, 0 to 1
-- sliceCount, staleSliceCount: slices known, and those that could not be read when last asked for; source only
-- walkCount, requestCount, byteCount: recent walks of slices, requests, and bytes received; source only
-- failedSliceCount, forbiddenSliceCount, skippedSliceCount: recent walks that failed, were refused, or were not made; source only
-- apiFailureRate: failed of recent walks, 0 to 1; source only
-- healthReason: what is wrong, empty if nothing is
-- isHealthy: nothing is wrong: recent success rate, age, quarantine rate and API failures are within the controls
-- key: stage
-- expect: successRate between 0 and 1 or successRate is null, else fail
-- expect: recentSuccessRate between 0 and 1 or recentSuccessRate is null, else fail
-- expect: quarantineRate between 0 and 1 or quarantineRate is null, else fail
-- expect: apiFailureRate between 0 and 1 or apiFailureRate is null, else fail
-- expect: runCount = endedCount + unfinishedCount, else fail
-- expect: isHealthy, else warn
with
entry as (select * from log.run),

quality as (select * from analyse.dataQuality where expectation = ''),

api as (select * from analyse.apiHealth),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'operationsRecentDays' then try_cast(value as double) end) as recentDays,
    max(case when name = 'operationsSuccessRateMinimum' then try_cast(value as double) end) as successRateMinimum,
    max(case when name = 'operationsFreshHoursMaximum' then try_cast(value as double) end) as freshHoursMaximum,
    max(case when name = 'quarantineRateAlert' then try_cast(value as double) end) as quarantineRateAlert,
    max(case when name = 'apiFailureRateMaximum' then try_cast(value as double) end) as apiFailureRateMaximum
  from prepare.controls
),

stageName as (
  select stage, stageOrder
  from (
    values ('source', 1), ('prepare', 2), ('clean', 3), ('transform', 4), ('refine', 5), ('analyse', 6)
  ) as named(stage, stageOrder)
),

newestEntry as (select max(recordedAt) as recordedAt from entry),

-- Nobody may take a number twice, but a caller may give two runs of a stage the same name: when they started tells them apart.
rankedEntry as (
  select
    entry.*,
    row_number() over (
      partition by stage, runId, startedAt
      order by status not in ('started', 'publishing') desc, recordedAt desc, status
    ) as recency
  from entry
),

runs as (
  select
    rankedEntry.stage,
    rankedEntry.runId,
    case when rankedEntry.status in ('started', 'publishing') then 'unfinished' else rankedEntry.status end as status,
    rankedEntry.release,
    rankedEntry.message,
    rankedEntry.startedAt,
    rankedEntry.recordedAt,
    rankedEntry.durationMs,
    coalesce(date_diff(
      setting.asOf, cast(from_utc_timestamp(rankedEntry.startedAt, setting.timeZone) as date)
    ) < control.recentDays, true) as isRecent
  from rankedEntry
  cross join setting
  cross join control
  where rankedEntry.recency = 1
),

rankedRun as (
  select
    runs.*,
    row_number() over (partition by stage order by startedAt desc, runId desc) as recency,
    row_number() over (partition by stage, status order by durationMs, runId) as durationRank
  from runs
),

counted as (
  select
    stage,
    count(*) as runCount,
    count(case when status <> 'unfinished' then 1 end) as endedCount,
    count(case when status in ('published', 'unchanged') then 1 end) as succeededCount,
    count(case when status = 'published' then 1 end) as publishedCount,
    count(case when status = 'failed' then 1 end) as failedCount,
    count(case when status = 'stopped' then 1 end) as stoppedCount,
    count(case when status = 'lost' then 1 end) as lostCount,
    count(case when status = 'unfinished' then 1 end) as unfinishedCount,
    count(case when isRecent and status <> 'unfinished' then 1 end) as recentRunCount,
    count(case when isRecent and status in ('published', 'unchanged') then 1 end) as recentSucceededCount,
    avg(case when status = 'published' then durationMs / 1000.0 end) as meanDurationSeconds,
    max(case when status = 'published' then release end) as lastRelease,
    max(case when status = 'published' then recordedAt end) as lastReleaseDateTime
  from runs
  group by stage
),

p95 as (
  select rankedRun.stage, min(rankedRun.durationMs) / 1000.0 as p95DurationSeconds
  from rankedRun
  join counted on rankedRun.stage = counted.stage
  where rankedRun.status = 'published' and rankedRun.durationRank >= 0.95 * counted.publishedCount
  group by rankedRun.stage
),

content as (
  select
    stage,
    sum(rowCount) as rowCount,
    sum(quarantinedCount) as quarantinedCount,
    sum(warningCount) as warningCount
  from quality
  group by stage
),

apiTotal as (
  select
    'source' as stage,
    sum(sliceCount) as sliceCount,
    sum(staleSliceCount) as staleSliceCount,
    sum(walkCount) as walkCount,
    sum(requestCount) as requestCount,
    sum(byteCount) as byteCount,
    sum(failedCount) as failedCount,
    sum(forbiddenCount) as forbiddenCount,
    sum(skippedCount) as skippedCount
  from api
),

measured as (
  select
    stageName.stage,
    stageName.stageOrder,
    rankedRun.status as lastRunStatus,
    rankedRun.message as lastRunMessage,
    rankedRun.startedAt as lastRunDateTime,
    counted.lastRelease,
    counted.lastReleaseDateTime,
    coalesce(counted.runCount, 0) as runCount,
    coalesce(counted.endedCount, 0) as endedCount,
    coalesce(counted.succeededCount, 0) as succeededCount,
    coalesce(counted.failedCount, 0) as failedCount,
    coalesce(counted.stoppedCount, 0) as stoppedCount,
    coalesce(counted.lostCount, 0) as lostCount,
    coalesce(counted.unfinishedCount, 0) as unfinishedCount,
    coalesce(counted.recentRunCount, 0) as recentRunCount,
    coalesce(counted.recentSucceededCount, 0) as recentSucceededCount,
    1.0 * counted.succeededCount / nullif(counted.endedCount, 0) as successRate,
    1.0 * counted.recentSucceededCount / nullif(counted.recentRunCount, 0) as recentSuccessRate,
    counted.meanDurationSeconds,
    p95.p95DurationSeconds,
    (extract(epoch from newestEntry.recordedAt) - extract(epoch from counted.lastReleaseDateTime)) / 3600.0
      as hoursSinceRelease,
    coalesce(content.rowCount, 0) as rowCount,
    coalesce(content.quarantinedCount, 0) as quarantinedCount,
    coalesce(content.warningCount, 0) as warningCount,
    1.0 * content.quarantinedCount / nullif(content.quarantinedCount + content.rowCount, 0) as quarantineRate,
    apiTotal.sliceCount,
    apiTotal.staleSliceCount,
    apiTotal.walkCount,
    apiTotal.requestCount,
    apiTotal.byteCount,
    apiTotal.failedCount as failedSliceCount,
    apiTotal.forbiddenCount as forbiddenSliceCount,
    apiTotal.skippedCount as skippedSliceCount,
    1.0 * apiTotal.failedCount / nullif(apiTotal.walkCount, 0) as apiFailureRate,
    control.successRateMinimum,
    control.freshHoursMaximum,
    control.quarantineRateAlert,
    control.apiFailureRateMaximum
  from stageName
  cross join control
  cross join newestEntry
  left join counted on stageName.stage = counted.stage
  left join p95 on stageName.stage = p95.stage
  left join content on stageName.stage = content.stage
  left join apiTotal on stageName.stage = apiTotal.stage
  left join rankedRun on stageName.stage = rankedRun.stage and rankedRun.recency = 1
),

judged as (
  select
    measured.*,
    nullif(concat_ws(
      '; ',
      -- The first run of this stage tells of itself before it has published anything.
      case when lastRelease is null and stage <> 'analyse' then 'nothing published yet' end,
      case when recentSuccessRate < successRateMinimum
        then concat(recentRunCount - recentSucceededCount, ' of ', recentRunCount, ' recent runs did not succeed') end,
      case when hoursSinceRelease > freshHoursMaximum
        then concat('newest release is ', cast(floor(hoursSinceRelease) as bigint), ' hours old') end,
      case when quarantineRate > quarantineRateAlert then concat(quarantinedCount, ' rows set aside') end,
      case when apiFailureRate > apiFailureRateMaximum
        then concat(failedSliceCount, ' of ', walkCount, ' recent walks failed') end
    ), '') as healthReason
  from measured
),

final as (
  select
    stage,
    stageOrder,
    lastRunStatus,
    lastRunMessage,
    healthReason,
    lastRunDateTime,
    lastReleaseDateTime,
    lastRelease,
    runCount,
    endedCount,
    succeededCount,
    failedCount,
    stoppedCount,
    lostCount,
    unfinishedCount,
    recentRunCount,
    recentSucceededCount,
    successRate,
    recentSuccessRate,
    meanDurationSeconds,
    p95DurationSeconds,
    hoursSinceRelease,
    rowCount,
    quarantinedCount,
    warningCount,
    quarantineRate,
    sliceCount,
    staleSliceCount,
    walkCount,
    requestCount,
    byteCount,
    failedSliceCount,
    forbiddenSliceCount,
    skippedSliceCount,
    apiFailureRate,
    healthReason is null as isHealthy
  from judged
)

select * from final
