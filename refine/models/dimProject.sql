-- One row per project, and the Unknown project (-1).
-- projectAgeDays: days from its creation to the as-of date.
-- key: projectKey
with
project as (select * from transform.dimProject),

setting as (select * from run.setting),

final as (
  select
    project.projectKey,
    project.projectId,
    project.externalId,
    project.dtsId,
    project.projectName,
    project.description,
    project.projectStatus,
    project.externalSystem,
    project.isolationLevel,
    project.projectVersion,
    project.projectStartDate,
    project.projectEndDate,
    project.createdDate,
    project.createdDateTime,
    date_diff(setting.asOf, project.createdDate) as projectAgeDays,
    project.isActive,
    project.isShared,
    project.isGlobal,
    project.isStale
  from setting
  cross join project
)

select * from final
