-- One row per tester and project: the work given to someone and the work done by someone, to see who is overloaded and what
-- lies with nobody. It counts work and rates nobody: rank, rates and score are empty unless the setting personRanking is on,
-- and for the stand-ins Anyone and nobody always.
-- assignedCount: executions assigned to the tester. pendingCount: those of them not executed yet.
-- executedCount: executions whose result the tester entered (the assignee where the server does not say).
-- recentExecutedCount: those of the last workloadRecentDays days up to and including the as-of date.
-- executedHours: sum of the durations of the executed ones, where known, hours.
-- lastExecutionDate: local day of the latest one. daysSinceLastExecution: days from it to the as-of date.
-- executionsThisMonth, executionsThisWeek: executed ones in the calendar month and the week (from Monday) of the as-of date.
-- passRate: share of the executed ones that passed, 0 to 1.
-- defectLinkRate: share of the failed ones that name a defect, 0 to 1; empty where none failed.
-- testerProductivityScore: that of refine.dimTester, over all projects, 0 to 100.
-- workRank: place by executedCount among the people of the project, 1 for the most; equal work, equal place.
-- key: testerKey, projectKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: defectLinkRate between 0 and 1 or defectLinkRate is null, else fail
-- expect: pendingCount <= assignedCount, else fail
-- expect: recentExecutedCount <= executedCount, else fail
-- reference: testerKey in refine.dimTester.testerKey
-- reference: projectKey in refine.dimProject.projectKey
with
execution as (select * from refine.factExecution),

tester as (
  select
    testerKey,
    testerId,
    testerName,
    testerDepartment,
    testerLocation,
    testerProductivityScore,
    isActive,
    isListed,
    isExternalTester
  from refine.dimTester
),

linked as (select distinct executionKey from refine.bridgeExecutionDefect),

project as (select projectKey, projectId, projectName from refine.dimProject),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'workloadRecentDays' then cast(value as int) end) as workloadRecentDays,
    coalesce(max(case when name = 'personRanking' then value end) = 'on', false) as isRanked
  from prepare.controls
  where name in ('workloadRecentDays', 'personRanking')
),

bound as (
  select
    asOf,
    date_sub(asOf, cast(extract(day from asOf) - 1 as int)) as monthStart,
    date_sub(asOf, cast((extract(dow from asOf) + 6) % 7 as int)) as weekStart
  from setting
),

-- Failures are few and defects fewer: counted on their own, the executions are not joined to the defects at all.
failure as (
  select
    execution.executionKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end as testerKey,
    execution.projectKey
  from execution
  where execution.isFailed
),

failureCount as (
  select failure.testerKey, failure.projectKey, count(*) as failedCount, count(linked.executionKey) as linkedCount
  from linked
  right join failure on linked.executionKey = failure.executionKey
  group by failure.testerKey, failure.projectKey
),

pairCount as (
  select
    execution.testerKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end as executedByKey,
    execution.projectKey,
    count(*) as assignedCount,
    sum(case when execution.isNotExecuted then 1 else 0 end) as pendingCount,
    sum(case when execution.isExecuted then 1 else 0 end) as executedCount,
    sum(case when execution.isPassed then 1 else 0 end) as passedCount,
    sum(case
      when execution.isExecuted
        and execution.executionDate <= bound.asOf
        and execution.executionDate > date_sub(bound.asOf, control.workloadRecentDays) then 1
      else 0
    end) as recentExecutedCount,
    sum(case
      when execution.isExecuted and execution.executionDate between bound.monthStart and bound.asOf then 1 else 0
    end) as executionsThisMonth,
    sum(case
      when execution.isExecuted and execution.executionDate between bound.weekStart and bound.asOf then 1 else 0
    end) as executionsThisWeek,
    sum(case when execution.isExecuted then execution.durationMs end) as executedMs,
    max(case when execution.isExecuted then execution.executionDate end) as lastExecutionDate
  from bound
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
    cast(0 as bigint) as passedCount,
    cast(0 as bigint) as recentExecutedCount,
    cast(0 as bigint) as executionsThisMonth,
    cast(0 as bigint) as executionsThisWeek,
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
    passedCount,
    recentExecutedCount,
    executionsThisMonth,
    executionsThisWeek,
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
    sum(passedCount) as passedCount,
    sum(recentExecutedCount) as recentExecutedCount,
    sum(executionsThisMonth) as executionsThisMonth,
    sum(executionsThisWeek) as executionsThisWeek,
    sum(executedMs) as executedMs,
    max(lastExecutionDate) as lastExecutionDate
  from work
  group by testerKey, projectKey
),

placed as (
  select
    total.testerKey,
    total.projectKey,
    rank() over (partition by total.projectKey order by total.executedCount desc) as workRank
  from total
  join tester on total.testerKey = tester.testerKey
  where tester.testerId > 0 and total.executedCount > 0
),

rated as (
  select
    placed.testerKey,
    placed.projectKey,
    placed.workRank,
    1.0 * total.passedCount / total.executedCount as passRate,
    1.0 * failureCount.linkedCount / failureCount.failedCount as defectLinkRate
  from placed
  cross join control
  join total on placed.testerKey = total.testerKey and placed.projectKey = total.projectKey
  left join failureCount
    on placed.testerKey = failureCount.testerKey and placed.projectKey = failureCount.projectKey
  where control.isRanked
),

final as (
  select
    total.testerKey,
    total.projectKey,
    tester.testerId,
    project.projectId,
    tester.testerName,
    project.projectName,
    tester.testerDepartment,
    tester.testerLocation,
    total.lastExecutionDate,
    date_diff(setting.asOf, total.lastExecutionDate) as daysSinceLastExecution,
    total.assignedCount,
    total.pendingCount,
    total.executedCount,
    total.recentExecutedCount,
    total.executionsThisMonth,
    total.executionsThisWeek,
    total.executedMs / 3600000.0 as executedHours,
    rated.passRate,
    rated.defectLinkRate,
    case when rated.testerKey is not null then tester.testerProductivityScore end as testerProductivityScore,
    rated.workRank,
    tester.isActive,
    tester.isListed,
    tester.isExternalTester
  from setting
  cross join total
  left join tester on total.testerKey = tester.testerKey
  left join project on total.projectKey = project.projectKey
  left join rated on total.testerKey = rated.testerKey and total.projectKey = rated.projectKey
)

select * from final
