-- One row per test case and cycle it is scheduled in, in whatever phases: how its executions there ended. Executions are read
-- once here, and every answer about test cases and requirements is built from these rows.
-- executionCount: executions of the test case in the cycle, one per phase it stands in.
-- executedCount: those that are Success, Failure or Blocked.
-- passedCount, failedCount, blockedCount, pendingCount, otherCount: the executions by category.
-- firstScopeDate: first day the test case was in the scope of the cycle.
-- lastExecutionDateTime: when the latest executed execution was; empty where nobody knows.
-- lastExecutedCategory: how it ended: Success, Failure or Blocked, of several at the same millisecond the worst; empty while nothing is
-- executed.
-- lastExecutedCode: the two in one whole number that is greater for what is later, and at the same instant for what is worse.
-- testcaseKey, cycleKey: the test case and the cycle.
-- projectKey, releaseKey: those of the cycle.
-- key: testcaseKey, cycleKey
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: cycleKey in transform.dimCycle.cycleKey
with
execution as (
  select
    testcaseKey,
    cycleKey,
    projectKey,
    releaseKey,
    executionDateTime,
    scopeDate,
    isPassed,
    isFailed,
    isBlocked,
    isNotExecuted,
    isOther,
    isExecuted
  from refine.factExecution
),

grouped as (
  select
    testcaseKey,
    cycleKey,
    min(projectKey) as projectKey,
    min(releaseKey) as releaseKey,
    min(scopeDate) as firstScopeDate,
    -- The latest is the greatest of plain numbers: nothing has to be sorted for it.
    max(case when isExecuted then
      cast(round(coalesce(extract(epoch from executionDateTime), 0) * 1000) as bigint) * 4
      + case when isFailed then 3 when isBlocked then 2 else 1 end
    end) as lastExecutedCode,
    count(*) as executionCount,
    cast(sum(case when isExecuted then 1 else 0 end) as bigint) as executedCount,
    cast(sum(case when isPassed then 1 else 0 end) as bigint) as passedCount,
    cast(sum(case when isFailed then 1 else 0 end) as bigint) as failedCount,
    cast(sum(case when isBlocked then 1 else 0 end) as bigint) as blockedCount,
    cast(sum(case when isNotExecuted then 1 else 0 end) as bigint) as pendingCount,
    cast(sum(case when isOther then 1 else 0 end) as bigint) as otherCount,
    max(case when isExecuted then executionDateTime end) as lastExecutionDateTime
  from execution
  group by testcaseKey, cycleKey
),

final as (
  select
    testcaseKey,
    cycleKey,
    projectKey,
    releaseKey,
    lastExecutedCode,
    case (lastExecutedCode % 4 + 4) % 4
      when 1 then 'Success'
      when 2 then 'Blocked'
      when 3 then 'Failure'
    end as lastExecutedCategory,
    firstScopeDate,
    lastExecutionDateTime,
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
