-- One row per cycle and row of source at which it appears, changes or is last seen,
-- trustworthy: text trimmed and days local to the tenant as in clean.dimCycle, so that a version is
-- told apart by what the lake shows of it.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in prepare.recordChange.
-- rowHash: hash of the columns whose change makes a version; what only counts edits or dates them is not among them.
-- key: recordKey
-- expect: cycleName is not null, else warn
-- conserves: prepare.dimCycleHistory
with
change as (select * from prepare.dimCycleHistory),

setting as (select * from run.setting),

tidied as (
  select
    change.recordKey,
    change.cycleId,
    change.releaseId,
    change.projectId,
    change.runId,
    nullif(
      btrim(replace(change.cycleName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as cycleName,
    nullif(
      btrim(replace(change.environment, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as environment,
    nullif(
      btrim(replace(change.build, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as build,
    change.cycleStatus,
    change.revision,
    cast(from_utc_timestamp(change.cycleStartDateTime, setting.timeZone) as date) as cycleStartDate,
    cast(from_utc_timestamp(change.cycleEndDateTime, setting.timeZone) as date) as cycleEndDate,
    change.createdDateTime,
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
      coalesce(cast(releaseId as string), chr(30)),
      coalesce(cast(projectId as string), chr(30)),
      coalesce(cast(cycleName as string), chr(30)),
      coalesce(cast(environment as string), chr(30)),
      coalesce(cast(build as string), chr(30)),
      coalesce(cast(cycleStatus as string), chr(30)),
      coalesce(cast(cycleStartDate as string), chr(30)),
      coalesce(cast(cycleEndDate as string), chr(30))
    )) as rowHash
  from tidied
),

final as (
  select
    recordKey,
    cycleId,
    releaseId,
    projectId,
    runId,
    cycleName,
    environment,
    build,
    cycleStatus,
    revision,
    cycleStartDate,
    cycleEndDate,
    createdDateTime,
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
