-- One row per version of a release. None are made of this API: transform gives every release its current version.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as projectId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as releaseName,
    cast(null as string) as description,
    cast(null as bigint) as releaseStatus,
    cast(null as bigint) as orderId,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as releaseStartDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as releaseEndDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    cast(null as boolean) as isGlobal,
    cast(null as boolean) as isSyncEnabled,
    cast(null as boolean) as isPseudoRelease,
    cast(null as bigint) as landedRelease,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as observedAt,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as previousWalkAt,
    cast(null as bigint) as endRelease,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as endedAt,
    cast(null as boolean) as isState,
    cast(null as boolean) as isAppearance,
    cast(null as boolean) as hasUnreadableInstant
  where false
)

select * from final
