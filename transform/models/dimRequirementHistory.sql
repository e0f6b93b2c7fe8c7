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

version as (select * from transform.recordVersion where kind = 'requirement'),

final as (
  select
    xxhash64('zephyr', 'requirement', change.requirementId, cast(version.effectiveFrom as string)) as requirementVersionKey,
    xxhash64('zephyr', 'requirement', change.requirementId) as requirementKey,
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
    version.effectiveTo,
    change.runId as sourceRunId,
    version.rowHash,
    version.isCurrent,
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
    cast(1 as int) as versionSequence,
    arrow_cast(cast('1970-01-01' as date), 'Timestamp(Microsecond, Some("UTC"))') as effectiveFrom,
    arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))') as effectiveTo,
    null as sourceRunId,
    null as rowHash,
    true as isCurrent,
    false as isDeleted,
    true as isContiguous
)

select * from final
