-- One row per project and row of source at which it appears, changes or is last seen,
-- trustworthy: text trimmed and days local to the tenant as in clean.dimProject, so that a version is
-- told apart by what the lake shows of it.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in prepare.recordChange.
-- rowHash: hash of the columns whose change makes a version; what only counts edits or dates them is not among them.
-- key: recordKey
-- expect: projectName is not null, else warn
-- conserves: prepare.dimProjectHistory
with
change as (select * from prepare.dimProjectHistory),

setting as (select * from run.setting),

tidied as (
  select
    change.recordKey,
    change.projectId,
    nullif(
      btrim(replace(change.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalId,
    change.runId,
    nullif(
      btrim(replace(change.projectName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectName,
    nullif(
      btrim(replace(change.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(
      btrim(replace(change.projectStatus, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as projectStatus,
    nullif(
      btrim(replace(change.externalSystem, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as externalSystem,
    change.isolationLevel,
    change.projectVersion,
    cast(from_utc_timestamp(change.projectStartDateTime, setting.timeZone) as date) as projectStartDate,
    cast(from_utc_timestamp(change.projectEndDateTime, setting.timeZone) as date) as projectEndDate,
    change.createdDateTime,
    change.isActive,
    change.isShared,
    change.isGlobal,
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
      coalesce(cast(externalId as string), chr(30)),
      coalesce(cast(projectName as string), chr(30)),
      coalesce(cast(description as string), chr(30)),
      coalesce(cast(projectStatus as string), chr(30)),
      coalesce(cast(externalSystem as string), chr(30)),
      coalesce(cast(isolationLevel as string), chr(30)),
      coalesce(cast(projectStartDate as string), chr(30)),
      coalesce(cast(projectEndDate as string), chr(30)),
      coalesce(cast(isActive as string), chr(30)),
      coalesce(cast(isShared as string), chr(30)),
      coalesce(cast(isGlobal as string), chr(30))
    )) as rowHash
  from tidied
),

final as (
  select
    recordKey,
    projectId,
    externalId,
    runId,
    projectName,
    description,
    projectStatus,
    externalSystem,
    isolationLevel,
    projectVersion,
    projectStartDate,
    projectEndDate,
    createdDateTime,
    isActive,
    isShared,
    isGlobal,
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
