-- One row per slice of the source: how old what we know of it is. A slice that could not be read completely keeps its earlier
-- rows and the date they are from; a slice below it is stale too.
-- lastCompleteDateTime: the newest walk that read the slice completely; lastWalkedDateTime: the newest walk at all.
-- ageDays: days from the day of the last complete walk to the as-of date, empty when there was none. lastOutcome says how
-- the newest walk ended; isGone: the parent has disappeared, and the slice with it.
-- key: resource, sliceKey
-- expect: lastCompleteDateTime is not null or isStale, else warn
-- expect: not isStale or staleReason is not null, else fail
-- expect: ageDays >= 0 or ageDays is null, else warn
with
slice as (select * from prepare.slice),

walk as (select * from log.slice),

project as (select projectId, projectName from refine.dimProject where projectId is not null),

testRelease as (select releaseId, releaseName from refine.dimRelease where releaseId is not null),

cycle as (select cycleId, cycleName from refine.dimCycle where cycleId is not null),

phase as (select cyclePhaseId, cyclePhaseName from refine.dimCyclePhase where cyclePhaseId is not null),

setting as (select * from run.setting),

walked as (
  select
    resource,
    sliceKey,
    max(walkedAt) as lastWalkedDateTime,
    max(case when outcome in ('complete', 'unchanged', 'resumed', 'gone') then walkedAt end) as lastCompleteDateTime,
    count(*) as walkCount
  from walk
  group by resource, sliceKey
),

rankedWalk as (
  select
    walk.*,
    row_number() over (
      partition by walk.resource, walk.sliceKey order by walk.walkedAt desc, walk.runId desc, walk.outcome
    ) as recency
  from walk
),

lastWalk as (select * from rankedWalk where recency = 1),

dated as (
  select
    slice.*,
    -- The log may have been trimmed: the version the slice is at then says when it was last read.
    coalesce(walked.lastWalkedDateTime, slice.walkedAt) as lastWalkedDateTime,
    coalesce(
      walked.lastCompleteDateTime,
      case when slice.status = 'complete' then slice.walkedAt end
    ) as lastCompleteDateTime,
    coalesce(walked.walkCount, 0) as walkCount,
    lastWalk.outcome as lastOutcome,
    lastWalk.httpStatus as lastHttpStatus,
    lastWalk.message as lastMessage
  from slice
  left join walked on slice.resource = walked.resource and slice.sliceKey = walked.sliceKey
  left join lastWalk on slice.resource = lastWalk.resource and slice.sliceKey = lastWalk.sliceKey
),

final as (
  select
    dated.resource,
    dated.sliceKey,
    dated.projectId,
    dated.releaseId,
    dated.cycleId,
    dated.cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    phase.cyclePhaseName,
    dated.status,
    dated.lastOutcome,
    dated.lastHttpStatus,
    dated.lastMessage,
    dated.staleReason,
    setting.asOf,
    cast(from_utc_timestamp(dated.lastCompleteDateTime, setting.timeZone) as date) as lastCompleteDate,
    dated.lastCompleteDateTime,
    dated.lastWalkedDateTime,
    date_diff(
      setting.asOf,
      cast(from_utc_timestamp(dated.lastCompleteDateTime, setting.timeZone) as date)
    ) as ageDays,
    dated.walkCount,
    dated.rowCount,
    coalesce(dated.lastOutcome = 'gone', false) as isGone,
    dated.isStale
  from setting
  cross join dated
  left join project on dated.projectId = project.projectId
  left join testRelease on dated.releaseId = testRelease.releaseId
  left join cycle on dated.cycleId = cycle.cycleId
  left join phase on dated.cyclePhaseId = phase.cyclePhaseId
)

select * from final
