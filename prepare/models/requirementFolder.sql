-- One row per folder of the requirement trees of the projects.
-- path: names from the root down. depth: 0 for a root.
-- folderType: the API's own word for its kind.
-- key: recordKey
-- expect: requirementFolderName is not null, else warn
with
node as (select * from prepare.treeNode where resource = 'dimRequirementFolder'),

final as (
  select
    recordKey,
    nodeId as requirementFolderId,
    parentNodeId as parentRequirementFolderId,
    rootNodeId as rootRequirementFolderId,
    projectId,
    createdById,
    lastModifiedById,
    sliceKey,
    runId,
    recordId,
    nodeName as requirementFolderName,
    description,
    nodeType as folderType,
    path,
    createdDateTime,
    lastModifiedDateTime,
    extractedAt,
    depth,
    childCount,
    isStale
  from node
)

select * from final
