-- One row per requirement, and the Unknown requirement (-1).
-- requirementKey: key of the requirement.
-- requirementFolderKey: the folder it lies in; of several, the one whose row stands for it in clean.
-- projectKey: its project.
-- key: requirementKey
-- expect: requirementName is not null, else fail
-- reference: projectKey in transform.dimProject.projectKey
-- reference: requirementFolderKey in transform.dimRequirementFolder.requirementFolderKey
with
requirement as (select * from clean.dimRequirement where placeNumber = 1),

folder as (select requirementFolderId from clean.dimRequirementFolder),

keyed as (
  select
    xxhash64('zephyr', 'requirement', requirement.requirementId) as requirementKey,
    xxhash64('zephyr', 'project', requirement.projectId) as projectKey,
    case
      when folder.requirementFolderId is null then -1
      else xxhash64('zephyr', 'requirementFolder', folder.requirementFolderId)
    end as requirementFolderKey,
    requirement.requirementId,
    requirement.projectId,
    requirement.requirementFolderId,
    requirement.createdById,
    requirement.lastModifiedById,
    requirement.externalId,
    coalesce(requirement.requirementName, concat('Requirement ', requirement.requirementId)) as requirementName,
    requirement.details,
    requirement.url,
    requirement.priority,
    requirement.requirementPriorityName,
    requirement.requirementPriorityNumeric,
    requirement.requirementType,
    requirement.requirementTypeCategory,
    requirement.createdDate,
    requirement.createdDateTime,
    requirement.lastModifiedDate,
    requirement.lastModifiedDateTime,
    requirement.attachmentCount,
    requirement.isBddSupported,
    requirement.isRegulatoryRequirement,
    requirement.isStale
  from requirement
  left join folder on requirement.requirementFolderId = folder.requirementFolderId
),

final as (
  select * from keyed
  union all
  select
    -1 as requirementKey,
    -1 as projectKey,
    -1 as requirementFolderKey,
    null as requirementId,
    null as projectId,
    null as requirementFolderId,
    null as createdById,
    null as lastModifiedById,
    null as externalId,
    'Unknown' as requirementName,
    null as details,
    null as url,
    null as priority,
    null as requirementPriorityName,
    null as requirementPriorityNumeric,
    null as requirementType,
    null as requirementTypeCategory,
    null as createdDate,
    null as createdDateTime,
    null as lastModifiedDate,
    null as lastModifiedDateTime,
    null as attachmentCount,
    null as isBddSupported,
    null as isRegulatoryRequirement,
    null as isStale
)

select * from final
