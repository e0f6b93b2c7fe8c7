-- One row per test case and cycle it stands or once stood in, with how far it has come there.
-- assignmentDate: the first day it was assigned, empty where no execution says.
-- assignmentAgeDays: days from then to the as-of date.
-- assignmentOrder: its place in the cycle by assignment, then by id of its first execution; those without a day come last.
-- firstScopeDate: first day in the scope of the cycle, of those that stand in it now.
-- firstExecutedDate, firstPassedDate: first day on which one of its executions there was executed, and was passed.
-- removedDate: day on which the last of its executions was found gone, empty while one is there.
-- executionCount: its executions in the cycle now. removedCount: those removed for good.
-- isActive: it stands in the cycle now.
-- hasBeenExecuted: one of its executions there now is Success, Failure or Blocked.
-- isRecentAssignment: assigned at most recentAssignmentDays days before the as-of date.
-- key: testcaseKey, cycleKey
-- incremental: cycleKey of transform.bridgeTestcaseCycle, refine.cycleTestcase, refine.testcaseCycleResult
-- expect: executedCount <= executionCount, else fail
-- expect: hasBeenExecuted = (executedCount > 0), else fail
-- expect: isActive or executionCount = 0, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- conserves: transform.bridgeTestcaseCycle
with
placement as (select * from transform.bridgeTestcaseCycle),

cycleTestcase as (select * from refine.cycleTestcase),

result as (
  select testcaseKey, cycleKey, executedCount, lastExecutionDateTime from refine.testcaseCycleResult
),

setting as (select * from run.setting),

control as (
  select cast(max(value) as int) as recentAssignmentDays from prepare.controls where name = 'recentAssignmentDays'
),

ordered as (
  select
    placement.*,
    row_number() over (
      partition by cycleKey order by assignmentDate nulls last, firstExecutionId, testcaseKey
    ) as assignmentOrder
  from placement
),

final as (
  select
    ordered.testcaseKey,
    ordered.cycleKey,
    ordered.releaseKey,
    ordered.projectKey,
    ordered.testcaseId,
    ordered.cycleId,
    ordered.firstExecutionId,
    ordered.assignmentDate,
    cycleTestcase.firstScopeDate,
    cycleTestcase.firstBurnedByExecutedDate as firstExecutedDate,
    cycleTestcase.firstBurnedByPassedDate as firstPassedDate,
    cast(from_utc_timestamp(result.lastExecutionDateTime, setting.timeZone) as date) as lastExecutionDate,
    ordered.removedDate,
    date_diff(setting.asOf, ordered.assignmentDate) as assignmentAgeDays,
    ordered.assignmentOrder,
    ordered.executionCount,
    ordered.removedCount,
    coalesce(result.executedCount, 0) as executedCount,
    ordered.isActive,
    coalesce(result.executedCount, 0) > 0 as hasBeenExecuted,
    ordered.assignmentDate <= setting.asOf
      and date_diff(setting.asOf, ordered.assignmentDate) <= control.recentAssignmentDays as isRecentAssignment
  from setting
  cross join control
  cross join ordered
  left join cycleTestcase
    on ordered.cycleKey = cycleTestcase.cycleKey and ordered.testcaseKey = cycleTestcase.testcaseKey
  left join result on ordered.cycleKey = result.cycleKey and ordered.testcaseKey = result.testcaseKey
)

select * from final
