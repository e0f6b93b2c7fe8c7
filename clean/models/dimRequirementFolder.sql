-- One row per folder of the requirement trees, trustworthy: text trimmed, doubles set aside, its project known.
-- requirementFolderId, parentRequirementFolderId, rootRequirementFolderId: the folder, the one above it, the top of its tree.
-- folderPath: names from the top down, divided by ' / '.
-- createdDate, lastModifiedDate: local days.
-- duplicateNumber: 1, or higher for the same folder once more.
-- depth: 0 at the top of a tree.
-- isProjectKnown: its project is in dimProject.
-- recordKey: key of the landed record in prepare.
-- projectId: its project.
-- requirementFolderName: its name.
-- description: its text.
-- isStale: it was read before the newest walk of its tree.
-- key: requirementFolderId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isProjectKnown, else quarantine
-- expect: requirementFolderName is not null, else warn
-- conserves: prepare.requirementFolder
with
folder as (select * from prepare.requirementFolder),

project as (select projectId from clean.dimProject),

setting as (select * from run.setting),

final as (
  select
    folder.recordKey,
    folder.requirementFolderId,
    folder.parentRequirementFolderId,
    folder.rootRequirementFolderId,
    folder.projectId,
    nullif(
      btrim(replace(folder.requirementFolderName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as requirementFolderName,
    nullif(
      btrim(replace(folder.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(
      btrim(replace(folder.path, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as folderPath,
    cast(from_utc_timestamp(folder.createdDateTime, setting.timeZone) as date) as createdDate,
    cast(from_utc_timestamp(folder.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    folder.depth,
    cast(row_number() over (
      partition by folder.requirementFolderId
      order by case when folder.isStale then 1 else 0 end, folder.extractedAt desc, folder.recordKey
    ) as int) as duplicateNumber,
    folder.isStale,
    project.projectId is not null as isProjectKnown
  from setting
  cross join folder
  left join project on folder.projectId = project.projectId
)

select * from final
