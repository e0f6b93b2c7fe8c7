-- One row per execution status code, and the Unknown status (-1), with its category as flags and how often it occurs.
-- statusCategoryDetailed: category and name, such as Pending/Not executed.
-- statusSeverity: 1 for what passed, 2 for what is pending, 3 for blocked, 4 for failed.
-- statusFrequency: executions that have the status now.
-- statusPercentage: their share of all executions, 0 to 100.
-- recentSharePct, previousSharePct: share of the status, 0 to 100, among the executions dated within the last statusTrendDays
-- days up to the as-of date, and within as many days before.
-- statusTrend: Increasing or Decreasing when that share changed by statusTrendPoints or more, else Stable; empty when one of the
-- two spans has no execution.
-- isExecutedStatus: Success, Failure or Blocked.
-- isOutOfScopeStatus: named by the setting outOfScopeStatuses.
-- isBurnedStatus: taken off the burn-down by the setting burnPolicy.
-- statusCode, statusCategory: code and category of the status.
-- color, sortOrder: how to show it and in which order.
-- mappingSource: where the category comes from: override, fixed code or none.
-- isInTenantList, isActive: the tenant lists the code; it is in use there.
-- isSuccessStatus, isFailureStatus, isBlockedStatus, isPendingStatus: the category is Success, Failure, Blocked, Pending.
-- key: executionStatusKey
-- expect: statusPercentage between 0 and 100 or statusPercentage is null, else fail
-- expect: recentSharePct between 0 and 100 or recentSharePct is null, else fail
-- expect: previousSharePct between 0 and 100 or previousSharePct is null, else fail
-- conserves: transform.dimExecutionStatus
with
executionStatus as (select * from transform.dimExecutionStatus),

rule as (select executionStatusKey, isOutOfScope, isBurned from refine.executionStatusRule),

execution as (select executionStatusKey, executionDate from refine.factExecution),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'statusTrendDays' then cast(value as int) end) as statusTrendDays,
    max(case when name = 'statusTrendPoints' then cast(value as double) end) as statusTrendPoints
  from prepare.controls
  where name in ('statusTrendDays', 'statusTrendPoints')
),

span as (
  select
    setting.asOf,
    control.statusTrendPoints,
    date_sub(setting.asOf, control.statusTrendDays) as recentAfter,
    date_sub(setting.asOf, cast(2 * control.statusTrendDays as int)) as previousAfter
  from setting
  cross join control
),

statusCount as (
  select
    execution.executionStatusKey,
    count(*) as executionCount,
    sum(case when execution.executionDate > span.recentAfter and execution.executionDate <= span.asOf then 1 else 0 end)
      as recentCount,
    sum(case
      when execution.executionDate > span.previousAfter and execution.executionDate <= span.recentAfter then 1 else 0
    end) as previousCount
  from span
  cross join execution
  group by execution.executionStatusKey
),

allCount as (
  select
    sum(executionCount) as executionCount,
    sum(recentCount) as recentCount,
    sum(previousCount) as previousCount
  from statusCount
),

joined as (
  select
    executionStatus.*,
    rule.isOutOfScope,
    rule.isBurned,
    span.statusTrendPoints,
    coalesce(statusCount.executionCount, 0) as statusFrequency,
    100.0 * coalesce(statusCount.executionCount, 0) / nullif(allCount.executionCount, 0) as statusPercentage,
    100.0 * coalesce(statusCount.recentCount, 0) / nullif(allCount.recentCount, 0) as recentSharePct,
    100.0 * coalesce(statusCount.previousCount, 0) / nullif(allCount.previousCount, 0) as previousSharePct
  from span
  cross join allCount
  cross join executionStatus
  left join rule on executionStatus.executionStatusKey = rule.executionStatusKey
  left join statusCount on executionStatus.executionStatusKey = statusCount.executionStatusKey
),

final as (
  select
    executionStatusKey,
    executionStatusId,
    statusCode,
    executionStatusName,
    statusCategory,
    case when statusCategory is not null then concat(statusCategory, '/', executionStatusName) end as statusCategoryDetailed,
    color,
    mappingSource,
    statusSeverity,
    sortOrder,
    case
      when recentSharePct is null or previousSharePct is null then null
      when round(recentSharePct - previousSharePct, 9) >= statusTrendPoints then 'Increasing'
      when round(previousSharePct - recentSharePct, 9) >= statusTrendPoints then 'Decreasing'
      else 'Stable'
    end as statusTrend,
    statusFrequency,
    statusPercentage,
    recentSharePct,
    previousSharePct,
    isInTenantList,
    isActive,
    coalesce(statusCategory = 'Success', false) as isSuccessStatus,
    coalesce(statusCategory = 'Failure', false) as isFailureStatus,
    coalesce(statusCategory = 'Blocked', false) as isBlockedStatus,
    coalesce(statusCategory = 'Pending', false) as isPendingStatus,
    coalesce(statusCategory in ('Success', 'Failure', 'Blocked'), false) as isExecutedStatus,
    isOutOfScope as isOutOfScopeStatus,
    isBurned as isBurnedStatus
  from joined
)

select * from final
