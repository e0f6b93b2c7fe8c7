-- One row per requirement, folder and row of source at which it appears, changes or is last seen,
-- trustworthy: text trimmed and days local to the tenant as in clean.dimRequirement, so that a version is
-- told apart by what the lake shows of it.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in prepare.recordChange.
-- rowHash: hash of the columns whose change makes a version; what only counts edits or dates them is not among them.
-- key: recordKey
-- expect: requirementName is not null, else warn
-- conserves: prepare.dimRequirementHistory
with
change as (select * from prepare.dimRequirementHistory),

setting as (select * from run.setting),

tidied as (
  select
    change.recordKey,
    change.requirementId,
    change.projectId,
    change.requirementFolderId,
    change.runId,
    nullif(
      btrim(replace(change.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalId,
    nullif(
      btrim(replace(change.requirementName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as requirementName,
    nullif(
      btrim(replace(change.details, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as details,
    nullif(
      btrim(replace(change.url, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as url,
    nullif(
      btrim(replace(change.priority, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as priority,
    change.requirementType,
    change.createdDateTime,
    change.lastModifiedDateTime,
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
      coalesce(cast(projectId as string), chr(30)),
      coalesce(cast(externalId as string), chr(30)),
      coalesce(cast(requirementName as string), chr(30)),
      coalesce(cast(details as string), chr(30)),
      coalesce(cast(url as string), chr(30)),
      coalesce(cast(priority as string), chr(30)),
      coalesce(cast(requirementType as string), chr(30))
    )) as rowHash
  from tidied
),

final as (
  select
    recordKey,
    requirementId,
    projectId,
    requirementFolderId,
    runId,
    externalId,
    requirementName,
    details,
    url,
    priority,
    requirementType,
    createdDateTime,
    lastModifiedDateTime,
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
