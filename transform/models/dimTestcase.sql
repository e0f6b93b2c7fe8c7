-- One row per test case, and the Unknown test case (-1). Where a server sends executions without the test case inside,
-- the placement (a test case in a folder) stands for it, so that executions can still be counted by test case.
-- key: testcaseKey
-- expect: testcaseName is not null, else fail
-- reference: projectKey in transform.dimProject.projectKey
with
testcase as (select * from clean.dimTestcase),

execution as (select treeTestcaseId, projectId from clean.factExecution where testcaseId is null),

project as (select projectKey, projectId from transform.dimProject where projectId is not null),

placement as (
  select treeTestcaseId, min(projectId) as projectId
  from execution
  where treeTestcaseId is not null
  group by treeTestcaseId
),

identified as (
  select
    xxhash64('zephyr', 'testcase', testcaseId) as testcaseKey,
    testcaseId,
    testcaseVersionId,
    cast(null as bigint) as treeTestcaseId,
    projectId,
    externalId,
    coalesce(testcaseName, concat('Test case ', testcaseId)) as testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    createdDate,
    lastModifiedDate,
    lastModifiedDateTime,
    isAutomated,
    false as isPlacementOnly
  from testcase
  union all
  select
    xxhash64('zephyr', 'treeTestcase', treeTestcaseId) as testcaseKey,
    null as testcaseId,
    null as testcaseVersionId,
    treeTestcaseId,
    projectId,
    null as externalId,
    concat('Test case placement ', treeTestcaseId) as testcaseName,
    null as description,
    null as priority,
    null as tag,
    null as testcaseType,
    null as versionNumber,
    null as createdDate,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as isAutomated,
    true as isPlacementOnly
  from placement
  union all
  select
    -1 as testcaseKey,
    null as testcaseId,
    null as testcaseVersionId,
    null as treeTestcaseId,
    null as projectId,
    null as externalId,
    'Unknown' as testcaseName,
    null as description,
    null as priority,
    null as tag,
    null as testcaseType,
    null as versionNumber,
    null as createdDate,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as isAutomated,
    false as isPlacementOnly
),

final as (
  select
    identified.testcaseKey,
    -- A shared test case may belong to a project the token does not see.
    coalesce(project.projectKey, -1) as projectKey,
    identified.testcaseId,
    identified.testcaseVersionId,
    identified.treeTestcaseId,
    identified.projectId,
    identified.externalId,
    identified.testcaseName,
    identified.description,
    identified.priority,
    identified.tag,
    identified.testcaseType,
    identified.versionNumber,
    identified.createdDate,
    identified.lastModifiedDate,
    identified.lastModifiedDateTime,
    identified.isAutomated,
    identified.isPlacementOnly
  from identified
  left join project on identified.projectId = project.projectId
)

select * from final
