-- One row per release, and the Unknown release (-1), with its calendar as of the as-of date and what was executed in it.
-- What needs a date the release does not have, or has in the wrong order, is empty, never false.
-- releaseType: by the reference table releaseAttributes; else Hotfix when the name fits the setting releaseHotfixPattern; else by
-- the version in the name: Patch, Minor or Major after the last of its numbers that is not 0; empty without a version.
-- releaseVersion: by releaseAttributes, else the text in the name that fits the setting releaseVersionPattern.
-- releasePriority: by releaseAttributes, else that of the project.
-- releaseQuarter, releaseMonth, releaseYear: those of the end, else of the start, such as Q1 2025 and January 2025.
-- releaseDurationDays: days from start to end, both included.
-- releaseDurationWeeks: the same in weeks, begun ones whole.
-- releaseProgressPct: share of the way from start to end that lies behind the as-of date, 0 to 100; a release of one day is done
-- on that day.
-- totalCycles: its test cycles.
-- totalExecutions: executions of those; completedExecutions are Success, Failure and Blocked.
-- releasePassRate: passed / completed executions, 0 to 1.
-- isPseudoRelease: the test repository of a project, no release anyone tests.
-- isGlobalRelease: the same as isGlobal.
-- passedExecutions, failedExecutions: executions that ended in Success, in Failure.
-- pendingExecutions: executions not executed yet.
-- otherExecutions: executions with a status of the tenant's own that nobody categorised.
-- blockedExecutions: executions that are blocked.
-- description, releaseStatus: text and status number as the server sends them.
-- isSyncEnabled: the release is kept in step with another system.
-- isActiveRelease, isPastRelease, isFutureRelease: the as-of date lies within the release, after it, before it.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: releaseKey
-- expect: releaseProgressPct between 0 and 100 or releaseProgressPct is null, else fail
-- expect: releasePassRate between 0 and 1 or releasePassRate is null, else fail
-- expect: completedExecutions = passedExecutions + failedExecutions + blockedExecutions, else fail
-- reference: projectKey in refine.dimProject.projectKey
-- conserves: transform.dimRelease
with
testRelease as (select * from transform.dimRelease),

cycle as (select * from refine.dimCycle),

releaseAttributes as (select * from prepare.releaseAttributes),

projectAttributes as (select projectId, projectPriority from prepare.projectAttributes),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'releaseVersionPattern' then value end) as releaseVersionPattern,
    max(case when name = 'releaseHotfixPattern' then value end) as releaseHotfixPattern
  from prepare.controls
  where name in ('releaseVersionPattern', 'releaseHotfixPattern')
),

cycleTotal as (
  select
    releaseKey,
    count(*) as totalCycles,
    sum(totalExecutions) as totalExecutions,
    sum(completedExecutions) as completedExecutions,
    sum(passedExecutions) as passedExecutions,
    sum(failedExecutions) as failedExecutions,
    sum(blockedExecutions) as blockedExecutions,
    sum(pendingExecutions) as pendingExecutions,
    sum(otherExecutions) as otherExecutions
  from cycle
  where cycleKey <> -1
  group by releaseKey
),

measured as (
  select
    testRelease.*,
    setting.asOf,
    releaseAttributes.releaseType as givenType,
    releaseAttributes.releaseVersion as givenVersion,
    coalesce(releaseAttributes.releasePriority, projectAttributes.projectPriority) as releasePriority,
    regexp_like(lower(testRelease.releaseName), control.releaseHotfixPattern) as isHotfix,
    regexp_match(testRelease.releaseName, concat('(', control.releaseVersionPattern, ')')) as version,
    coalesce(testRelease.releaseEndDate, testRelease.releaseStartDate) as periodDate,
    case
      when testRelease.releaseEndDate >= testRelease.releaseStartDate
        then date_diff(testRelease.releaseEndDate, testRelease.releaseStartDate) + 1
    end as releaseDurationDays,
    coalesce(cycleTotal.totalCycles, 0) as totalCycles,
    coalesce(cycleTotal.totalExecutions, 0) as totalExecutions,
    coalesce(cycleTotal.completedExecutions, 0) as completedExecutions,
    coalesce(cycleTotal.passedExecutions, 0) as passedExecutions,
    coalesce(cycleTotal.failedExecutions, 0) as failedExecutions,
    coalesce(cycleTotal.blockedExecutions, 0) as blockedExecutions,
    coalesce(cycleTotal.pendingExecutions, 0) as pendingExecutions,
    coalesce(cycleTotal.otherExecutions, 0) as otherExecutions
  from setting
  cross join control
  cross join testRelease
  left join releaseAttributes on testRelease.releaseId = releaseAttributes.releaseId
  left join projectAttributes on testRelease.projectId = projectAttributes.projectId
  left join cycleTotal on testRelease.releaseKey = cycleTotal.releaseKey
),

-- The groups of the pattern stand one further on, behind the one around all of it.
final as (
  select
    releaseKey,
    projectKey,
    releaseId,
    projectId,
    releaseName,
    description,
    releaseStatus,
    coalesce(
      givenType,
      case
        when isHotfix then 'Hotfix'
        when version is null then null
        when try_cast(version[5] as bigint) > 0 then 'Patch'
        when try_cast(version[3] as bigint) > 0 then 'Minor'
        else 'Major'
      end
    ) as releaseType,
    coalesce(givenVersion, version[1]) as releaseVersion,
    releasePriority,
    orderId,
    releaseStartDate,
    releaseEndDate,
    createdDate,
    createdDateTime,
    case when periodDate is not null then concat(
      'Q', cast(floor((extract(month from periodDate) + 2) / 3) as int), ' ', cast(extract(year from periodDate) as int)
    ) end as releaseQuarter,
    case when periodDate is not null then concat(
      case cast(extract(month from periodDate) as int)
        when 1 then 'January'
        when 2 then 'February'
        when 3 then 'March'
        when 4 then 'April'
        when 5 then 'May'
        when 6 then 'June'
        when 7 then 'July'
        when 8 then 'August'
        when 9 then 'September'
        when 10 then 'October'
        when 11 then 'November'
        else 'December'
      end,
      ' ',
      cast(extract(year from periodDate) as int)
    ) end as releaseMonth,
    cast(extract(year from periodDate) as int) as releaseYear,
    releaseDurationDays,
    cast(ceil(releaseDurationDays / 7.0) as int) as releaseDurationWeeks,
    case
      when releaseDurationDays is null then null
      when asOf < releaseStartDate then 0.0
      when asOf >= releaseEndDate then 100.0
      else 100.0 * date_diff(asOf, releaseStartDate) / (releaseDurationDays - 1)
    end as releaseProgressPct,
    totalCycles,
    totalExecutions,
    completedExecutions,
    passedExecutions,
    failedExecutions,
    blockedExecutions,
    pendingExecutions,
    otherExecutions,
    passedExecutions * 1.0 / nullif(completedExecutions, 0) as releasePassRate,
    isGlobal,
    isGlobal as isGlobalRelease,
    isSyncEnabled,
    isPseudoRelease,
    isStale,
    case when releaseDurationDays is not null then asOf between releaseStartDate and releaseEndDate end as isActiveRelease,
    releaseEndDate < asOf as isPastRelease,
    releaseStartDate > asOf as isFutureRelease
  from measured
)

select * from final
