-- One row per priority of test cases: the codes of the tenant's list and those of the map, with the number reports sort by.
-- A code that only the tenant's list holds has no number until the map gives it one.
-- priority: the code as test cases carry it.
-- priorityName: the tenant's word for it, else the map's.
-- priorityCategory: Critical, High, Medium or Low, as priorityNumeric says.
-- priorityNumeric: 1 Critical, 2 High, 3 Medium, 4 Low.
-- isInTenantList: the tenant's list of values holds the code.
-- isNumericReadable: the map gives the code no number, or one from 1 to 4.
-- key: priority
-- expect: priority is not null, else fail
-- expect: isNumericReadable, else fail
-- expect: priorityNumeric is not null, else warn
with
entry as (select * from prepare.listOfValues where listName = 'testcase.testcasePriority.LOV'),

-- Listed twice, the entry in use wins, then the earlier one.
rankedEntry as (
  select
    valueId,
    valueName,
    row_number() over (
      partition by valueId
      order by case when isActive then 0 else 1 end, duplicateNumber, recordKey
    ) as preference
  from entry
),

listed as (select valueId, valueName from rankedEntry where preference = 1),

map as (
  select
    regexp_replace(btrim(priority), '[.]0+$', '') as priority,
    nullif(btrim(priorityName), '') as priorityName,
    nullif(btrim(priorityNumeric), '') as numericText
  from reference.testcasePriorityMap
),

joined as (
  select
    coalesce(map.priority, listed.valueId) as priority,
    coalesce(listed.valueName, map.priorityName) as priorityName,
    map.numericText,
    try_cast(map.numericText as int) as priorityNumeric,
    listed.valueId is not null as isInTenantList
  from map
  full join listed on map.priority = listed.valueId
),

final as (
  select
    priority,
    priorityName,
    case priorityNumeric when 1 then 'Critical' when 2 then 'High' when 3 then 'Medium' when 4 then 'Low' end
      as priorityCategory,
    priorityNumeric,
    isInTenantList,
    numericText is null or coalesce(priorityNumeric between 1 and 4, false) as isNumericReadable
  from joined
)

select * from final
