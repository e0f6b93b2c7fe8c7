-- One row per execution status that occurs, for all projects together, and per project, release and cycle (the level says
-- which): how many executions have it.
-- level: all, project, release or cycle.
-- levelKey: key of the project, release or cycle; 0 for all.
-- sharePct: share of all executions of the same place, 0 to 100.
-- executionCount: executions that have the status now.
-- statusCode, statusCategory: code and category of the status.
-- color, sortOrder: how to show it and in which order.
-- key: level, levelKey, executionStatusKey
-- expect: sharePct between 0 and 100, else fail
-- expect: statusCategory is not null, else fail
-- reference: executionStatusKey in refine.dimExecutionStatus.executionStatusKey
with
execution as (select projectKey, releaseKey, cycleKey, executionStatusKey from refine.factExecution),

executionStatus as (select * from refine.dimExecutionStatus),

project as (select * from refine.dimProject),

testRelease as (select * from refine.dimRelease),

cycle as (select * from refine.dimCycle),

cycleCount as (
  select projectKey, releaseKey, cycleKey, executionStatusKey, count(*) as executionCount
  from execution
  group by projectKey, releaseKey, cycleKey, executionStatusKey
),

levelKind as (select level from (values ('all'), ('project'), ('release'), ('cycle')) as fourLevels(level)),

leveled as (
  select
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then cycleCount.projectKey
      when 'release' then cycleCount.releaseKey
      else cycleCount.cycleKey
    end as levelKey,
    -- What lies above the level; below it there is nothing to name.
    case when levelKind.level <> 'all' then cycleCount.projectKey end as projectKey,
    case when levelKind.level in ('release', 'cycle') then cycleCount.releaseKey end as releaseKey,
    case when levelKind.level = 'cycle' then cycleCount.cycleKey end as cycleKey,
    cycleCount.executionStatusKey,
    cycleCount.executionCount
  from levelKind
  cross join cycleCount
),

levelCount as (
  select level, levelKey, projectKey, releaseKey, cycleKey, executionStatusKey, sum(executionCount) as executionCount
  from leveled
  group by level, levelKey, projectKey, releaseKey, cycleKey, executionStatusKey
),

levelTotal as (
  select level, levelKey, sum(executionCount) as executionCount from levelCount group by level, levelKey
),

final as (
  select
    levelCount.level,
    levelCount.levelKey,
    levelCount.executionStatusKey,
    project.projectId,
    testRelease.releaseId,
    cycle.cycleId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    executionStatus.statusCode,
    executionStatus.executionStatusName,
    executionStatus.statusCategory,
    executionStatus.color,
    executionStatus.sortOrder,
    levelCount.executionCount,
    100.0 * levelCount.executionCount / levelTotal.executionCount as sharePct
  from levelCount
  join levelTotal on levelCount.level = levelTotal.level and levelCount.levelKey = levelTotal.levelKey
  left join executionStatus on levelCount.executionStatusKey = executionStatus.executionStatusKey
  left join project on levelCount.projectKey = project.projectKey
  left join testRelease on levelCount.releaseKey = testRelease.releaseKey
  left join cycle on levelCount.cycleKey = cycle.cycleKey
)

select * from final
