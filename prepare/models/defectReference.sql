-- One row per defect named by an execution, as the execution names it: the tracker's key and what was known of the defect
-- then. defectId is the API's, bugId and externalId are the tracker's.
-- An execution whose defects cannot be read gives one row without an id, so that the loss is set aside by name.
-- defectStatus, state, category, priority: the defect's own, in the words of the tracker it came from.
-- key: recordKey
-- expect: defectId is not null, else quarantine
-- expect: externalId is not null, else warn
-- expect: not hasUnreadableInstant, else warn
-- incremental: sliceKey of prepare.slice, source.factExecution
with
slice as (select * from prepare.slice where resource = 'factExecution'),

-- Most executions name none: their payloads, the bulk of all there are, are not parsed for nothing. What stands in the
-- place of the list, other than null or an empty list, goes on and is judged by the parser.
landed as (
  select *
  from source.factExecution
  where regexp_like(payload, '"defects"\s*:\s*([^\[\sn]|\[\s*[^\]\s])')
),

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
    slice.cycleId,
    slice.cyclePhaseId,
    from_json(
      landed.payload,
      'id bigint, defects array<struct<id:bigint, bugId:bigint, externalId:string, description:string,
       createdDate:bigint, status:string, priority:string, state:string, category:string, dtsId:bigint>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

execution as (
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
    cyclePhaseId,
    p.id as executionId,
    p.defects as defects,
    isStale
  from parsed
),

-- No row is chosen by what was parsed: such a condition moves below the parsing, and every payload is parsed for it.
-- An unreadable execution has one number more than defects; unnesting puts an empty defect beside it.
numbered as (
  select
    execution.*,
    case
      when executionId is null then array_append(range(0, coalesce(cast(cardinality(defects) as bigint), 0)), -1)
      else range(0, cast(cardinality(defects) as bigint))
    end as defectOrdinals
  from execution
),

defect as (
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
    cyclePhaseId,
    executionId,
    isStale,
    unnest(defects) as d,
    unnest(defectOrdinals) as defectOrdinal
  from numbered
),

everyDefect as (
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
    cyclePhaseId,
    executionId,
    defectOrdinal,
    d.id as defectId,
    d.bugId as bugId,
    d.dtsId as dtsId,
    d.externalId as externalId,
    d.description as description,
    d.status as defectStatus,
    d.priority as priority,
    d.state as state,
    d.category as category,
    d.createdDate as createdDate,
    isStale
  from defect
),

final as (
  select
    xxhash64('defectReference', sliceKey, runId, page, ordinal, defectOrdinal) as recordKey,
    defectId,
    bugId,
    externalId,
    executionId,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    dtsId,
    sliceKey,
    runId,
    recordId,
    description,
    defectStatus,
    priority,
    state,
    category,
    case when createdDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(createdDate), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    extractedAt,
    isStale,
    coalesce(createdDate not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from everyDefect
)

select * from final
