-- One row per cycle and row of source at which it appears, changes or is last seen, typed as prepare.dimCycle; project and
-- release come from the list asked for.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in recordChange.
-- key: recordKey
-- expect: cycleId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
with
change as (select * from prepare.recordChange where resource = 'dimCycle'),

landed as (select * from source.dimCycle),

-- The small side stands first, so that only the payloads that say something new are read as JSON.
parsed as (
  select
    change.*,
    from_json(change.sliceKey, 'projectId bigint, releaseId bigint') as place,
    from_json(
      landed.payload,
      'id bigint, name string, environment string, build string, startDate bigint, endDate bigint, status string,
       revision bigint, createdOn bigint'
    ) as p
  from change
  join landed
    on change.sliceKey = landed.sliceKey
    and change.runId = landed.runId
    and change.page = landed.page
    and change.ordinal = landed.ordinal
),

final as (
  select
    xxhash64('dimCycle', sliceKey, runId, page, ordinal) as recordKey,
    p.id as cycleId,
    place.projectId as projectId,
    place.releaseId as releaseId,
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
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as cycleEndDateTime,
    case when p.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance,
    coalesce(p.startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from parsed
)

select * from final
