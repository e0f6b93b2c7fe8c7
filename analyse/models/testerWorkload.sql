-- One row per tester and project: the work given to someone and the work done by someone, to see who is overloaded and what
-- lies with nobody. It counts work and rates nobody: there is no rank, no score and no pass rate of a person.
-- assignedCount: executions assigned to the tester, pendingCount: those not executed yet. executedCount: executions whose result
-- the tester entered (the assignee where the server does not say), recentExecutedCount: those of the last workloadRecentDays
-- days up to and including the as-of date. executedHours: sum of the durations of the executed ones, where known.
-- key: testerKey, projectKey
-- expect: pendingCount <= assignedCount, else fail
-- expect: recentExecutedCount <= executedCount, else fail
-- reference: testerKey in refine.dimTester.testerKey
-- reference: projectKey in refine.dimProject.projectKey
with
execution as (select * from refine.factExecution),

tester as (select testerKey, testerId, testerName, isActive, isListed from refine.dimTester),

project as (select projectKey, projectId, projectName from refine.dimProject),

setting as (select * from run.setting),

control as (
  select cast(max(value) as int) as workloadRecentDays from prepare.controls where name = 'workloadRecentDays'
),

pairCount as (
  select
    execution.testerKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end as executedByKey,
    execution.projectKey,
    count(*) as assignedCount,
    sum(case when execution.isNotExecuted then 1 else 0 end) as pendingCount,
    sum(case when execution.isExecuted then 1 else 0 end) as executedCount,
    sum(case
      when execution.isExecuted
        and execution.executionDate <= setting.asOf
        and execution.executionDate > date_sub(setting.asOf, control.workloadRecentDays) then 1
      else 0
    end) as recentExecutedCount,
    sum(case when execution.isExecuted then execution.durationMs end) as executedMs,
    max(case when execution.isExecuted then execution.executionDate end) as lastExecutionDate
  from setting
  cross join control
  cross join execution
  group by
    execution.testerKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end,
    execution.projectKey
),

work as (
  select
    testerKey,
    projectKey,
    assignedCount,
    pendingCount,
    cast(0 as bigint) as executedCount,
    cast(0 as bigint) as recentExecutedCount,
    cast(null as bigint) as executedMs,
    cast(null as date) as lastExecutionDate
  from pairCount
  union all
  select
    executedByKey as testerKey,
    projectKey,
    cast(0 as bigint) as assignedCount,
    cast(0 as bigint) as pendingCount,
    executedCount,
    recentExecutedCount,
    executedMs,
    lastExecutionDate
  from pairCount
  where executedCount > 0
),

total as (
  select
    testerKey,
    projectKey,
    sum(assignedCount) as assignedCount,
    sum(pendingCount) as pendingCount,
    sum(executedCount) as executedCount,
    sum(recentExecutedCount) as recentExecutedCount,
    sum(executedMs) as executedMs,
    max(lastExecutionDate) as lastExecutionDate
  from work
  group by testerKey, projectKey
),

final as (
  select
    total.testerKey,
    total.projectKey,
    tester.testerId,
    project.projectId,
    tester.testerName,
    project.projectName,
    total.lastExecutionDate,
    date_diff(setting.asOf, total.lastExecutionDate) as daysSinceLastExecution,
    total.assignedCount,
    total.pendingCount,
    total.executedCount,
    total.recentExecutedCount,
    total.executedMs / 3600000.0 as executedHours,
    tester.isActive,
    tester.isListed
  from setting
  cross join total
  left join tester on total.testerKey = tester.testerKey
  left join project on total.projectKey = project.projectKey
)

select * from final
