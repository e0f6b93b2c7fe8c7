-- One row per test cycle, and the Unknown cycle (-1), with its progress as of the as-of date. A rate without anything to divide
-- by is empty, and so is all that needs a date the cycle does not have.
-- environmentCategory: Development, Testing, Staging or Production, by the first row of environmentPatterns that fits the
-- environment; empty when none does.
-- isProductionBuild: that category is Production.
-- buildVersionMajor, buildVersionMinor, buildVersionPatch: numbers of the version at the start of build.
-- cycleType: by the first row of cycleTypePatterns that fits the name, such as Smoke Test, Regression and Full; else the setting
-- cycleTypeDefault.
-- cyclePriority: that of the release by releaseAttributes, else that of the project by projectAttributes.
-- cycleSizeCategory: Small, Medium or Large by its test cases and the settings cycleSize*.
-- cycleDurationDays: days from start to end, both included.
-- cycleDurationWeeks: the same in weeks, begun ones whole.
-- cycleWorkingDays: working days from start to end.
-- daysElapsed: days from start to the as-of date.
-- daysRemaining: days from the as-of date to the end, negative when it is past.
-- cycleProgressPct: share of the way from start to end, 0 to 100.
-- totalTestcases: test cases in scope by the as-of date, each once whatever its phases.
-- burnedTestcases, executionsCompleted: those of them that are burned.
-- remainingTestcases, executionsRemaining: the rest.
-- totalExecutions: executions, as rows.
-- completedExecutions: executions that ended in Success, Failure or Blocked.
-- blockedExecutions, blockedCount: executions that are blocked.
-- plannedExecutions: test cases in scope by the first day.
-- plannedCompletionDate: the end of the cycle.
-- cyclePassRate: passed / completed executions, 0 to 1.
-- passRateOfTotal: passed / all executions, 0 to 1.
-- blockRate: blocked / all executions, 0 to 1.
-- cycleCompletionRate: burned / all test cases, 0 to 1.
-- cycleCompletionPct: burned / all test cases, 0 to 100.
-- idealBurndownVelocity: test cases / working days of the cycle.
-- actualBurndownVelocity: burned test cases / working days up to the as-of date, at most those of a cycle that has an end.
-- plannedRemaining, plannedAdjusted, velocity, forecastDate, burndownHealthScore, burndownHealthScoreOriginal: cycleBurndown on its
-- last day up to the as-of date.
-- isOnTrack: no more remain than planned.
-- daysBehindSchedule: working days used less whole working days worth of burned test cases, negative is ahead.
-- avgExecutionDurationSeconds: mean over executions that have a duration.
-- durationMs, timedExecutions: sum of the durations, milliseconds, and how many executions have one.
-- estimatedMs: sum of the estimated times, milliseconds.
-- timeVarianceMs: sum of duration less estimate of the executions that have both, milliseconds.
-- cycleHealthScore: 0 to 100, weighted by the settings cycleHealth*: completion rate, velocity against the ideal, pass rate.
-- isActiveCycle, isPastCycle, isFutureCycle: the as-of date lies within the cycle, after it, before it.
-- passedExecutions, failedExecutions: executions that ended in Success, in Failure.
-- pendingExecutions: executions not executed yet.
-- otherExecutions: executions with a status of the tenant's own that nobody categorised.
-- cycleStatus, revision: status number and revision counter as the server sends them.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: cycleKey
-- expect: cyclePassRate between 0 and 1 or cyclePassRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: cycleCompletionRate between 0 and 1 or cycleCompletionRate is null, else fail
-- expect: cycleProgressPct between 0 and 100 or cycleProgressPct is null, else fail
-- expect: burnedTestcases + remainingTestcases = totalTestcases, else fail
-- expect: completedExecutions + pendingExecutions + otherExecutions = totalExecutions, else fail
-- expect: executionsCompleted + executionsRemaining = totalTestcases, else fail
-- expect: cycleHealthScore between 0 and 100.000001 or cycleHealthScore is null, else warn
-- expect: cycleWorkingDays is not null or cycleStartDate is null or cycleEndDate is null, else warn
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: projectKey in transform.dimProject.projectKey
-- conserves: transform.dimCycle
with
cycle as (select * from transform.dimCycle),

execution as (select * from refine.factExecution),

activity as (select * from refine.cycleActivity),

burndown as (select * from refine.cycleBurndown),

environmentPattern as (select * from prepare.environmentPatterns),

cycleTypePattern as (select * from prepare.cycleTypePatterns),

releaseAttributes as (select releaseId, releasePriority from prepare.releaseAttributes),

projectAttributes as (select projectId, projectPriority from prepare.projectAttributes),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'cycleSizeSmallBelow' then cast(value as double) end) as cycleSizeSmallBelow,
    max(case when name = 'cycleSizeLargeAbove' then cast(value as double) end) as cycleSizeLargeAbove,
    max(case when name = 'cycleHealthCompletionWeight' then cast(value as double) end) as completionWeight,
    max(case when name = 'cycleHealthVelocityWeight' then cast(value as double) end) as velocityWeight,
    max(case when name = 'cycleHealthQualityWeight' then cast(value as double) end) as qualityWeight,
    max(case when name = 'cycleTypeDefault' then value end) as cycleTypeDefault,
    max(case when name = 'buildVersionPattern' then value end) as buildVersionPattern
  from prepare.controls
  where name like 'cycle%' or name = 'buildVersionPattern'
),

environmentMatch as (
  select cycle.cycleKey, min(environmentPattern.priority) as priority
  from environmentPattern
  cross join cycle
  where regexp_like(lower(cycle.environment), environmentPattern.pattern)
  group by cycle.cycleKey
),

environmentCategory as (
  select environmentMatch.cycleKey, environmentPattern.environmentCategory
  from environmentMatch
  join environmentPattern on environmentMatch.priority = environmentPattern.priority
),

cycleTypeMatch as (
  select cycle.cycleKey, min(cycleTypePattern.priority) as priority
  from cycleTypePattern
  cross join cycle
  where regexp_like(lower(cycle.cycleName), cycleTypePattern.pattern)
  group by cycle.cycleKey
),

cycleType as (
  select cycleTypeMatch.cycleKey, cycleTypePattern.cycleType
  from cycleTypeMatch
  join cycleTypePattern on cycleTypeMatch.priority = cycleTypePattern.priority
),

executionCount as (
  select
    cycleKey,
    count(*) as totalExecutions,
    sum(case when isExecuted then 1 else 0 end) as completedExecutions,
    sum(case when isPassed then 1 else 0 end) as passedExecutions,
    sum(case when isFailed then 1 else 0 end) as failedExecutions,
    sum(case when isBlocked then 1 else 0 end) as blockedExecutions,
    sum(case when isNotExecuted then 1 else 0 end) as pendingExecutions,
    sum(case when isOther then 1 else 0 end) as otherExecutions,
    sum(durationMs) as durationMs,
    count(durationMs) as timedExecutions,
    sum(estimatedMs) as estimatedMs,
    sum(durationMs - estimatedMs) as timeVarianceMs,
    max(executionDate) as lastExecutionDate
  from execution
  group by cycleKey
),

testcaseCount as (
  select
    activity.cycleKey,
    sum(activity.addedCount - activity.removedCount) as totalTestcases,
    sum(activity.burnedCount) as burnedTestcases
  from setting
  cross join activity
  where activity.date <= setting.asOf
  group by activity.cycleKey
),

workingDays as (
  select cycleKey, max(cycleWorkingDays) as cycleWorkingDays, max(scopeAtStartCount) as plannedExecutions
  from burndown
  group by cycleKey
),

rankedDay as (
  select
    burndown.*,
    row_number() over (partition by burndown.cycleKey order by burndown.date desc) as recency
  from burndown
  where not burndown.isFuture
),

today as (select * from rankedDay where recency = 1),

joined as (
  select
    cycle.*,
    setting.asOf,
    control.cycleSizeSmallBelow,
    control.cycleSizeLargeAbove,
    control.completionWeight,
    control.velocityWeight,
    control.qualityWeight,
    workingDays.cycleWorkingDays,
    workingDays.plannedExecutions,
    today.workingDayIndex,
    today.plannedRemaining,
    today.plannedAdjusted,
    today.velocity,
    today.daysBehind,
    today.forecastDate,
    today.burndownHealthScore,
    today.burndownHealthScoreOriginal,
    environmentCategory.environmentCategory,
    coalesce(cycleType.cycleType, case when cycle.cycleKey <> -1 then control.cycleTypeDefault end) as cycleType,
    coalesce(releaseAttributes.releasePriority, projectAttributes.projectPriority) as cyclePriority,
    regexp_match(lower(cycle.build), control.buildVersionPattern) as buildVersion,
    executionCount.lastExecutionDate,
    case when cycle.cycleEndDate >= cycle.cycleStartDate
      then date_diff(cycle.cycleEndDate, cycle.cycleStartDate) + 1 end as cycleDurationDays,
    coalesce(testcaseCount.totalTestcases, 0) as totalTestcases,
    coalesce(testcaseCount.burnedTestcases, 0) as burnedTestcases,
    coalesce(executionCount.totalExecutions, 0) as totalExecutions,
    coalesce(executionCount.completedExecutions, 0) as completedExecutions,
    coalesce(executionCount.passedExecutions, 0) as passedExecutions,
    coalesce(executionCount.failedExecutions, 0) as failedExecutions,
    coalesce(executionCount.blockedExecutions, 0) as blockedExecutions,
    coalesce(executionCount.pendingExecutions, 0) as pendingExecutions,
    coalesce(executionCount.otherExecutions, 0) as otherExecutions,
    executionCount.durationMs,
    executionCount.estimatedMs,
    executionCount.timeVarianceMs,
    coalesce(executionCount.timedExecutions, 0) as timedExecutions,
    executionCount.durationMs / 1000.0 / nullif(executionCount.timedExecutions, 0) as avgExecutionDurationSeconds
  from setting
  cross join control
  cross join cycle
  left join executionCount on cycle.cycleKey = executionCount.cycleKey
  left join testcaseCount on cycle.cycleKey = testcaseCount.cycleKey
  left join workingDays on cycle.cycleKey = workingDays.cycleKey
  left join today on cycle.cycleKey = today.cycleKey
  left join environmentCategory on cycle.cycleKey = environmentCategory.cycleKey
  left join cycleType on cycle.cycleKey = cycleType.cycleKey
  left join releaseAttributes on cycle.releaseId = releaseAttributes.releaseId
  left join projectAttributes on cycle.projectId = projectAttributes.projectId
),

rated as (
  select
    joined.*,
    joined.totalTestcases - joined.burnedTestcases as remainingTestcases,
    joined.passedExecutions * 1.0 / nullif(joined.completedExecutions, 0) as cyclePassRate,
    joined.passedExecutions * 1.0 / nullif(joined.totalExecutions, 0) as passRateOfTotal,
    joined.blockedExecutions * 1.0 / nullif(joined.totalExecutions, 0) as blockRate,
    joined.burnedTestcases * 1.0 / nullif(joined.totalTestcases, 0) as cycleCompletionRate,
    joined.totalTestcases * 1.0 / joined.cycleWorkingDays as idealBurndownVelocity,
    -- Spelled out, because least passes over what is empty: a cycle that has not begun has no velocity.
    case
      when joined.workingDayIndex is null then null
      when joined.cycleDurationDays is null then joined.burnedTestcases * 1.0 / nullif(joined.workingDayIndex, 0)
      when joined.cycleWorkingDays is null then null
      when joined.workingDayIndex < joined.cycleWorkingDays
        then joined.burnedTestcases * 1.0 / nullif(joined.workingDayIndex, 0)
      else joined.burnedTestcases * 1.0 / joined.cycleWorkingDays
    end as actualBurndownVelocity
  from joined
),

final as (
  select
    cycleKey,
    releaseKey,
    projectKey,
    cycleId,
    releaseId,
    projectId,
    cycleName,
    cycleType,
    cyclePriority,
    environment,
    environmentCategory,
    build,
    cycleStatus,
    revision,
    cycleStartDate,
    cycleEndDate,
    createdDate,
    createdDateTime,
    lastExecutionDate,
    cycleEndDate as plannedCompletionDate,
    forecastDate,
    case
      when totalTestcases < cycleSizeSmallBelow then 'Small'
      when totalTestcases > cycleSizeLargeAbove then 'Large'
      else 'Medium'
    end as cycleSizeCategory,
    try_cast(buildVersion[1] as int) as buildVersionMajor,
    try_cast(buildVersion[3] as int) as buildVersionMinor,
    try_cast(buildVersion[5] as int) as buildVersionPatch,
    cycleDurationDays,
    cast(ceil(cycleDurationDays / 7.0) as int) as cycleDurationWeeks,
    cycleWorkingDays,
    date_diff(asOf, cycleStartDate) as daysElapsed,
    date_diff(cycleEndDate, asOf) as daysRemaining,
    case
      when cycleDurationDays is null then null
      when asOf < cycleStartDate then 0.0
      when asOf >= cycleEndDate then 100.0
      else 100.0 * date_diff(asOf, cycleStartDate) / (cycleDurationDays - 1)
    end as cycleProgressPct,
    totalTestcases,
    burnedTestcases,
    remainingTestcases,
    burnedTestcases as executionsCompleted,
    remainingTestcases as executionsRemaining,
    totalExecutions,
    completedExecutions,
    passedExecutions,
    failedExecutions,
    blockedExecutions,
    blockedExecutions as blockedCount,
    pendingExecutions,
    otherExecutions,
    plannedExecutions,
    plannedRemaining,
    plannedAdjusted,
    cyclePassRate,
    passRateOfTotal,
    blockRate,
    cycleCompletionRate,
    100.0 * cycleCompletionRate as cycleCompletionPct,
    idealBurndownVelocity,
    actualBurndownVelocity,
    velocity,
    cast(ceil(daysBehind) as int) as daysBehindSchedule,
    avgExecutionDurationSeconds,
    durationMs,
    estimatedMs,
    timeVarianceMs,
    timedExecutions,
    burndownHealthScore,
    burndownHealthScoreOriginal,
    case
      when cycleCompletionRate is null or cyclePassRate is null then null
      when actualBurndownVelocity is null or nullif(idealBurndownVelocity, 0) is null then null
      else 100.0 * (
        completionWeight * cycleCompletionRate
        + velocityWeight * least(1.0, actualBurndownVelocity / nullif(idealBurndownVelocity, 0))
        + qualityWeight * cyclePassRate
      )
    end as cycleHealthScore,
    case when cycleDurationDays is not null then asOf between cycleStartDate and cycleEndDate end as isActiveCycle,
    cycleEndDate < asOf as isPastCycle,
    cycleStartDate > asOf as isFutureCycle,
    remainingTestcases <= plannedRemaining as isOnTrack,
    environmentCategory = 'Production' as isProductionBuild,
    isStale
  from rated
)

select * from final
