-- One row per project, release, cycle and phase, and one for all of them (the level says which): how its executions ended, and
-- whether that is getting better. Pseudo releases are left out, nothing is executed in them.
-- level: all, project, release, cycle or phase.
-- levelKey: key of the project, release, cycle or phase; 0 for all.
-- executedCount: executions that passed, failed or are blocked.
-- passRate: passed / executed, 0 to 1.
-- passRateOfTotal: passed / all executions, 0 to 1.
-- failRate, blockRate: failed and blocked / executed, 0 to 1.
-- executionRate: executed / all executions, 0 to 1.
-- recentExecutedCount, previousExecutedCount: those dated within the last passRateTrendDays days up to the as-of date, and within
-- as many days before.
-- recentPassRate, previousPassRate: pass rates of those, 0 to 1.
-- passRateChangePoints: recent less previous pass rate, percentage points.
-- passRateTrend: Improving or Declining when it changed by passRateTrendPoints or more, else Stable; empty when one of the two
-- spans has nothing executed.
-- executionCount: executions, as rows.
-- passedCount, failedCount, blockedCount: executions that ended in Success, in Failure, in Blocked.
-- pendingCount: executions not executed yet.
-- otherCount: executions with a status of the tenant's own that nobody categorised.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: level, levelKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: failRate between 0 and 1 or failRate is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: executionRate between 0 and 1 or executionRate is null, else fail
-- expect: recentPassRate between 0 and 1 or recentPassRate is null, else fail
-- expect: previousPassRate between 0 and 1 or previousPassRate is null, else fail
-- expect: recentExecutedCount + previousExecutedCount <= executedCount, else fail
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
with
execution as (select * from refine.factExecution),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'passRateTrendDays' then cast(value as int) end) as passRateTrendDays,
    max(case when name = 'passRateTrendPoints' then cast(value as double) end) as passRateTrendPoints
  from prepare.controls
  where name in ('passRateTrendDays', 'passRateTrendPoints')
),

span as (
  select
    setting.asOf,
    date_sub(setting.asOf, control.passRateTrendDays) as recentAfter,
    date_sub(setting.asOf, cast(2 * control.passRateTrendDays as int)) as previousAfter
  from setting
  cross join control
),

judged as (
  select
    execution.*,
    coalesce(
      execution.isExecuted and execution.executionDate > span.recentAfter and execution.executionDate <= span.asOf, false
    ) as isRecent,
    coalesce(
      execution.isExecuted
      and execution.executionDate > span.previousAfter
      and execution.executionDate <= span.recentAfter,
      false
    ) as isPrevious
  from span
  cross join execution
),

-- Counted once at the finest level; the levels above are sums of it.
phaseCount as (
  select
    projectKey,
    releaseKey,
    cycleKey,
    cyclePhaseKey,
    count(*) as executionCount,
    sum(case when isPassed then 1 else 0 end) as passedCount,
    sum(case when isFailed then 1 else 0 end) as failedCount,
    sum(case when isBlocked then 1 else 0 end) as blockedCount,
    sum(case when isNotExecuted then 1 else 0 end) as pendingCount,
    sum(case when isOther then 1 else 0 end) as otherCount,
    sum(case when isRecent then 1 else 0 end) as recentExecutedCount,
    sum(case when isRecent and isPassed then 1 else 0 end) as recentPassedCount,
    sum(case when isPrevious then 1 else 0 end) as previousExecutedCount,
    sum(case when isPrevious and isPassed then 1 else 0 end) as previousPassedCount
  from judged
  group by projectKey, releaseKey, cycleKey, cyclePhaseKey
),

levelKind as (select level from (values ('all'), ('project'), ('release'), ('cycle'), ('phase')) as fiveLevels(level)),

levelCount as (
  select
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then phaseCount.projectKey
      when 'release' then phaseCount.releaseKey
      when 'cycle' then phaseCount.cycleKey
      else phaseCount.cyclePhaseKey
    end as levelKey,
    sum(phaseCount.executionCount) as executionCount,
    sum(phaseCount.passedCount) as passedCount,
    sum(phaseCount.failedCount) as failedCount,
    sum(phaseCount.blockedCount) as blockedCount,
    sum(phaseCount.pendingCount) as pendingCount,
    sum(phaseCount.otherCount) as otherCount,
    sum(phaseCount.recentExecutedCount) as recentExecutedCount,
    sum(phaseCount.recentPassedCount) as recentPassedCount,
    sum(phaseCount.previousExecutedCount) as previousExecutedCount,
    sum(phaseCount.previousPassedCount) as previousPassedCount
  from levelKind
  cross join phaseCount
  group by
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then phaseCount.projectKey
      when 'release' then phaseCount.releaseKey
      when 'cycle' then phaseCount.cycleKey
      else phaseCount.cyclePhaseKey
    end
),

place as (select * from analyse.place where not isPseudoRelease),

counted as (
  select
    place.*,
    coalesce(levelCount.executionCount, 0) as executionCount,
    coalesce(levelCount.passedCount + levelCount.failedCount + levelCount.blockedCount, 0) as executedCount,
    coalesce(levelCount.passedCount, 0) as passedCount,
    coalesce(levelCount.failedCount, 0) as failedCount,
    coalesce(levelCount.blockedCount, 0) as blockedCount,
    coalesce(levelCount.pendingCount, 0) as pendingCount,
    coalesce(levelCount.otherCount, 0) as otherCount,
    coalesce(levelCount.recentExecutedCount, 0) as recentExecutedCount,
    coalesce(levelCount.previousExecutedCount, 0) as previousExecutedCount,
    levelCount.recentPassedCount * 1.0 / nullif(levelCount.recentExecutedCount, 0) as recentPassRate,
    levelCount.previousPassedCount * 1.0 / nullif(levelCount.previousExecutedCount, 0) as previousPassRate,
    control.passRateTrendPoints
  from control
  cross join place
  left join levelCount on place.level = levelCount.level and place.levelKey = levelCount.levelKey
),

final as (
  select
    level,
    levelKey,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    projectName,
    releaseName,
    cycleName,
    cyclePhaseName,
    executionCount,
    executedCount,
    passedCount,
    failedCount,
    blockedCount,
    pendingCount,
    otherCount,
    passedCount * 1.0 / nullif(executedCount, 0) as passRate,
    passedCount * 1.0 / nullif(executionCount, 0) as passRateOfTotal,
    failedCount * 1.0 / nullif(executedCount, 0) as failRate,
    blockedCount * 1.0 / nullif(executedCount, 0) as blockRate,
    executedCount * 1.0 / nullif(executionCount, 0) as executionRate,
    recentExecutedCount,
    previousExecutedCount,
    recentPassRate,
    previousPassRate,
    100.0 * (recentPassRate - previousPassRate) as passRateChangePoints,
    -- Rounded, so that five points are five whatever binary fractions make of them.
    case
      when recentPassRate is null or previousPassRate is null then null
      when round(100.0 * (recentPassRate - previousPassRate), 9) >= passRateTrendPoints then 'Improving'
      when round(100.0 * (previousPassRate - recentPassRate), 9) >= passRateTrendPoints then 'Declining'
      else 'Stable'
    end as passRateTrend,
    isStale
  from counted
)

select * from final
