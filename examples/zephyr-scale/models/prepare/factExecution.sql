-- One row per execution record in the current lists of the projects. The payload names its cycle, or none, and its test
-- case by a link to a version of it; the release is that of the cycle.
-- key: recordKey
-- expect: executionId is not null, else quarantine
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
-- expect: testcaseId is not null, else warn
with
slice as (select * from prepare.slice where resource = 'factExecution'),

content as (select * from prepare.sliceContent where resource = 'factExecution'),

overridden as (select * from prepare.overriddenRecord where resource = 'factExecution'),

cycle as (select cycleId, min(releaseId) as releaseId from prepare.dimCycle group by cycleId),

testcase as (
  select testcaseKey, min(testcaseId) as testcaseId from prepare.dimTestcase group by testcaseKey
),

landed as (select * from source.factExecution),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    from_json(
      landed.payload,
      'id bigint, key string, project struct<id:bigint>, testCase struct<id:bigint, self:string>,
       environment struct<id:bigint>, jiraProjectVersion struct<id:bigint>, testExecutionStatus struct<id:bigint>,
       actualEndDate string, estimatedTime bigint, executionTime bigint, executedById string, assignedToId string,
       comment string, automated boolean, testCycle struct<id:bigint>'
    ) as p,
    slice.isStale
  from landed
  join content on landed.sliceKey = content.sliceKey and landed.runId = content.runId
  join slice on landed.sliceKey = slice.sliceKey
  left join overridden
    on landed.sliceKey = overridden.sliceKey
    and landed.runId = overridden.runId
    and landed.recordId = overridden.recordId
  where overridden.recordId is null
),

typed as (
  select
    parsed.sliceKey,
    parsed.runId,
    parsed.page,
    parsed.ordinal,
    parsed.recordId,
    parsed.extractedAt,
    parsed.isStale,
    parsed.p.id as executionId,
    parsed.p.key as executionKey,
    parsed.p.project.id as projectId,
    parsed.p.testCase.id as testcaseVersionId,
    split_part(split_part(parsed.p.testCase.self, '/testcases/', 2), '/', 1) as testcaseKey,
    split_part(parsed.p.testCase.self, '/versions/', 2) as versionId,
    parsed.p.environment.id as environmentId,
    parsed.p.jiraProjectVersion.id as jiraVersionId,
    parsed.p.testExecutionStatus.id as statusId,
    parsed.p.actualEndDate as endText,
    parsed.p.estimatedTime as estimatedTimeMs,
    parsed.p.executionTime as actualTimeMs,
    parsed.p.executedById as executedByAccountId,
    parsed.p.assignedToId as assignedToAccountId,
    parsed.p.comment as comment,
    parsed.p.automated as isAutomated,
    coalesce(parsed.p.testCycle.id, -parsed.p.project.id) as cycleId,
    parsed.p.testCycle.id is null as isAdHoc
  from parsed
),

-- The small sides stand first: they are the ones a hash join keeps in memory.
inCycle as (
  select typed.*, cycle.releaseId
  from cycle
  right join typed on cycle.cycleId = typed.cycleId
),

joined as (
  select inCycle.*, testcase.testcaseId
  from testcase
  right join inCycle on testcase.testcaseKey = inCycle.testcaseKey
),

final as (
  select
    xxhash64('factExecution', sliceKey, runId, page, ordinal) as recordKey,
    executionId,
    projectId,
    releaseId,
    cycleId,
    cycleId as cyclePhaseId,
    testcaseId,
    testcaseVersionId,
    cast(null as bigint) as treeTestcaseId,
    cast(null as bigint) as tcrCatalogTreeId,
    -- Accounts are text; a number made of one stands for it, as a tester's id is a number in this house.
    case when assignedToAccountId is not null then xxhash64('account', assignedToAccountId) end as testerId,
    case when executedByAccountId is not null then xxhash64('account', executedByAccountId) end as executedById,
    cast(null as bigint) as lastResultId,
    environmentId,
    jiraVersionId,
    assignedToAccountId,
    executedByAccountId,
    sliceKey,
    runId,
    recordId,
    executionKey,
    nullif(testcaseKey, '') as testcaseKey,
    assignedToAccountId as testerName,
    coalesce(cast(statusId as string), 'absent') as statusCode,
    cast(statusId as string) as rowStatusCode,
    cast(null as string) as resultStatusCode,
    nullif(versionId, '') as versionId,
    comment,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as assignmentDateTime,
    cast(null as string) as assignmentDateText,
    arrow_cast(try_cast(endText as timestamp), 'Timestamp(Microsecond, Some("UTC"))') as resultDateTime,
    cast(null as string) as resultDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    extractedAt,
    cast(null as bigint) as executionOrder,
    actualTimeMs,
    estimatedTimeMs,
    cast(null as bigint) as attachmentCount,
    isAutomated,
    isAdHoc,
    isStale,
    endText is not null and try_cast(endText as timestamp) is null as hasUnreadableInstant
  from joined
)

select * from final
