-- One row per project, and the Unknown project (-1). A project without a name is called by its id.
-- key: projectKey
-- expect: projectName is not null, else fail
with
project as (select * from clean.dimProject),

keyed as (
  select
    xxhash64('zephyr', 'project', project.projectId) as projectKey,
    project.projectId,
    project.externalId,
    project.dtsId,
    coalesce(project.projectName, concat('Project ', project.projectId)) as projectName,
    project.description,
    project.projectStatus,
    project.externalSystem,
    project.isolationLevel,
    project.projectVersion,
    project.projectStartDate,
    project.projectEndDate,
    project.createdDate,
    project.createdDateTime,
    project.isActive,
    project.isShared,
    project.isGlobal,
    project.isStale
  from project
),

final as (
  select * from keyed
  union all
  select
    -1 as projectKey,
    null as projectId,
    null as externalId,
    null as dtsId,
    'Unknown' as projectName,
    null as description,
    null as projectStatus,
    null as externalSystem,
    null as isolationLevel,
    null as projectVersion,
    null as projectStartDate,
    null as projectEndDate,
    null as createdDate,
    null as createdDateTime,
    null as isActive,
    null as isShared,
    null as isGlobal,
    null as isStale
)

select * from final
