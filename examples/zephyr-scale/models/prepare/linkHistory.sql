-- One row per link of a test case and a requirement. This API has no requirements.
-- key: testcaseId, requirementId
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as testcaseId,
    cast(null as bigint) as requirementId,
    cast(null as bigint) as linkId,
    cast(null as bigint) as projectId,
    cast(null as string) as namedBy,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as linkCreatedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as firstSeenDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastSeenDateTime,
    cast(null as boolean) as isActive,
    cast(null as boolean) as isStale
  where false
)

select * from final
