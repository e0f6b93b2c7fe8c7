-- One row per version of a requirement. This API has no requirements.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as requirementId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as requirementFolderId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as externalId,
    cast(null as string) as requirementName,
    cast(null as string) as details,
    cast(null as string) as url,
    cast(null as string) as priority,
    cast(null as bigint) as requirementType,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
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
