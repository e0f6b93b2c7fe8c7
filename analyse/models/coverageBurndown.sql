-- One row per cycle and day of its calendar: how many requirements of its release wait for a first test case. A requirement counts
-- in the releases it is allocated to, and in every release of its project when it is allocated to none. Cycles whose
-- release has no requirement are left out. After the as-of date there is only the plan, and what is counted is empty.
-- requirementCount: requirements of the release that exist by the day; one without a creation day always did.
-- coveredCount: those of them that had a first link by the day, of the links that are there now.
-- remainingCount: requirementCount - coveredCount.
-- remainingPct: remainingCount / requirementCount, 0 to 100.
-- remainingAtStartCount: remainingCount on the first day of the cycle.
-- plannedRemaining: greatest(0, remainingAtStartCount * (cycleWorkingDays - workingDayIndex) / cycleWorkingDays).
-- plannedDelta: remainingCount - plannedRemaining; above 0 is behind the plan.
-- cycleKey, cycleId: the cycle.
-- isWorkingDay: no weekend and no holiday.
-- isWithinCycle: not after the end of the cycle.
-- key: cycleKey, cycleDateKey
-- expect: isFuture or coveredCount + remainingCount = requirementCount, else fail
-- expect: isFuture or (coveredCount >= 0 and remainingCount >= 0), else fail
-- expect: remainingPct between 0 and 100 or remainingPct is null, else fail
-- expect: plannedRemaining between 0 and remainingAtStartCount or plannedRemaining is null, else fail
-- reference: cycleKey in refine.dimCycle.cycleKey
with
cycleDate as (select * from refine.dimCycleDate),

cycle as (
  select cycleKey, releaseKey, projectKey, cycleId, releaseId, projectId, cycleStartDate
  from refine.dimCycle
  where cycleKey <> -1
),

testRelease as (select releaseKey, projectKey from refine.dimRelease where releaseKey <> -1),

allocation as (select requirementKey, releaseKey from refine.bridgeRequirementRelease),

requirement as (
  select
    requirementKey,
    projectKey,
    createdDate,
    case
      when firstAllocationDate < createdDate then createdDate
      else firstAllocationDate
    end as coveredDate
  from refine.dimRequirement
  where requirementKey <> -1
),

setting as (select * from run.setting),

allocatedRequirement as (select distinct requirementKey, true as isAllocated from allocation),

-- Counted per project and pair of days before they are spread over its releases: there are far fewer pairs of days.
projectPair as (
  select requirement.projectKey, requirement.createdDate, requirement.coveredDate, count(*) as pairCount
  from requirement
  left join allocatedRequirement on requirement.requirementKey = allocatedRequirement.requirementKey
  where allocatedRequirement.isAllocated is null
  group by requirement.projectKey, requirement.createdDate, requirement.coveredDate
),

releasePair as (
  select testRelease.releaseKey, projectPair.createdDate, projectPair.coveredDate, projectPair.pairCount
  from projectPair
  join testRelease on projectPair.projectKey = testRelease.projectKey
  union all
  select allocation.releaseKey, requirement.createdDate, requirement.coveredDate, count(*) as pairCount
  from allocation
  join requirement on allocation.requirementKey = requirement.requirementKey
  where allocation.releaseKey <> -1
  group by allocation.releaseKey, requirement.createdDate, requirement.coveredDate
),

kind as (select name from (values ('created'), ('covered')) as eventKind(name)),

-- What happened before the start stands on the first day; what lies beyond the as-of date has not happened.
dayEvent as (
  select
    cycle.cycleKey,
    greatest(
      case when kind.name = 'created' then releasePair.createdDate else releasePair.coveredDate end,
      cycle.cycleStartDate
    ) as date,
    sum(case when kind.name = 'created' then releasePair.pairCount else 0 end) as createdCount,
    sum(case when kind.name = 'covered' then releasePair.pairCount else 0 end) as coveredCount
  from setting
  cross join kind
  cross join releasePair
  join cycle on releasePair.releaseKey = cycle.releaseKey
  where cycle.cycleStartDate is not null
    and (
      (kind.name = 'created' and (releasePair.createdDate <= setting.asOf or releasePair.createdDate is null))
      or (kind.name = 'covered' and releasePair.coveredDate <= setting.asOf)
    )
  group by
    cycle.cycleKey,
    greatest(
      case when kind.name = 'created' then releasePair.createdDate else releasePair.coveredDate end,
      cycle.cycleStartDate
    )
),

counted as (
  select distinct cycle.cycleKey
  from releasePair
  join cycle on releasePair.releaseKey = cycle.releaseKey
),

daily as (
  select
    cycleDate.*,
    coalesce(dayEvent.createdCount, 0) as createdOnDay,
    coalesce(dayEvent.coveredCount, 0) as coveredOnDay
  from counted
  join cycleDate on counted.cycleKey = cycleDate.cycleKey
  left join dayEvent on cycleDate.cycleKey = dayEvent.cycleKey and cycleDate.date = dayEvent.date
),

running as (
  select
    daily.*,
    sum(createdOnDay) over (
      partition by cycleKey order by date rows between unbounded preceding and current row
    ) as createdByDay,
    sum(coveredOnDay) over (
      partition by cycleKey order by date rows between unbounded preceding and current row
    ) as coveredByDay,
    sum(case when isCycleStart then createdOnDay - coveredOnDay else 0 end) over (
      partition by cycleKey order by date rows between unbounded preceding and current row
    ) as remainingAtStartCount
  from daily
),

planned as (
  select
    running.*,
    case when not isFuture then createdByDay end as requirementCount,
    case when not isFuture then coveredByDay end as coveredCount,
    case when not isFuture then createdByDay - coveredByDay end as remainingCount,
    case
      when cycleWorkingDays is not null then greatest(
        0.0,
        remainingAtStartCount * (cycleWorkingDays - workingDayIndex) * 1.0 / cycleWorkingDays
      )
    end as plannedRemaining
  from running
),

final as (
  select
    planned.cycleKey,
    planned.cycleDateKey,
    cycle.releaseKey,
    cycle.projectKey,
    cycle.cycleId,
    cycle.releaseId,
    cycle.projectId,
    planned.date,
    planned.cycleWorkingDays,
    planned.dayOfCycle,
    planned.workingDayIndex,
    planned.requirementCount,
    planned.coveredCount,
    planned.remainingCount,
    100.0 * planned.remainingCount / nullif(planned.requirementCount, 0) as remainingPct,
    planned.remainingAtStartCount,
    planned.plannedRemaining,
    planned.remainingCount - planned.plannedRemaining as plannedDelta,
    planned.isWorkingDay,
    planned.isWithinCycle,
    planned.isFuture
  from planned
  left join cycle on planned.cycleKey = cycle.cycleKey
)

select * from final
