-- One row per test case that is scheduled anywhere: how its executions ended over all cycles.
-- cycleCount: cycles it is scheduled in.
-- lastExecutedCode, lastExecutionDateTime, lastExecutedCategory: its latest run in any cycle; empty while nothing is executed.
-- testcaseKey: the test case.
-- key: testcaseKey
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
with
result as (select * from refine.testcaseCycleResult),

grouped as (
  select
    testcaseKey,
    max(lastExecutedCode) as lastExecutedCode,
    max(lastExecutionDateTime) as lastExecutionDateTime,
    count(*) as cycleCount,
    cast(sum(executionCount) as bigint) as executionCount,
    cast(sum(executedCount) as bigint) as executedCount,
    cast(sum(passedCount) as bigint) as passedCount,
    cast(sum(failedCount) as bigint) as failedCount,
    cast(sum(blockedCount) as bigint) as blockedCount,
    cast(sum(pendingCount) as bigint) as pendingCount,
    cast(sum(otherCount) as bigint) as otherCount
  from result
  group by testcaseKey
),

final as (
  select
    testcaseKey,
    lastExecutedCode,
    case (lastExecutedCode % 4 + 4) % 4
      when 1 then 'Success'
      when 2 then 'Blocked'
      when 3 then 'Failure'
    end as lastExecutedCategory,
    lastExecutionDateTime,
    cycleCount,
    executionCount,
    executedCount,
    passedCount,
    failedCount,
    blockedCount,
    pendingCount,
    otherCount
  from grouped
)

select * from final
