-- One row per requirement, folder and row of source at which it appears, changes or is last seen there, typed as
-- prepare.dimRequirement. A requirement that lies in several folders has a history in each.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in recordChange.
-- key: recordKey
-- expect: requirementId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
-- incremental: sliceKey of prepare.recordChange, source.dimRequirement
with
change as (select * from prepare.recordChange where resource = 'dimRequirement'),

landed as (select * from source.dimRequirement),

-- The small side stands first, so that only the payloads that say something new are read as JSON.
parsed as (
  select
    change.*,
    from_json(change.sliceKey, 'projectId bigint, requirementFolderId bigint') as place,
    from_json(
      landed.payload,
      'id bigint, externalId string, name string, details string, url string, priority string,
       requirementType bigint, createDatetime bigint, lastModifiedOn bigint'
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
    xxhash64('dimRequirement', sliceKey, runId, page, ordinal) as recordKey,
    p.id as requirementId,
    place.projectId as projectId,
    place.requirementFolderId as requirementFolderId,
    sliceKey,
    runId,
    recordId,
    p.externalId as externalId,
    p.name as requirementName,
    p.details as details,
    p.url as url,
    p.priority as priority,
    p.requirementType as requirementType,
    case when p.createDatetime between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createDatetime), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    case when p.lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance,
    coalesce(p.createDatetime not between -62135596800000 and 253402300799999, false)
      or coalesce(p.lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from parsed
)

select * from final
