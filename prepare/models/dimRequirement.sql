-- One row per requirement in a folder of the requirement trees. A requirement that lies in several folders has several rows.
-- createdDateTime is the instant; createdDayDateTime and createdDateText are its day, as a stamp and as text.
-- releaseIds: the releases it is allocated to, ascending, divided by commas.
-- details: the text of the requirement.
-- url: where it is in the system it came from.
-- priority: code of the tenant's list of priorities.
-- requirementType: the API's own word for its kind.
-- testcaseCount: test cases linked to it, as the API counts them.
-- attachmentCount: files attached to it.
-- isBddSupported: the API's own flag.
-- key: recordKey
-- expect: requirementId is not null, else quarantine
-- expect: requirementName is not null, else warn
-- expect: isFolderAgreed, else warn
-- expect: not hasUnreadableInstant, else warn
-- incremental: sliceKey of prepare.slice, source.dimRequirement
with
slice as (select * from prepare.slice where resource = 'dimRequirement'),

landed as (select * from source.dimRequirement),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    slice.requirementFolderId,
    from_json(
      landed.payload,
      'id bigint, externalId string, name string, details string, url string, priority string,
       requirementType bigint, createdOn bigint, reqCreationDate string, createDatetime bigint,
       lastModifiedOn bigint, createdBy bigint, lastModifiedBy bigint, attachmentCount bigint,
       isBddSupported boolean, requirementTreeIds array<bigint>, releaseIds array<bigint>,
       testcaseIds array<bigint>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimRequirement', sliceKey, runId, page, ordinal) as recordKey,
    p.id as requirementId,
    projectId,
    requirementFolderId,
    p.createdBy as createdById,
    p.lastModifiedBy as lastModifiedById,
    sliceKey,
    runId,
    recordId,
    p.externalId as externalId,
    p.name as requirementName,
    p.details as details,
    p.url as url,
    p.priority as priority,
    p.requirementType as requirementType,
    nullif(array_to_string(array_sort(p.releaseIds), ','), '') as releaseIds,
    case when p.createDatetime between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createDatetime), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    case when p.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDayDateTime,
    p.reqCreationDate as createdDateText,
    case when p.lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    extractedAt,
    coalesce(cast(cardinality(p.testcaseIds) as bigint), 0) as testcaseCount,
    p.attachmentCount as attachmentCount,
    p.isBddSupported as isBddSupported,
    p.requirementTreeIds is null or array_has(p.requirementTreeIds, requirementFolderId) as isFolderAgreed,
    isStale,
    coalesce(p.createDatetime not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdOn not between -62135596800000 and 253402300799999, false)
      or coalesce(p.lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from parsed
)

select * from final
