-- One row per project, release, cycle and phase, and one for all of them: how its executions ended, as analyse.passRate says it,
-- without trend and staleness. Pseudo releases are left out.
-- level: all, project, release, cycle or phase.
-- key: level, levelKey
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
with
execution as (select * from transform.factExecution),

executionStatus as (select executionStatusKey, statusCategory from transform.dimExecutionStatus),

project as (select * from transform.dimProject where projectKey <> -1),

testRelease as (select * from transform.dimRelease where releaseKey <> -1),

cycle as (select * from transform.dimCycle where cycleKey <> -1),

phase as (select * from transform.dimCyclePhase where cyclePhaseKey <> -1),

place as (
  select
    'all' as level,
    cast(0 as bigint) as levelKey,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    cast(null as string) as projectName,
    cast(null as string) as releaseName,
    cast(null as string) as cycleName,
    cast(null as string) as cyclePhaseName
  union all
  select 'project' as level, projectKey as levelKey, projectId, null, null, null, projectName, null, null, null
  from project
  union all
  select
    'release' as level,
    testRelease.releaseKey as levelKey,
    testRelease.projectId,
    testRelease.releaseId,
    null,
    null,
    project.projectName,
    testRelease.releaseName,
    null,
    null
  from testRelease
  left join project on testRelease.projectKey = project.projectKey
  where not testRelease.isPseudoRelease
  union all
  select
    'cycle' as level,
    cycle.cycleKey as levelKey,
    cycle.projectId,
    cycle.releaseId,
    cycle.cycleId,
    null,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    null
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
    phase.cyclePhaseName
  from phase
  left join cycle on phase.cycleKey = cycle.cycleKey
  left join testRelease on phase.releaseKey = testRelease.releaseKey
  left join project on phase.projectKey = project.projectKey
),

phaseCount as (
  select
    execution.projectKey,
    execution.releaseKey,
    execution.cycleKey,
    execution.cyclePhaseKey,
    count(*) as executionCount,
    sum(case when executionStatus.statusCategory = 'Success' then 1 else 0 end) as passedCount,
    sum(case when executionStatus.statusCategory = 'Failure' then 1 else 0 end) as failedCount,
    sum(case when executionStatus.statusCategory = 'Blocked' then 1 else 0 end) as blockedCount,
    sum(case when executionStatus.statusCategory = 'Pending' then 1 else 0 end) as pendingCount,
    sum(case when executionStatus.statusCategory = 'Other' then 1 else 0 end) as otherCount
  from executionStatus
  join execution on executionStatus.executionStatusKey = execution.executionStatusKey
  group by execution.projectKey, execution.releaseKey, execution.cycleKey, execution.cyclePhaseKey
),

levelKind as (select level from (values ('all'), ('project'), ('release'), ('cycle'), ('phase')) as fiveLevels(level)),

placed as (
  select
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then phaseCount.projectKey
      when 'release' then phaseCount.releaseKey
      when 'cycle' then phaseCount.cycleKey
      else phaseCount.cyclePhaseKey
    end as levelKey,
    phaseCount.executionCount,
    phaseCount.passedCount,
    phaseCount.failedCount,
    phaseCount.blockedCount,
    phaseCount.pendingCount,
    phaseCount.otherCount
  from levelKind
  cross join phaseCount
),

levelCount as (
  select
    level,
    levelKey,
    sum(executionCount) as executionCount,
    sum(passedCount) as passedCount,
    sum(failedCount) as failedCount,
    sum(blockedCount) as blockedCount,
    sum(pendingCount) as pendingCount,
    sum(otherCount) as otherCount
  from placed
  group by level, levelKey
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
    counted.*,
    passedCount * 1.0 / nullif(executedCount, 0) as passRate,
    passedCount * 1.0 / nullif(executionCount, 0) as passRateOfTotal,
    failedCount * 1.0 / nullif(executedCount, 0) as failRate,
    blockedCount * 1.0 / nullif(executedCount, 0) as blockRate,
    executedCount * 1.0 / nullif(executionCount, 0) as executionRate
  from counted
)

select * from final
