-- One row per cycle and day on which test cases came into its scope or were burned: the grain every burn-down is built from.
-- A test case counts once per cycle, in whatever phases it stands. It is burned from the first day on which any of its
-- executions is, and in scope from its first scope day, at the latest from the day it is burned.
-- key: cycleKey, date
-- expect: addedCount >= 0 and burnedCount >= 0 and addedCount + burnedCount > 0, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
with
execution as (select * from refine.factExecution),

testcase as (
  select
    cycleKey,
    testcaseKey,
    min(scopeDate) as firstScopeDate,
    min(burnedDate) as firstBurnedDate
  from execution
  group by cycleKey, testcaseKey
),

-- Both events from one pass: naming the grouped rows twice would group every execution twice.
kind as (select name from (values ('added'), ('burned')) as eventKind(name)),

event as (
  select
    testcase.cycleKey,
    case
      when kind.name = 'burned' then testcase.firstBurnedDate
      when testcase.firstBurnedDate < testcase.firstScopeDate then testcase.firstBurnedDate
      else testcase.firstScopeDate
    end as date,
    case when kind.name = 'added' then 1 else 0 end as added,
    case when kind.name = 'burned' then 1 else 0 end as burned
  from kind
  cross join testcase
),

final as (
  select
    cycleKey,
    date,
    cast(sum(added) as bigint) as addedCount,
    cast(sum(burned) as bigint) as burnedCount
  from event
  where date is not null
  group by cycleKey, date
)

select * from final
