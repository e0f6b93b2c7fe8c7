-- One row per project: how far its tests are as of the as-of date, summed over its cycles.
-- asOf: the day the figures are for.
-- lastExecutionDate: day of the latest execution in any of its cycles.
-- activeReleases, activeCycles: those in which the as-of date lies.
-- onTrackCycles, lateCycles: cycles with no more left than planned, and with more; a cycle without a plan is neither.
-- totalTestcases: different test cases among its executions.
-- cycleTestcases, burnedTestcases, remainingTestcases: sums over the cycles, where a test case counts once per cycle.
-- completionRate: burned / all test cases of the cycles, 0 to 1.
-- passRateOfTotal: passed / all executions, 0 to 1.
-- avgExecutionDurationSeconds: mean over executions that have a duration.
-- daysBehindSchedule: working days behind the plan of the cycle that is most behind.
-- passedExecutions, failedExecutions: executions that ended in Success, in Failure.
-- pendingExecutions: executions not executed yet.
-- otherExecutions: executions with a status of the tenant's own that nobody categorised.
-- totalExecutions: executions, as rows.
-- completedExecutions, blockedExecutions: executions that are executed; those that are blocked.
-- key: projectKey
-- expect: completionRate between 0 and 1 or completionRate is null, else fail
-- expect: projectPassRate between 0 and 1 or projectPassRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: burnedTestcases + remainingTestcases = cycleTestcases, else fail
-- expect: completedExecutions + pendingExecutions + otherExecutions = totalExecutions, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
project as (select * from refine.dimProject where projectKey <> -1),

testRelease as (select projectKey, isActiveRelease from refine.dimRelease where releaseKey <> -1 and not isPseudoRelease),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

setting as (select * from run.setting),

releaseTotal as (
  select projectKey, sum(case when isActiveRelease then 1 else 0 end) as activeReleases
  from testRelease
  group by projectKey
),

cycleTotal as (
  select
    projectKey,
    max(lastExecutionDate) as lastExecutionDate,
    sum(case when isActiveCycle then 1 else 0 end) as activeCycles,
    sum(case when isOnTrack then 1 else 0 end) as onTrackCycles,
    sum(case when not isOnTrack then 1 else 0 end) as lateCycles,
    sum(totalTestcases) as cycleTestcases,
    sum(burnedTestcases) as burnedTestcases,
    sum(remainingTestcases) as remainingTestcases,
    sum(durationMs) as durationMs,
    sum(timedExecutions) as timedExecutions,
    max(daysBehindSchedule) as daysBehindSchedule
  from cycle
  group by projectKey
),

final as (
  select
    project.projectKey,
    project.projectId,
    project.projectName,
    project.projectCode,
    project.projectCategory,
    project.projectPriority,
    project.projectOwner,
    project.businessUnit,
    project.projectStatusCategory,
    project.projectSizeCategory,
    project.projectComplexity,
    setting.asOf,
    cycleTotal.lastExecutionDate,
    project.totalReleases,
    coalesce(releaseTotal.activeReleases, 0) as activeReleases,
    project.totalCycles,
    coalesce(cycleTotal.activeCycles, 0) as activeCycles,
    coalesce(cycleTotal.onTrackCycles, 0) as onTrackCycles,
    coalesce(cycleTotal.lateCycles, 0) as lateCycles,
    project.totalTestcases,
    coalesce(cycleTotal.cycleTestcases, 0) as cycleTestcases,
    coalesce(cycleTotal.burnedTestcases, 0) as burnedTestcases,
    coalesce(cycleTotal.remainingTestcases, 0) as remainingTestcases,
    project.totalExecutions,
    project.completedExecutions,
    project.passedExecutions,
    project.failedExecutions,
    project.blockedExecutions,
    project.pendingExecutions,
    project.otherExecutions,
    cycleTotal.burnedTestcases * 1.0 / nullif(cycleTotal.cycleTestcases, 0) as completionRate,
    project.projectPassRate,
    project.avgPassRate,
    project.passedExecutions * 1.0 / nullif(project.totalExecutions, 0) as passRateOfTotal,
    project.blockRate,
    cycleTotal.durationMs / 1000.0 / nullif(cycleTotal.timedExecutions, 0) as avgExecutionDurationSeconds,
    cycleTotal.daysBehindSchedule,
    project.projectHealthScore,
    project.isActive,
    project.isStale
  from setting
  cross join project
  left join releaseTotal on project.projectKey = releaseTotal.projectKey
  left join cycleTotal on project.projectKey = cycleTotal.projectKey
)

select * from final
