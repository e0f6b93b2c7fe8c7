-- One row per project and row of source at which it appears, changes or is last seen, typed as prepare.dimProject.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in recordChange.
-- key: recordKey
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
with
change as (select * from prepare.recordChange where resource = 'dimProject'),

landed as (select * from source.dimProject),

-- The small side stands first, so that only the payloads that say something new are read as JSON.
parsed as (
  select
    change.*,
    from_json(
      landed.payload,
      'id bigint, version bigint, name string, description string, startDate bigint, endDate bigint, status string,
       externalSystem string, externalId string, isolationLevel bigint, createdOn bigint, shared boolean,
       active boolean, globalProject boolean'
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
    xxhash64('dimProject', sliceKey, runId, page, ordinal) as recordKey,
    p.id as projectId,
    p.externalId as externalId,
    sliceKey,
    runId,
    recordId,
    p.name as projectName,
    p.description as description,
    p.status as projectStatus,
    p.externalSystem as externalSystem,
    p.isolationLevel as isolationLevel,
    p.version as projectVersion,
    case when p.startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.startDate), 'Timestamp(Microsecond, Some("UTC"))') end as projectStartDateTime,
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as projectEndDateTime,
    case when p.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    p.active as isActive,
    p.shared as isShared,
    p.globalProject as isGlobal,
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
