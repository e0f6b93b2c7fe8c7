-- One row per test cycle: the API divides cycles no further, so each is its own only phase, with the same id.
-- key: recordKey
with
cycle as (select * from prepare.dimCycle),

final as (
  select
    recordKey,
    cycleId as cyclePhaseId,
    projectId,
    releaseId,
    cycleId,
    cast(null as bigint) as tcrCatalogTreeId,
    sliceKey,
    runId,
    recordId,
    cycleName as cyclePhaseName,
    cycleStartDateTime as phaseStartDateTime,
    cast(null as string) as phaseStartDateText,
    cycleEndDateTime as phaseEndDateTime,
    cast(null as string) as phaseEndDateText,
    createdDateTime,
    extractedAt,
    cast(null as boolean) as isFreeForm,
    cast(null as boolean) as isResetExecution,
    isStale
  from cycle
)

select * from final
