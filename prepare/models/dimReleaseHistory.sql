-- One row per release and row of source at which it appears, changes or is last seen, typed as prepare.dimRelease: the real
-- releases from the list of each project, the pseudo releases from the flat list of all.
-- The flat list leaves out without a word what the token may not see: that a pseudo release is missing from it ends it
-- only where prepare.dimRelease has let go of it too.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in recordChange.
-- key: recordKey
-- expect: releaseId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
with
change as (select * from prepare.recordChange where resource in ('dimRelease', 'dimReleaseAll')),

currentRelease as (select distinct releaseId from prepare.dimRelease where isPseudoRelease),

landedOfProject as (select * from source.dimRelease),

landedFlat as (select * from source.dimReleaseAll),

landed as (
  select 'dimRelease' as resource, sliceKey, runId, page, ordinal, payload from landedOfProject
  union all
  select 'dimReleaseAll' as resource, sliceKey, runId, page, ordinal, payload from landedFlat
),

-- The small side stands first, so that only the payloads that say something new are read as JSON.
parsed as (
  select
    change.*,
    from_json(
      landed.payload,
      'id bigint, projectId bigint, name string, description string, startDate bigint, endDate bigint,
       createdDate bigint, status string, orderId bigint, globalRelease boolean, projectRelease boolean,
       syncEnabled boolean'
    ) as p
  from change
  join landed
    on change.resource = landed.resource
    and change.sliceKey = landed.sliceKey
    and change.runId = landed.runId
    and change.page = landed.page
    and change.ordinal = landed.ordinal
),

own as (
  select
    parsed.*,
    parsed.p.id as releaseId,
    parsed.resource = 'dimReleaseAll' as isFlat
  from parsed
  where parsed.resource = 'dimRelease' or parsed.p.id is null or parsed.p.projectRelease
),

ending as (
  select
    own.*,
    -- Whether a pseudo release was gone for a while, or only unseen, is not known: what came back was never gone.
    not own.isFlat
      or (currentRelease.releaseId is null and own.landedRelease = max(own.landedRelease) over (
        partition by own.resource, own.recordId
      )) as isEndKnown,
    own.isFlat
      and row_number() over (
        partition by own.resource, own.recordId order by own.landedRelease, own.runId, own.page, own.ordinal
      ) > 1 as isSeenBefore
  from own
  left join currentRelease on own.releaseId = currentRelease.releaseId
),

final as (
  select
    xxhash64(resource, sliceKey, runId, page, ordinal) as recordKey,
    releaseId,
    p.projectId as projectId,
    sliceKey,
    runId,
    recordId,
    p.name as releaseName,
    p.description as description,
    try_cast(p.status as bigint) as releaseStatus,
    p.orderId as orderId,
    case when p.startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.startDate), 'Timestamp(Microsecond, Some("UTC"))') end as releaseStartDateTime,
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as releaseEndDateTime,
    case when p.createdDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdDate), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    p.globalRelease as isGlobal,
    p.syncEnabled as isSyncEnabled,
    coalesce(p.projectRelease, false) as isPseudoRelease,
    landedRelease,
    observedAt,
    previousWalkAt,
    case when isEndKnown then endRelease end as endRelease,
    case when isEndKnown then endedAt end as endedAt,
    isState,
    isAppearance and not isSeenBefore as isAppearance,
    coalesce(p.startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdDate not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from ending
)

select * from final
