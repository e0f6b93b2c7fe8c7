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
-- incremental: testcaseId of prepare.testcasePlacement, prepare.factExecution
-- expect: not hasUnreadableInstant, else warn
with
placement as (
  select
    recordKey,
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
  from prepare.testcasePlacement
  where testcaseId is not null
),

execution as (
  select
    recordKey,
    testcaseId,
    testcaseVersionId,
    coalesce(testcaseProjectId, projectId) as projectId,
    case when testcaseProjectId is not null then 0 else 2 end as ownerRank,
    testcaseExternalId as externalId,
    testcaseName,
    testcaseDescription as description,
    testcasePriority as priority,
    testcaseTag as tag,
    testcaseType,
    testcaseVersionNumber as versionNumber,
    testcaseLastModifiedDateTime as lastModifiedDateTime,
    testcaseCreatedDateTime as createdDateTime,
    testcaseCreatedDateText as createdDateText,
    extractedAt,
    isTestcaseAutomated as isAutomated,
    hasUnreadableTestcaseInstant as hasUnreadableInstant
  from prepare.factExecution
  where testcaseId is not null and isTestcaseReadable
),

seen as (
  select * from execution
  union all
  select * from placement
),

owner as (
  select
    testcaseId,
    coalesce(
      min(case when ownerRank = 0 then projectId end),
      min(case when ownerRank = 1 then projectId end),
      min(projectId)
    ) as projectId
  from seen
  group by testcaseId
),

-- What is sorted is many rows, so their texts are left out of it: they are asked for only where all else is equal.
ranked as (
  select
    recordKey,
    testcaseId,
    rank() over (
      partition by testcaseId
      order by
        versionNumber desc nulls last,
        lastModifiedDateTime desc nulls last,
        extractedAt desc nulls last,
        testcaseVersionId desc nulls last,
        ownerRank,
        projectId
    ) as recency
  from seen
),

newest as (
  select ranked.recordKey, owner.testcaseId, owner.projectId
  from owner
  join ranked on owner.testcaseId = ranked.testcaseId
  where ranked.recency = 1
),

chosen as (
  select
    seen.*,
    newest.projectId as ownerProjectId,
    row_number() over (
      partition by seen.testcaseId
      order by
        seen.testcaseName nulls last,
        seen.description nulls last,
        seen.externalId nulls last,
        seen.priority nulls last,
        seen.tag nulls last,
        seen.testcaseType nulls last,
        seen.createdDateTime nulls last,
        seen.createdDateText nulls last,
        seen.isAutomated nulls last,
        seen.hasUnreadableInstant
    ) as choice
  from newest
  join seen on newest.recordKey = seen.recordKey and newest.testcaseId = seen.testcaseId
),

final as (
  select
    testcaseId,
    testcaseVersionId,
    ownerProjectId as projectId,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    createdDateTime,
    createdDateText,
    lastModifiedDateTime,
    extractedAt,
    isAutomated,
    hasUnreadableInstant
  from chosen
  where choice = 1
)

select * from final
