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

version as (select * from transform.recordVersion where kind = 'release'),

-- A flag to test, for the engine takes a null test on a join key for one on the other side.
known as (select releaseId, true as isKnown from change group by releaseId),

final as (
  select
    xxhash64('zephyr', 'release', change.releaseId, cast(version.effectiveFrom as string)) as releaseVersionKey,
    xxhash64('zephyr', 'release', change.releaseId) as releaseKey,
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
    version.effectiveTo,
    change.runId as sourceRunId,
    version.rowHash,
    version.isCurrent,
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
    cast(1 as int) as versionSequence,
    coalesce(
      dimension.createdDateTime,
      arrow_cast(cast('1970-01-01' as date), 'Timestamp(Microsecond, Some("UTC"))')
    ) as effectiveFrom,
    arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))') as effectiveTo,
    null as sourceRunId,
    null as rowHash,
    true as isCurrent,
    false as isDeleted,
    true as isContiguous
  from dimension
  left join known on dimension.releaseId = known.releaseId
  where known.isKnown is null
)

select * from final
