-- One row per version of a test cycle: what it was called and how it stood, and from when to when.
-- A change of revision alone, which only counts edits (also those of phases), makes no version. releaseKey and projectKey name
-- what may be gone by now.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the walk that saw it, for the record does not say when it changed.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- sourceRunId: the run of source that first saw the version, empty where only other records tell of it.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version of the record.
-- isCurrent: the newest version of the record.
-- isDeleted: from then on the record was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: cycleVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
-- expect: cycleName is not null, else fail
with
change as (select * from clean.dimCycleHistory),

dimension as (select * from transform.dimCycle),

version as (select * from transform.recordVersion where kind = 'cycle'),

-- A flag to test, for the engine takes a null test on a join key for one on the other side.
known as (select cycleId, true as isKnown from change group by cycleId),

final as (
  select
    xxhash64('zephyr', 'cycle', change.cycleId, cast(version.effectiveFrom as string)) as cycleVersionKey,
    xxhash64('zephyr', 'cycle', change.cycleId) as cycleKey,
    xxhash64('zephyr', 'release', change.releaseId) as releaseKey,
    xxhash64('zephyr', 'project', change.projectId) as projectKey,
    change.cycleId,
    change.releaseId,
    change.projectId,
    coalesce(change.cycleName, concat('Cycle ', change.cycleId)) as cycleName,
    change.environment,
    change.build,
    change.cycleStatus,
    change.revision,
    change.cycleStartDate,
    change.cycleEndDate,
    change.createdDateTime,
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
  -- What the star holds without a listing of its own has the one version that is known, and so has the Unknown cycle.
  select
    case
      when dimension.cycleKey = -1 then -1
      else xxhash64('zephyr', 'cycle', 'current', dimension.cycleKey)
    end as cycleVersionKey,
    dimension.cycleKey,
    dimension.releaseKey,
    dimension.projectKey,
    dimension.cycleId,
    dimension.releaseId,
    dimension.projectId,
    dimension.cycleName,
    dimension.environment,
    dimension.build,
    dimension.cycleStatus,
    dimension.revision,
    dimension.cycleStartDate,
    dimension.cycleEndDate,
    dimension.createdDateTime,
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
  left join known on dimension.cycleId = known.cycleId
  where known.isKnown is null
)

select * from final
