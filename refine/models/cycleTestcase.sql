-- One row per cycle and test case that stands in it now, in however many phases: when it came into scope and when it was burned.
-- firstScopeDate: day the test case came into the scope of the cycle: the first assignment, else the start of the cycle, else
-- the last change, else the as-of date; at the latest the day it is burned. Empty when all its executions are out of scope.
-- firstBurnedDate: first local day on which one of its executions is burned, by the setting burnPolicy.
-- firstBurnedByExecutedDate, firstBurnedByPassedDate: the same under each of the two policies.
-- firstBurnedDateTime: instant on firstBurnedDate from which it is burned, where it is known.
-- executionCount: executions of the test case in the cycle.
-- key: cycleKey, testcaseKey
-- expect: firstScopeDate <= firstBurnedDate or firstBurnedDate is null, else fail
-- expect: firstBurnedDate is not null or firstBurnedDateTime is null, else fail
-- expect: executionCount > 0, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
with
execution as (
  select
    cycleKey,
    testcaseKey,
    executionStatusKey,
    assignmentDate,
    executionDate,
    executionDateTime,
    lastModifiedDate
  from transform.factExecution
),

rule as (select * from refine.executionStatusRule),

cycle as (select cycleKey, cycleStartDate from transform.dimCycle),

setting as (select * from run.setting),

dated as (
  select
    execution.cycleKey,
    execution.testcaseKey,
    case when not rule.isOutOfScope then coalesce(
      execution.assignmentDate, cycle.cycleStartDate, execution.lastModifiedDate, setting.asOf
    ) end as scopeDate,
    case when rule.isBurnedByExecuted
      then coalesce(execution.executionDate, execution.lastModifiedDate, setting.asOf) end as burnedByExecutedDate,
    case when rule.isBurnedByPassed
      then coalesce(execution.executionDate, execution.lastModifiedDate, setting.asOf) end as burnedByPassedDate,
    case when rule.isBurned
      then coalesce(execution.executionDate, execution.lastModifiedDate, setting.asOf) end as burnedDate,
    case when rule.isBurned then execution.executionDate end as instantDate,
    case when rule.isBurned then execution.executionDateTime end as burnedDateTime
  from setting
  cross join execution
  left join rule on execution.executionStatusKey = rule.executionStatusKey
  left join cycle on execution.cycleKey = cycle.cycleKey
),

grouped as (
  select
    cycleKey,
    testcaseKey,
    min(scopeDate) as scopeDate,
    min(burnedDate) as firstBurnedDate,
    min(burnedByExecutedDate) as firstBurnedByExecutedDate,
    min(burnedByPassedDate) as firstBurnedByPassedDate,
    min(instantDate) as instantDate,
    min(burnedDateTime) as burnedDateTime,
    count(*) as executionCount
  from dated
  group by cycleKey, testcaseKey
),

final as (
  select
    cycleKey,
    testcaseKey,
    -- Whatever the policy: the day a test case comes into scope shall not depend on it.
    case when firstBurnedByExecutedDate < scopeDate then firstBurnedByExecutedDate else scopeDate end as firstScopeDate,
    firstBurnedDate,
    firstBurnedByExecutedDate,
    firstBurnedByPassedDate,
    case when instantDate = firstBurnedDate then burnedDateTime end as firstBurnedDateTime,
    executionCount
  from grouped
)

select * from final
