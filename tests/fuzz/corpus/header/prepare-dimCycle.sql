-- One row per cycle record in the current cycle lists of the releases; project and release come from the list asked for.
-- environment: where it is tested, as typed.
-- build: what is tested, as typed.
-- cycleStatus: the API's own number for the cycle's status.
-- revision: number the API raises with every change of the cycle.
-- key: recordKey
-- expect: cycleId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimCycle'),

landed as (select * from source.dimCycle),

-- The phases are left to their own model: one that is malformed shall not take its cycle with it.
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
      'id bigint, name string, environment string, build string, startDate bigint, cycleStartDate string,
       endDate bigint, cycleEndDate string, status string, revision bigint, createdOn bigint'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimCycle', sliceKey, runId, page, ordinal) as recordKey,
    p.id as cycleId,
    projectId,
    releaseId,
    sliceKey,
    runId,
    recordId,
    p.name as cycleName,
    p.environment as environment,
    p.build as build,
    try_cast(p.status as bigint) as cycleStatus,
    p.revision as revision,
    case when p.startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.startDate), 'Timestamp(Microsecond, Some("UTC"))') end as cycleStartDateTime,
    p.cycleStartDate as cycleStartDateText,
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as cycleEndDateTime,
    p.cycleEndDate as cycleEndDateText,
    case when p.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    extractedAt,
    isStale,
    coalesce(p.startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from parsed
)

select * from final
