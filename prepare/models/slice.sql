-- One row per slice: its newest version, the run whose rows are its current content, and whether it, or a slice
-- above it, could not be read completely when last asked for. The ids of the ancestors come from the slice key.
-- baseRunId is empty where the content is one whole listing, all of it landed by contentRunId; where it is not, the
-- content is put together from several runs, as sliceContent says.
-- listName: name of the list of values, for slices that are one.
-- sourceRelease: release of source that recorded the newest version.
-- staleReason: why it is stale, and which slice above it is the cause.
-- key: resource, sliceKey
-- expect: sliceKey = '{}' or projectId is not null or listName is not null, else fail
-- expect: status in ('complete', 'forbidden', 'failed'), else fail
with
version as (select * from source.slice),

-- Which listings have to be read for a slice to be reached at all, the nearest first.
ancestry as (
  select resource, ancestor, distance
  from (
    values
      ('dimRelease', 'dimProject', 1),
      ('dimCycle', 'dimRelease', 1),
      ('dimCycle', 'dimProject', 2),
      ('factExecution', 'dimCycle', 1),
      ('factExecution', 'dimRelease', 2),
      ('factExecution', 'dimProject', 3),
      ('dimFolder', 'dimRelease', 1),
      ('dimFolder', 'dimProject', 2),
      ('dimTestcase', 'dimFolder', 1),
      ('dimTestcase', 'dimRelease', 2),
      ('dimTestcase', 'dimProject', 3),
      ('dimFolderRepository', 'dimProject', 1),
      ('dimTestcaseRepository', 'dimFolderRepository', 1),
      ('dimTestcaseRepository', 'dimProject', 2),
      ('dimRequirementFolder', 'dimProject', 1),
      ('dimRequirement', 'dimRequirementFolder', 1),
      ('dimRequirement', 'dimProject', 2),
      ('releaseSummary', 'dimRelease', 1),
      ('releaseSummary', 'dimProject', 2)
  ) as ancestorOf(resource, ancestor, distance)
),

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
    from_json(
      sliceKey,
      'projectId bigint, releaseId bigint, cycleId bigint, cyclePhaseId bigint, folderId bigint,
       requirementFolderId bigint, listName string'
    ) as ancestor,
    release as sourceRelease,
    runId,
    contentRunId,
    baseRunId,
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
    latest.ancestor.cyclePhaseId as cyclePhaseId,
    latest.ancestor.folderId as folderId,
    latest.ancestor.requirementFolderId as requirementFolderId,
    latest.ancestor.listName as listName
  from latest
),

incomplete as (
  select
    resource,
    coalesce(projectId, -1) as projectId,
    coalesce(releaseId, -1) as releaseId,
    coalesce(reason, status) as reason
  from placed
  where isIncomplete and resource in (select ancestor from ancestry)
),

-- A slice's key begins with that of every slice above it.
above as (
  select
    placed.resource,
    placed.sliceKey,
    ancestry.ancestor,
    ancestry.distance,
    case when ancestry.ancestor = 'dimProject' then -1 else placed.projectId end as projectId,
    case when ancestry.ancestor in ('dimCycle', 'dimFolder') then placed.releaseId else -1 end as releaseId
  from placed
  join ancestry on placed.resource = ancestry.resource
),

rankedCause as (
  select
    above.resource,
    above.sliceKey,
    incomplete.reason,
    row_number() over (partition by above.resource, above.sliceKey order by above.distance) as nearness
  from above
  join incomplete
    on above.ancestor = incomplete.resource
    and above.projectId = incomplete.projectId
    and above.releaseId = incomplete.releaseId
),

cause as (select * from rankedCause where nearness = 1),

judged as (
  select
    placed.*,
    -- The nearest incomplete slice says best why: its own reason is the concrete one, those further up explain it.
    case when placed.isIncomplete then coalesce(placed.reason, placed.status) else cause.reason end as staleReason
  from placed
  left join cause on placed.resource = cause.resource and placed.sliceKey = cause.sliceKey
),

final as (
  select
    resource,
    sliceKey,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    folderId,
    requirementFolderId,
    runId,
    contentRunId,
    baseRunId,
    listName,
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
