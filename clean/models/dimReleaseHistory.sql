-- One row per release and row of source at which it appears, changes or is last seen,
-- trustworthy: text trimmed and days local to the tenant as in clean.dimRelease, so that a version is
-- told apart by what the lake shows of it.
-- landedRelease, observedAt, previousWalkAt, endRelease, endedAt, isState, isAppearance: as in prepare.recordChange.
-- rowHash: hash of the columns whose change makes a version; what only counts edits or dates them is not among them.
-- key: recordKey
-- expect: releaseName is not null, else warn
-- conserves: prepare.dimReleaseHistory
with
change as (select * from prepare.dimReleaseHistory),

setting as (select * from run.setting),

tidied as (
  select
    change.recordKey,
    change.releaseId,
    change.projectId,
    change.runId,
    nullif(
      btrim(replace(change.releaseName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as releaseName,
    nullif(
      btrim(replace(change.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    change.releaseStatus,
    change.orderId,
    cast(from_utc_timestamp(change.releaseStartDateTime, setting.timeZone) as date) as releaseStartDate,
    cast(from_utc_timestamp(change.releaseEndDateTime, setting.timeZone) as date) as releaseEndDate,
    change.createdDateTime,
    change.isGlobal,
    change.isSyncEnabled,
    change.isPseudoRelease,
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
      coalesce(cast(releaseName as string), chr(30)),
      coalesce(cast(description as string), chr(30)),
      coalesce(cast(releaseStatus as string), chr(30)),
      coalesce(cast(orderId as string), chr(30)),
      coalesce(cast(releaseStartDate as string), chr(30)),
      coalesce(cast(releaseEndDate as string), chr(30)),
      coalesce(cast(isGlobal as string), chr(30)),
      coalesce(cast(isSyncEnabled as string), chr(30)),
      coalesce(cast(isPseudoRelease as string), chr(30))
    )) as rowHash
  from tidied
),

final as (
  select
    recordKey,
    releaseId,
    projectId,
    runId,
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
