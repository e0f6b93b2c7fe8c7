-- One row per placement: one version of a test case in one folder, of a release or of a repository, as transform has it.
-- key: placementKey
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: folderKey in refine.dimFolder.folderKey
-- reference: projectKey in refine.dimProject.projectKey
-- reference: releaseKey in refine.dimRelease.releaseKey
-- conserves: transform.bridgeTestcaseFolder
with
placement as (select * from transform.bridgeTestcaseFolder),

final as (
  select
    placementKey,
    testcaseKey,
    folderKey,
    projectKey,
    releaseKey,
    placementId,
    testcaseId,
    testcaseVersionId,
    folderId,
    projectId,
    releaseId,
    versionNumber,
    assignmentDate,
    isRepository,
    isCurrentVersion,
    isStale
  from placement
)

select * from final
