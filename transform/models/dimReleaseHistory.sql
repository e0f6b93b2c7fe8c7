-- One row per version of a release: what it was called and how it stood, and from when to when.
-- projectKey names a project that may be gone by now.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the walk that saw it, for the record does not say when it changed.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- sourceRunId: the run of source that first saw the version, empty where only other records tell of it.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version of the record.
-- isCurrent: the newest version of the record.
-- isDeleted: from then on the record was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: releaseVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
-- expect: releaseName is not null, else fail
with
change as (select * from clean.dimReleaseHistory),

dimension as (select * from transform.dimRelease),

entity as (
  select
    releaseId,
    min(rowHash) as rowHash,
    max(rowHash) as otherHash,
    count(endRelease) as endCount,
    min(observedAt) as observedAt,
    min(createdDateTime) as createdDateTime,
    min(recordKey) as recordKey,
    min(landedRelease) as firstRelease,
    max(landedRelease) as lastRelease
  from change
  group by releaseId
),

-- Most records have never changed: they are done without being sorted.
constant as (
  select
    releaseId,
    least(observedAt, coalesce(createdDateTime, observedAt)) as effectiveFrom,
    rowHash,
    recordKey
  from entity
  where rowHash = otherHash and endCount = 0 and firstRelease = lastRelease
),

moving as (
  select change.*
  from entity
  join change on entity.releaseId = change.releaseId
  where entity.rowHash <> entity.otherHash
    or entity.endCount > 0
    or entity.firstRelease < entity.lastRelease
),

-- The same state seen in several places by one run counts once.
state as (
  select
    releaseId,
    rowHash,
    landedRelease,
    min(createdDateTime) as createdDateTime,
    min(observedAt) as observedAt,
    max(previousWalkAt) as previousWalkAt,
    min(recordKey) as recordKey
  from moving
  where isState
  group by releaseId, rowHash, landedRelease
),

numberedState as (
  select
    state.*,
    row_number() over (
      partition by releaseId
      order by landedRelease, rowHash
    ) as number
  from state
),

datedState as (
  select
    numberedState.*,
    case
      when number = 1 then least(observedAt, coalesce(createdDateTime, observedAt))
      else observedAt
    end as effectiveFrom
  from numberedState
),

-- In how many places the record stands: it is deleted when none is left, not when it moves.
step as (
  select releaseId, landedRelease as release, observedAt as steppedAt, 1 as change
  from moving
  where isAppearance
  union all
  select releaseId, endRelease as release, endedAt as steppedAt, -1 as change
  from moving
  where endRelease is not null
),

releaseStep as (
  select releaseId, release, max(steppedAt) as steppedAt, sum(change) as change
  from step
  group by releaseId, release
),

presence as (
  select
    releaseStep.*,
    sum(change) over (
      partition by releaseId order by release rows between unbounded preceding and current row
    ) as placeCount
  from releaseStep
),

event as (
  select
    releaseId,
    effectiveFrom,
    landedRelease,
    rowHash,
    recordKey,
    false as isDeleted
  from datedState
  union all
  select
    releaseId,
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
      partition by releaseId
      order by effectiveFrom, landedRelease, isDeleted desc, rowHash nulls first
    ) as nextFrom
  from event
),

effective as (select * from followed where nextFrom is null or nextFrom > effectiveFrom),

preceded as (
  select
    effective.*,
    lag(rowHash) over (partition by releaseId order by effectiveFrom) as formerHash,
    lag(recordKey) over (partition by releaseId order by effectiveFrom) as formerRecordKey,
    lag(isDeleted) over (partition by releaseId order by effectiveFrom) as wasDeleted
  from effective
),

changed as (
  select
    releaseId,
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
    lead(effectiveFrom) over (partition by releaseId order by effectiveFrom) as nextFrom,
    row_number() over (partition by releaseId order by effectiveFrom) as versionSequence,
    row_number() over (partition by releaseId order by effectiveFrom desc) as recency
  from changed
),

version as (
  select
    releaseId,
    effectiveFrom,
    nextFrom,
    rowHash,
    recordKey,
    versionSequence,
    recency,
    isDeleted,
    versionSequence = 1
      or lag(nextFrom) over (partition by releaseId order by effectiveFrom) = effectiveFrom as isContiguous
  from movingVersion
  union all
  select
    releaseId,
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

-- A flag to test, for the engine takes a null test on a join key for one on the other side.
known as (select releaseId, true as isKnown from change group by releaseId),

everyVersion as (
  select
    xxhash64('zephyr', 'release', version.releaseId, cast(version.effectiveFrom as string)) as releaseVersionKey,
    xxhash64('zephyr', 'release', version.releaseId) as releaseKey,
    xxhash64('zephyr', 'project', change.projectId) as projectKey,
    change.releaseId,
    change.projectId,
    coalesce(change.releaseName, concat('Release ', change.releaseId)) as releaseName,
    change.description,
    change.releaseStatus,
    change.orderId,
    change.releaseStartDate,
    change.releaseEndDate,
    change.createdDateTime,
    change.isGlobal,
    change.isSyncEnabled,
    change.isPseudoRelease,
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
  -- What the star holds without a listing of its own has the one version that is known, and so has the Unknown release.
  select
    case
      when dimension.releaseKey = -1 then -1
      else xxhash64('zephyr', 'release', 'current', dimension.releaseKey)
    end as releaseVersionKey,
    dimension.releaseKey,
    dimension.projectKey,
    dimension.releaseId,
    dimension.projectId,
    dimension.releaseName,
    dimension.description,
    dimension.releaseStatus,
    dimension.orderId,
    dimension.releaseStartDate,
    dimension.releaseEndDate,
    dimension.createdDateTime,
    dimension.isGlobal,
    dimension.isSyncEnabled,
    dimension.isPseudoRelease,
    1 as versionSequence,
    coalesce(
      dimension.createdDateTime,
      arrow_cast(cast('1970-01-01' as date), 'Timestamp(Microsecond, Some("UTC"))')
    ) as effectiveFrom,
    null as nextFrom,
    null as sourceRunId,
    null as rowHash,
    true as isCurrent,
    false as isDeleted,
    true as isContiguous
  from dimension
  left join known on dimension.releaseId = known.releaseId
  where known.isKnown is null
),

final as (
  select
    releaseVersionKey,
    releaseKey,
    projectKey,
    releaseId,
    projectId,
    releaseName,
    description,
    releaseStatus,
    orderId,
    releaseStartDate,
    releaseEndDate,
    createdDateTime,
    isGlobal,
    isSyncEnabled,
    isPseudoRelease,
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
