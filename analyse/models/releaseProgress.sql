-- One row per release anyone tests (pseudo releases are left out): how far it is as of the as-of date, summed over its cycles. A
-- test case counts once per cycle it stands in.
-- asOf: the day the figures are for.
-- lastExecutionDate: day of the latest execution in any of its cycles.
-- forecastDate: latest forecast of its cycles that are not done; empty when one of them has none.
-- activeCycles, pastCycles, futureCycles: cycles by where the as-of date lies; a cycle without dates is none of them.
-- onTrackCycles, lateCycles: cycles with no more left than planned, and with more; a cycle without a plan is neither.
-- totalTestcases, burnedTestcases, remainingTestcases: sums over the cycles.
-- plannedRemaining: sum of what the cycles planned to have left by the as-of date, over those that have a plan.
-- completionRate: burned / all test cases, 0 to 1.
-- releasePassRate: passed / completed executions, 0 to 1.
-- passRateOfTotal, blockRate: passed and blocked / all executions, 0 to 1.
-- avgExecutionDurationSeconds: mean over executions that have a duration.
-- daysBehindSchedule: working days behind the plan of the cycle that is most behind.
-- avgBurndownHealthScore, avgCycleHealthScore: means over the cycles that have a score, 0 to 100.
-- isOnTrack: none of its cycles is late; empty when none has a plan.
-- passedExecutions, failedExecutions: executions that ended in Success, in Failure.
-- pendingExecutions: executions not executed yet.
-- otherExecutions: executions with a status of the tenant's own that nobody categorised.
-- totalCycles: its test cycles.
-- totalExecutions: executions, as rows.
-- completedExecutions, blockedExecutions: executions that are executed; those that are blocked.
-- key: releaseKey
-- expect: completionRate between 0 and 1 or completionRate is null, else fail
-- expect: releasePassRate between 0 and 1 or releasePassRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: burnedTestcases + remainingTestcases = totalTestcases, else fail
-- expect: completedExecutions + pendingExecutions + otherExecutions = totalExecutions, else fail
-- reference: releaseKey in refine.dimRelease.releaseKey
-- reference: projectKey in refine.dimProject.projectKey
with
testRelease as (select * from refine.dimRelease where releaseKey <> -1 and not isPseudoRelease),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

project as (select projectKey, projectName from refine.dimProject),

setting as (select * from run.setting),

cycleTotal as (
  select
    releaseKey,
    max(lastExecutionDate) as lastExecutionDate,
    max(case when remainingTestcases > 0 then forecastDate end) as forecastDate,
    sum(case when remainingTestcases > 0 and forecastDate is null then 1 else 0 end) as unforeseenCycles,
    count(*) as totalCycles,
    sum(case when isActiveCycle then 1 else 0 end) as activeCycles,
    sum(case when isPastCycle then 1 else 0 end) as pastCycles,
    sum(case when isFutureCycle then 1 else 0 end) as futureCycles,
    sum(case when isOnTrack then 1 else 0 end) as onTrackCycles,
    sum(case when not isOnTrack then 1 else 0 end) as lateCycles,
    sum(totalTestcases) as totalTestcases,
    sum(burnedTestcases) as burnedTestcases,
    sum(remainingTestcases) as remainingTestcases,
    -- Rounded, for the order of a sum may touch its last digit.
    round(sum(plannedRemaining), 9) as plannedRemaining,
    sum(totalExecutions) as totalExecutions,
    sum(completedExecutions) as completedExecutions,
    sum(passedExecutions) as passedExecutions,
    sum(failedExecutions) as failedExecutions,
    sum(blockedExecutions) as blockedExecutions,
    sum(pendingExecutions) as pendingExecutions,
    sum(otherExecutions) as otherExecutions,
    sum(durationMs) as durationMs,
    sum(timedExecutions) as timedExecutions,
    max(daysBehindSchedule) as daysBehindSchedule,
    -- Rounded, for the order of a sum may touch its last digit.
    round(avg(burndownHealthScore), 9) as avgBurndownHealthScore,
    round(avg(cycleHealthScore), 9) as avgCycleHealthScore
  from cycle
  group by releaseKey
),

final as (
  select
    testRelease.releaseKey,
    testRelease.projectKey,
    testRelease.releaseId,
    testRelease.projectId,
    project.projectName,
    testRelease.releaseName,
    testRelease.releaseType,
    testRelease.releaseVersion,
    testRelease.releasePriority,
    testRelease.releaseQuarter,
    setting.asOf,
    testRelease.releaseStartDate,
    testRelease.releaseEndDate,
    cycleTotal.lastExecutionDate,
    case when cycleTotal.unforeseenCycles = 0 then cycleTotal.forecastDate end as forecastDate,
    testRelease.releaseDurationDays,
    testRelease.releaseProgressPct,
    coalesce(cycleTotal.totalCycles, 0) as totalCycles,
    coalesce(cycleTotal.activeCycles, 0) as activeCycles,
    coalesce(cycleTotal.pastCycles, 0) as pastCycles,
    coalesce(cycleTotal.futureCycles, 0) as futureCycles,
    coalesce(cycleTotal.onTrackCycles, 0) as onTrackCycles,
    coalesce(cycleTotal.lateCycles, 0) as lateCycles,
    coalesce(cycleTotal.totalTestcases, 0) as totalTestcases,
    coalesce(cycleTotal.burnedTestcases, 0) as burnedTestcases,
    coalesce(cycleTotal.remainingTestcases, 0) as remainingTestcases,
    cycleTotal.plannedRemaining,
    coalesce(cycleTotal.totalExecutions, 0) as totalExecutions,
    coalesce(cycleTotal.completedExecutions, 0) as completedExecutions,
    coalesce(cycleTotal.passedExecutions, 0) as passedExecutions,
    coalesce(cycleTotal.failedExecutions, 0) as failedExecutions,
    coalesce(cycleTotal.blockedExecutions, 0) as blockedExecutions,
    coalesce(cycleTotal.pendingExecutions, 0) as pendingExecutions,
    coalesce(cycleTotal.otherExecutions, 0) as otherExecutions,
    cycleTotal.burnedTestcases * 1.0 / nullif(cycleTotal.totalTestcases, 0) as completionRate,
    testRelease.releasePassRate,
    cycleTotal.passedExecutions * 1.0 / nullif(cycleTotal.totalExecutions, 0) as passRateOfTotal,
    cycleTotal.blockedExecutions * 1.0 / nullif(cycleTotal.totalExecutions, 0) as blockRate,
    cycleTotal.durationMs / 1000.0 / nullif(cycleTotal.timedExecutions, 0) as avgExecutionDurationSeconds,
    cycleTotal.daysBehindSchedule,
    cycleTotal.avgBurndownHealthScore,
    cycleTotal.avgCycleHealthScore,
    testRelease.isActiveRelease,
    testRelease.isPastRelease,
    testRelease.isFutureRelease,
    case when cycleTotal.onTrackCycles + cycleTotal.lateCycles > 0 then cycleTotal.lateCycles = 0 end as isOnTrack,
    testRelease.isStale
  from setting
  cross join testRelease
  left join cycleTotal on testRelease.releaseKey = cycleTotal.releaseKey
  left join project on testRelease.projectKey = project.projectKey
)

select * from final
