-- One row per version of a project: what it was called and how it stood, and from when to when.
-- A change of projectVersion alone, which only counts edits, makes no version.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the walk that saw it, for the record does not say when it changed.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- sourceRunId: the run of source that first saw the version, empty where only other records tell of it.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version of the record.
-- isCurrent: the newest version of the record.
-- isDeleted: from then on the record was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: projectVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
-- expect: projectName is not null, else fail
with
change as (select * from clean.dimProjectHistory),

dimension as (select * from transform.dimProject),

version as (select * from transform.recordVersion where kind = 'project'),

-- A flag to test, for the engine takes a null test on a join key for one on the other side.
known as (select projectId, true as isKnown from change group by projectId),

final as (
  select
    xxhash64('zephyr', 'project', change.projectId, cast(version.effectiveFrom as string)) as projectVersionKey,
    xxhash64('zephyr', 'project', change.projectId) as projectKey,
    change.projectId,
    change.externalId,
    coalesce(change.projectName, concat('Project ', change.projectId)) as projectName,
    change.description,
    change.projectStatus,
    change.externalSystem,
    change.isolationLevel,
    change.projectVersion,
    change.projectStartDate,
    change.projectEndDate,
    change.createdDateTime,
    change.isActive,
    change.isShared,
    change.isGlobal,
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
  -- What the star holds without a listing of its own has the one version that is known, and so has the Unknown project.
  select
    case
      when dimension.projectKey = -1 then -1
      else xxhash64('zephyr', 'project', 'current', dimension.projectKey)
    end as projectVersionKey,
    dimension.projectKey,
    dimension.projectId,
    dimension.externalId,
    dimension.projectName,
    dimension.description,
    dimension.projectStatus,
    dimension.externalSystem,
    dimension.isolationLevel,
    dimension.projectVersion,
    dimension.projectStartDate,
    dimension.projectEndDate,
    dimension.createdDateTime,
    dimension.isActive,
    dimension.isShared,
    dimension.isGlobal,
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
  left join known on dimension.projectId = known.projectId
  where known.isKnown is null
)

select * from final
