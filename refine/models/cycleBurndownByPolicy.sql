-- One row per cycle, day of its calendar and burn policy: the burn-down under each definition of done, in distinct test cases.
-- Up to the as-of date there are facts and plan; after it there is only the plan, and what is counted is empty.
-- policy: what takes a test case off: executed (Success, Failure or Blocked) or passed (Success only).
-- inScopeCount: test cases in scope by the day, T.
-- burnedCount: of those the ones burned by the day, B.
-- remainingCount: T - B.
-- scopeAtStartCount: in scope by the first day, T(start).
-- isCycleStart: the first day of the cycle.
-- isWorkingDay: neither a weekend nor a holiday.
-- isWithinCycle: from the start to the end, both included.
-- addedCount, removedCount: came into scope and left it on the day; on the first day all that did so by then.
-- burnedOnDayCount: B less B of the day before; below 0 where burned test cases left the scope.
-- plannedRemaining: greatest(0, T(start) - T(start) / W * n), where n is workingDayIndex and W is cycleWorkingDays; without
-- working days there is no plan.
-- plannedAdjusted: the same with the scope of the day, T.
-- velocity: B / m test cases per working day, where m is n while anything remains; once nothing does the race is over, and m is
-- the working-day index of the last burn.
-- idealVelocity: T / W.
-- daysBehind: m - B / (T / W) working days; below 0 is ahead.
-- forecastIndex: n + ceil(remaining / velocity), the working day on which nothing will remain at this velocity.
-- forecastDate: its date; once nothing remains, the day of the last burn. Beyond dimDate there is no date.
-- burndownHealthScore: mean of 100 * least(1, velocity / idealVelocity) and of 100 less healthPointsPerDayBehind for each day
-- behind, not below 0.
-- burndownHealthScoreOriginal: the older form, where one test case a day is full marks and the points for days behind have no
-- floor.
-- key: cycleKey, cycleDateKey, policy
-- expect: policy in ('executed', 'passed'), else fail
-- expect: isFuture or burnedCount + remainingCount = inScopeCount, else fail
-- expect: isFuture or (burnedCount >= 0 and remainingCount >= 0 and scopeAtStartCount >= 0), else fail
-- expect: not isFuture or coalesce(burnedCount, remainingCount, inScopeCount) is null, else fail
-- expect: plannedRemaining between 0 and scopeAtStartCount or plannedRemaining is null, else fail
-- expect: burndownHealthScore between 0 and 100 or burndownHealthScore is null, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cycleDateKey in refine.dimDate.dateId
with
cycleDate as (select * from refine.dimCycleDate),

activity as (select * from refine.cycleActivity),

businessDay as (select businessDayNumber, date from refine.dimDate where isBusinessDay),

setting as (select * from run.setting),

control as (
  select cast(max(value) as double) as healthPointsPerDayBehind
  from prepare.controls
  where name = 'healthPointsPerDayBehind'
),

policy as (select name from (values ('executed'), ('passed')) as burnPolicy(name)),

cycleStart as (select cycleKey, cycleStartDate from cycleDate where isCycleStart),

-- What happened before the start stands on the first day; what lies beyond the as-of date has not happened.
dayActivity as (
  select
    activity.cycleKey,
    greatest(activity.date, cycleStart.cycleStartDate) as date,
    sum(activity.addedCount) as addedCount,
    sum(activity.removedCount) as removedCount,
    sum(activity.burnedByExecutedCount) as burnedByExecutedCount,
    sum(activity.burnedByPassedCount) as burnedByPassedCount
  from setting
  cross join activity
  join cycleStart on activity.cycleKey = cycleStart.cycleKey
  where activity.date <= setting.asOf
  group by activity.cycleKey, greatest(activity.date, cycleStart.cycleStartDate)
),

-- The small side stands first: it is the one a hash join keeps in memory.
daily as (
  select
    cycleDate.*,
    coalesce(dayActivity.addedCount, 0) as addedOnDay,
    coalesce(dayActivity.removedCount, 0) as removedOnDay,
    coalesce(dayActivity.burnedByExecutedCount, 0) as burnedByExecutedOnDay,
    coalesce(dayActivity.burnedByPassedCount, 0) as burnedByPassedOnDay
  from dayActivity
  right join cycleDate on dayActivity.cycleKey = cycleDate.cycleKey and dayActivity.date = cycleDate.date
),

policyDay as (
  select
    policy.name as policy,
    daily.*,
    case when policy.name = 'passed' then daily.burnedByPassedOnDay else daily.burnedByExecutedOnDay end as burnedOnDay
  from policy
  cross join daily
),

running as (
  select
    policyDay.*,
    sum(addedOnDay - removedOnDay) over dayByDay as scopeByDay,
    sum(burnedOnDay) over dayByDay as burnedByDay,
    sum(case when isCycleStart then addedOnDay - removedOnDay else 0 end) over dayByDay as scopeAtStart,
    max(case when burnedOnDay > 0 then workingDayIndex end) over dayByDay as lastBurnIndex,
    max(case when burnedOnDay > 0 then date end) over dayByDay as lastBurnDate
  from policyDay
  window dayByDay as (
    partition by policy, cycleKey order by date rows between unbounded preceding and current row
  )
),

counted as (
  select
    running.*,
    case when not isFuture then scopeByDay end as inScopeCount,
    case when not isFuture then burnedByDay end as burnedCount,
    case when not isFuture then scopeByDay - burnedByDay end as remainingCount,
    case
      when isFuture then null
      when scopeByDay > 0 and scopeByDay = burnedByDay then lastBurnIndex
      else workingDayIndex
    end as racedDays,
    scopeByDay * 1.0 / cycleWorkingDays as idealPerDay,
    case
      when cycleWorkingDays is not null
        then greatest(0.0, scopeAtStart * (cycleWorkingDays - workingDayIndex) * 1.0 / cycleWorkingDays)
    end as plannedRemaining,
    case
      when cycleWorkingDays is not null
        then greatest(0.0, scopeByDay * (cycleWorkingDays - workingDayIndex) * 1.0 / cycleWorkingDays)
    end as plannedAdjusted
  from running
),

paced as (
  select
    counted.*,
    burnedCount * 1.0 / nullif(racedDays, 0) as velocity,
    case when not isFuture then idealPerDay end as idealVelocity,
    -- Multiplied before it is divided, so that a finished plan comes out at exactly 0.
    racedDays - burnedCount * cycleWorkingDays * 1.0 / nullif(inScopeCount, 0) as daysBehind
  from counted
),

projected as (
  select
    paced.*,
    case
      when remainingCount > 0 and racedDays > 0
        then workingDayIndex + cast(ceil(remainingCount * racedDays * 1.0 / nullif(burnedCount, 0)) as bigint)
      when remainingCount = 0 and inScopeCount > 0 then racedDays
    end as forecastIndex,
    case
      when velocity is null or nullif(idealVelocity, 0) is null then null
      else 100.0 * least(1.0, velocity / nullif(idealVelocity, 0))
    end as velocityScore,
    case when velocity is not null then 100.0 * least(1.0, velocity) end as velocityScoreOriginal,
    case
      when daysBehind is null then null
      when daysBehind <= 0 then 100.0
      else 100.0 - control.healthPointsPerDayBehind * daysBehind
    end as scheduleScoreOriginal
  from control
  cross join paced
),

judged as (
  select
    projected.*,
    case
      when remainingCount = 0 and inScopeCount > 0 then lastBurnDate
      else forecastDay.date
    end as forecastDate,
    case
      when scheduleScoreOriginal is not null then (velocityScore + greatest(0.0, scheduleScoreOriginal)) / 2
    end as burndownHealthScore,
    (velocityScoreOriginal + scheduleScoreOriginal) / 2 as burndownHealthScoreOriginal
  from projected
  left join businessDay as forecastDay
    on projected.businessDayNumber - projected.workingDayIndex + projected.forecastIndex = forecastDay.businessDayNumber
),

final as (
  select
    cycleCalendarKey,
    cycleKey,
    cycleDateKey,
    cycleId,
    policy,
    date,
    cycleStartDate,
    cycleEndDate,
    cycleWorkingDays,
    dayOfCycle,
    workingDayIndex,
    workingDayNumber,
    scopeAtStart as scopeAtStartCount,
    inScopeCount,
    burnedCount,
    remainingCount,
    case when not isFuture then addedOnDay end as addedCount,
    case when not isFuture then removedOnDay end as removedCount,
    case when not isFuture then burnedOnDay end as burnedOnDayCount,
    plannedRemaining,
    plannedAdjusted,
    velocity,
    idealVelocity,
    daysBehind,
    cast(forecastIndex as bigint) as forecastIndex,
    forecastDate,
    burndownHealthScore,
    burndownHealthScoreOriginal,
    isCycleStart,
    isWorkingDay,
    isWithinCycle,
    isFuture
  from judged
)

select * from final
