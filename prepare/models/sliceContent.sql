-- One row per slice and run whose rows belong to the slice's current content, with the order in which they override:
-- a record is current in the row of the run with the least overrideOrder that landed it, and in no other.
-- A whole listing is the content of one run alone. A partial walk asks only for what changed since an earlier one, so
-- the content is then what every complete walk landed from the last whole listing on, the newest first.
-- To read a resource that is walked partially, join its rows here on sliceKey and runId, number them with
-- row_number() over (partition by sliceKey, recordId order by overrideOrder, page, ordinal), and keep the first.
-- runId: run whose rows belong to the content.
-- landedRelease: release of source that landed them.
-- overrideOrder: 1 for the newest rows, rising to the oldest.
-- isPartial: whether the run asked only for what changed.
-- isBaseKnown: whether the whole listing these rows override is there.
-- key: resource, sliceKey, runId
-- expect: baseRunId is null or isBaseKnown, else fail
with
version as (select * from source.slice),

complete as (
  select
    version.resource,
    version.sliceKey,
    version.release,
    version.runId,
    version.contentRunId,
    version.baseRunId,
    version.rowCount,
    version.walkedAt
  from version
  where version.status = 'complete' and version.contentRunId is not null
),

rankedComplete as (
  select
    complete.*,
    row_number() over (
      partition by complete.resource, complete.sliceKey
      order by complete.release desc, complete.runId desc
    ) as recency
  from complete
),

-- A slice that cannot be seen at present keeps what it was when last complete.
current as (select * from rankedComplete where recency = 1),

-- A listing that comes back unchanged is a new version with the rows of the old run: the first one is where it landed.
landing as (
  select
    resource,
    sliceKey,
    contentRunId,
    min(baseRunId) as baseRunId,
    min(release) as landedRelease
  from complete
  group by resource, sliceKey, contentRunId
),

base as (
  select resource, sliceKey, contentRunId, landedRelease from landing where baseRunId is null
),

span as (
  select
    current.resource,
    current.sliceKey,
    current.contentRunId,
    current.baseRunId,
    base.landedRelease as baseRelease
  from current
  left join base
    on current.resource = base.resource
    and current.sliceKey = base.sliceKey
    and current.baseRunId = base.contentRunId
),

member as (
  select
    span.resource,
    span.sliceKey,
    landing.contentRunId as runId,
    span.baseRunId,
    landing.landedRelease,
    landing.baseRunId is not null as isPartial,
    span.baseRelease is not null as isBaseKnown
  from span
  join landing on span.resource = landing.resource and span.sliceKey = landing.sliceKey
  where landing.contentRunId = span.contentRunId
    or (span.baseRunId is not null and landing.landedRelease >= span.baseRelease)
),

final as (
  select
    resource,
    sliceKey,
    runId,
    baseRunId,
    landedRelease,
    cast(row_number() over (
      partition by resource, sliceKey order by landedRelease desc, runId desc
    ) as int) as overrideOrder,
    isPartial,
    isBaseKnown
  from member
)

select * from final
