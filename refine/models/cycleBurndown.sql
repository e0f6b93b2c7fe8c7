-- One row per cycle and day of its calendar: the burn-down, in distinct test cases. Up to the as-of date there are facts and
-- plan; after it there is only the plan, and what is counted is empty.
-- inScopeCount T: test cases in scope by the day. burnedCount B: test cases burned by the day. remainingCount: T - B.
-- addedCount: came into scope on the day after the start (isScopeChange); scopeAtStartCount: in scope by the first day.
-- n is workingDayIndex, W is cycleWorkingDays; without working days there is no plan.
-- plannedRemaining: greatest(0, T(start) - T(start) / W * n). plannedAdjusted: the same with the scope of the day, T(d).
-- plannedDelta: remainingCount - plannedRemaining; above 0 is behind the plan.
-- Once nothing remains the race is over: m is the working-day index of the last burn, while anything remains m is n.
-- The velocity is B / m test cases per working day, the idealVelocity T / W. daysBehind: m - B / (T / W) working days;
-- below 0 is ahead.
-- forecastIndex: n + ceil(remainingCount / velocity), the working day on which nothing will remain at this velocity, and
-- forecastDate its date; once nothing remains, the day of the last burn. Beyond dimDate there is no date.
-- burndownHealthScore: mean of 100 * least(1, velocity / idealVelocity) and of 100 less healthPointsPerDayBehind for each
-- day behind, not below 0. burndownHealthScoreOriginal: the older form, where one test case a day is full marks and the
-- points for days behind have no floor.
-- key: cycleKey, cycleDateKey
-- expect: isFuture or burnedCount + remainingCount = inScopeCount, else fail
-- expect: isFuture or (burnedCount >= 0 and remainingCount >= 0 and inScopeCount >= scopeAtStartCount), else fail
-- expect: not isFuture or coalesce(burnedCount, remainingCount, inScopeCount) is null, else fail
-- expect: remainingPct between 0 and 100 or remainingPct is null, else fail
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

cycleStart as (select cycleKey, cycleStartDate from cycleDate where isCycleStart),

-- What happened before the start stands on the first day; what lies beyond the as-of date has not happened.
dayActivity as (
  select
    activity.cycleKey,
    greatest(activity.date, cycleStart.cycleStartDate) as date,
    sum(activity.addedCount) as addedCount,
    sum(activity.burnedCount) as burnedCount
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
    coalesce(dayActivity.burnedCount, 0) as burnedOnDay
  from dayActivity
  right join cycleDate on dayActivity.cycleKey = cycleDate.cycleKey and dayActivity.date = cycleDate.date
),

running as (
  select
    daily.*,
    sum(daily.addedOnDay) over (
      partition by daily.cycleKey order by daily.date rows between unbounded preceding and current row
    ) as scopeByDay,
    sum(daily.burnedOnDay) over (
      partition by daily.cycleKey order by daily.date rows between unbounded preceding and current row
    ) as burnedByDay,
    sum(case when daily.isCycleStart then daily.addedOnDay else 0 end) over (
      partition by daily.cycleKey order by daily.date rows between unbounded preceding and current row
    ) as scopeAtStart,
    max(case when daily.burnedOnDay > 0 then daily.workingDayIndex end) over (
      partition by daily.cycleKey order by daily.date rows between unbounded preceding and current row
    ) as lastBurnIndex,
    max(case when daily.burnedOnDay > 0 then daily.date end) over (
      partition by daily.cycleKey order by daily.date rows between unbounded preceding and current row
    ) as lastBurnDate
  from daily
),

counted as (
  select
    running.*,
    case when not running.isFuture then running.scopeByDay end as inScopeCount,
    case when not running.isFuture then running.burnedByDay end as burnedCount,
    case when not running.isFuture then running.scopeByDay - running.burnedByDay end as remainingCount,
    case
      when running.isFuture then null
      when running.scopeByDay > 0 and running.scopeByDay = running.burnedByDay then running.lastBurnIndex
      else running.workingDayIndex
    end as racedDays,
    running.scopeByDay * 1.0 / running.cycleWorkingDays as idealPerDay,
    case
      when running.cycleWorkingDays is not null then greatest(
        0.0,
        running.scopeAtStart * (running.cycleWorkingDays - running.workingDayIndex) * 1.0 / running.cycleWorkingDays
      )
    end as plannedRemaining,
    case
      when running.cycleWorkingDays is not null then greatest(
        0.0,
        running.scopeByDay * (running.cycleWorkingDays - running.workingDayIndex) * 1.0 / running.cycleWorkingDays
      )
    end as plannedAdjusted
  from running
),

paced as (
  select
    counted.*,
    counted.burnedCount * 1.0 / nullif(counted.racedDays, 0) as velocity,
    case when not counted.isFuture then counted.idealPerDay end as idealVelocity,
    -- Multiplied before it is divided, so that a finished plan comes out at exactly 0.
    counted.racedDays
      - counted.burnedCount * counted.cycleWorkingDays * 1.0 / nullif(counted.inScopeCount, 0) as daysBehind
  from counted
),

projected as (
  select
    paced.*,
    case
      when paced.remainingCount > 0 and paced.racedDays > 0
        then paced.workingDayIndex + cast(ceil(
          paced.remainingCount * paced.racedDays * 1.0 / nullif(paced.burnedCount, 0)
        ) as bigint)
      when paced.remainingCount = 0 and paced.inScopeCount > 0 then paced.racedDays
    end as forecastIndex,
    case
      when paced.velocity is null or nullif(paced.idealVelocity, 0) is null then null
      else 100.0 * least(1.0, paced.velocity / nullif(paced.idealVelocity, 0))
    end as velocityScore,
    case when paced.velocity is not null then 100.0 * least(1.0, paced.velocity) end as velocityScoreOriginal,
    case
      when paced.daysBehind is null then null
      when paced.daysBehind <= 0 then 100.0
      else 100.0 - control.healthPointsPerDayBehind * paced.daysBehind
    end as scheduleScoreOriginal
  from control
  cross join paced
),

final as (
  select
    projected.cycleCalendarKey,
    projected.cycleKey,
    projected.cycleDateKey,
    projected.cycleId,
    projected.date,
    projected.cycleStartDate,
    projected.cycleEndDate,
    projected.cycleWorkingDays,
    projected.dayOfCycle,
    projected.workingDayIndex,
    projected.workingDayNumber,
    projected.scopeAtStart as scopeAtStartCount,
    projected.inScopeCount,
    projected.burnedCount,
    projected.remainingCount,
    case when projected.isFuture then null when projected.isCycleStart then 0 else projected.addedOnDay end as addedCount,
    case when not projected.isFuture then projected.burnedOnDay end as burnedOnDayCount,
    100.0 * projected.remainingCount / nullif(projected.inScopeCount, 0) as remainingPct,
    projected.plannedRemaining,
    projected.plannedAdjusted,
    projected.remainingCount - projected.plannedRemaining as plannedDelta,
    projected.velocity,
    projected.idealVelocity,
    projected.daysBehind,
    cast(projected.forecastIndex as bigint) as forecastIndex,
    case
      when projected.remainingCount = 0 and projected.inScopeCount > 0 then projected.lastBurnDate
      else forecastDay.date
    end as forecastDate,
    case
      when projected.scheduleScoreOriginal is not null
        then (projected.velocityScore + greatest(0.0, projected.scheduleScoreOriginal)) / 2
    end as burndownHealthScore,
    (projected.velocityScoreOriginal + projected.scheduleScoreOriginal) / 2 as burndownHealthScoreOriginal,
    projected.isWorkingDay,
    projected.isWithinCycle,
    projected.isFuture,
    case when not projected.isFuture then projected.addedOnDay > 0 and not projected.isCycleStart end as isScopeChange
  from projected
  left join businessDay as forecastDay
    on projected.businessDayNumber - projected.workingDayIndex + projected.forecastIndex = forecastDay.businessDayNumber
)

select * from final
