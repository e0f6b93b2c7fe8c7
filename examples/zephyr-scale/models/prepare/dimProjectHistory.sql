-- One row per version of a project. None are made of this API: transform gives every project its current version.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as projectId,
    cast(null as string) as externalId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as projectName,
    cast(null as string) as description,
    cast(null as string) as projectStatus,
    cast(null as string) as externalSystem,
    cast(null as bigint) as isolationLevel,
    cast(null as bigint) as projectVersion,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as projectStartDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as projectEndDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    cast(null as boolean) as isActive,
    cast(null as boolean) as isShared,
    cast(null as boolean) as isGlobal,
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
