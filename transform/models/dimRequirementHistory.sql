-- One row per version of a requirement: what it was called and how it stood, and from when to when. It may lie in several
-- folders, and is deleted when it lies in none.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the record's own last change where that lies between the two walks, else from the walk.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- sourceRunId: the run of source that first saw the version, empty where only other records tell of it.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version of the record.
-- isCurrent: the newest version of the record.
-- isDeleted: from then on the record was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: requirementVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
-- expect: requirementName is not null, else fail
with
change as (select * from clean.dimRequirementHistory),

entity as (
  select
    requirementId,
    min(rowHash) as rowHash,
    max(rowHash) as otherHash,
    count(endRelease) as endCount,
    min(observedAt) as observedAt,
    min(createdDateTime) as createdDateTime,
    min(recordKey) as recordKey,
    min(landedRelease) as firstRelease,
    max(landedRelease) as lastRelease
  from change
  group by requirementId
),

-- Most records have never changed: they are done without being sorted.
constant as (
  select
    requirementId,
    least(observedAt, coalesce(createdDateTime, observedAt)) as effectiveFrom,
    rowHash,
    recordKey
  from entity
  where rowHash = otherHash and endCount = 0 and firstRelease = lastRelease
),

moving as (
  select change.*
  from entity
  join change on entity.requirementId = change.requirementId
  where entity.rowHash <> entity.otherHash
    or entity.endCount > 0
    or entity.firstRelease < entity.lastRelease
),

-- The same state seen in several places by one run counts once.
state as (
  select
    requirementId,
    rowHash,
    landedRelease,
    lastModifiedDateTime,
    min(createdDateTime) as createdDateTime,
    min(observedAt) as observedAt,
    max(previousWalkAt) as previousWalkAt,
    min(recordKey) as recordKey
  from moving
  where isState
  group by requirementId, rowHash, landedRelease, lastModifiedDateTime
),

numberedState as (
  select
    state.*,
    row_number() over (
      partition by requirementId
      order by landedRelease, lastModifiedDateTime nulls first, rowHash
    ) as number
  from state
),

datedState as (
  select
    numberedState.*,
    case
      when number = 1 then least(observedAt, coalesce(createdDateTime, observedAt))
      when lastModifiedDateTime <= observedAt and lastModifiedDateTime > previousWalkAt
        then lastModifiedDateTime
      else observedAt
    end as effectiveFrom
  from numberedState
),

-- In how many places the record stands: it is deleted when none is left, not when it moves.
step as (
  select requirementId, landedRelease as release, observedAt as steppedAt, 1 as change
  from moving
  where isAppearance
  union all
  select requirementId, endRelease as release, endedAt as steppedAt, -1 as change
  from moving
  where endRelease is not null
),

releaseStep as (
  select requirementId, release, max(steppedAt) as steppedAt, sum(change) as change
  from step
  group by requirementId, release
),

presence as (
  select
    releaseStep.*,
    sum(change) over (
      partition by requirementId order by release rows between unbounded preceding and current row
    ) as placeCount
  from releaseStep
),

event as (
  select
    requirementId,
    effectiveFrom,
    landedRelease,
    rowHash,
    recordKey,
    false as isDeleted
  from datedState
  union all
  select
    requirementId,
    steppedAt as effectiveFrom,
    release as landedRelease,
    null as rowHash,
    null as recordKey,
    true as isDeleted
  from presence
  where placeCount = 0 and change < 0
),

-- Of what holds from the same instant, only the last ever held.
followed as (
  select
    event.*,
    lead(effectiveFrom) over (
      partition by requirementId
      order by effectiveFrom, landedRelease, isDeleted desc, rowHash nulls first
    ) as nextFrom
  from event
),

effective as (select * from followed where nextFrom is null or nextFrom > effectiveFrom),

preceded as (
  select
    effective.*,
    lag(rowHash) over (partition by requirementId order by effectiveFrom) as formerHash,
    lag(recordKey) over (partition by requirementId order by effectiveFrom) as formerRecordKey,
    lag(isDeleted) over (partition by requirementId order by effectiveFrom) as wasDeleted
  from effective
),

changed as (
  select
    requirementId,
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
    lead(effectiveFrom) over (partition by requirementId order by effectiveFrom) as nextFrom,
    row_number() over (partition by requirementId order by effectiveFrom) as versionSequence,
    row_number() over (partition by requirementId order by effectiveFrom desc) as recency
  from changed
),

version as (
  select
    requirementId,
    effectiveFrom,
    nextFrom,
    rowHash,
    recordKey,
    versionSequence,
    recency,
    isDeleted,
    versionSequence = 1
      or lag(nextFrom) over (partition by requirementId order by effectiveFrom) = effectiveFrom as isContiguous
  from movingVersion
  union all
  select
    requirementId,
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

everyVersion as (
  select
    xxhash64('zephyr', 'requirement', version.requirementId, cast(version.effectiveFrom as string)) as requirementVersionKey,
    xxhash64('zephyr', 'requirement', version.requirementId) as requirementKey,
    xxhash64('zephyr', 'project', change.projectId) as projectKey,
    change.requirementId,
    change.projectId,
    change.externalId,
    coalesce(change.requirementName, concat('Requirement ', change.requirementId)) as requirementName,
    change.details,
    change.url,
    change.priority,
    change.requirementType,
    change.createdDateTime,
    change.lastModifiedDateTime,
    version.versionSequence,
    version.effectiveFrom,
    version.nextFrom,
    change.runId as sourceRunId,
    version.rowHash,
    version.recency = 1 as isCurrent,
    version.isDeleted,
    version.isContiguous
  from version
  join change on version.recordKey = change.recordKey
  union all
  select
    -1 as requirementVersionKey,
    -1 as requirementKey,
    -1 as projectKey,
    null as requirementId,
    null as projectId,
    null as externalId,
    'Unknown' as requirementName,
    null as details,
    null as url,
    null as priority,
    null as requirementType,
    null as createdDateTime,
    null as lastModifiedDateTime,
    1 as versionSequence,
    arrow_cast(cast('1970-01-01' as date), 'Timestamp(Microsecond, Some("UTC"))') as effectiveFrom,
    null as nextFrom,
    null as sourceRunId,
    null as rowHash,
    true as isCurrent,
    false as isDeleted,
    true as isContiguous
),

final as (
  select
    requirementVersionKey,
    requirementKey,
    projectKey,
    requirementId,
    projectId,
    externalId,
    requirementName,
    details,
    url,
    priority,
    requirementType,
    createdDateTime,
    lastModifiedDateTime,
    cast(versionSequence as int) as versionSequence,
    effectiveFrom,
    coalesce(nextFrom, arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')) as effectiveTo,
    sourceRunId,
    cast(rowHash as string) as rowHash,
    isCurrent,
    isDeleted,
    isContiguous
  from everyVersion
)

select * from final
