-- One row per execution status of a project, with the category everything afterwards goes by. Ids mean nothing here, so
-- the category comes from the override file (by id), else from the name the product ships a status with, else it is
-- Other. 'absent' stands for a row that carries no status.
-- key: statusCode
-- expect: category in ('Success', 'Failure', 'Blocked', 'Pending', 'Other'), else fail
-- expect: category <> 'Other' or mappingSource = 'override', else warn
with
entry as (select * from prepare.dimExecutionStatus where duplicateNumber = 1),

override as (
  select
    btrim(statusCode) as statusCode,
    btrim(category) as category,
    nullif(btrim(statusName), '') as statusName
  from reference.statusOverride
),

shipped as (
  select statusName, category
  from (
    values
      ('not executed', 'Pending'),
      ('in progress', 'Pending'),
      ('pass', 'Success'),
      ('fail', 'Failure'),
      ('blocked', 'Blocked')
  ) as shippedName(statusName, category)
),

mapped as (
  select
    entry.statusCode,
    coalesce(override.statusName, entry.statusName) as statusName,
    coalesce(override.category, shipped.category, 'Other') as category,
    entry.color,
    case
      when override.statusCode is not null then 'override'
      when shipped.statusName is not null then 'shipped name'
      else 'none'
    end as mappingSource,
    true as isInTenantList,
    entry.isActive
  from entry
  left join override on entry.statusCode = override.statusCode
  left join shipped on lower(entry.statusName) = shipped.statusName
  union all
  select
    'absent' as statusCode,
    'Not executed' as statusName,
    'Pending' as category,
    cast(null as string) as color,
    'fixed code' as mappingSource,
    false as isInTenantList,
    true as isActive
),

final as (
  select
    statusCode,
    statusName,
    category,
    color,
    mappingSource,
    cast(case category
      when 'Success' then 1
      when 'Pending' then 2
      when 'Blocked' then 3
      when 'Failure' then 4
    end as int) as severity,
    cast(case category
      when 'Success' then 1
      when 'Failure' then 2
      when 'Blocked' then 3
      when 'Pending' then 4
      else 5
    end as int) as sortOrder,
    isInTenantList,
    isActive
  from mapped
)

select * from final
