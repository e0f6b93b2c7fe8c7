-- One row per requirement and requirement folder it lies in.
-- requirementKey, requirementFolderKey: what lies where; -1 for a folder that did not come with the trees.
-- isMainFolder: the folder that dimRequirement names.
-- isStale: read before the newest walk of the folder.
-- key: requirementKey, requirementFolderId
-- reference: requirementKey in transform.dimRequirement.requirementKey
-- reference: requirementFolderKey in transform.dimRequirementFolder.requirementFolderKey
-- conserves: clean.dimRequirement
with
requirement as (select * from clean.dimRequirement),

folder as (select requirementFolderId from clean.dimRequirementFolder),

final as (
  select
    xxhash64('zephyr', 'requirement', requirement.requirementId) as requirementKey,
    case
      when folder.requirementFolderId is null then -1
      else xxhash64('zephyr', 'requirementFolder', folder.requirementFolderId)
    end as requirementFolderKey,
    requirement.requirementId,
    requirement.requirementFolderId,
    requirement.placeNumber = 1 as isMainFolder,
    requirement.isStale
  from requirement
  left join folder on requirement.requirementFolderId = folder.requirementFolderId
)

select * from final
