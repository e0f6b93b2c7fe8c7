-- One row per test case that has executions: what they say about it, over all cycles. A run is an execution that is
-- executed (Success, Failure or Blocked) with its latest result; earlier results of the same execution are not known here.
-- Runs stand in the order of their instant, those without one before all others.
-- totalExecutions: executions, whatever their status. executedCount: runs, the sum of the next three.
-- passCount: runs that passed. failCount: runs that failed. blockCount: runs that were blocked.
-- pendingCount: executions not executed yet; a tenant's own uncategorised statuses are neither pending nor runs.
-- flipCount: runs whose category is not that of the run before.
-- executionDayCount: different local days with a run.
-- recentRunCount: the latest runs, at most stabilityRecentRuns. recentPassCount: how many of them passed.
-- recentFlipCount: changes of category between consecutive ones of them.
-- recentPassRate: share of them that passed, 0 to 1.
-- recentResults: a letter for each of them, 18 at most, newest first: P passed, F failed, B blocked.
-- firstExecutionDate, lastExecutionDate: local day of the first and of the latest run.
-- lastExecutionDateTime: instant of the latest run.
-- key: testcaseKey
-- incremental: testcaseKey of transform.factExecution
-- expect: executedCount = passCount + failCount + blockCount, else fail
-- expect: executedCount + pendingCount <= totalExecutions, else fail
-- expect: recentPassRate between 0 and 1 or recentPassRate is null, else fail
-- expect: flipCount < executedCount or flipCount = 0, else fail
-- expect: recentFlipCount <= flipCount, else fail
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
with
execution as (
  select testcaseKey, executionStatusKey, executionId, executionDate, executionDateTime from transform.factExecution
),

executionStatus as (select executionStatusKey, statusCategory from transform.dimExecutionStatus),

control as (
  select cast(max(value) as int) as stabilityRecentRuns from prepare.controls where name = 'stabilityRecentRuns'
),

judged as (
  select
    execution.testcaseKey,
    execution.executionId,
    execution.executionDate,
    execution.executionDateTime,
    case executionStatus.statusCategory
      when 'Success' then 1
      when 'Failure' then 2
      when 'Blocked' then 3
      when 'Pending' then 4
      else 5
    end as result
  from executionStatus
  right join execution on executionStatus.executionStatusKey = execution.executionStatusKey
),

total as (
  select
    testcaseKey,
    count(*) as totalExecutions,
    sum(case when result = 4 then 1 else 0 end) as pendingCount
  from judged
  group by testcaseKey
),

-- One order for all three functions: one sort of the runs, however many there are.
run as (
  select
    testcaseKey,
    result,
    executionDate,
    executionDateTime,
    row_number() over (
      partition by testcaseKey order by executionDateTime desc nulls last, executionId desc
    ) as recency,
    lead(result) over (
      partition by testcaseKey order by executionDateTime desc nulls last, executionId desc
    ) as previousResult,
    lead(executionDate) over (
      partition by testcaseKey order by executionDateTime desc nulls last, executionId desc
    ) as previousDate
  from judged
  where result <= 3
),

flagged as (
  select
    run.*,
    case when previousResult <> result then 1 else 0 end as flip,
    case when executionDate <> previousDate or (executionDate is not null and previousDate is null) then 1 else 0 end
      as newDay,
    recency <= control.stabilityRecentRuns as isRecent,
    recency < control.stabilityRecentRuns as isRecentPair
  from control
  cross join run
),

counted as (
  select
    testcaseKey,
    -- A digit for each run, the newest the last one: an ordered string of each test case would cost as much as all the rest.
    sum(case when isRecent and recency <= 18 then result * cast(power(10, least(recency, 18) - 1) as bigint) else 0 end)
      as recentDigits,
    count(*) as executedCount,
    sum(case when result = 1 then 1 else 0 end) as passCount,
    sum(case when result = 2 then 1 else 0 end) as failCount,
    sum(case when result = 3 then 1 else 0 end) as blockCount,
    sum(flip) as flipCount,
    sum(newDay) as executionDayCount,
    sum(case when isRecent then 1 else 0 end) as recentRunCount,
    sum(case when isRecent and result = 1 then 1 else 0 end) as recentPassCount,
    sum(case when isRecentPair then flip else 0 end) as recentFlipCount,
    min(executionDate) as firstExecutionDate,
    max(executionDate) as lastExecutionDate,
    max(executionDateTime) as lastExecutionDateTime
  from flagged
  group by testcaseKey
),

final as (
  select
    total.testcaseKey,
    reverse(translate(cast(counted.recentDigits as string), '123', 'PFB')) as recentResults,
    counted.firstExecutionDate,
    counted.lastExecutionDate,
    counted.lastExecutionDateTime,
    total.totalExecutions,
    coalesce(counted.executedCount, 0) as executedCount,
    coalesce(counted.passCount, 0) as passCount,
    coalesce(counted.failCount, 0) as failCount,
    coalesce(counted.blockCount, 0) as blockCount,
    total.pendingCount,
    coalesce(counted.flipCount, 0) as flipCount,
    coalesce(counted.executionDayCount, 0) as executionDayCount,
    coalesce(counted.recentRunCount, 0) as recentRunCount,
    coalesce(counted.recentPassCount, 0) as recentPassCount,
    coalesce(counted.recentFlipCount, 0) as recentFlipCount,
    1.0 * counted.recentPassCount / counted.recentRunCount as recentPassRate
  from total
  left join counted on total.testcaseKey = counted.testcaseKey
)

select * from final
