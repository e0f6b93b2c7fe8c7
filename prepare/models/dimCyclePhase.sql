-- One row per phase inside the current cycle records. A cycle whose phases cannot be read gives one row without an id,
-- so that the loss is set aside by name instead of showing up as a cycle without phases.
-- isFreeForm: whether test cases were put in by hand rather than with a folder.
-- isResetExecution: whether results start anew in this phase.
-- key: recordKey
-- expect: cyclePhaseId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimCycle'),

landed as (select * from source.dimCycle),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    slice.releaseId,
    from_json(
      landed.payload,
      'id bigint, cyclePhases array<struct<id:bigint, name:string, tcrCatalogTreeId:bigint, freeForm:boolean,
       startDate:bigint, phaseStartDate:string, endDate:bigint, phaseEndDate:string, createdOn:bigint,
       resetExecution:boolean>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

cycle as (
  select
    parsed.sliceKey,
    parsed.runId,
    parsed.page,
    parsed.ordinal,
    parsed.recordId,
    parsed.extractedAt,
    parsed.projectId,
    parsed.releaseId,
    parsed.isStale,
    parsed.p.id as cycleId,
    parsed.p.cyclePhases as cyclePhases
  from parsed
),

phase as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    releaseId,
    cycleId,
    isStale,
    unnest(cyclePhases) as p,
    unnest(range(0, cast(cardinality(cyclePhases) as bigint))) as phaseOrdinal
  from cycle
  where cycleId is not null and cyclePhases is not null
),

readablePhase as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    releaseId,
    cycleId,
    isStale,
    phaseOrdinal,
    p.id as cyclePhaseId,
    p.tcrCatalogTreeId as tcrCatalogTreeId,
    p.name as cyclePhaseName,
    p.startDate as startDate,
    p.phaseStartDate as phaseStartDateText,
    p.endDate as endDate,
    p.phaseEndDate as phaseEndDateText,
    p.createdOn as createdOn,
    p.freeForm as isFreeForm,
    p.resetExecution as isResetExecution
  from phase
),

unreadableCycle as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    releaseId,
    cycleId,
    isStale,
    cast(-1 as bigint) as phaseOrdinal,
    cast(null as bigint) as cyclePhaseId,
    cast(null as bigint) as tcrCatalogTreeId,
    cast(null as string) as cyclePhaseName,
    cast(null as bigint) as startDate,
    cast(null as string) as phaseStartDateText,
    cast(null as bigint) as endDate,
    cast(null as string) as phaseEndDateText,
    cast(null as bigint) as createdOn,
    cast(null as boolean) as isFreeForm,
    cast(null as boolean) as isResetExecution
  from cycle
  where cycleId is null
),

everyPhase as (
  select * from readablePhase
  union all
  select * from unreadableCycle
),

final as (
  select
    xxhash64('dimCyclePhase', sliceKey, runId, page, ordinal, phaseOrdinal) as recordKey,
    cyclePhaseId,
    projectId,
    releaseId,
    cycleId,
    tcrCatalogTreeId,
    sliceKey,
    runId,
    recordId,
    cyclePhaseName,
    case when startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(startDate), 'Timestamp(Microsecond, Some("UTC"))') end as phaseStartDateTime,
    phaseStartDateText,
    case when endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(endDate), 'Timestamp(Microsecond, Some("UTC"))') end as phaseEndDateTime,
    phaseEndDateText,
    case when createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    extractedAt,
    isFreeForm,
    isResetExecution,
    isStale,
    coalesce(startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(createdOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from everyPhase
)

select * from final
