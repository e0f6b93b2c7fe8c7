-- One row per record at which its history changes. It is not made out for this API.
-- key: resource, sliceKey, runId, page, ordinal
with
final as (
  select
    cast(null as string) as resource,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as int) as page,
    cast(null as int) as ordinal,
    cast(null as string) as payloadHash,
    cast(null as bigint) as landedRelease,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as observedAt,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as previousWalkAt,
    cast(null as bigint) as endRelease,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as endedAt,
    cast(null as boolean) as isState,
    cast(null as boolean) as isAppearance
  where false
)

select * from final
