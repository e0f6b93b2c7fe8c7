-- One row per slice of the source: how old what we know of it is. A slice that could not be read completely keeps its earlier
-- rows and the date they are from; a slice below it is stale too. A slice that was not asked for, because nothing in it
-- was expected to have changed, is no younger for that: it is as of its last real walk, and skipReason says why.
-- lastCompleteDateTime: the newest walk that read the slice completely, or what had changed in it.
-- lastWholeDateTime: the newest that read it from end to end, up to which deletions are known.
-- lastWalkedDateTime: the newest walk at all.
-- ageDays: days from the day of the last complete walk to the as-of date, empty when there was none.
-- lastOutcome: how the newest walk ended, or skipped where there was none.
-- lastHttpStatus, lastMessage: the status of its last answer, and what was said about it.
-- skipCount: runs in a row that skipped it. skipReason: why the newest did.
-- walkCount: walks of the slice, ever.
-- declaredTotal: rows the API itself declared when this content was last read from end to end.
-- isPartial: part of what is known comes from a walk that asked only for what had changed.
-- isSkipped: the newest run did not ask for it.
-- isGone: the parent has disappeared, and the slice with it.
-- key: resource, sliceKey
-- expect: lastCompleteDateTime is not null or isStale, else warn
-- expect: not isStale or staleReason is not null, else fail
-- expect: not isSkipped or skipReason is not null, else warn
-- expect: ageDays >= 0 or ageDays is null, else warn
-- expect: isPartial or declaredTotal is null or declaredTotal in (rowCount, 0), else warn
with
slice as (select * from prepare.slice),

walk as (select * from log.slice),

project as (select projectId, projectName from refine.dimProject where projectId is not null),

testRelease as (select releaseId, releaseName from refine.dimRelease where releaseId is not null),

cycle as (select cycleId, cycleName from refine.dimCycle where cycleId is not null),

phase as (select cyclePhaseId, cyclePhaseName from refine.dimCyclePhase where cyclePhaseId is not null),

setting as (select * from run.setting),

asked as (
  select
    walk.*,
    max(case when walk.outcome <> 'skipped' then walk.walkedAt end) over (
      partition by walk.resource, walk.sliceKey
    ) as lastAskedAt
  from walk
),

walked as (
  select
    resource,
    sliceKey,
    max(lastAskedAt) as lastWalkedDateTime,
    max(case when outcome in ('complete', 'unchanged', 'partial', 'resumed', 'gone') then walkedAt end)
      as lastCompleteDateTime,
    max(case when outcome in ('complete', 'unchanged', 'gone') then walkedAt end) as lastWholeDateTime,
    count(case when outcome <> 'skipped' then 1 end) as walkCount,
    count(case when outcome = 'skipped' and (lastAskedAt is null or walkedAt > lastAskedAt) then 1 end) as skipCount
  from asked
  group by resource, sliceKey
),

rankedWalk as (
  select
    walk.*,
    row_number() over (
      partition by walk.resource, walk.sliceKey order by walk.walkedAt desc, walk.runId desc, walk.outcome
    ) as recency,
    row_number() over (
      partition by walk.resource, walk.sliceKey, walk.outcome in ('complete', 'unchanged')
      order by walk.walkedAt desc, walk.runId desc, walk.outcome
    ) as recencyOfKind
  from walk
),

lastWalk as (select * from rankedWalk where recency = 1),

lastWholeWalk as (select * from rankedWalk where recencyOfKind = 1 and outcome in ('complete', 'unchanged')),

dated as (
  select
    slice.*,
    -- The log may have been trimmed: the version the slice is at then says when it was last read.
    coalesce(walked.lastWalkedDateTime, slice.walkedAt) as lastWalkedDateTime,
    coalesce(
      walked.lastCompleteDateTime,
      case when slice.status = 'complete' then slice.walkedAt end
    ) as lastCompleteDateTime,
    walked.lastWholeDateTime,
    slice.baseRunId is not null as isPartial,
    coalesce(walked.walkCount, 0) as walkCount,
    coalesce(walked.skipCount, 0) as skipCount,
    lastWalk.outcome as lastOutcome,
    lastWalk.httpStatus as lastHttpStatus,
    lastWalk.message as lastMessage,
    coalesce(lastWalk.outcome = 'skipped', false) as isSkipped,
    lastWholeWalk.declaredTotal
  from slice
  left join walked on slice.resource = walked.resource and slice.sliceKey = walked.sliceKey
  left join lastWalk on slice.resource = lastWalk.resource and slice.sliceKey = lastWalk.sliceKey
  -- Of a walk that a later release of source knows already, nothing is told about the content of this one.
  left join lastWholeWalk
    on slice.resource = lastWholeWalk.resource
    and slice.sliceKey = lastWholeWalk.sliceKey
    and slice.contentHash = lastWholeWalk.contentHash
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
    -- The message goes on with the date of the last walk, which has a column of its own.
    case when dated.isSkipped then split_part(dated.lastMessage, '; walked ', 1) end as skipReason,
    setting.asOf,
    cast(from_utc_timestamp(dated.lastCompleteDateTime, setting.timeZone) as date) as lastCompleteDate,
    dated.lastCompleteDateTime,
    -- A walk that was gone on with after a kill is logged as resumed; unless it was partial, it was whole.
    coalesce(
      dated.lastWholeDateTime,
      case when not dated.isPartial then dated.lastCompleteDateTime end
    ) as lastWholeDateTime,
    dated.lastWalkedDateTime,
    date_diff(
      setting.asOf,
      cast(from_utc_timestamp(dated.lastCompleteDateTime, setting.timeZone) as date)
    ) as ageDays,
    dated.walkCount,
    dated.skipCount,
    dated.rowCount,
    dated.declaredTotal,
    dated.isPartial,
    dated.isSkipped,
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
