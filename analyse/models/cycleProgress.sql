-- One row per test cycle: how far it is as of the as-of date, with the names a reader needs. The measures are those of
-- refine.dimCycle: rates from 0 to 1, percentages from 0 to 100, empty where there is nothing to divide by or no date.
-- asOf: the day the figures are for.
-- timeVarianceMinutes: time taken less time estimated over the executions that have both, minutes.
-- key: cycleKey
-- expect: cycleCompletionRate between 0 and 1 or cycleCompletionRate is null, else fail
-- expect: cyclePassRate between 0 and 1 or cyclePassRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: burnedTestcases + remainingTestcases = totalTestcases, else fail
-- reference: cycleKey in refine.dimCycle.cycleKey
with
cycle as (select * from refine.dimCycle where cycleKey <> -1),

testRelease as (select releaseKey, releaseName from refine.dimRelease),

project as (select projectKey, projectName from refine.dimProject),

setting as (select * from run.setting),

final as (
  select
    cycle.cycleKey,
    cycle.releaseKey,
    cycle.projectKey,
    cycle.cycleId,
    cycle.releaseId,
    cycle.projectId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    cycle.cycleType,
    cycle.cyclePriority,
    cycle.environment,
    cycle.environmentCategory,
    cycle.build,
    cycle.cycleSizeCategory,
    setting.asOf,
    cycle.cycleStartDate,
    cycle.cycleEndDate,
    cycle.lastExecutionDate,
    cycle.forecastDate,
    cycle.cycleDurationDays,
    cycle.cycleWorkingDays,
    cycle.daysElapsed,
    cycle.daysRemaining,
    cycle.cycleProgressPct,
    cycle.totalTestcases,
    cycle.burnedTestcases,
    cycle.remainingTestcases,
    cycle.plannedRemaining,
    cycle.plannedAdjusted,
    cycle.totalExecutions,
    cycle.completedExecutions,
    cycle.passedExecutions,
    cycle.failedExecutions,
    cycle.blockedExecutions,
    cycle.pendingExecutions,
    cycle.otherExecutions,
    cycle.cycleCompletionRate,
    cycle.cycleCompletionPct,
    cycle.cyclePassRate,
    cycle.passRateOfTotal,
    cycle.blockRate,
    cycle.idealBurndownVelocity,
    cycle.actualBurndownVelocity,
    cycle.velocity,
    cycle.daysBehindSchedule,
    cycle.avgExecutionDurationSeconds,
    cycle.timeVarianceMs / 60000.0 as timeVarianceMinutes,
    cycle.burndownHealthScore,
    cycle.burndownHealthScoreOriginal,
    cycle.cycleHealthScore,
    cycle.isActiveCycle,
    cycle.isPastCycle,
    cycle.isFutureCycle,
    cycle.isOnTrack,
    cycle.isStale
  from setting
  cross join cycle
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  left join project on cycle.projectKey = project.projectKey
)

select * from final
