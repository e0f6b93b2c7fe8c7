-- One row per folder of the requirement trees, and the Unknown folder (-1).
-- childFolderCount: folders directly in it.
-- requirementCount: requirements directly in it.
-- isRootFolder, isLeafFolder: at the top of a tree; without folders in it.
-- key: requirementFolderKey
-- reference: projectKey in refine.dimProject.projectKey
-- conserves: transform.dimRequirementFolder
with
folder as (select * from transform.dimRequirementFolder),

place as (select requirementFolderKey from transform.bridgeRequirementFolder),

child as (
  select parentRequirementFolderKey, count(*) as childFolderCount
  from folder
  where parentRequirementFolderKey <> -1
  group by parentRequirementFolderKey
),

placed as (
  select requirementFolderKey, count(*) as requirementCount from place group by requirementFolderKey
),

final as (
  select
    folder.*,
    coalesce(child.childFolderCount, 0) as childFolderCount,
    coalesce(placed.requirementCount, 0) as requirementCount,
    folder.folderLevel = 0 as isRootFolder,
    case when folder.requirementFolderKey <> -1 then child.childFolderCount is null end as isLeafFolder
  from folder
  left join child on folder.requirementFolderKey = child.parentRequirementFolderKey
  left join placed on folder.requirementFolderKey = placed.requirementFolderKey
)

select * from final
