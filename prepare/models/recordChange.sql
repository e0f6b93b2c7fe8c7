-- One row per row of source at which a record of a slice appears, changes or is seen for the last time: the feed of all
-- history. Two landings of a record are compared by their payload hash; what landed unchanged in between is left out.
-- A whole listing says of every record whether it is there; a partial walk says nothing of what it does not name. What
-- could not be read (forbidden, failed) lands nothing, so it changes nothing and deletes nothing.
-- resource: the table of source it landed in.
-- landedRelease: the release of source that first had this content of the slice.
-- observedAt: the walk that landed it.
-- previousWalkAt: the walk that landed the content of the slice before, empty for its first.
-- endRelease, endedAt: the release and the walk of the first whole listing without the record, empty while it goes on.
-- isState: the record appears here, or its payload differs from the one before.
-- isAppearance: the record is new in its slice, or back after it was gone.
-- key: resource, sliceKey, runId, page, ordinal
-- expect: isState or endRelease is not null, else fail
-- expect: not isAppearance or isState, else fail
-- expect: endRelease > landedRelease or endRelease is null, else fail
-- incremental: sliceKey of source.slice, source.dimProject, source.dimRelease, source.dimReleaseAll, source.dimCycle,
--     source.dimTestcase, source.dimTestcaseRepository, source.dimRequirement
with
version as (select * from source.slice),

-- A listing that comes back unchanged is a new version with the rows of the old run: the first one is where it landed.
landing as (
  select
    resource,
    sliceKey,
    contentRunId as runId,
    min(release) as landedRelease,
    min(walkedAt) as observedAt,
    min(baseRunId) is null as isWhole
  from version
  where status = 'complete'
    and contentRunId is not null
    and resource in (
      'dimProject', 'dimRelease', 'dimReleaseAll', 'dimCycle', 'dimTestcase', 'dimTestcaseRepository', 'dimRequirement'
    )
  group by resource, sliceKey, contentRunId
),

-- The order is that of the releases: a clock that was put back must not turn history round.
numberedLanding as (
  select
    resource,
    sliceKey,
    runId,
    landedRelease,
    isWhole,
    row_number() over (partition by resource, sliceKey order by landedRelease, runId) as landingNumber,
    count(*) over (partition by resource, sliceKey) as landingCount,
    max(observedAt) over (
      partition by resource, sliceKey order by landedRelease, runId rows between unbounded preceding and current row
    ) as observedAt,
    max(observedAt) over (
      partition by resource, sliceKey order by landedRelease, runId rows between unbounded preceding and 1 preceding
    ) as previousWalkAt
  from landing
),

-- The next whole listing is where absence would show.
span as (
  select
    numberedLanding.*,
    min(case when isWhole then landingNumber end) over (
      partition by resource, sliceKey order by landingNumber rows between 1 following and unbounded following
    ) as endNumber,
    min(case when isWhole then landedRelease end) over (
      partition by resource, sliceKey order by landingNumber rows between 1 following and unbounded following
    ) as nextWholeRelease,
    min(case when isWhole then observedAt end) over (
      partition by resource, sliceKey order by landingNumber rows between 1 following and unbounded following
    ) as nextWholeAt
  from numberedLanding
),

landed as (
  select 'dimProject' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash from source.dimProject
  union all
  select 'dimRelease' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash from source.dimRelease
  union all
  select 'dimReleaseAll' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash from source.dimReleaseAll
  union all
  select 'dimCycle' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash from source.dimCycle
  union all
  select 'dimTestcase' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash from source.dimTestcase
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash
  from source.dimTestcaseRepository
  union all
  select 'dimRequirement' as resource, sliceKey, runId, page, ordinal, recordId, payloadHash
  from source.dimRequirement
),

seen as (
  select
    landed.resource,
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.payloadHash,
    span.landedRelease,
    span.observedAt,
    span.previousWalkAt,
    span.landingNumber,
    span.landingCount,
    span.endNumber,
    span.nextWholeRelease,
    span.nextWholeAt
  from span
  join landed
    on span.resource = landed.resource and span.sliceKey = landed.sliceKey and span.runId = landed.runId
  where landed.recordId is not null
),

-- Most slices landed once: their records need no comparison, and none is sorted.
compared as (
  select
    seen.*,
    lag(payloadHash) over beside as formerHash,
    lag(endNumber) over beside as formerEndNumber,
    lead(landingNumber) over beside as nextNumber
  from seen
  where landingCount > 1
  window beside as (partition by resource, sliceKey, recordId order by landingNumber, page, ordinal)
),

judged as (
  select
    compared.*,
    formerHash is null or coalesce(formerEndNumber < landingNumber, false) as isAppearance,
    endNumber is not null and coalesce(nextNumber > endNumber, true) as isEnd
  from compared
),

final as (
  select
    resource,
    sliceKey,
    runId,
    recordId,
    page,
    ordinal,
    payloadHash,
    landedRelease,
    observedAt,
    previousWalkAt,
    case when isEnd then nextWholeRelease end as endRelease,
    case when isEnd then nextWholeAt end as endedAt,
    isAppearance or payloadHash <> formerHash as isState,
    isAppearance
  from judged
  where isAppearance or payloadHash <> formerHash or isEnd
  union all
  select
    resource,
    sliceKey,
    runId,
    recordId,
    page,
    ordinal,
    payloadHash,
    landedRelease,
    observedAt,
    previousWalkAt,
    null as endRelease,
    null as endedAt,
    true as isState,
    true as isAppearance
  from seen
  where landingCount = 1
)

select * from final
