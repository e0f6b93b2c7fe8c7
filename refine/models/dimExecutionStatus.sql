-- One row per execution status code, and the Unknown status (-1), with its category as flags. Executed means Success,
-- Failure or Blocked.
-- key: executionStatusKey
with
executionStatus as (select * from transform.dimExecutionStatus),

final as (
  select
    executionStatusKey,
    executionStatusId,
    statusCode,
    executionStatusName,
    statusCategory,
    color,
    mappingSource,
    statusSeverity,
    sortOrder,
    isInTenantList,
    isActive,
    coalesce(statusCategory = 'Success', false) as isSuccessStatus,
    coalesce(statusCategory = 'Failure', false) as isFailureStatus,
    coalesce(statusCategory = 'Blocked', false) as isBlockedStatus,
    coalesce(statusCategory = 'Pending', false) as isPendingStatus,
    coalesce(statusCategory in ('Success', 'Failure', 'Blocked'), false) as isExecutedStatus
  from executionStatus
)

select * from final
