-- One row per project, trustworthy: text trimmed, dates as local days of the tenant, doubles set aside.
-- A day comes as an instant and as a text; both must name the same local day.
-- key: projectId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isProjectStartDateAgreed, else quarantine
-- expect: isProjectEndDateAgreed, else quarantine
-- expect: projectName is not null, else warn
-- expect: projectEndDate >= projectStartDate or projectEndDate is null or projectStartDate is null, else warn
-- conserves: prepare.dimProject
with
project as (select * from prepare.dimProject),

setting as (select * from run.setting),

tidied as (
  select
    project.recordKey,
    project.projectId,
    project.dtsId,
    nullif(btrim(replace(project.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as externalId,
    nullif(
      btrim(replace(project.projectName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectName,
    nullif(
      btrim(replace(project.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(
      btrim(replace(project.projectStatus, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectStatus,
    nullif(
      btrim(replace(project.externalSystem, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalSystem,
    project.isolationLevel,
    project.projectVersion,
    nullif(
      btrim(replace(project.projectStartDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectStartDateText,
    nullif(
      btrim(replace(project.projectEndDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectEndDateText,
    cast(from_utc_timestamp(project.projectStartDateTime, setting.timeZone) as date) as startLocalDate,
    cast(from_utc_timestamp(project.projectEndDateTime, setting.timeZone) as date) as endLocalDate,
    cast(from_utc_timestamp(project.createdDateTime, setting.timeZone) as date) as createdDate,
    project.createdDateTime,
    project.isActive,
    project.isShared,
    project.isGlobal,
    project.isStale,
    row_number() over (
      partition by project.projectId
      order by case when project.isStale then 1 else 0 end, project.extractedAt desc, project.recordKey
    ) as duplicateNumber
  from setting
  cross join project
),

dated as (
  select
    tidied.*,
    case when regexp_like(projectStartDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(projectStartDateText, '/', 3),
      lpad(split_part(projectStartDateText, '/', 1), 2, '0'),
      lpad(split_part(projectStartDateText, '/', 2), 2, '0')
    ) as date) end as startTextDate,
    case when regexp_like(projectEndDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(projectEndDateText, '/', 3),
      lpad(split_part(projectEndDateText, '/', 1), 2, '0'),
      lpad(split_part(projectEndDateText, '/', 2), 2, '0')
    ) as date) end as endTextDate
  from tidied
),

final as (
  select
    recordKey,
    projectId,
    externalId,
    dtsId,
    projectName,
    description,
    projectStatus,
    externalSystem,
    isolationLevel,
    projectVersion,
    coalesce(startLocalDate, startTextDate) as projectStartDate,
    projectStartDateText,
    coalesce(endLocalDate, endTextDate) as projectEndDate,
    projectEndDateText,
    createdDate,
    createdDateTime,
    cast(duplicateNumber as int) as duplicateNumber,
    isActive,
    isShared,
    isGlobal,
    isStale,
    case
      when projectStartDateText is null then true
      when startTextDate is null then false
      when startLocalDate is null then true
      else startLocalDate = startTextDate
    end as isProjectStartDateAgreed,
    case
      when projectEndDateText is null then true
      when endTextDate is null then false
      when endLocalDate is null then true
      else endLocalDate = endTextDate
    end as isProjectEndDateAgreed
  from dated
)

select * from final
