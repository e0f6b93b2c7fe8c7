-- One row per version of a project, release, cycle, test case or requirement: which state it was in, and from when to when. How
-- versions come about is said here once, for all of them.
-- kind: project, release, cycle, testcase or requirement.
-- entityId: its id.
-- recordKey: the record that shows the state.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the record's own last change where that lies between the two walks, else from the walk. A version
-- with a number of its own holds from its own last change, known or not at the time.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- isCurrent: the newest version.
-- isDeleted: from then on it was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: kind, entityId, effectiveFrom
-- incremental: entityId of clean.dimProjectHistory.projectId, clean.dimReleaseHistory.releaseId,
--     clean.dimCycleHistory.cycleId, clean.dimTestcaseHistory.testcaseId, clean.dimRequirementHistory.requirementId
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
with
change as (
  select
    'project' as kind,
    projectId as entityId,
    recordKey,
    rowHash,
    cast(null as bigint) as versionNumber,
    createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance
  from clean.dimProjectHistory
  union all
  select
    'release' as kind,
    releaseId as entityId,
    recordKey,
    rowHash,
    cast(null as bigint) as versionNumber,
    createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance
  from clean.dimReleaseHistory
  union all
  select
    'cycle' as kind,
    cycleId as entityId,
    recordKey,
    rowHash,
    cast(null as bigint) as versionNumber,
    createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance
  from clean.dimCycleHistory
  union all
  select
    'testcase' as kind,
    testcaseId as entityId,
    recordKey,
    rowHash,
    versionNumber as versionNumber,
    createdDateTime,
    lastModifiedDateTime as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance
  from clean.dimTestcaseHistory
  union all
  select
    'requirement' as kind,
    requirementId as entityId,
    recordKey,
    rowHash,
    cast(null as bigint) as versionNumber,
    createdDateTime,
    lastModifiedDateTime as lastModifiedDateTime,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    isState,
    isAppearance
  from clean.dimRequirementHistory
),

entity as (
  select
    kind,
    entityId,
    min(rowHash) as rowHash,
    max(rowHash) as otherHash,
    count(endRelease) as endCount,
    min(observedAt) as observedAt,
    min(createdDateTime) as createdDateTime,
    min(recordKey) as recordKey,
    min(landedRelease) as firstRelease,
    max(landedRelease) as lastRelease
  from change
  group by kind, entityId
),

-- Most records have never changed: they are done without being sorted.
constant as (
  select
    kind,
    entityId,
    least(observedAt, coalesce(createdDateTime, observedAt)) as effectiveFrom,
    rowHash,
    recordKey
  from entity
  where rowHash = otherHash and endCount = 0 and firstRelease = lastRelease
),

moving as (
  select change.*
  from entity
  join change on entity.kind = change.kind and entity.entityId = change.entityId
  where entity.rowHash <> entity.otherHash
    or entity.endCount > 0
    or entity.firstRelease < entity.lastRelease
),

-- The same state seen in several places by one run counts once.
state as (
  select
    kind,
    entityId,
    rowHash,
    landedRelease,
    versionNumber,
    lastModifiedDateTime,
    min(createdDateTime) as createdDateTime,
    min(observedAt) as observedAt,
    max(previousWalkAt) as previousWalkAt,
    min(recordKey) as recordKey
  from moving
  where isState
  group by kind, entityId, rowHash, landedRelease, versionNumber, lastModifiedDateTime
),

numberedState as (
  select
    state.*,
    row_number() over (
      partition by kind, entityId
      order by versionNumber nulls first, landedRelease, lastModifiedDateTime nulls first, rowHash
    ) as number,
    row_number() over (
      partition by kind, entityId, versionNumber
      order by landedRelease, lastModifiedDateTime nulls first, rowHash
    ) as numberInVersion
  from state
),

datedState as (
  select
    numberedState.*,
    case
      when number = 1 then least(observedAt, coalesce(createdDateTime, observedAt))
      when lastModifiedDateTime <= observedAt and (numberInVersion = 1 or lastModifiedDateTime > previousWalkAt)
        then lastModifiedDateTime
      else observedAt
    end as effectiveFrom
  from numberedState
),

-- In how many places the record stands: it is deleted when none is left, not when it moves.
step as (
  select kind, entityId, landedRelease as release, observedAt as steppedAt, 1 as change
  from moving
  where isAppearance
  union all
  select kind, entityId, endRelease as release, endedAt as steppedAt, -1 as change
  from moving
  where endRelease is not null
),

releaseStep as (
  select kind, entityId, release, max(steppedAt) as steppedAt, sum(change) as change
  from step
  group by kind, entityId, release
),

presence as (
  select
    releaseStep.*,
    sum(change) over (
      partition by kind, entityId order by release rows between unbounded preceding and current row
    ) as placeCount
  from releaseStep
),

event as (
  select
    kind,
    entityId,
    effectiveFrom,
    landedRelease,
    versionNumber,
    rowHash,
    recordKey,
    false as isDeleted
  from datedState
  union all
  select
    kind,
    entityId,
    steppedAt as effectiveFrom,
    release as landedRelease,
    null as versionNumber,
    null as rowHash,
    null as recordKey,
    true as isDeleted
  from presence
  where placeCount = 0 and change < 0
),

-- A version that is older than one already in effect is only seen late, in another place; it does not come into effect.
ranked as (
  select
    event.*,
    max(versionNumber) over (
      partition by kind, entityId
      order by effectiveFrom, landedRelease, isDeleted desc, versionNumber nulls first, rowHash nulls first
      rows between unbounded preceding and current row
    ) as newestVersion
  from event
),

relevant as (
  select * from ranked where isDeleted or newestVersion is null or versionNumber = newestVersion
),

-- Of what holds from the same instant, only the last ever held.
followed as (
  select
    relevant.*,
    lead(effectiveFrom) over (
      partition by kind, entityId
      order by effectiveFrom, landedRelease, isDeleted desc, versionNumber nulls first, rowHash nulls first
    ) as nextFrom
  from relevant
),

effective as (select * from followed where nextFrom is null or nextFrom > effectiveFrom),

preceded as (
  select
    effective.*,
    lag(rowHash) over (partition by kind, entityId order by effectiveFrom) as formerHash,
    lag(recordKey) over (partition by kind, entityId order by effectiveFrom) as formerRecordKey,
    lag(isDeleted) over (partition by kind, entityId order by effectiveFrom) as wasDeleted
  from effective
),

changed as (
  select
    kind,
    entityId,
    effectiveFrom,
    coalesce(rowHash, formerHash) as rowHash,
    coalesce(recordKey, formerRecordKey) as recordKey,
    isDeleted
  from preceded
  where case
    when isDeleted then not wasDeleted
    else wasDeleted is null or wasDeleted or rowHash <> formerHash
  end
),

movingVersion as (
  select
    changed.*,
    lead(effectiveFrom) over (partition by kind, entityId order by effectiveFrom) as nextFrom,
    row_number() over (partition by kind, entityId order by effectiveFrom) as versionSequence,
    row_number() over (partition by kind, entityId order by effectiveFrom desc) as recency
  from changed
),

version as (
  select
    kind,
    entityId,
    effectiveFrom,
    nextFrom,
    rowHash,
    recordKey,
    versionSequence,
    recency,
    isDeleted,
    versionSequence = 1
      or lag(nextFrom) over (partition by kind, entityId order by effectiveFrom) = effectiveFrom as isContiguous
  from movingVersion
  union all
  select
    kind,
    entityId,
    effectiveFrom,
    null as nextFrom,
    rowHash,
    recordKey,
    1 as versionSequence,
    1 as recency,
    false as isDeleted,
    true as isContiguous
  from constant
),

final as (
  select
    kind,
    entityId,
    recordKey,
    cast(rowHash as string) as rowHash,
    cast(versionSequence as int) as versionSequence,
    effectiveFrom,
    coalesce(nextFrom, arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')) as effectiveTo,
    recency = 1 as isCurrent,
    isDeleted,
    isContiguous
  from version
)

select * from final
