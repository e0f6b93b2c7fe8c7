-- One row per execution status code the house knows, with the category everything afterwards goes by.
-- Success, Failure and Blocked are executed; Pending is not yet; Other (a tenant's own code nobody categorised) is
-- neither passed, failed, blocked nor executed. 'absent' stands for a row that carries no status.
-- A category comes from the override file, else from the fixed codes of the product, else it is Other. The fixed codes 1 to 4
-- count as known when the tenant lists them, and while no list could be read at all.
-- category: Success, Failure, Blocked, Pending or Other.
-- mappingSource: where the category comes from: override, fixed code or none.
-- severity: 1 Success, 2 Pending, 3 Blocked, 4 Failure, empty for Other.
-- sortOrder: place in lists, from 1 Success to 5 Other.
-- isInTenantList: whether the tenant's list has the code.
-- key: statusCode
-- expect: category in ('Success', 'Failure', 'Blocked', 'Pending', 'Other'), else fail
-- expect: category <> 'Other' or mappingSource = 'override', else warn
with
entry as (select * from prepare.dimExecutionStatus),

override as (
  select
    regexp_replace(btrim(statusCode), '[.]0+$', '') as statusCode,
    btrim(category) as category,
    nullif(btrim(statusName), '') as statusName
  from reference.statusOverride
),

fixed as (
  select statusCode, statusName, category, isAlwaysKnown
  from (
    values
      ('1', 'Pass', 'Success', false),
      ('2', 'Fail', 'Failure', false),
      ('3', 'WIP', 'Pending', false),
      ('4', 'Blocked', 'Blocked', false),
      ('0', 'Not executed', 'Pending', true),
      ('10', 'Not executed', 'Pending', true),
      ('absent', 'Not executed', 'Pending', true)
  ) as fixedCode(statusCode, statusName, category, isAlwaysKnown)
),

-- Listed twice, the entry in use wins, then the earlier one.
rankedEntry as (
  select
    entry.*,
    row_number() over (
      partition by statusCode
      order by case when isActive then 0 else 1 end, duplicateNumber, recordKey
    ) as preference
  from entry
),

listed as (select * from rankedEntry where preference = 1),

list as (select count(*) as entryCount from listed),

known as (
  select statusCode from listed
  union
  select statusCode from override where statusCode is not null
  union
  select fixed.statusCode
  from list
  cross join fixed
  where fixed.isAlwaysKnown or list.entryCount = 0
),

mapped as (
  select
    known.statusCode,
    coalesce(override.statusName, listed.statusName, fixed.statusName, concat('Status ', known.statusCode)) as statusName,
    coalesce(override.category, fixed.category, 'Other') as category,
    listed.color,
    case
      when override.statusCode is not null then 'override'
      when fixed.statusCode is not null then 'fixed code'
      else 'none'
    end as mappingSource,
    listed.statusCode is not null as isInTenantList,
    coalesce(listed.isActive, true) as isActive
  from known
  left join override on known.statusCode = override.statusCode
  left join listed on known.statusCode = listed.statusCode
  left join fixed on known.statusCode = fixed.statusCode
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
