-- One row per executed execution that has an instant: what was known of its tester, its test case and its cycle right then.
-- Figures count what had happened up to and including this execution and nothing after it; of two at one instant the one
-- with the smaller id came first. The work is credited to who entered the result, else to the assignee.
-- testerTotalExecutions: executed executions of the tester so far.
-- testerPassRate: share of them that passed, 0 to 1. testerAvgDurationSeconds: mean duration of those that have one, seconds.
-- testcaseExecutionCount: executed executions of the test case so far, in all cycles.
-- testcaseFailCount: how many of them failed.
-- testcaseStabilityScore: share passed of its last stabilityRecentRuns executed executions, 0 to 1.
-- burnedLaterOnDayCount: test cases of the cycle that were first burned later on the same day, after this instant.
-- key: executionKey
-- expect: testerPassRate between 0 and 1 or testerPassRate is null, else fail
-- expect: testcaseStabilityScore between 0 and 1, else fail
-- expect: testcaseFailCount <= testcaseExecutionCount, else fail
-- expect: burnedLaterOnDayCount >= 0, else fail
with
execution as (
  select
    executionKey,
    executionId,
    cycleKey,
    testcaseKey,
    testerKey,
    executedByKey,
    executionStatusKey,
    executionDate,
    executionDateTime,
    durationMs
  from transform.factExecution
  where executionDateTime is not null
),

rule as (select * from refine.executionStatusRule where isExecuted),

cycleTestcase as (
  select cycleKey, testcaseKey, firstBurnedDate, firstBurnedDateTime
  from refine.cycleTestcase
  where firstBurnedDateTime is not null
),

removal as (select cycleKey, testcaseKey, executionStatusKey, isReturned from transform.factExecutionRemoval),

control as (
  select cast(max(value) as bigint) as stabilityRecentRuns from prepare.controls where name = 'stabilityRecentRuns'
),

executed as (
  select
    execution.executionKey,
    execution.executionId,
    execution.cycleKey,
    execution.testcaseKey,
    case when execution.executedByKey = -1 then execution.testerKey else execution.executedByKey end as doneByKey,
    execution.executionDate,
    execution.executionDateTime,
    execution.durationMs,
    case when rule.isPassed then 1 else 0 end as passed,
    case when rule.isFailed then 1 else 0 end as failed
  from rule
  join execution on rule.executionStatusKey = execution.executionStatusKey
),

-- Each of the three histories is sorted on its own few columns; whole executions would be far more to move.
testerHistory as (
  select
    executionKey,
    count(*) over byTester as totalExecutions,
    sum(passed) over byTester as passCount,
    sum(durationMs) over byTester as durationMs,
    count(durationMs) over byTester as timedCount
  from executed
  where doneByKey <> -1
  window byTester as (
    partition by doneByKey order by executionDateTime, executionId rows between unbounded preceding and current row
  )
),

-- Test cases are many and their runs few: counted in one line over all of them, less what stands before their own first run.
runInLine as (
  select
    executionKey,
    testcaseKey,
    passed,
    failed,
    cast(row_number() over inLine as bigint) as position,
    sum(passed) over inLine as passPosition,
    sum(failed) over inLine as failPosition
  from executed
  window inLine as (
    order by testcaseKey, executionDateTime, executionId rows between unbounded preceding and current row
  )
),

beforeFirst as (
  select
    testcaseKey,
    min(position) - 1 as position,
    min(passPosition - passed) as passPosition,
    min(failPosition - failed) as failPosition
  from runInLine
  group by testcaseKey
),

testcaseHistory as (
  select
    runInLine.executionKey,
    runInLine.passPosition,
    runInLine.position - beforeFirst.position as executionCount,
    runInLine.failPosition - beforeFirst.failPosition as failCount,
    -- The last few runs are all runs less those before them: a frame cannot take its width from a setting.
    greatest(beforeFirst.position, runInLine.position - control.stabilityRecentRuns) as earlierPosition,
    beforeFirst.position as firstPosition,
    beforeFirst.passPosition as firstPassPosition,
    least(runInLine.position - beforeFirst.position, control.stabilityRecentRuns) as recentCount
  from control
  cross join runInLine
  join beforeFirst on runInLine.testcaseKey = beforeFirst.testcaseKey
),

earlierRun as (select position, passPosition from runInLine),

testcaseFigure as (
  select
    testcaseHistory.executionKey,
    testcaseHistory.executionCount,
    testcaseHistory.failCount,
    (testcaseHistory.passPosition - coalesce(earlierRun.passPosition, testcaseHistory.firstPassPosition)) * 1.0
      / testcaseHistory.recentCount as stabilityScore
  from testcaseHistory
  left join earlierRun
    on testcaseHistory.earlierPosition = earlierRun.position
    and testcaseHistory.firstPosition < earlierRun.position
),

-- What came and went and came again is burned by the day of its return, not by an instant: cycleActivity knows. So it is
-- with what an execution had burned that is gone.
unsettled as (
  select removal.cycleKey, removal.testcaseKey
  from removal
  left join rule on removal.executionStatusKey = rule.executionStatusKey
  where removal.isReturned or rule.isBurned
  group by removal.cycleKey, removal.testcaseKey
),

burnedInstant as (
  select cycleTestcase.cycleKey, cycleTestcase.firstBurnedDate as date, cycleTestcase.firstBurnedDateTime as dateTime
  from cycleTestcase
  where not exists (
    select 1
    from unsettled
    where unsettled.cycleKey = cycleTestcase.cycleKey and unsettled.testcaseKey = cycleTestcase.testcaseKey
  )
),

-- What is burned at an instant and who asks at an instant, in one line.
moment as (
  select executionKey, cycleKey, executionDate as date, executionDateTime as dateTime, 0 as burned
  from executed
  union all
  select null as executionKey, cycleKey, date, dateTime, 1 as burned
  from burnedInstant
),

burnedMoment as (
  select
    executionKey,
    sum(burned) over (partition by cycleKey, date) - sum(burned) over (
      partition by cycleKey, date order by dateTime range between unbounded preceding and current row
    ) as burnedLaterOnDayCount
  from moment
),

final as (
  select
    executed.executionKey,
    testerHistory.totalExecutions as testerTotalExecutions,
    testerHistory.passCount * 1.0 / testerHistory.totalExecutions as testerPassRate,
    testerHistory.durationMs / 1000.0 / nullif(testerHistory.timedCount, 0) as testerAvgDurationSeconds,
    testcaseFigure.executionCount as testcaseExecutionCount,
    testcaseFigure.failCount as testcaseFailCount,
    testcaseFigure.stabilityScore as testcaseStabilityScore,
    burnedMoment.burnedLaterOnDayCount
  from executed
  left join testerHistory on executed.executionKey = testerHistory.executionKey
  left join testcaseFigure on executed.executionKey = testcaseFigure.executionKey
  left join burnedMoment on executed.executionKey = burnedMoment.executionKey
)

select * from final
