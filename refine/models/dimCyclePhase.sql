-- One row per phase of a test cycle, and the Unknown phase (-1), as transform has it.
-- key: cyclePhaseKey
-- reference: projectKey in refine.dimProject.projectKey
-- conserves: transform.dimCyclePhase
with
phase as (select * from transform.dimCyclePhase),

final as (
  select
    cyclePhaseKey,
    cycleKey,
    releaseKey,
    projectKey,
    cyclePhaseId,
    cycleId,
    releaseId,
    projectId,
    tcrCatalogTreeId,
    cyclePhaseName,
    phaseStartDate,
    phaseEndDate,
    createdDate,
    createdDateTime,
    isFreeForm,
    isResetExecution,
    isStale
  from phase
)

select * from final
