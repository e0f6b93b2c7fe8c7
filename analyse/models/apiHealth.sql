-- One row per resource of the source: how the API has behaved in the recent walks of its slices, those of the control
-- operationsRecentDays days up to the as-of date.
-- sliceCount, staleSliceCount: slices known at present, and those whose content is older than the newest walk wanted
-- walkCount: times a slice was asked for
-- requestCount: requests made for that, tries included
-- rowCount: records received
-- byteCount: bytes received
-- completeCount, unchangedCount, partialCount: walks that brought something new, nothing new, or only what had changed
-- failedCount: walks that ended without a usable answer
-- forbiddenCount: walks that the API refused
-- skippedCount: times a slice was not asked for because nothing new was expected
-- failureRate, forbiddenRate: of the walks, 0 to 1
-- requestsPerWalk: mean number of requests
-- meanDurationMs, p95DurationMs: milliseconds of a walk, mean, and not exceeded by 95 of 100
-- bytesPerSecond: bytes received per second of walking
-- lastFailureDateTime, lastFailureMessage: of the newest walk that failed or was refused, however long ago
-- lastWalkDateTime: the newest walk, however long ago
-- key: resource
-- expect: failureRate between 0 and 1 or failureRate is null, else fail
-- expect: forbiddenRate between 0 and 1 or forbiddenRate is null, else fail
with
walk as (select * from log.slice),

slice as (select * from prepare.slice),

setting as (select * from run.setting),

control as (
  select max(case when name = 'operationsRecentDays' then try_cast(value as double) end) as recentDays
  from prepare.controls
),

known as (
  select
    resource,
    count(*) as sliceCount,
    count(case when isStale then 1 end) as staleSliceCount
  from slice
  group by resource
),

recent as (
  select
    walk.*,
    row_number() over (
      partition by walk.resource, walk.outcome in ('skipped', 'gone') order by walk.durationMs, walk.sliceKey, walk.runId
    ) as durationRank
  from walk
  cross join setting
  cross join control
  where date_diff(setting.asOf, cast(from_utc_timestamp(walk.walkedAt, setting.timeZone) as date)) < control.recentDays
),

counted as (
  select
    resource,
    count(case when outcome not in ('skipped', 'gone') then 1 end) as walkCount,
    count(case when outcome in ('complete', 'resumed') then 1 end) as completeCount,
    count(case when outcome = 'unchanged' then 1 end) as unchangedCount,
    count(case when outcome = 'partial' then 1 end) as partialCount,
    count(case when outcome = 'failed' then 1 end) as failedCount,
    count(case when outcome = 'forbidden' then 1 end) as forbiddenCount,
    count(case when outcome = 'skipped' then 1 end) as skippedCount,
    sum(requestCount) as requestCount,
    sum(rowCount) as rowCount,
    sum(byteCount) as byteCount,
    sum(case when outcome not in ('skipped', 'gone') then durationMs end) as durationMs
  from recent
  group by resource
),

p95 as (
  select recent.resource, min(recent.durationMs) as p95DurationMs
  from recent
  join counted on recent.resource = counted.resource
  where recent.outcome not in ('skipped', 'gone') and recent.durationRank >= 0.95 * counted.walkCount
  group by recent.resource
),

rankedFailure as (
  select
    resource,
    walkedAt,
    message,
    row_number() over (partition by resource order by walkedAt desc, runId desc, sliceKey) as recency
  from walk
  where outcome in ('failed', 'forbidden')
),

lastWalk as (
  select resource, max(walkedAt) as lastWalkDateTime from walk where outcome not in ('skipped', 'gone') group by resource
),

final as (
  select
    known.resource,
    rankedFailure.message as lastFailureMessage,
    lastWalk.lastWalkDateTime,
    rankedFailure.walkedAt as lastFailureDateTime,
    known.sliceCount,
    known.staleSliceCount,
    coalesce(counted.walkCount, 0) as walkCount,
    coalesce(counted.requestCount, 0) as requestCount,
    coalesce(counted.rowCount, 0) as rowCount,
    coalesce(counted.byteCount, 0) as byteCount,
    coalesce(counted.completeCount, 0) as completeCount,
    coalesce(counted.unchangedCount, 0) as unchangedCount,
    coalesce(counted.partialCount, 0) as partialCount,
    coalesce(counted.failedCount, 0) as failedCount,
    coalesce(counted.forbiddenCount, 0) as forbiddenCount,
    coalesce(counted.skippedCount, 0) as skippedCount,
    1.0 * counted.failedCount / nullif(counted.walkCount, 0) as failureRate,
    1.0 * counted.forbiddenCount / nullif(counted.walkCount, 0) as forbiddenRate,
    1.0 * counted.requestCount / nullif(counted.walkCount, 0) as requestsPerWalk,
    1.0 * counted.durationMs / nullif(counted.walkCount, 0) as meanDurationMs,
    cast(p95.p95DurationMs as double) as p95DurationMs,
    1000.0 * counted.byteCount / nullif(counted.durationMs, 0) as bytesPerSecond
  from known
  left join counted on known.resource = counted.resource
  left join p95 on known.resource = p95.resource
  left join lastWalk on known.resource = lastWalk.resource
  left join rankedFailure on known.resource = rankedFailure.resource and rankedFailure.recency = 1
)

select * from final
