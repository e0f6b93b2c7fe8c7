-- One row per requirement and folder it lies in, trustworthy: text trimmed, days local to the tenant, its project known. A creation
-- day whose two forms disagree is only reported, and left empty: a requirement that is not there could not be covered.
-- recordKey: key of the landed record in prepare.
-- requirementId: id of the requirement.
-- projectId: its project.
-- requirementFolderId: the folder of this row.
-- createdById, lastModifiedById: users who made it and who changed it last.
-- externalId: its id in the system it was brought over from.
-- requirementName: its name.
-- details: its text.
-- url: the address it gives.
-- priority: code of the priority, 1 the most urgent.
-- requirementType: code of the type.
-- requirementPriorityName: what the priority is called, from testcasePriorityMap.
-- requirementPriorityNumeric: 1 Critical, 2 High, 3 Medium, 4 Low, from testcasePriorityMap.
-- requirementTypeCategory: what its type counts as, from requirementTypeMap.
-- releaseIds: releases it is allocated to, divided by commas; empty for one that counts in every release of its project.
-- createdDate, lastModifiedDate: local days.
-- createdDateText: the creation day as the server writes it.
-- createdDateTime, lastModifiedDateTime: instants.
-- attachmentCount: files attached to it.
-- isBddSupported: it is written for behaviour-driven tests.
-- isStale: it was read before the newest walk of its folder.
-- placeNumber: 1 in the row that stands for the requirement where only one can.
-- duplicateNumber: 1, or higher for the same requirement in the same folder once more.
-- isRegulatoryRequirement: from requirementAttributes; empty where that says nothing.
-- isCreatedDateAgreed: the stamp of the creation day and its text name the same day.
-- isProjectKnown: its project is in dimProject.
-- key: requirementId, requirementFolderId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isProjectKnown, else quarantine
-- expect: requirementName is not null, else warn
-- expect: isCreatedDateAgreed, else warn
-- expect: requirementPriorityNumeric is not null or priority is null, else warn
-- expect: requirementTypeCategory is not null or requirementType is null, else warn
-- conserves: prepare.dimRequirement
with
requirement as (select * from prepare.dimRequirement),

project as (select projectId from clean.dimProject),

priorityMap as (select priority, priorityName, priorityNumeric from prepare.testcasePriorityMap),

typeMap as (select requirementType, requirementTypeCategory from prepare.requirementTypeMap),

attribute as (select requirementId, isRegulatoryRequirement from prepare.requirementAttributes),

setting as (select * from run.setting),

tidied as (
  select
    requirement.recordKey,
    requirement.requirementId,
    requirement.projectId,
    requirement.requirementFolderId,
    requirement.createdById,
    requirement.lastModifiedById,
    nullif(
      btrim(replace(requirement.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalId,
    nullif(
      btrim(replace(requirement.requirementName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as requirementName,
    nullif(
      btrim(replace(requirement.details, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as details,
    nullif(
      btrim(replace(requirement.url, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as url,
    nullif(
      btrim(replace(requirement.priority, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as priority,
    requirement.requirementType,
    requirement.releaseIds,
    nullif(
      btrim(replace(requirement.createdDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as createdDateText,
    cast(from_utc_timestamp(requirement.createdDayDateTime, setting.timeZone) as date) as createdLocalDay,
    cast(from_utc_timestamp(requirement.createdDateTime, setting.timeZone) as date) as createdLocalDate,
    cast(from_utc_timestamp(requirement.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    requirement.createdDateTime,
    requirement.lastModifiedDateTime,
    requirement.extractedAt,
    requirement.attachmentCount,
    requirement.isBddSupported,
    requirement.isStale,
    project.projectId is not null as isProjectKnown,
    row_number() over (
      partition by requirement.requirementId, requirement.requirementFolderId
      order by case when requirement.isStale then 1 else 0 end, requirement.extractedAt desc, requirement.recordKey
    ) as duplicateNumber
  from setting
  cross join requirement
  left join project on requirement.projectId = project.projectId
),

dated as (
  select
    tidied.*,
    case when regexp_like(createdDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(createdDateText, '/', 3),
      lpad(split_part(createdDateText, '/', 1), 2, '0'),
      lpad(split_part(createdDateText, '/', 2), 2, '0')
    ) as date) end as createdTextDate,
    row_number() over (
      partition by requirementId
      order by
        case when isProjectKnown then 0 else 1 end,
        duplicateNumber,
        case when isStale then 1 else 0 end,
        lastModifiedDateTime desc nulls last,
        requirementFolderId,
        recordKey
    ) as placeNumber
  from tidied
),

judged as (
  select
    dated.*,
    case
      when createdDateText is null then true
      when createdTextDate is null then false
      when createdLocalDay is null then true
      else createdLocalDay = createdTextDate
    end as isCreatedDateAgreed
  from dated
),

final as (
  select
    judged.recordKey,
    judged.requirementId,
    judged.projectId,
    judged.requirementFolderId,
    judged.createdById,
    judged.lastModifiedById,
    judged.externalId,
    judged.requirementName,
    judged.details,
    judged.url,
    judged.priority,
    priorityMap.priorityName as requirementPriorityName,
    priorityMap.priorityNumeric as requirementPriorityNumeric,
    judged.requirementType,
    typeMap.requirementTypeCategory,
    judged.releaseIds,
    case
      when judged.isCreatedDateAgreed
        then coalesce(judged.createdLocalDay, judged.createdTextDate, judged.createdLocalDate)
    end as createdDate,
    judged.createdDateText,
    judged.createdDateTime,
    judged.lastModifiedDate,
    judged.lastModifiedDateTime,
    judged.attachmentCount,
    cast(judged.placeNumber as int) as placeNumber,
    cast(judged.duplicateNumber as int) as duplicateNumber,
    judged.isBddSupported,
    attribute.isRegulatoryRequirement,
    judged.isStale,
    judged.isCreatedDateAgreed,
    judged.isProjectKnown
  from judged
  left join priorityMap on judged.priority = priorityMap.priority
  left join typeMap on judged.requirementType = typeMap.requirementType
  left join attribute on judged.requirementId = attribute.requirementId
)

select * from final
