-- One row per test cycle, and the Unknown cycle (-1), with its progress as of the as-of date.
-- Executions are rows: totalExecutions, and by category; completedExecutions are Success, Failure and Blocked.
-- Test cases are distinct within the cycle: totalTestcases in scope, burnedTestcases burned (executionsCompleted),
-- remainingTestcases the rest (executionsRemaining), by the as-of date.
-- cyclePassRate: passed / completed executions. passRateOfTotal: passed / all executions. blockRate: blocked / all executions.
-- cycleCompletionRate: burned / all test cases, 0 to 1; cycleCompletionPct: the same, 0 to 100.
-- cycleDurationDays: days from start to end, both included. daysElapsed: days from start to the as-of date; daysRemaining: from
-- there to the end, negative when it is past. cycleProgressPct: share of the way from start to end, 0 to 100.
-- plannedExecutions: test cases in scope by the first day. idealBurndownVelocity: test cases / working days of the cycle.
-- actualBurndownVelocity: burned test cases / working days up to the as-of date, at most those of a cycle that has an end.
-- plannedRemaining, forecastDate and burndownHealthScore: cycleBurndown on its last day up to the as-of date.
-- isOnTrack: no more remain than planned. daysBehindSchedule: working days used less whole working days worth of burned test
-- cases, negative is ahead. avgExecutionDurationSeconds: mean over executions that have a duration.
-- cycleHealthScore: 0 to 100, weighted by the settings cycleHealth*: completion rate, velocity against the ideal, pass rate.
-- A rate without anything to divide by is empty, and so is all that needs a date the cycle does not have.
-- key: cycleKey
-- expect: cyclePassRate between 0 and 1 or cyclePassRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: cycleCompletionRate between 0 and 1 or cycleCompletionRate is null, else fail
-- expect: cycleProgressPct between 0 and 100 or cycleProgressPct is null, else fail
-- expect: burnedTestcases + remainingTestcases = totalTestcases, else fail
-- expect: completedExecutions + pendingExecutions + otherExecutions = totalExecutions, else fail
-- expect: cycleHealthScore between 0 and 100.000001 or cycleHealthScore is null, else warn
-- expect: cycleWorkingDays is not null or cycleStartDate is null or cycleEndDate is null, else warn
-- reference: releaseKey in refine.dimRelease.releaseKey
-- reference: projectKey in refine.dimProject.projectKey
with
cycle as (select * from transform.dimCycle),

execution as (select * from refine.factExecution),

activity as (select * from refine.cycleActivity),

burndown as (select * from refine.cycleBurndown),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'cycleSizeSmallBelow' then cast(value as double) end) as cycleSizeSmallBelow,
    max(case when name = 'cycleSizeLargeAbove' then cast(value as double) end) as cycleSizeLargeAbove,
    max(case when name = 'cycleHealthCompletionWeight' then cast(value as double) end) as completionWeight,
    max(case when name = 'cycleHealthVelocityWeight' then cast(value as double) end) as velocityWeight,
    max(case when name = 'cycleHealthQualityWeight' then cast(value as double) end) as qualityWeight
  from prepare.controls
  where name like 'cycle%'
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
    max(executionDate) as lastExecutionDate
  from execution
  group by cycleKey
),

testcaseCount as (
  select
    activity.cycleKey,
    sum(activity.addedCount) as totalTestcases,
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
    today.daysBehind,
    today.forecastDate,
    today.burndownHealthScore,
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
    executionCount.durationMs / 1000.0 / nullif(executionCount.timedExecutions, 0) as avgExecutionDurationSeconds
  from setting
  cross join control
  cross join cycle
  left join executionCount on cycle.cycleKey = executionCount.cycleKey
  left join testcaseCount on cycle.cycleKey = testcaseCount.cycleKey
  left join workingDays on cycle.cycleKey = workingDays.cycleKey
  left join today on cycle.cycleKey = today.cycleKey
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
    environment,
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
    totalExecutions,
    completedExecutions,
    passedExecutions,
    failedExecutions,
    blockedExecutions,
    pendingExecutions,
    otherExecutions,
    plannedExecutions,
    plannedRemaining,
    cyclePassRate,
    passRateOfTotal,
    blockRate,
    cycleCompletionRate,
    100.0 * cycleCompletionRate as cycleCompletionPct,
    idealBurndownVelocity,
    actualBurndownVelocity,
    cast(ceil(daysBehind) as int) as daysBehindSchedule,
    avgExecutionDurationSeconds,
    burndownHealthScore,
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
    isStale
  from rated
)

select * from final
