-- One row per cycle and day of its calendar: the burn-down, in distinct test cases. Up to the as-of date there are facts and
-- plan; after it there is only the plan, and what is counted is empty.
-- inScopeCount: test cases in scope by the day, T.
-- burnedByExecutedCount, burnedByPassedCount: of those the ones burned by the day, B, under each burn policy.
-- remainingByExecutedCount, remainingByPassedCount: T - B under each.
-- burnPolicy: the policy the setting chooses; what is named without a policy is that one's.
-- burnedCount, remainingCount: B and T - B.
-- addedCount, removedCount: came into scope and left it on the day, after the start.
-- netScopeChange: the one less the other.
-- isScopeChange: either is above 0.
-- scopeAtStartCount: in scope by the first day, T(start).
-- burnedOnDayCount: B less B of the day before; below 0 where burned test cases left the scope.
-- remainingPct: share of the scope that remains, 0 to 100.
-- plannedRemaining, plannedAdjusted: what the plan leaves, by the scope of the first day and by that of the day.
-- plannedDelta: remainingCount - plannedRemaining; above 0 is behind the plan.
-- velocity, idealVelocity, forecastIndex: as in cycleBurndownByPolicy.
-- daysBehind, daysBehindByExecuted, daysBehindByPassed: working days behind the plan; below 0 is ahead.
-- forecastDate, forecastDateByExecuted, forecastDateByPassed: day on which nothing will remain at the velocity so far.
-- burndownHealthScore, burndownHealthScoreByExecuted, burndownHealthScoreByPassed: 0 to 100, as in cycleBurndownByPolicy.
-- burndownHealthScoreOriginal: the older form, without a floor.
-- key: cycleKey, cycleDateKey
-- expect: isFuture or burnedCount + remainingCount = inScopeCount, else fail
-- expect: isFuture or burnedByExecutedCount + remainingByExecutedCount = inScopeCount, else fail
-- expect: isFuture or burnedByPassedCount + remainingByPassedCount = inScopeCount, else fail
-- expect: isFuture or (burnedByPassedCount >= 0 and burnedByPassedCount <= burnedByExecutedCount), else fail
-- expect: isFuture or (remainingByExecutedCount >= 0 and remainingCount >= 0 and inScopeCount >= 0), else fail
-- expect: not isFuture or coalesce(burnedCount, remainingCount, inScopeCount) is null, else fail
-- expect: remainingPct between 0 and 100 or remainingPct is null, else fail
-- expect: plannedRemaining between 0 and scopeAtStartCount or plannedRemaining is null, else fail
-- expect: burndownHealthScore between 0 and 100 or burndownHealthScore is null, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cycleDateKey in refine.dimDate.dateId
with
control as (select max(value) as burnPolicy from prepare.controls where name = 'burnPolicy'),

headline as (
  select burndown.*
  from control
  join refine.cycleBurndownByPolicy as burndown on control.burnPolicy = burndown.policy
),

other as (
  select burndown.*
  from control
  join refine.cycleBurndownByPolicy as burndown on control.burnPolicy <> burndown.policy
),

final as (
  select
    headline.cycleCalendarKey,
    headline.cycleKey,
    headline.cycleDateKey,
    headline.cycleId,
    headline.date,
    headline.cycleStartDate,
    headline.cycleEndDate,
    headline.policy as burnPolicy,
    headline.cycleWorkingDays,
    headline.dayOfCycle,
    headline.workingDayIndex,
    headline.workingDayNumber,
    headline.scopeAtStartCount,
    headline.inScopeCount,
    headline.burnedCount,
    headline.remainingCount,
    case
      when headline.policy = 'executed' then headline.burnedCount else other.burnedCount
    end as burnedByExecutedCount,
    case
      when headline.policy = 'executed' then headline.remainingCount else other.remainingCount
    end as remainingByExecutedCount,
    case when headline.policy = 'passed' then headline.burnedCount else other.burnedCount end as burnedByPassedCount,
    case
      when headline.policy = 'passed' then headline.remainingCount else other.remainingCount
    end as remainingByPassedCount,
    case
      when headline.isCycleStart and not headline.isFuture then 0 else headline.addedCount
    end as addedCount,
    case
      when headline.isCycleStart and not headline.isFuture then 0 else headline.removedCount
    end as removedCount,
    case
      when headline.isCycleStart and not headline.isFuture then 0
      else headline.addedCount - headline.removedCount
    end as netScopeChange,
    headline.burnedOnDayCount,
    100.0 * headline.remainingCount / nullif(headline.inScopeCount, 0) as remainingPct,
    headline.plannedRemaining,
    headline.plannedAdjusted,
    headline.remainingCount - headline.plannedRemaining as plannedDelta,
    headline.velocity,
    headline.idealVelocity,
    headline.daysBehind,
    case when headline.policy = 'executed' then headline.daysBehind else other.daysBehind end as daysBehindByExecuted,
    case when headline.policy = 'passed' then headline.daysBehind else other.daysBehind end as daysBehindByPassed,
    headline.forecastIndex,
    headline.forecastDate,
    case
      when headline.policy = 'executed' then headline.forecastDate else other.forecastDate
    end as forecastDateByExecuted,
    case when headline.policy = 'passed' then headline.forecastDate else other.forecastDate end as forecastDateByPassed,
    headline.burndownHealthScore,
    case
      when headline.policy = 'executed' then headline.burndownHealthScore else other.burndownHealthScore
    end as burndownHealthScoreByExecuted,
    case
      when headline.policy = 'passed' then headline.burndownHealthScore else other.burndownHealthScore
    end as burndownHealthScoreByPassed,
    headline.burndownHealthScoreOriginal,
    headline.isWorkingDay,
    headline.isWithinCycle,
    headline.isFuture,
    case
      when not headline.isFuture then headline.addedCount + headline.removedCount > 0 and not headline.isCycleStart
    end as isScopeChange
  from headline
  join other on headline.cycleKey = other.cycleKey and headline.cycleDateKey = other.cycleDateKey
)

select * from final
