-- One row per phase of a test cycle, and the Unknown phase (-1).
-- key: cyclePhaseKey
-- expect: cyclePhaseName is not null, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: projectKey in transform.dimProject.projectKey
with
phase as (select * from clean.dimCyclePhase),

keyed as (
  select
    xxhash64('zephyr', 'cyclePhase', phase.cyclePhaseId) as cyclePhaseKey,
    xxhash64('zephyr', 'cycle', phase.cycleId) as cycleKey,
    xxhash64('zephyr', 'release', phase.releaseId) as releaseKey,
    xxhash64('zephyr', 'project', phase.projectId) as projectKey,
    phase.cyclePhaseId,
    phase.cycleId,
    phase.releaseId,
    phase.projectId,
    phase.tcrCatalogTreeId,
    coalesce(phase.cyclePhaseName, concat('Phase ', phase.cyclePhaseId)) as cyclePhaseName,
    phase.phaseStartDate,
    phase.phaseEndDate,
    phase.createdDate,
    phase.createdDateTime,
    phase.isFreeForm,
    phase.isResetExecution,
    phase.isStale
  from phase
),

final as (
  select * from keyed
  union all
  select
    -1 as cyclePhaseKey,
    -1 as cycleKey,
    -1 as releaseKey,
    -1 as projectKey,
    null as cyclePhaseId,
    null as cycleId,
    null as releaseId,
    null as projectId,
    null as tcrCatalogTreeId,
    'Unknown' as cyclePhaseName,
    null as phaseStartDate,
    null as phaseEndDate,
    null as createdDate,
    null as createdDateTime,
    null as isFreeForm,
    null as isResetExecution,
    null as isStale
)

select * from final
