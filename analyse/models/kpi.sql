-- One row per project, release and cycle, and one for all of them (the level says which): the key figures side by side, as of the
-- as-of date. Counts are sums of those of the cycles; pseudo releases are left out.
-- level: all, project, release or cycle.
-- levelKey: key of the project, release or cycle; 0 for all.
-- asOf: the day the figures are for.
-- executedCount: executions that passed, failed or are blocked.
-- executionsLast7Days: executed within the last executionsRecentDays days up to the as-of date.
-- executionsThisWeek: executed from the Monday of the week of the as-of date up to it.
-- executionsThisMonth: executed from the first of the month of the as-of date up to it.
-- totalTestcases: test cases in scope, each once per cycle.
-- testsCompletedCount, testsRemainingCount: those of them that are burned, and the rest.
-- plannedTestsRemaining, plannedTestsRemainingAdjusted: what the plan leaves by the as-of date, for the scope at the start and for
-- the scope of the day; over cycles that have a plan.
-- actualVsPlannedDelta: tests remaining less planned ones over cycles that have a plan; below 0 is ahead.
-- requirementCount, requirementsCoveredCount, requirementsRemainingCount: requirements, those with a test case, those without;
-- empty for cycles, which have none of their own.
-- executionRatePct: executed / all executions, 0 to 100.
-- shareOfExecutionsPct: its executions / those of all projects, 0 to 100.
-- passRatePct, failRatePct, blockRatePct: passed, failed and blocked / executed, 0 to 100.
-- passRateOfTotalPct, failRateOfTotalPct, blockRateOfTotalPct: the same / all executions, 0 to 100.
-- testsRemainingPct: tests remaining / test cases in scope, 0 to 100.
-- coveragePct: covered / all requirements, 0 to 100.
-- averageExecutionDurationSeconds: mean over executions that have a duration.
-- totalExecutionTimeHours: sum of the durations, hours.
-- executionTimeVariance: sample variance of the durations, seconds squared.
-- timeVarianceMinutes: time taken less time estimated over the executions that have both, minutes.
-- executionGrowthRate: executed in the last executionGrowthDays days / executed before; 1 means twice as many by now.
-- burndownVelocity: burned test cases per working day; above the cycle the sum over its active cycles.
-- daysBehindSchedule: working days behind the plan; above the cycle that of the cycle most behind.
-- forecastCompletionDate: day on which nothing will remain at this velocity; above the cycle the latest of its open cycles, empty
-- when one of them has none.
-- burndownHealthScore, burndownHealthScoreOriginal, cycleHealthScore: 0 to 100, the second without a floor; above the cycle
-- means over its cycles that have one.
-- cycleCompletionPct: burned / all test cases, 0 to 100.
-- cycleProgressPct: share of the way from start to end, 0 to 100; above the cycle the mean over its cycles.
-- executionCount: executions, as rows.
-- passedCount, failedCount, blockedCount: executions that ended in Success, in Failure, in Blocked.
-- pendingCount: executions not executed yet.
-- otherCount: executions with a status of the tenant's own that nobody categorised.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: level, levelKey
-- expect: executionRatePct between 0 and 100 or executionRatePct is null, else fail
-- expect: shareOfExecutionsPct between 0 and 100 or shareOfExecutionsPct is null, else fail
-- expect: passRatePct between 0 and 100 or passRatePct is null, else fail
-- expect: failRatePct between 0 and 100 or failRatePct is null, else fail
-- expect: blockRatePct between 0 and 100 or blockRatePct is null, else fail
-- expect: testsRemainingPct between 0 and 100 or testsRemainingPct is null, else fail
-- expect: coveragePct between 0 and 100 or coveragePct is null, else fail
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
-- expect: testsCompletedCount + testsRemainingCount = totalTestcases, else fail
-- expect: requirementsCoveredCount + requirementsRemainingCount = requirementCount or level = 'cycle', else fail
with
execution as (select cycleKey, executionDate, durationMs, isExecuted from refine.factExecution),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

requirement as (select requirementKey, projectKey, isCovered from refine.dimRequirement where requirementKey <> -1),

requirementRelease as (select requirementKey, releaseKey from refine.bridgeRequirementRelease),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'executionsRecentDays' then cast(value as int) end) as executionsRecentDays,
    max(case when name = 'executionGrowthDays' then cast(value as int) end) as executionGrowthDays
  from prepare.controls
  where name in ('executionsRecentDays', 'executionGrowthDays')
),

span as (
  select
    setting.asOf,
    date_sub(setting.asOf, control.executionsRecentDays) as recentAfter,
    date_sub(setting.asOf, control.executionGrowthDays) as growthAfter,
    date_sub(setting.asOf, cast((date_diff(setting.asOf, cast('1970-01-05' as date)) % 7 + 7) % 7 as int)) as weekStart,
    date_sub(setting.asOf, cast(extract(day from setting.asOf) - 1 as int)) as monthStart
  from setting
  cross join control
),

dayCount as (
  select cycleKey, executionDate, count(*) as executedCount
  from execution
  where isExecuted and executionDate is not null
  group by cycleKey, executionDate
),

recentCount as (
  select
    dayCount.cycleKey,
    sum(case when dayCount.executionDate > span.recentAfter then dayCount.executedCount else 0 end) as recentCount,
    sum(case when dayCount.executionDate >= span.weekStart then dayCount.executedCount else 0 end) as weekCount,
    sum(case when dayCount.executionDate >= span.monthStart then dayCount.executedCount else 0 end) as monthCount,
    sum(case when dayCount.executionDate > span.growthAfter then dayCount.executedCount else 0 end) as growthCount,
    sum(case when dayCount.executionDate <= span.growthAfter then dayCount.executedCount else 0 end) as formerCount
  from span
  cross join dayCount
  where dayCount.executionDate <= span.asOf
  group by dayCount.cycleKey
),

-- Sums of squares add up over cycles, variances do not; whole numbers add up to the same in any order.
squareSum as (
  select cycleKey, sum(cast(durationMs as decimal(19, 0)) * cast(durationMs as decimal(19, 0))) as squaredMs
  from execution
  where durationMs is not null
  group by cycleKey
),

cycleFigure as (
  select
    cycle.*,
    coalesce(recentCount.recentCount, 0) as recentCount,
    coalesce(recentCount.weekCount, 0) as weekCount,
    coalesce(recentCount.monthCount, 0) as monthCount,
    coalesce(recentCount.growthCount, 0) as growthCount,
    coalesce(recentCount.formerCount, 0) as formerCount,
    squareSum.squaredMs
  from cycle
  left join recentCount on cycle.cycleKey = recentCount.cycleKey
  left join squareSum on cycle.cycleKey = squareSum.cycleKey
),

levelKind as (select level from (values ('all'), ('project'), ('release'), ('cycle')) as fourLevels(level)),

leveled as (
  select
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then cycleFigure.projectKey
      when 'release' then cycleFigure.releaseKey
      else cycleFigure.cycleKey
    end as levelKey,
    cycleFigure.*
  from levelKind
  cross join cycleFigure
),

levelTotal as (
  select
    level,
    levelKey,
    sum(totalExecutions) as executionCount,
    sum(completedExecutions) as executedCount,
    sum(passedExecutions) as passedCount,
    sum(failedExecutions) as failedCount,
    sum(blockedExecutions) as blockedCount,
    sum(pendingExecutions) as pendingCount,
    sum(otherExecutions) as otherCount,
    sum(recentCount) as recentCount,
    sum(weekCount) as weekCount,
    sum(monthCount) as monthCount,
    sum(growthCount) as growthCount,
    sum(formerCount) as formerCount,
    sum(totalTestcases) as totalTestcases,
    sum(burnedTestcases) as burnedTestcases,
    sum(remainingTestcases) as remainingTestcases,
    -- Doubles are rounded, for the order of a sum may touch its last digit.
    round(sum(plannedRemaining), 9) as plannedRemaining,
    round(sum(case when plannedRemaining is not null then plannedAdjusted end), 9) as plannedAdjusted,
    round(sum(remainingTestcases - plannedRemaining), 9) as plannedDelta,
    sum(durationMs) as durationMs,
    sum(timedExecutions) as timedCount,
    cast(sum(squaredMs) as double) / 1000000.0 as squaredSeconds,
    sum(timeVarianceMs) as timeVarianceMs,
    round(sum(case when level = 'cycle' or isActiveCycle then velocity end), 9) as velocity,
    max(daysBehindSchedule) as daysBehindSchedule,
    max(case when level = 'cycle' or remainingTestcases > 0 then forecastDate end) as forecastDate,
    sum(case when remainingTestcases > 0 and forecastDate is null then 1 else 0 end) as unforeseenCycles,
    round(avg(burndownHealthScore), 9) as burndownHealthScore,
    round(avg(burndownHealthScoreOriginal), 9) as burndownHealthScoreOriginal,
    round(avg(cycleHealthScore), 9) as cycleHealthScore,
    round(avg(cycleProgressPct), 9) as cycleProgressPct
  from leveled
  group by level, levelKey
),

requirementPlace as (
  select 'all' as level, cast(0 as bigint) as levelKey, isCovered from requirement
  union all
  select 'project' as level, projectKey as levelKey, isCovered from requirement
  union all
  select 'release' as level, requirementRelease.releaseKey as levelKey, requirement.isCovered
  from requirementRelease
  join requirement on requirementRelease.requirementKey = requirement.requirementKey
),

requirementTotal as (
  select
    level,
    levelKey,
    count(*) as requirementCount,
    sum(case when isCovered then 1 else 0 end) as coveredCount
  from requirementPlace
  group by level, levelKey
),

place as (select * from analyse.place where level <> 'phase' and not isPseudoRelease),

everything as (select sum(totalExecutions) as executionCount from cycle),

joined as (
  select
    place.*,
    span.asOf,
    everything.executionCount as allExecutionCount,
    coalesce(levelTotal.executionCount, 0) as executionCount,
    coalesce(levelTotal.executedCount, 0) as executedCount,
    coalesce(levelTotal.passedCount, 0) as passedCount,
    coalesce(levelTotal.failedCount, 0) as failedCount,
    coalesce(levelTotal.blockedCount, 0) as blockedCount,
    coalesce(levelTotal.pendingCount, 0) as pendingCount,
    coalesce(levelTotal.otherCount, 0) as otherCount,
    coalesce(levelTotal.recentCount, 0) as recentCount,
    coalesce(levelTotal.weekCount, 0) as weekCount,
    coalesce(levelTotal.monthCount, 0) as monthCount,
    levelTotal.growthCount,
    levelTotal.formerCount,
    coalesce(levelTotal.totalTestcases, 0) as totalTestcases,
    coalesce(levelTotal.burnedTestcases, 0) as burnedTestcases,
    coalesce(levelTotal.remainingTestcases, 0) as remainingTestcases,
    levelTotal.plannedRemaining,
    levelTotal.plannedAdjusted,
    levelTotal.plannedDelta,
    levelTotal.durationMs,
    levelTotal.timedCount,
    levelTotal.squaredSeconds,
    levelTotal.timeVarianceMs,
    levelTotal.velocity,
    levelTotal.daysBehindSchedule,
    case when levelTotal.unforeseenCycles = 0 then levelTotal.forecastDate end as forecastDate,
    levelTotal.burndownHealthScore,
    levelTotal.burndownHealthScoreOriginal,
    levelTotal.cycleHealthScore,
    levelTotal.cycleProgressPct,
    case when place.level <> 'cycle' then coalesce(requirementTotal.requirementCount, 0) end as requirementCount,
    case when place.level <> 'cycle' then coalesce(requirementTotal.coveredCount, 0) end as coveredCount
  from span
  cross join everything
  cross join place
  left join levelTotal on place.level = levelTotal.level and place.levelKey = levelTotal.levelKey
  left join requirementTotal on place.level = requirementTotal.level and place.levelKey = requirementTotal.levelKey
),

final as (
  select
    level,
    levelKey,
    projectId,
    releaseId,
    cycleId,
    projectName,
    releaseName,
    cycleName,
    asOf,
    forecastDate as forecastCompletionDate,
    executionCount,
    executedCount,
    passedCount,
    failedCount,
    blockedCount,
    pendingCount,
    otherCount,
    recentCount as executionsLast7Days,
    weekCount as executionsThisWeek,
    monthCount as executionsThisMonth,
    totalTestcases,
    burnedTestcases as testsCompletedCount,
    remainingTestcases as testsRemainingCount,
    plannedRemaining as plannedTestsRemaining,
    plannedAdjusted as plannedTestsRemainingAdjusted,
    plannedDelta as actualVsPlannedDelta,
    requirementCount,
    coveredCount as requirementsCoveredCount,
    requirementCount - coveredCount as requirementsRemainingCount,
    100.0 * executedCount / nullif(executionCount, 0) as executionRatePct,
    100.0 * executionCount / nullif(allExecutionCount, 0) as shareOfExecutionsPct,
    100.0 * passedCount / nullif(executedCount, 0) as passRatePct,
    100.0 * failedCount / nullif(executedCount, 0) as failRatePct,
    100.0 * blockedCount / nullif(executedCount, 0) as blockRatePct,
    100.0 * passedCount / nullif(executionCount, 0) as passRateOfTotalPct,
    100.0 * failedCount / nullif(executionCount, 0) as failRateOfTotalPct,
    100.0 * blockedCount / nullif(executionCount, 0) as blockRateOfTotalPct,
    100.0 * remainingTestcases / nullif(totalTestcases, 0) as testsRemainingPct,
    100.0 * coveredCount / nullif(requirementCount, 0) as coveragePct,
    durationMs / 1000.0 / nullif(timedCount, 0) as averageExecutionDurationSeconds,
    durationMs / 3600000.0 as totalExecutionTimeHours,
    case when timedCount > 1 then greatest(
      0.0, (squaredSeconds - durationMs / 1000.0 * (durationMs / 1000.0) / timedCount) / (timedCount - 1)
    ) end as executionTimeVariance,
    timeVarianceMs / 60000.0 as timeVarianceMinutes,
    growthCount * 1.0 / nullif(formerCount, 0) as executionGrowthRate,
    velocity as burndownVelocity,
    daysBehindSchedule,
    burndownHealthScore,
    burndownHealthScoreOriginal,
    100.0 * burnedTestcases / nullif(totalTestcases, 0) as cycleCompletionPct,
    cycleProgressPct,
    cycleHealthScore,
    isStale
  from joined
)

select * from final
