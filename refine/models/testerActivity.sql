-- One row per tester who has executions to do or done. Work is credited to who entered the result, to the assignee where
-- the server does not say; what is assigned counts for the assignee. Days count up to the as-of date.
-- assignedCount: executions assigned to the tester, whatever their status. pendingCount: those of them not executed yet.
-- totalExecutions: executions the tester executed, the sum of the next three.
-- passCount: those that passed. failCount: those that failed. blockCount: those that were blocked.
-- executedMs: sum of the durations of the executed ones that have one, milliseconds. timedCount: how many have one.
-- executionsThisMonth: those from the first of the calendar month of the as-of date up to it.
-- executionsThisWeek: those from the Monday of the week of the as-of date up to it.
-- productivityExecutions: those of the last testerProductivityDays days up to the as-of date.
-- lastExecutionDate, lastExecutionDateTime: local day and instant of the latest one.
-- key: testerKey
-- expect: totalExecutions = passCount + failCount + blockCount, else fail
-- expect: pendingCount <= assignedCount, else fail
-- expect: executionsThisWeek <= totalExecutions and executionsThisMonth <= totalExecutions, else fail
-- reference: testerKey in transform.dimTester.testerKey
with
execution as (
  select testerKey, executedByKey, executionStatusKey, executionDate, executionDateTime, durationMs
  from transform.factExecution
),

executionStatus as (select executionStatusKey, statusCategory from transform.dimExecutionStatus),

setting as (select * from run.setting),

control as (
  select cast(max(value) as int) as productivityDays from prepare.controls where name = 'testerProductivityDays'
),

bound as (
  select
    setting.asOf,
    date_sub(setting.asOf, cast(extract(day from setting.asOf) - 1 as int)) as monthStart,
    date_sub(setting.asOf, cast((extract(dow from setting.asOf) + 6) % 7 as int)) as weekStart,
    date_sub(setting.asOf, cast(control.productivityDays - 1 as int)) as productivityStart
  from setting
  cross join control
),

judged as (
  select
    execution.testerKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end as doneByKey,
    executionStatus.statusCategory as category,
    executionStatus.statusCategory in ('Success', 'Failure', 'Blocked') as isExecuted,
    execution.executionDate,
    execution.executionDateTime,
    execution.durationMs
  from executionStatus
  right join execution on executionStatus.executionStatusKey = execution.executionStatusKey
),

pairCount as (
  select
    judged.testerKey,
    judged.doneByKey,
    count(*) as assignedCount,
    sum(case when judged.category = 'Pending' then 1 else 0 end) as pendingCount,
    sum(case when judged.isExecuted then 1 else 0 end) as totalExecutions,
    sum(case when judged.category = 'Success' then 1 else 0 end) as passCount,
    sum(case when judged.category = 'Failure' then 1 else 0 end) as failCount,
    sum(case when judged.category = 'Blocked' then 1 else 0 end) as blockCount,
    sum(case when judged.isExecuted then judged.durationMs end) as executedMs,
    count(case when judged.isExecuted then judged.durationMs end) as timedCount,
    sum(case when judged.isExecuted and judged.executionDate between bound.monthStart and bound.asOf then 1 else 0 end)
      as executionsThisMonth,
    sum(case when judged.isExecuted and judged.executionDate between bound.weekStart and bound.asOf then 1 else 0 end)
      as executionsThisWeek,
    sum(case
      when judged.isExecuted and judged.executionDate between bound.productivityStart and bound.asOf then 1 else 0
    end) as productivityExecutions,
    max(case when judged.isExecuted then judged.executionDate end) as lastExecutionDate,
    max(case when judged.isExecuted then judged.executionDateTime end) as lastExecutionDateTime
  from bound
  cross join judged
  group by judged.testerKey, judged.doneByKey
),

work as (
  select
    testerKey,
    assignedCount,
    pendingCount,
    cast(0 as bigint) as totalExecutions,
    cast(0 as bigint) as passCount,
    cast(0 as bigint) as failCount,
    cast(0 as bigint) as blockCount,
    cast(null as bigint) as executedMs,
    cast(0 as bigint) as timedCount,
    cast(0 as bigint) as executionsThisMonth,
    cast(0 as bigint) as executionsThisWeek,
    cast(0 as bigint) as productivityExecutions,
    cast(null as date) as lastExecutionDate,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastExecutionDateTime
  from pairCount
  union all
  select
    doneByKey as testerKey,
    cast(0 as bigint) as assignedCount,
    cast(0 as bigint) as pendingCount,
    totalExecutions,
    passCount,
    failCount,
    blockCount,
    executedMs,
    timedCount,
    executionsThisMonth,
    executionsThisWeek,
    productivityExecutions,
    lastExecutionDate,
    lastExecutionDateTime
  from pairCount
  where totalExecutions > 0
),

final as (
  select
    testerKey,
    max(lastExecutionDate) as lastExecutionDate,
    max(lastExecutionDateTime) as lastExecutionDateTime,
    sum(assignedCount) as assignedCount,
    sum(pendingCount) as pendingCount,
    sum(totalExecutions) as totalExecutions,
    sum(passCount) as passCount,
    sum(failCount) as failCount,
    sum(blockCount) as blockCount,
    sum(executedMs) as executedMs,
    sum(timedCount) as timedCount,
    sum(executionsThisMonth) as executionsThisMonth,
    sum(executionsThisWeek) as executionsThisWeek,
    sum(productivityExecutions) as productivityExecutions
  from work
  group by testerKey
)

select * from final
