-- One row per version of a test case. None are made of this API: transform gives every test case its current version.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as testcaseId,
    cast(null as bigint) as testcaseVersionId,
    cast(null as bigint) as projectId,
    cast(null as string) as externalId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as testcaseName,
    cast(null as string) as description,
    cast(null as string) as priority,
    cast(null as string) as tag,
    cast(null as string) as testcaseType,
    cast(null as bigint) as versionNumber,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    cast(null as boolean) as isAutomated,
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
