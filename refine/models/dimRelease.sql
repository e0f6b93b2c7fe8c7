-- One row per release, and the Unknown release (-1).
-- releaseDurationDays: days from start to end, both included. releaseProgressPct: share of the way from start to end that
-- lies behind the as-of date, 0 to 100; a release of one day is done on that day. What needs a date the release does not
-- have, or has in the wrong order, is empty, never false.
-- key: releaseKey
-- expect: releaseProgressPct between 0 and 100 or releaseProgressPct is null, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
testRelease as (select * from transform.dimRelease),

setting as (select * from run.setting),

measured as (
  select
    testRelease.*,
    setting.asOf,
    case
      when testRelease.releaseEndDate >= testRelease.releaseStartDate
        then date_diff(testRelease.releaseEndDate, testRelease.releaseStartDate) + 1
    end as releaseDurationDays
  from setting
  cross join testRelease
),

final as (
  select
    releaseKey,
    projectKey,
    releaseId,
    projectId,
    releaseName,
    description,
    releaseStatus,
    orderId,
    releaseStartDate,
    releaseEndDate,
    createdDate,
    createdDateTime,
    releaseDurationDays,
    cast(ceil(releaseDurationDays / 7.0) as int) as releaseDurationWeeks,
    case
      when releaseDurationDays is null then null
      when asOf < releaseStartDate then 0.0
      when asOf >= releaseEndDate then 100.0
      else 100.0 * date_diff(asOf, releaseStartDate) / (releaseDurationDays - 1)
    end as releaseProgressPct,
    isGlobal,
    isSyncEnabled,
    isPseudoRelease,
    isStale,
    case when releaseDurationDays is not null then asOf between releaseStartDate and releaseEndDate end as isActiveRelease,
    releaseEndDate < asOf as isPastRelease,
    releaseStartDate > asOf as isFutureRelease
  from measured
)

select * from final
