-- One row per logical test case seen in a current folder or on a current execution: its newest version there. One test
-- case stands in many folders and versions; executions and folders keep the placement and the version they hold, this
-- table keeps what it is now. Its project is the one its record names, else that of its repository, else where it was seen.
-- testcaseId: the API's id of the test case through all its versions and places.
-- testcaseVersionId: the API's id of the version shown here.
-- projectId: the project the test case belongs to.
-- externalId: the id the test case has in another system, as typed in.
-- testcaseName: the name of the test case. description: its text; may hold HTML.
-- priority: code of the priority, 1 to 5 unless the tenant has others.
-- tag: words people gave it, separated by blanks.
-- testcaseType: ORIGINAL, or SHARED where several projects use it.
-- versionNumber: number of the version, from 1.
-- createdDateTime: when the test case was created. createdDateText: the same day as the server writes it.
-- lastModifiedDateTime: when this version was last changed.
-- extractedAt: when the row was fetched.
-- isAutomated: marked as run by a script.
-- hasUnreadableInstant: one of the instants is beyond any calendar and left empty.
-- key: testcaseId
-- expect: not hasUnreadableInstant, else warn
with
slice as (select * from prepare.slice where resource = 'factExecution'),

landed as (select * from source.factExecution),

placement as (
  select
    extractedAt,
    testcaseId,
    testcaseVersionId,
    projectId,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    testcaseLastModifiedDateTime,
    testcaseCreatedDateTime,
    testcaseCreatedDateText,
    isAutomated,
    isRepository
  from prepare.testcasePlacement
),

parsed as (
  select
    landed.extractedAt,
    slice.projectId,
    from_json(
      landed.payload,
      'tcrTreeTestcase struct<versionNumber:bigint, testcase:struct<id:bigint, testcaseId:bigint, name:string,
       description:string, externalId:string, priority:string, tag:string, automated:boolean,
       testcaseType:string, versionNumber:bigint, projectId:bigint, lastModifiedOn:bigint, creationDate:bigint,
       tcCreationDate:string>>'
    ) as p
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

nested as (
  select
    parsed.extractedAt,
    parsed.projectId,
    parsed.p.tcrTreeTestcase.versionNumber as placementVersionNumber,
    parsed.p.tcrTreeTestcase.testcase as t
  from parsed
),

seenOnExecution as (
  select
    nested.extractedAt,
    nested.t.testcaseId as testcaseId,
    nested.t.id as testcaseVersionId,
    coalesce(nested.t.projectId, nested.projectId) as projectId,
    case when nested.t.projectId is not null then 0 else 2 end as ownerRank,
    nested.t.externalId as externalId,
    nested.t.name as testcaseName,
    nested.t.description as description,
    nested.t.priority as priority,
    nested.t.tag as tag,
    nested.t.testcaseType as testcaseType,
    coalesce(nested.t.versionNumber, nested.placementVersionNumber) as versionNumber,
    nested.t.lastModifiedOn as lastModifiedOn,
    nested.t.creationDate as creationDate,
    nested.t.tcCreationDate as createdDateText,
    nested.t.automated as isAutomated
  from nested
),

-- Grouping before everything else: executions are many, versions few, so what has to be converted and sorted is small.
versionOnExecution as (
  select
    testcaseId,
    testcaseVersionId,
    projectId,
    ownerRank,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    lastModifiedOn,
    creationDate,
    createdDateText,
    isAutomated,
    max(extractedAt) as extractedAt
  from seenOnExecution
  group by
    testcaseId,
    testcaseVersionId,
    projectId,
    ownerRank,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    lastModifiedOn,
    creationDate,
    createdDateText,
    isAutomated
  -- As a plain condition on testcaseId this would move below the parsing, and every payload would be parsed twice.
  having count(testcaseId) > 0
),

versionSeen as (
  select
    testcaseId,
    testcaseVersionId,
    projectId,
    ownerRank,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    case when creationDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(creationDate), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    createdDateText,
    extractedAt,
    isAutomated,
    coalesce(creationDate not between -62135596800000 and 253402300799999, false)
      or coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from versionOnExecution
  union all
  select
    testcaseId,
    testcaseVersionId,
    projectId,
    case when isRepository then 1 else 2 end as ownerRank,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    testcaseLastModifiedDateTime as lastModifiedDateTime,
    testcaseCreatedDateTime as createdDateTime,
    testcaseCreatedDateText as createdDateText,
    extractedAt,
    isAutomated,
    false as hasUnreadableInstant
  from placement
  where testcaseId is not null
),

owner as (
  select
    testcaseId,
    coalesce(
      min(case when ownerRank = 0 then projectId end),
      min(case when ownerRank = 1 then projectId end),
      min(projectId)
    ) as projectId
  from versionSeen
  group by testcaseId
),

ranked as (
  select
    versionSeen.*,
    row_number() over (
      partition by testcaseId
      order by
        versionNumber desc nulls last,
        lastModifiedDateTime desc nulls last,
        extractedAt desc nulls last,
        testcaseVersionId desc nulls last,
        ownerRank,
        projectId,
        testcaseName nulls last,
        description nulls last,
        externalId nulls last,
        priority nulls last,
        tag nulls last,
        testcaseType nulls last,
        createdDateTime nulls last,
        createdDateText nulls last,
        isAutomated nulls last,
        hasUnreadableInstant
    ) as recency
  from versionSeen
),

final as (
  select
    ranked.testcaseId,
    ranked.testcaseVersionId,
    owner.projectId,
    ranked.externalId,
    ranked.testcaseName,
    ranked.description,
    ranked.priority,
    ranked.tag,
    ranked.testcaseType,
    ranked.versionNumber,
    ranked.createdDateTime,
    ranked.createdDateText,
    ranked.lastModifiedDateTime,
    ranked.extractedAt,
    ranked.isAutomated,
    ranked.hasUnreadableInstant
  from owner
  join ranked on owner.testcaseId = ranked.testcaseId
  where ranked.recency = 1
)

select * from final
