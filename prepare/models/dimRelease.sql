-- One row per release record: the real releases from the list of each project, and the pseudo releases
-- ("Project Test Repository"), which only the flat list of all releases holds.
-- The flat list leaves out, without a word, what the token may not see. A pseudo release that vanished from it is
-- therefore kept when the release list of its project could not be read either from then on; otherwise it is deleted.
-- releaseStatus: the API's own number for the release's status.
-- orderId: place among the releases of its project.
-- isGlobal, isSyncEnabled: the API's own flags.
-- isPseudoRelease: whether it is the one the server keeps for itself in every project, which no listing per project shows.
-- key: recordKey
-- expect: releaseId is not null, else quarantine
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
with
slice as (select * from prepare.slice where resource in ('dimRelease', 'dimReleaseAll')),

version as (select * from source.slice),

landed as (select * from source.dimRelease),

landedFlat as (select * from source.dimReleaseAll),

realRow as (
  select
    'dimRelease' as resource,
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId as projectId,
    from_json(
      landed.payload,
      'id bigint, projectId bigint, name string, description string, startDate bigint, releaseStartDate string,
       endDate bigint, releaseEndDate string, createdDate bigint, status string, orderId bigint,
       globalRelease boolean, projectRelease boolean, syncEnabled boolean'
    ) as p,
    slice.isStale
  from landed
  join slice
    on slice.resource = 'dimRelease'
    and landed.sliceKey = slice.sliceKey
    and landed.runId = slice.contentRunId
),

-- Each content the flat list ever had, and the source release at which the next one took its place.
flatContent as (
  select contentRunId as runId, min(release) as firstRelease
  from version
  where resource = 'dimReleaseAll' and status = 'complete' and contentRunId is not null
  group by contentRunId
),

flatContentSpan as (
  select
    runId,
    firstRelease,
    lead(firstRelease) over (order by firstRelease, runId) as replacedAt
  from flatContent
),

flatRow as (
  select
    landedFlat.sliceKey,
    landedFlat.runId,
    landedFlat.page,
    landedFlat.ordinal,
    landedFlat.recordId,
    landedFlat.extractedAt,
    flatContentSpan.firstRelease,
    flatContentSpan.replacedAt,
    from_json(
      landedFlat.payload,
      'id bigint, projectId bigint, name string, description string, startDate bigint, releaseStartDate string,
       endDate bigint, releaseEndDate string, createdDate bigint, status string, orderId bigint,
       globalRelease boolean, projectRelease boolean, syncEnabled boolean'
    ) as p
  from landedFlat
  join flatContentSpan on landedFlat.runId = flatContentSpan.runId
),

-- A record that cannot be read might be a pseudo release: it goes on, to be set aside by name.
pseudoRow as (
  select
    flatRow.*,
    flatRow.p.id as releaseId,
    flatRow.p.projectId as projectId
  from flatRow
  where flatRow.p.id is null or flatRow.p.projectRelease
),

rankedPseudoRow as (
  select
    pseudoRow.*,
    row_number() over (partition by releaseId order by firstRelease desc, page desc, ordinal desc) as recency
  from pseudoRow
),

-- Unreadable since: the first version after the last complete one. Null for a project that can be read now.
projectCompleteness as (
  select sliceKey, max(case when status = 'complete' then release end) as lastCompleteRelease
  from version
  where resource = 'dimRelease'
  group by sliceKey
),

projectUnreadable as (
  select version.sliceKey, min(version.release) as unreadableSince
  from version
  join projectCompleteness on version.sliceKey = projectCompleteness.sliceKey
  where version.resource = 'dimRelease'
    and version.release > coalesce(projectCompleteness.lastCompleteRelease, -1)
  group by version.sliceKey
),

unreadableProject as (
  select slice.projectId, projectUnreadable.unreadableSince
  from projectUnreadable
  join slice on slice.resource = 'dimRelease' and slice.sliceKey = projectUnreadable.sliceKey
),

flatSlice as (select isStale from slice where resource = 'dimReleaseAll'),

keptPseudoRow as (
  select
    'dimReleaseAll' as resource,
    rankedPseudoRow.sliceKey,
    rankedPseudoRow.runId,
    rankedPseudoRow.page,
    rankedPseudoRow.ordinal,
    rankedPseudoRow.recordId,
    rankedPseudoRow.extractedAt,
    rankedPseudoRow.projectId,
    rankedPseudoRow.p,
    flatSlice.isStale or unreadableProject.projectId is not null as isStale
  from flatSlice
  cross join rankedPseudoRow
  left join unreadableProject on rankedPseudoRow.projectId = unreadableProject.projectId
  where rankedPseudoRow.replacedAt is null
    or (
      rankedPseudoRow.recency = 1
      and rankedPseudoRow.releaseId is not null
      and unreadableProject.unreadableSince <= rankedPseudoRow.replacedAt
    )
),

currentRow as (
  select * from realRow
  union all
  select * from keptPseudoRow
),

final as (
  select
    xxhash64(resource, sliceKey, runId, page, ordinal) as recordKey,
    p.id as releaseId,
    projectId,
    sliceKey,
    runId,
    recordId,
    p.name as releaseName,
    p.description as description,
    try_cast(p.status as bigint) as releaseStatus,
    p.orderId as orderId,
    case when p.startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.startDate), 'Timestamp(Microsecond, Some("UTC"))') end as releaseStartDateTime,
    p.releaseStartDate as releaseStartDateText,
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as releaseEndDateTime,
    p.releaseEndDate as releaseEndDateText,
    case when p.createdDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdDate), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    extractedAt,
    p.globalRelease as isGlobal,
    p.syncEnabled as isSyncEnabled,
    coalesce(p.projectRelease, false) as isPseudoRelease,
    isStale,
    coalesce(p.startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdDate not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from currentRow
)

select * from final
