-- One row per test cycle and day of its calendar: the burn-down ready to plot, with names. Counts are distinct test cases;
-- after the as-of date only the planned lines go on. The measures are those of refine.cycleBurndown, under the burn policy of
-- the settings and, with ByExecuted and ByPassed in their names, under either.
-- key: cycleKey, cycleDateKey
-- expect: isFuture or burnedCount + remainingCount = inScopeCount, else fail
-- expect: isFuture or burnedByExecutedCount + remainingByExecutedCount = inScopeCount, else fail
-- expect: isFuture or burnedByPassedCount + remainingByPassedCount = inScopeCount, else fail
-- reference: cycleKey in refine.dimCycle.cycleKey
-- reference: cycleDateKey in refine.dimDate.dateId
with
burndown as (select * from refine.cycleBurndown),

cycle as (select cycleKey, releaseKey, projectKey, releaseId, projectId, cycleName, isStale from refine.dimCycle),

testRelease as (select releaseKey, releaseName from refine.dimRelease),

project as (select projectKey, projectName from refine.dimProject),

cycleLabel as (
  select
    cycle.cycleKey,
    cycle.releaseKey,
    cycle.projectKey,
    cycle.releaseId,
    cycle.projectId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    cycle.isStale
  from cycle
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  left join project on cycle.projectKey = project.projectKey
),

final as (
  select
    burndown.cycleKey,
    burndown.cycleDateKey,
    cycleLabel.releaseKey,
    cycleLabel.projectKey,
    burndown.cycleId,
    cycleLabel.releaseId,
    cycleLabel.projectId,
    cycleLabel.projectName,
    cycleLabel.releaseName,
    cycleLabel.cycleName,
    burndown.burnPolicy,
    burndown.date,
    burndown.dayOfCycle,
    burndown.workingDayIndex,
    burndown.cycleWorkingDays,
    burndown.inScopeCount,
    burndown.burnedCount,
    burndown.remainingCount,
    burndown.burnedByExecutedCount,
    burndown.remainingByExecutedCount,
    burndown.burnedByPassedCount,
    burndown.remainingByPassedCount,
    burndown.addedCount,
    burndown.removedCount,
    burndown.netScopeChange,
    burndown.burnedOnDayCount,
    burndown.remainingPct,
    burndown.plannedRemaining,
    burndown.plannedAdjusted,
    burndown.plannedDelta,
    burndown.velocity,
    burndown.daysBehind,
    burndown.daysBehindByExecuted,
    burndown.daysBehindByPassed,
    burndown.forecastDate,
    burndown.forecastDateByExecuted,
    burndown.forecastDateByPassed,
    burndown.burndownHealthScore,
    burndown.burndownHealthScoreByExecuted,
    burndown.burndownHealthScoreByPassed,
    burndown.isWorkingDay,
    burndown.isWithinCycle,
    burndown.isFuture,
    burndown.isScopeChange,
    cycleLabel.isStale
  from burndown
  left join cycleLabel on burndown.cycleKey = cycleLabel.cycleKey
)

select * from final
