-- One row per execution status code, and the Unknown status (-1). Only the category is used afterwards.
-- statusCategory: Success, Failure, Blocked, Pending or Other.
-- statusSeverity: 1 for a status that is good to 4 for one that is bad.
-- key: executionStatusKey
-- expect: executionStatusName is not null, else fail
-- expect: statusCategory is not null or executionStatusKey = -1, else fail
with
executionStatus as (select * from clean.dimExecutionStatus),

keyed as (
  select
    xxhash64('zephyr', 'executionStatus', executionStatus.statusCode) as executionStatusKey,
    try_cast(executionStatus.statusCode as int) as executionStatusId,
    executionStatus.statusCode,
    coalesce(executionStatus.statusName, concat('Status ', executionStatus.statusCode)) as executionStatusName,
    executionStatus.category as statusCategory,
    executionStatus.color,
    executionStatus.mappingSource,
    executionStatus.severity as statusSeverity,
    executionStatus.sortOrder,
    executionStatus.isInTenantList,
    executionStatus.isActive
  from executionStatus
),

final as (
  select * from keyed
  union all
  select
    -1 as executionStatusKey,
    null as executionStatusId,
    null as statusCode,
    'Unknown' as executionStatusName,
    null as statusCategory,
    null as color,
    null as mappingSource,
    null as statusSeverity,
    null as sortOrder,
    null as isInTenantList,
    null as isActive
)

select * from final
