-- One row per requirement and requirement folder it lies in, as transform has it.
-- key: requirementKey, requirementFolderId
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: requirementFolderKey in refine.dimRequirementFolder.requirementFolderKey
-- conserves: transform.bridgeRequirementFolder
with
place as (select * from transform.bridgeRequirementFolder),

final as (
  select requirementKey, requirementFolderKey, requirementId, requirementFolderId, isMainFolder, isStale from place
)

select * from final
