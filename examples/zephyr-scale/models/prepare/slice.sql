-- One row per slice: its newest version, the run whose rows are its current content, and whether it, or the list of
-- projects above it, could not be read completely when last asked for. The API chooses by a project's key, so that is
-- what slice keys hold; the project's id is looked up in the current list of projects. Where baseRunId is not empty the
-- content is put together from several runs, as sliceContent says.
-- key: resource, sliceKey
-- expect: sliceKey = '{}' or projectKey is not null, else fail
-- expect: status in ('complete', 'forbidden', 'failed'), else fail
with
version as (select * from source.slice),

landedProject as (select * from source.dimProject),

rankedVersion as (
  select
    version.*,
    row_number() over (
      partition by version.resource, version.sliceKey
      order by version.release desc, version.runId desc
    ) as recency
  from version
),

latest as (
  select
    rankedVersion.*,
    from_json(rankedVersion.sliceKey, 'projectKey string') as ancestor,
    rankedVersion.status <> 'complete' as isIncomplete
  from rankedVersion
  where rankedVersion.recency = 1
),

parsedProject as (
  select from_json(landedProject.payload, 'id bigint, key string') as p
  from landedProject
  join latest
    on latest.resource = 'dimProject'
    and landedProject.sliceKey = latest.sliceKey
    and landedProject.runId = latest.contentRunId
),

project as (
  select parsedProject.p.key as projectKey, min(parsedProject.p.id) as projectId
  from parsedProject
  group by parsedProject.p.key
),

projectList as (
  select coalesce(reason, status) as reason from latest where resource = 'dimProject' and isIncomplete
),

placed as (
  select
    latest.*,
    latest.ancestor.projectKey as projectKey
  from latest
),

judged as (
  select
    placed.*,
    project.projectId,
    case
      when placed.isIncomplete then coalesce(placed.reason, placed.status)
      else projectList.reason
    end as staleReason
  from placed
  left join project on placed.projectKey = project.projectKey
  left join projectList on placed.resource <> 'dimProject'
),

final as (
  select
    resource,
    sliceKey,
    projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    projectKey,
    runId,
    contentRunId,
    baseRunId,
    status,
    reason,
    staleReason,
    contentHash,
    walkedAt,
    release as sourceRelease,
    rowCount,
    staleReason is not null as isStale
  from judged
)

select * from final
