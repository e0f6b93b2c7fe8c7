-- One row per folder of the requirement trees, and the Unknown folder (-1). Ids of requirement folders and of test-case folders
-- overlap as numbers, so they are two dimensions.
-- requirementFolderKey: key of the folder.
-- parentRequirementFolderKey: the folder above it, -1 at the top of a tree.
-- folderLevel: 0 at the top of a tree.
-- projectKey: its project.
-- key: requirementFolderKey
-- expect: requirementFolderName is not null, else fail
-- reference: projectKey in transform.dimProject.projectKey
-- reference: parentRequirementFolderKey in transform.dimRequirementFolder.requirementFolderKey
with
folder as (select * from clean.dimRequirementFolder),

keyed as (
  select
    xxhash64('zephyr', 'requirementFolder', folder.requirementFolderId) as requirementFolderKey,
    case
      when parent.requirementFolderId is null then -1
      else xxhash64('zephyr', 'requirementFolder', parent.requirementFolderId)
    end as parentRequirementFolderKey,
    xxhash64('zephyr', 'project', folder.projectId) as projectKey,
    folder.requirementFolderId,
    folder.parentRequirementFolderId,
    folder.rootRequirementFolderId,
    folder.projectId,
    coalesce(
      folder.requirementFolderName,
      concat('Requirement folder ', folder.requirementFolderId)
    ) as requirementFolderName,
    folder.description,
    folder.folderPath,
    folder.createdDate,
    folder.lastModifiedDate,
    folder.depth as folderLevel,
    folder.isStale
  from folder
  left join folder as parent on folder.parentRequirementFolderId = parent.requirementFolderId
),

final as (
  select * from keyed
  union all
  select
    -1 as requirementFolderKey,
    -1 as parentRequirementFolderKey,
    -1 as projectKey,
    null as requirementFolderId,
    null as parentRequirementFolderId,
    null as rootRequirementFolderId,
    null as projectId,
    'Unknown' as requirementFolderName,
    null as description,
    null as folderPath,
    null as createdDate,
    null as lastModifiedDate,
    null as folderLevel,
    null as isStale
)

select * from final
