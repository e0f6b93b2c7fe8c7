-- One row per slice: its newest version, the run whose rows are its current content, and whether it, or a slice
-- above it, could not be read completely when last asked for. The ids of the ancestors come from the slice key.
-- key: resource, sliceKey
-- expect: sliceKey = '{}' or projectId is not null, else fail
-- expect: status in ('complete', 'forbidden', 'failed'), else fail
with
version as (select * from source.slice),

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
    resource,
    sliceKey,
    from_json(sliceKey, 'projectId bigint, releaseId bigint, cycleId bigint, cyclePhaseId bigint') as ancestor,
    release as sourceRelease,
    runId,
    contentRunId,
    status,
    reason,
    contentHash,
    walkedAt,
    rowCount,
    status <> 'complete' as isIncomplete
  from rankedVersion
  where recency = 1
),

placed as (
  select
    latest.*,
    latest.ancestor.projectId as projectId,
    latest.ancestor.releaseId as releaseId,
    latest.ancestor.cycleId as cycleId,
    latest.ancestor.cyclePhaseId as cyclePhaseId
  from latest
),

projectList as (
  select coalesce(reason, status) as reason from placed where resource = 'dimProject' and isIncomplete
),

releaseList as (
  select projectId, coalesce(reason, status) as reason from placed where resource = 'dimRelease' and isIncomplete
),

cycleList as (
  select projectId, releaseId, coalesce(reason, status) as reason from placed where resource = 'dimCycle' and isIncomplete
),

judged as (
  select
    placed.*,
    -- The nearest incomplete slice says best why: its own reason is the concrete one, those further up explain it.
    case
      when placed.isIncomplete then coalesce(placed.reason, placed.status)
      else coalesce(cycleList.reason, releaseList.reason, projectList.reason)
    end as staleReason
  from placed
  left join cycleList
    on placed.resource = 'factExecution'
    and placed.projectId = cycleList.projectId
    and placed.releaseId = cycleList.releaseId
  left join releaseList
    on placed.resource in ('dimCycle', 'factExecution')
    and placed.projectId = releaseList.projectId
  left join projectList
    on placed.resource in ('dimRelease', 'dimCycle', 'factExecution')
),

final as (
  select
    resource,
    sliceKey,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    runId,
    contentRunId,
    status,
    reason,
    staleReason,
    contentHash,
    walkedAt,
    sourceRelease,
    rowCount,
    staleReason is not null as isStale
  from judged
)

select * from final
