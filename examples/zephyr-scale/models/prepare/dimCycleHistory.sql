-- One row per version of a cycle. None are made of this API: transform gives every cycle its current version.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as cycleName,
    cast(null as string) as environment,
    cast(null as string) as build,
    cast(null as bigint) as cycleStatus,
    cast(null as bigint) as revision,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as cycleStartDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as cycleEndDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
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
