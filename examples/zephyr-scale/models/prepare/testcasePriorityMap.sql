-- One row per priority with its rank. None are ranked for this API: see dimPriority for their names.
-- key: priority
with
final as (
  select
    cast(null as string) as priority,
    cast(null as string) as priorityName,
    cast(null as string) as priorityCategory,
    cast(null as int) as priorityNumeric,
    cast(null as boolean) as isInTenantList,
    cast(null as boolean) as isNumericReadable
  where false
)

select * from final
