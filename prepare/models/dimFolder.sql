-- One row per folder of the test-case trees: those of the releases and, without a release, those of the repositories.
-- path: names from the root down. depth: 0 for a root. testcaseCount: rows directly in the folder, as the API counts
-- them; cumulativeTestcaseCount: with all below it. linkedFolderId: the folder it shows the rows of, where not its own.
-- folderType: the API's own word for its kind.
-- isRepository: whether it belongs to the project's repository rather than to a release.
-- key: recordKey
-- expect: folderName is not null, else warn
with
node as (select * from prepare.treeNode where resource in ('dimFolder', 'dimFolderRepository')),

final as (
  select
    recordKey,
    nodeId as folderId,
    parentNodeId as parentFolderId,
    rootNodeId as rootFolderId,
    projectId,
    releaseId,
    linkedNodeId as linkedFolderId,
    createdById,
    lastModifiedById,
    sliceKey,
    runId,
    recordId,
    nodeName as folderName,
    description,
    nodeType as folderType,
    path,
    revision,
    createdDateTime,
    lastModifiedDateTime,
    extractedAt,
    depth,
    childCount,
    testcaseCount,
    cumulativeTestcaseCount,
    resource = 'dimFolderRepository' as isRepository,
    isStale
  from node
)

select * from final
