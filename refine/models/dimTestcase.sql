-- One row per test case, and the Unknown test case (-1), as transform has it.
-- key: testcaseKey
-- reference: projectKey in refine.dimProject.projectKey
with
testcase as (select * from transform.dimTestcase),

final as (
  select
    testcaseKey,
    projectKey,
    testcaseId,
    testcaseVersionId,
    treeTestcaseId,
    projectId,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    createdDate,
    lastModifiedDate,
    lastModifiedDateTime,
    isAutomated,
    isPlacementOnly
  from testcase
)

select * from final
