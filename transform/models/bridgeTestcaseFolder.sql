-- One row per placement: one version of a test case in one folder, of a release or of a repository.
-- placementKey, placementId: the test case in this folder. testcaseVersionId: the version that stands here.
-- testcaseKey: the test case, Unknown (-1) where it was set aside.
-- folderKey: the folder, Unknown (-1) where it did not come with the trees.
-- releaseKey, releaseId: the release whose folder it is; Unknown (-1) and empty in a repository.
-- assignmentDate: local day the placement was made.
-- isCurrentVersion: it is the version that dimTestcase shows.
-- projectKey, projectId: the project in whose tree the folder is.
-- versionNumber: number of the version that stands here.
-- key: placementKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: folderKey in transform.dimFolder.folderKey
-- reference: projectKey in transform.dimProject.projectKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- conserves: clean.testcasePlacement
with
placement as (select * from clean.testcasePlacement),

testcase as (select testcaseKey, testcaseId, testcaseVersionId from transform.dimTestcase where testcaseId is not null),

folder as (select folderKey, folderId from transform.dimFolder where folderId is not null),

project as (select projectKey, projectId from transform.dimProject where projectId is not null),

testRelease as (select releaseKey, releaseId from transform.dimRelease where releaseId is not null),

final as (
  select
    xxhash64('zephyr', 'placement', placement.placementId) as placementKey,
    coalesce(testcase.testcaseKey, -1) as testcaseKey,
    coalesce(folder.folderKey, -1) as folderKey,
    coalesce(project.projectKey, -1) as projectKey,
    coalesce(testRelease.releaseKey, -1) as releaseKey,
    placement.placementId,
    placement.testcaseId,
    placement.testcaseVersionId,
    placement.folderId,
    placement.projectId,
    placement.releaseId,
    placement.versionNumber,
    placement.createdDate as assignmentDate,
    placement.isRepository,
    coalesce(testcase.testcaseVersionId = placement.testcaseVersionId, false) as isCurrentVersion,
    placement.isStale
  from placement
  left join testcase on placement.testcaseId = testcase.testcaseId
  left join folder on placement.folderId = folder.folderId
  left join project on placement.projectId = project.projectId
  left join testRelease on placement.releaseId = testRelease.releaseId
)

select * from final
