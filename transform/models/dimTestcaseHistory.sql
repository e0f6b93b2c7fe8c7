-- One row per version of a test case: what it was called and how it stood, and from when to when. The folders tell of every
-- version that still lies in one; a test case that lies in none is known by its current row only.
-- projectId: the project of the folder it was first seen in; a shared test case lies in several.
-- effectiveFrom: the first version holds from when the record was created, where that is known, else from the walk that first
-- saw it; a later one from the record's own last change where that lies between the two walks, else from the walk.
-- A version with a number of its own holds from its own last change, known or not at the time.
-- effectiveTo: the instant from which the next one holds, 9999-12-31 where there is none.
-- sourceRunId: the run of source that first saw the version, empty where only other records tell of it.
-- rowHash: hash of the columns whose change makes a version.
-- versionSequence: 1 for the first version of the record.
-- isCurrent: the newest version of the record.
-- isDeleted: from then on the record was no longer listed; it stands here as it was last seen.
-- isContiguous: it begins on the instant on which the version before it ends.
-- key: testcaseVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- expect: isCurrent = (effectiveTo >= arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))')), else fail
-- expect: isContiguous, else fail
-- expect: testcaseName is not null, else fail
with
change as (select * from clean.dimTestcaseHistory),

dimension as (select * from transform.dimTestcase),

version as (select * from transform.recordVersion where kind = 'testcase'),

-- A flag to test, for the engine takes a null test on a join key for one on the other side.
known as (select testcaseId, true as isKnown from change group by testcaseId),

final as (
  select
    xxhash64('zephyr', 'testcase', change.testcaseId, cast(version.effectiveFrom as string)) as testcaseVersionKey,
    xxhash64('zephyr', 'testcase', change.testcaseId) as testcaseKey,
    change.testcaseId,
    change.testcaseVersionId,
    change.projectId,
    change.externalId,
    coalesce(change.testcaseName, concat('Test case ', change.testcaseId)) as testcaseName,
    change.description,
    change.priority,
    change.tag,
    change.testcaseType,
    change.versionNumber,
    change.createdDateTime,
    change.lastModifiedDateTime,
    change.isAutomated,
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
  -- What the star holds without a listing of its own has the one version that is known, and so has the Unknown test case.
  select
    case
      when dimension.testcaseKey = -1 then -1
      else xxhash64('zephyr', 'testcase', 'current', dimension.testcaseKey)
    end as testcaseVersionKey,
    dimension.testcaseKey,
    dimension.testcaseId,
    dimension.testcaseVersionId,
    dimension.projectId,
    dimension.externalId,
    dimension.testcaseName,
    dimension.description,
    dimension.priority,
    dimension.tag,
    dimension.testcaseType,
    dimension.versionNumber,
    arrow_cast(dimension.createdDate, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    dimension.lastModifiedDateTime,
    dimension.isAutomated,
    cast(1 as int) as versionSequence,
    coalesce(
      arrow_cast(dimension.createdDate, 'Timestamp(Microsecond, Some("UTC"))'),
      dimension.lastModifiedDateTime,
      arrow_cast(cast('1970-01-01' as date), 'Timestamp(Microsecond, Some("UTC"))')
    ) as effectiveFrom,
    arrow_cast(cast('9999-12-31' as date), 'Timestamp(Microsecond, Some("UTC"))') as effectiveTo,
    null as sourceRunId,
    null as rowHash,
    true as isCurrent,
    false as isDeleted,
    true as isContiguous
  from dimension
  left join known on dimension.testcaseId = known.testcaseId
  where known.isKnown is null
)

select * from final
