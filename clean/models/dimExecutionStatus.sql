-- One row per execution status code with its category, trustworthy: the status map as prepared, text trimmed.
-- key: statusCode
-- expect: category in ('Success', 'Failure', 'Blocked', 'Pending', 'Other'), else fail
-- conserves: prepare.statusMap
with
statusMap as (select * from prepare.statusMap),

final as (
  select
    statusCode,
    nullif(btrim(replace(statusName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as statusName,
    category,
    nullif(btrim(replace(color, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as color,
    mappingSource,
    severity,
    sortOrder,
    isInTenantList,
    isActive
  from statusMap
)

select * from final
