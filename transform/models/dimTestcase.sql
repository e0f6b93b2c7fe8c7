-- One row per test case seen on an execution or in a folder, and the Unknown test case (-1). Where a server sends
-- executions without the test case inside, the placement (a test case in a folder) stands for it, so that executions can
-- still be counted by test case. A test case that only executions name which are gone by now stays, without its text.
-- folderKey, folderId: the folder it lives in, one of a repository before one of a release, then the newest version's.
-- treeTestcaseId: the placement that stands for the test case, only where isPlacementOnly.
-- isInRepository: stands in a folder of a repository. isInRelease: stands in a folder of a release.
-- isPlacementOnly: nothing but a placement is known, named by executions.
-- isGone: only executions that are gone named it; it stands in no folder and on no execution today.
-- testcaseKey: key of the test case. projectKey: the project it belongs to, Unknown (-1) where the token does not see it.
-- key: testcaseKey
-- expect: testcaseName is not null, else fail
-- reference: projectKey in transform.dimProject.projectKey
-- reference: folderKey in transform.dimFolder.folderKey
with
testcase as (select * from clean.dimTestcase),

execution as (select treeTestcaseId, projectId from clean.factExecution where testcaseId is null),

removal as (select testcaseId, treeTestcaseId, projectId from clean.factExecutionRemoval),

project as (select projectKey, projectId from transform.dimProject where projectId is not null),

folder as (select folderKey, folderId from transform.dimFolder where folderId is not null),

place as (
  select
    testcaseId,
    folderId,
    isRepository,
    row_number() over (
      partition by testcaseId
      order by
        case when isRepository then 0 else 1 end,
        versionNumber desc nulls last,
        lastModifiedDateTime desc nulls last,
        placementId
    ) as preference
  from clean.testcasePlacement
),

home as (
  select
    testcaseId,
    max(case when preference = 1 then folderId end) as folderId,
    bool_or(isRepository) as isInRepository,
    bool_or(not isRepository) as isInRelease
  from place
  group by testcaseId
),

placementSeen as (
  select treeTestcaseId, projectId, false as isGone from execution where treeTestcaseId is not null
  union all
  select treeTestcaseId, projectId, true as isGone
  from removal
  where testcaseId is null and treeTestcaseId is not null
),

placement as (
  select treeTestcaseId, min(projectId) as projectId, bool_and(isGone) as isGone
  from placementSeen
  group by treeTestcaseId
),

removed as (
  select testcaseId, min(projectId) as projectId
  from removal
  where testcaseId is not null
  group by testcaseId
),

gone as (
  select removed.testcaseId, removed.projectId
  from removed
  where not exists (select 1 from testcase where testcase.testcaseId = removed.testcaseId)
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
    priorityName,
    tag,
    testcaseType,
    testcaseTypeCategory,
    versionNumber,
    createdDate,
    lastModifiedDate,
    lastModifiedDateTime,
    testcasePriorityNumeric,
    isAutomated,
    false as isPlacementOnly,
    false as isGone
  from testcase
  union all
  select
    xxhash64('zephyr', 'testcase', testcaseId) as testcaseKey,
    testcaseId,
    null as testcaseVersionId,
    null as treeTestcaseId,
    projectId,
    null as externalId,
    concat('Test case ', testcaseId) as testcaseName,
    null as description,
    null as priority,
    null as priorityName,
    null as tag,
    null as testcaseType,
    null as testcaseTypeCategory,
    null as versionNumber,
    null as createdDate,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as testcasePriorityNumeric,
    null as isAutomated,
    false as isPlacementOnly,
    true as isGone
  from gone
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
    null as priorityName,
    null as tag,
    null as testcaseType,
    null as testcaseTypeCategory,
    null as versionNumber,
    null as createdDate,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as testcasePriorityNumeric,
    null as isAutomated,
    true as isPlacementOnly,
    isGone
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
    null as priorityName,
    null as tag,
    null as testcaseType,
    null as testcaseTypeCategory,
    null as versionNumber,
    null as createdDate,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as testcasePriorityNumeric,
    null as isAutomated,
    false as isPlacementOnly,
    false as isGone
),

final as (
  select
    identified.testcaseKey,
    -- A shared test case may belong to a project the token does not see.
    coalesce(project.projectKey, -1) as projectKey,
    coalesce(folder.folderKey, -1) as folderKey,
    identified.testcaseId,
    identified.testcaseVersionId,
    identified.treeTestcaseId,
    home.folderId,
    identified.projectId,
    identified.externalId,
    identified.testcaseName,
    identified.description,
    identified.priority,
    identified.priorityName,
    identified.tag,
    identified.testcaseType,
    identified.testcaseTypeCategory,
    identified.versionNumber,
    identified.createdDate,
    identified.lastModifiedDate,
    identified.lastModifiedDateTime,
    identified.testcasePriorityNumeric,
    identified.isAutomated,
    coalesce(home.isInRepository, false) as isInRepository,
    coalesce(home.isInRelease, false) as isInRelease,
    identified.isPlacementOnly,
    identified.isGone
  from identified
  left join project on identified.projectId = project.projectId
  left join home on identified.testcaseId = home.testcaseId
  left join folder on home.folderId = folder.folderId
)

select * from final
