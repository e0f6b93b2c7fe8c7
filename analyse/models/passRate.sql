-- One row per project, release, cycle and phase (the level says which): how its executions ended. Pseudo releases are left
-- out, nothing is executed in them.
-- passRate: passed / executed, where executed is passed, failed or blocked. passRateOfTotal: passed / all executions.
-- failRate and blockRate: failed and blocked / executed. executionRate: executed / all executions. All from 0 to 1, empty where
-- there is nothing to divide by.
-- key: level, levelKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: passRateOfTotal between 0 and 1 or passRateOfTotal is null, else fail
-- expect: failRate between 0 and 1 or failRate is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: executionRate between 0 and 1 or executionRate is null, else fail
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
with
execution as (select * from refine.factExecution),

project as (select * from refine.dimProject where projectKey <> -1),

testRelease as (select * from refine.dimRelease where releaseKey <> -1 and not isPseudoRelease),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

phase as (select * from refine.dimCyclePhase where cyclePhaseKey <> -1),

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
    sum(case when isOther then 1 else 0 end) as otherCount
  from execution
  group by projectKey, releaseKey, cycleKey, cyclePhaseKey
),

levelKind as (select level from (values ('project'), ('release'), ('cycle'), ('phase')) as fourLevels(level)),

levelCount as (
  select
    levelKind.level,
    case levelKind.level
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
    sum(phaseCount.otherCount) as otherCount
  from levelKind
  cross join phaseCount
  group by
    levelKind.level,
    case levelKind.level
      when 'project' then phaseCount.projectKey
      when 'release' then phaseCount.releaseKey
      when 'cycle' then phaseCount.cycleKey
      else phaseCount.cyclePhaseKey
    end
),

place as (
  select
    'project' as level,
    project.projectKey as levelKey,
    project.projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    project.projectName,
    cast(null as string) as releaseName,
    cast(null as string) as cycleName,
    cast(null as string) as cyclePhaseName,
    project.isStale
  from project
  union all
  select
    'release' as level,
    testRelease.releaseKey as levelKey,
    testRelease.projectId,
    testRelease.releaseId,
    null as cycleId,
    null as cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    null as cycleName,
    null as cyclePhaseName,
    testRelease.isStale
  from testRelease
  left join project on testRelease.projectKey = project.projectKey
  union all
  select
    'cycle' as level,
    cycle.cycleKey as levelKey,
    cycle.projectId,
    cycle.releaseId,
    cycle.cycleId,
    null as cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    null as cyclePhaseName,
    cycle.isStale
  from cycle
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  left join project on cycle.projectKey = project.projectKey
  union all
  select
    'phase' as level,
    phase.cyclePhaseKey as levelKey,
    phase.projectId,
    phase.releaseId,
    phase.cycleId,
    phase.cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    phase.cyclePhaseName,
    phase.isStale
  from phase
  left join cycle on phase.cycleKey = cycle.cycleKey
  left join testRelease on phase.releaseKey = testRelease.releaseKey
  left join project on phase.projectKey = project.projectKey
),

counted as (
  select
    place.*,
    coalesce(levelCount.executionCount, 0) as executionCount,
    coalesce(levelCount.passedCount + levelCount.failedCount + levelCount.blockedCount, 0) as executedCount,
    coalesce(levelCount.passedCount, 0) as passedCount,
    coalesce(levelCount.failedCount, 0) as failedCount,
    coalesce(levelCount.blockedCount, 0) as blockedCount,
    coalesce(levelCount.pendingCount, 0) as pendingCount,
    coalesce(levelCount.otherCount, 0) as otherCount
  from place
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
    isStale
  from counted
)

select * from final
