-- One row per placement of a test case and row of source at which it appears, changes or is last seen: the folders of the
-- releases and of the repositories, typed as prepare.testcasePlacement. What an execution says of its test case is not
-- history: it is only sent again when the execution changes.
-- projectId: the project of the folder; a shared test case lies in several.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in recordChange.
-- key: recordKey
-- expect: testcaseId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
-- incremental: sliceKey of prepare.recordChange, prepare.testcasePlacement, source.dimTestcase, source.dimTestcaseRepository
with
change as (
  select
    *,
    xxhash64(resource, sliceKey, runId, page, ordinal) as recordKey
  from prepare.recordChange
  where resource in ('dimTestcase', 'dimTestcaseRepository')
),

placement as (select * from prepare.testcasePlacement),

landedOfRelease as (select * from source.dimTestcase),

landedOfRepository as (select * from source.dimTestcaseRepository),

landed as (
  select 'dimTestcase' as resource, sliceKey, runId, page, ordinal, payload from landedOfRelease
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, page, ordinal, payload from landedOfRepository
),

-- What is current has been read as JSON already, and most of what ever changed is.
known as (
  select
    change.recordKey,
    placement.testcaseId,
    placement.testcaseVersionId,
    placement.projectId,
    placement.externalId,
    change.sliceKey,
    change.runId,
    change.recordId,
    placement.testcaseName,
    placement.description,
    placement.priority,
    placement.tag,
    placement.testcaseType,
    placement.versionNumber,
    placement.testcaseCreatedDateTime as createdDateTime,
    placement.testcaseLastModifiedDateTime as lastModifiedDateTime,
    placement.isAutomated,
    change.landedRelease,
    change.observedAt,
    change.previousWalkAt,
    change.endRelease,
    change.endedAt,
    change.isState,
    change.isAppearance,
    placement.hasUnreadableInstant
  from change
  join placement on change.sliceKey = placement.sliceKey and change.recordKey = placement.recordKey
),

knownKey as (select sliceKey, recordKey, true as isKnown from placement),

-- A flag is tested, for the engine takes a null test on a join key for one on the other side.
former as (
  select change.*
  from change
  left join knownKey on change.sliceKey = knownKey.sliceKey and change.recordKey = knownKey.recordKey
  where knownKey.isKnown is null
),

parsed as (
  select
    former.*,
    from_json(former.sliceKey, 'projectId bigint') as place,
    from_json(
      landed.payload,
      'versionNumber bigint, testcase struct<id:bigint, testcaseId:bigint, name:string, description:string,
       externalId:string, priority:string, tag:string, testcaseType:string, versionNumber:bigint,
       lastModifiedOn:bigint, creationDate:bigint, automated:boolean>'
    ) as p
  from former
  join landed
    on former.resource = landed.resource
    and former.sliceKey = landed.sliceKey
    and former.runId = landed.runId
    and former.page = landed.page
    and former.ordinal = landed.ordinal
),

nested as (
  select
    parsed.*,
    parsed.p.testcase.lastModifiedOn as lastModifiedOn,
    parsed.p.testcase.creationDate as createdOn
  from parsed
),

final as (
  select * from known
  union all
  select
    recordKey,
    p.testcase.testcaseId as testcaseId,
    p.testcase.id as testcaseVersionId,
    place.projectId as projectId,
    p.testcase.externalId as externalId,
    sliceKey,
    runId,
    recordId,
    p.testcase.name as testcaseName,
    p.testcase.description as description,
    p.testcase.priority as priority,
    p.testcase.tag as tag,
    p.testcase.testcaseType as testcaseType,
    coalesce(p.testcase.versionNumber, p.versionNumber) as versionNumber,
    case when createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    p.testcase.automated as isAutomated,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance,
    coalesce(createdOn not between -62135596800000 and 253402300799999, false)
      or coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from nested
)

select * from final
