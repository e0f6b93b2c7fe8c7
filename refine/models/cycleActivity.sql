-- One row per cycle and day on which test cases came into its scope, left it or were burned: the grain every burn-down is
-- built from. A test case counts once per cycle, in whatever phases it stands.
-- It is in scope from its first scope day, at the latest from the day it is executed, to the day on which none of its
-- executions was found in the cycle any more; what comes back is added again. It is burned while it is in scope with an
-- execution that is; so burned test cases that leave the scope are no longer burned.
-- A walk later than the as-of date counts on the as-of date: what it found is what the figures are built from.
-- date: the day.
-- addedCount, removedCount: test cases that came into and left the scope on the day; in scope by a day is the sum of the one
-- less the other up to it.
-- burnedByExecutedCount, burnedByPassedCount: burned on the day under each burn policy, less those that were burned and left.
-- burnedCount: the one the setting burnPolicy chooses.
-- key: cycleKey, date
-- expect: addedCount >= 0 and removedCount >= 0, else fail
-- expect: burnedCount in (burnedByExecutedCount, burnedByPassedCount), else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
with
cycleTestcase as (select * from refine.cycleTestcase),

execution as (
  select executionKey, cycleKey, testcaseKey, executionStatusKey, assignmentDate, executionDate, lastModifiedDate
  from transform.factExecution
),

removal as (select * from transform.factExecutionRemoval),

rule as (select executionStatusKey, isOutOfScope, isBurnedByExecuted, isBurnedByPassed from refine.executionStatusRule),

cycle as (select cycleKey, cycleStartDate from transform.dimCycle where cycleKey <> -1),

setting as (select * from run.setting),

control as (select max(value) as burnPolicy from prepare.controls where name = 'burnPolicy'),

kind as (select name from (values ('scope'), ('executed'), ('passed')) as eventKind(name)),

touched as (
  select removal.cycleKey, removal.testcaseKey, true as isTouched
  from cycle
  join removal on cycle.cycleKey = removal.cycleKey
  group by removal.cycleKey, removal.testcaseKey
),

-- Hardly any test case was ever removed: for the others the first day of each kind is all there is. A flag is tested, for the
-- engine takes a null test on a join key for one on the other side.
untouched as (
  select cycleTestcase.*
  from touched
  right join cycleTestcase
    on touched.cycleKey = cycleTestcase.cycleKey and touched.testcaseKey = cycleTestcase.testcaseKey
  where touched.isTouched is null
),

untouchedEvent as (
  select
    untouched.cycleKey,
    kind.name as kind,
    case kind.name
      when 'scope' then untouched.firstScopeDate
      when 'executed' then untouched.firstBurnedByExecutedDate
      else untouched.firstBurnedByPassedDate
    end as date,
    1 as change
  from kind
  cross join untouched
),

touchedExecution as (
  select execution.*
  from touched
  join execution on touched.cycleKey = execution.cycleKey and touched.testcaseKey = execution.testcaseKey
),

returnOf as (
  select executionKey, max(returnedDate) as returnedDate from removal where isReturned group by executionKey
),

-- Each stay of an execution in its cycle: those that ended, and the one that goes on.
stay as (
  select
    removal.cycleKey,
    removal.testcaseKey,
    removal.executionStatusKey,
    removal.assignmentDate,
    removal.executionDate,
    removal.lastModifiedDate,
    lag(removal.returnedDate) over (
      partition by removal.executionKey order by removal.removedDateTime, removal.removalKey
    ) as arrivedDate,
    removal.removedDate
  from removal
  union all
  select
    touchedExecution.cycleKey,
    touchedExecution.testcaseKey,
    touchedExecution.executionStatusKey,
    touchedExecution.assignmentDate,
    touchedExecution.executionDate,
    touchedExecution.lastModifiedDate,
    returnOf.returnedDate as arrivedDate,
    cast(null as date) as removedDate
  from touchedExecution
  left join returnOf on touchedExecution.executionKey = returnOf.executionKey
),

judgedStay as (
  select
    stay.cycleKey,
    stay.testcaseKey,
    -- Spelled out, because least passes over what is empty.
    case when stay.arrivedDate > setting.asOf then setting.asOf else stay.arrivedDate end as arrivedDate,
    case
      when stay.removedDate is null then cast('9999-12-31' as date)
      else least(stay.removedDate, setting.asOf)
    end as endDate,
    case when not rule.isOutOfScope then coalesce(
      stay.assignmentDate, cycle.cycleStartDate, stay.lastModifiedDate, setting.asOf
    ) end as scopeDate,
    case when rule.isBurnedByExecuted
      then coalesce(stay.executionDate, stay.lastModifiedDate, setting.asOf) end as executedDate,
    case when rule.isBurnedByPassed
      then coalesce(stay.executionDate, stay.lastModifiedDate, setting.asOf) end as passedDate
  from setting
  cross join cycle
  join stay on cycle.cycleKey = stay.cycleKey
  left join rule on stay.executionStatusKey = rule.executionStatusKey
),

-- Where it arrived for the second time, what happened before is past.
kindStay as (
  select
    judgedStay.cycleKey,
    judgedStay.testcaseKey,
    kind.name as kind,
    case
      when kind.name = 'scope' then coalesce(
        case when scopeDate is not null then arrivedDate end,
        case when executedDate < scopeDate then executedDate else scopeDate end
      )
      when kind.name = 'executed' and arrivedDate > executedDate then arrivedDate
      when kind.name = 'executed' then executedDate
      when arrivedDate > passedDate then arrivedDate
      else passedDate
    end as startDate,
    judgedStay.endDate
  from kind
  cross join judgedStay
),

-- A test case in several phases is there as long as one of its executions is: stays that meet are one.
orderedStay as (
  select
    kindStay.*,
    max(endDate) over (
      partition by cycleKey, testcaseKey, kind order by startDate, endDate
      rows between unbounded preceding and 1 preceding
    ) as formerEnd
  from kindStay
  where startDate < endDate
),

numberedStay as (
  select
    orderedStay.*,
    sum(case when formerEnd is null or startDate > formerEnd then 1 else 0 end) over (
      partition by cycleKey, testcaseKey, kind order by startDate, endDate
      rows between unbounded preceding and current row
    ) as span
  from orderedStay
),

mergedStay as (
  select cycleKey, testcaseKey, kind, min(startDate) as startDate, max(endDate) as endDate
  from numberedStay
  group by cycleKey, testcaseKey, kind, span
),

change as (select step from (values (1), (-1)) as bothEnds(step)),

event as (
  select cycleKey, kind, date, change from untouchedEvent where date is not null
  union all
  select
    mergedStay.cycleKey,
    mergedStay.kind,
    case when change.step = 1 then mergedStay.startDate else mergedStay.endDate end as date,
    change.step as change
  from change
  cross join mergedStay
  where change.step = 1 or mergedStay.endDate < cast('9999-12-31' as date)
),

counted as (
  select
    cycleKey,
    date,
    sum(case when kind = 'scope' and change > 0 then 1 else 0 end) as addedCount,
    sum(case when kind = 'scope' and change < 0 then 1 else 0 end) as removedCount,
    sum(case when kind = 'executed' then change else 0 end) as burnedByExecutedCount,
    sum(case when kind = 'passed' then change else 0 end) as burnedByPassedCount
  from event
  group by cycleKey, date
),

final as (
  select
    counted.cycleKey,
    counted.date,
    cast(counted.addedCount as bigint) as addedCount,
    cast(counted.removedCount as bigint) as removedCount,
    cast(counted.burnedByExecutedCount as bigint) as burnedByExecutedCount,
    cast(counted.burnedByPassedCount as bigint) as burnedByPassedCount,
    cast(case
      when control.burnPolicy = 'passed' then counted.burnedByPassedCount else counted.burnedByExecutedCount
    end as bigint) as burnedCount
  from control
  cross join counted
)

select * from final
