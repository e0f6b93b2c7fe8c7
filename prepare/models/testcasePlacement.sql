-- One row per test case in a folder, of the releases and, without a release, of the repositories. Three ids that overlap as
-- numbers are kept apart: placementId (this row), testcaseVersionId (one version of the test case, what its steps
-- belong to) and testcaseId (the test case through all versions and places, what links and attachments belong to).
-- lastModifiedDateTime: when the placement was last changed, as by sharing it.
-- testcaseLastModifiedDateTime: when the version was last edited.
-- The unit of the estimate is the setting executionTimeUnit.
-- placementId: the API's id of the test case in this folder; executions name it as treeTestcaseId.
-- testcaseVersionId: the API's id of the version that stands here.
-- testcaseId: the API's id of the test case through all its versions and places.
-- folderId: the folder. releaseId: the release whose folder it is; empty in a repository.
-- createdById, modifiedById: users who made and last changed the placement.
-- writerId, creatorId, lastUpdaterId: users who wrote, made and last changed the version.
-- comments: remarks on the version.
-- scriptName, scriptPath, scriptId: the script that runs it.
-- stateFlag: 0 in normal state. revision: the server's counter of changes.
-- maxVersionNumber: the newest version there is. orderId: place in the folder.
-- createdDateTime: when the placement was made.
-- testcaseCreatedDateTime: when the test case was created. testcaseCreatedDateText: the same day as the server writes it.
-- estimatedTimeMs: time a run should take, milliseconds.
-- attachmentCount: files attached to the version.
-- isComplex: marked as complex. isShared: marked as shared.
-- isDerivedFromBdd: written as a behaviour. isOriginal: not a copy.
-- isRepository: stands in a repository, not in a release.
-- isFolderAgreed: its own folder is the one it was listed in.
-- priority: code of the tenant's list of priorities.
-- tag: tags as typed, parted by spaces.
-- testcaseType: the API's own word for its kind.
-- versionNumber: version of the test case that stands here, from 1.
-- isAutomated: whether a script runs it.
-- key: recordKey
-- expect: placementId is not null, else quarantine
-- expect: testcaseId is not null and testcaseVersionId is not null, else warn
-- expect: isFolderAgreed, else warn
-- expect: not hasUnreadableInstant, else warn
-- incremental: sliceKey of prepare.slice, source.dimTestcase, source.dimTestcaseRepository
with
slice as (select * from prepare.slice where resource in ('dimTestcase', 'dimTestcaseRepository')),

landedOfRelease as (select * from source.dimTestcase),

landedOfRepository as (select * from source.dimTestcaseRepository),

control as (
  select max(case when name = 'executionTimeUnit' and value = 's' then 1000 else 1 end) as millisecondsPerUnit
  from prepare.controls
),

landed as (
  select 'dimTestcase' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRelease
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRepository
),

parsed as (
  select
    landed.resource,
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    slice.releaseId,
    slice.folderId,
    from_json(
      landed.payload,
      'id bigint, tcrCatalogTreeId bigint, revision bigint, stateFlag bigint, versionNumber bigint,
       maxVersionNumber bigint, orderId bigint, lastModifiedOn bigint, createDatetime bigint, createdById bigint,
       modifiedById bigint, isDerivedFromBDD boolean, original boolean, testcase struct<id:bigint,
       testcaseId:bigint, name:string, description:string, comments:string, externalId:string, priority:string,
       tag:string, testcaseType:string, scriptName:string, scriptPath:string, scriptId:string,
       versionNumber:bigint, lastModifiedOn:bigint, creationDate:bigint, tcCreationDate:string, writerId:bigint,
       creatorId:bigint, lastUpdaterId:bigint, estimatedTime:double, attachmentCount:bigint, automated:boolean,
       isComplex:boolean, testcaseShared:boolean>'
    ) as p,
    slice.isStale
  from landed
  join slice
    on landed.resource = slice.resource
    and landed.sliceKey = slice.sliceKey
    and landed.runId = slice.contentRunId
),

placed as (
  select
    parsed.*,
    parsed.p.lastModifiedOn as lastModifiedOn,
    parsed.p.createDatetime as createdOn,
    parsed.p.testcase.lastModifiedOn as testcaseLastModifiedOn,
    parsed.p.testcase.creationDate as testcaseCreatedOn
  from parsed
),

final as (
  select
    xxhash64(resource, sliceKey, runId, page, ordinal) as recordKey,
    p.id as placementId,
    p.testcase.id as testcaseVersionId,
    p.testcase.testcaseId as testcaseId,
    folderId,
    projectId,
    releaseId,
    p.createdById as createdById,
    p.modifiedById as modifiedById,
    nullif(p.testcase.writerId, 0) as writerId,
    p.testcase.creatorId as creatorId,
    p.testcase.lastUpdaterId as lastUpdaterId,
    sliceKey,
    runId,
    recordId,
    p.testcase.externalId as externalId,
    p.testcase.name as testcaseName,
    p.testcase.description as description,
    p.testcase.comments as comments,
    p.testcase.priority as priority,
    p.testcase.tag as tag,
    p.testcase.testcaseType as testcaseType,
    p.testcase.scriptName as scriptName,
    p.testcase.scriptPath as scriptPath,
    p.testcase.scriptId as scriptId,
    p.stateFlag as stateFlag,
    p.revision as revision,
    coalesce(p.testcase.versionNumber, p.versionNumber) as versionNumber,
    p.maxVersionNumber as maxVersionNumber,
    p.orderId as orderId,
    case when createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    case when testcaseCreatedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(testcaseCreatedOn), 'Timestamp(Microsecond, Some("UTC"))') end as testcaseCreatedDateTime,
    p.testcase.tcCreationDate as testcaseCreatedDateText,
    case when testcaseLastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(testcaseLastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as testcaseLastModifiedDateTime,
    extractedAt,
    try_cast(round(p.testcase.estimatedTime * control.millisecondsPerUnit) as bigint) as estimatedTimeMs,
    p.testcase.attachmentCount as attachmentCount,
    p.testcase.automated as isAutomated,
    p.testcase.isComplex as isComplex,
    p.testcase.testcaseShared as isShared,
    p.isDerivedFromBDD as isDerivedFromBdd,
    p.original as isOriginal,
    resource = 'dimTestcaseRepository' as isRepository,
    p.tcrCatalogTreeId is null or p.tcrCatalogTreeId = folderId as isFolderAgreed,
    isStale,
    coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false)
      or coalesce(createdOn not between -62135596800000 and 253402300799999, false)
      or coalesce(testcaseLastModifiedOn not between -62135596800000 and 253402300799999, false)
      or coalesce(testcaseCreatedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from control
  cross join placed
)

select * from final
