-- One row per logical test case seen on a current execution: its newest version there. One test case stands in many
-- folders and versions; the executions keep the placement and the version they ran, this table keeps what it is now.
-- key: testcaseId
-- expect: not hasUnreadableInstant, else warn
with
slice as (select * from prepare.slice where resource = 'factExecution'),

landed as (select * from source.factExecution),

parsed as (
  select
    landed.runId,
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
    parsed.runId,
    parsed.extractedAt,
    parsed.projectId,
    parsed.p.tcrTreeTestcase.versionNumber as placementVersionNumber,
    parsed.p.tcrTreeTestcase.testcase as t
  from parsed
),

seen as (
  select
    nested.runId,
    nested.extractedAt,
    nested.t.testcaseId as testcaseId,
    nested.t.id as testcaseVersionId,
    coalesce(nested.t.projectId, nested.projectId) as projectId,
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

-- Grouping before ranking: executions are many, versions few, so what has to be sorted is small.
versionSeen as (
  select
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
    lastModifiedOn,
    creationDate,
    createdDateText,
    isAutomated,
    max(extractedAt) as extractedAt
  from seen
  group by
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
    lastModifiedOn,
    creationDate,
    createdDateText,
    isAutomated
  -- As a plain condition on testcaseId this would move below the parsing, and every payload would be parsed twice.
  having count(testcaseId) > 0
),

ranked as (
  select
    versionSeen.*,
    row_number() over (
      partition by testcaseId
      order by
        versionNumber desc nulls last,
        lastModifiedOn desc nulls last,
        extractedAt desc nulls last,
        testcaseVersionId desc nulls last,
        projectId,
        testcaseName nulls last,
        description nulls last,
        externalId nulls last,
        priority nulls last,
        tag nulls last,
        testcaseType nulls last,
        creationDate nulls last,
        createdDateText nulls last,
        isAutomated nulls last
    ) as recency
  from versionSeen
),

final as (
  select
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
    case when creationDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(creationDate), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    createdDateText,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    extractedAt,
    isAutomated,
    coalesce(creationDate not between -62135596800000 and 253402300799999, false)
      or coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from ranked
  where recency = 1
)

select * from final
