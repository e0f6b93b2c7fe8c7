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
    slice.baseRunId i