-- One row per test cycle, and the Unknown cycle (-1). Names repeat, so a cycle is never known by its name.
-- key: cycleKey
-- expect: cycleName is not null, else fail
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: projectKey in transform.dimProject.projectKey
with
cycle as (select * from clean.dimCycle),

keyed as (
  select
    xxhash64('zephyr', 'cycle', cycle.cycleId) as cycleKey,
    xxhash64('zephyr', 'release', cycle.releaseId) as releaseKey,
    xxhash64('zephyr', 'project', cycle.projectId) as projectKey,
    cycle.cycleId,
    cycle.releaseId,
    cycle.projectId,
    coalesce(cycle.cycleName, concat('Cycle ', cycle.cycleId)) as cycleName,
    cycle.environment,
    cycle.build,
    cycle.cycleStatus,
    cycle.revision,
    cycle.cycleStartDate,
    cycle.cycleEndDate,
    cycle.createdDate,
    cycle.createdDateTime,
    cycle.isStale
  from cycle
),

final as (
  select * from keyed
  union all
  select
    -1 as cycleKey,
    -1 as releaseKey,
    -1 as projectKey,
    null as cycleId,
    null as releaseId,
    null as projectId,
    'Unknown' as cycleName,
    null as environment,
    null as build,
    null as cycleStatus,
    null as revision,
    null as cycleStartDate,
    null as cycleEndDate,
    null as createdDate,
    null as createdDateTime,
    null as isStale
)

select * from final
