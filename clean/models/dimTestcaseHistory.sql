-- One row per placement of a test case and row of source at which it appears, changes or is last seen,
-- trustworthy: text trimmed and days local to the tenant as in clean.dimTestcase, so that a version is
-- told apart by what the lake shows of it.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in prepare.recordChange.
-- rowHash: hash of the columns whose change makes a version; what only counts edits or dates them is not among them.
-- key: recordKey
-- expect: testcaseName is not null, else warn
-- conserves: prepare.dimTestcaseHistory
with
change as (select * from prepare.dimTestcaseHistory),

setting as (select * from run.setting),

tidied as (
  select
    change.recordKey,
    change.testcaseId,
    change.testcaseVersionId,
    change.projectId,
    change.runId,
    nullif(
      btrim(replace(change.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalId,
    nullif(
      btrim(replace(change.testcaseName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as testcaseName,
    nullif(
      btrim(replace(change.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(
      btrim(replace(change.priority, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as priority,
    nullif(
      btrim(replace(change.tag, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as tag,
    nullif(
      btrim(replace(change.testcaseType, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as testcaseType,
    change.versionNumber,
    change.createdDateTime,
    change.lastModifiedDateTime,
    change.isAutomated,
    change.landedRelease,
    change.observedAt,
    change.previousWalkAt,
    change.endRelease,
    change.endedAt,
    change.isState,
    change.isAppearance
  from setting
  cross join change
),

hashed as (
  select
    tidied.*,
    xxhash64(concat_ws(
      chr(31),
      coalesce(cast(testcaseVersionId as string), chr(30)),
      coalesce(cast(externalId as string), chr(30)),
      coalesce(cast(testcaseName as string), chr(30)),
      coalesce(cast(description as string), chr(30)),
      coalesce(cast(priority as string), chr(30)),
      coalesce(cast(tag as string), chr(30)),
      coalesce(cast(testcaseType as string), chr(30)),
      coalesce(cast(versionNumber as string), chr(30)),
      coalesce(cast(isAutomated as string), chr(30))
    )) as rowHash
  from tidied
),

final as (
  select
    recordKey,
    testcaseId,
    testcaseVersionId,
    projectId,
    runId,
    externalId,
    testcaseName,
    description,
    priority,
    tag,
    testcaseType,
    versionNumber,
    createdDateTime,
    lastModifiedDateTime,
    isAutomated,
    landedRelease,
    observedAt,
    previousWalkAt,
    endRelease,
    endedAt,
    rowHash,
    isState,
    isAppearance
  from hashed
)

select * from final
