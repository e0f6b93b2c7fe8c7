-- One row per cycle and calendar day: the working-day calendar of the cycle. It runs from its start to its end, and on to its
-- last activity and the as-of date, so that late work finds its day; past end and activity for calendarOverrunDays at most.
-- A cycle without a start has no calendar; one without an end, or with an end before its start, has no plan.
-- workingDayIndex: working days from the start up to and including the day (0 before the first). workingDayNumber: the same on
-- working days, empty on others. cycleWorkingDays: working days from start to end, empty when there are none.
-- dayOfCycle: 1 on the first day. cycleDateKey is the day as yyyymmdd; with cycleKey it makes the key.
-- isWorkingDay: neither a weekend nor a holiday.
-- isCycleStart, isCycleEnd: the first and the last day of the cycle.
-- isWithinCycle: from the start to the end, both included.
-- key: cycleKey, cycleDateKey
-- expect: isWorkingDay = (not isWeekend and not isHoliday), else fail
-- expect: workingDayIndex >= 0 and workingDayIndex <= dayOfCycle, else fail
-- expect: workingDayNumber = workingDayIndex or not isWorkingDay, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cycleDateKey in refine.dimDate.dateId
with
cycle as (select cycleKey, cycleId, cycleStartDate, cycleEndDate from transform.dimCycle where cycleStartDate is not null),

day as (select * from refine.dimDate where date is not null),

activity as (select * from refine.cycleActivity),

execution as (select cycleKey, executionDate from transform.factExecution),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'calendarOverrunDays' then cast(value as int) end) as calendarOverrunDays,
    max(case when name = 'calendarMaximumDays' then cast(value as int) end) as calendarMaximumDays
  from prepare.controls
  where name in ('calendarOverrunDays', 'calendarMaximumDays')
),

-- What lies beyond the as-of date has not happened: it cannot lengthen a calendar.
lastExecution as (
  select execution.cycleKey, max(execution.executionDate) as lastExecutionDate
  from setting
  cross join execution
  where execution.executionDate <= setting.asOf
  group by execution.cycleKey
),

lastActivity as (
  select activity.cycleKey, max(activity.date) as lastActivityDate
  from setting
  cross join activity
  where activity.date <= setting.asOf
  group by activity.cycleKey
),

planned as (
  select
    cycle.cycleKey,
    cycle.cycleId,
    cycle.cycleStartDate,
    case when cycle.cycleEndDate >= cycle.cycleStartDate then cycle.cycleEndDate end as cycleEndDate,
    greatest(
      cycle.cycleStartDate,
      cycle.cycleEndDate,
      lastExecution.lastExecutionDate,
      lastActivity.lastActivityDate
    ) as lastDate,
    setting.asOf,
    control.calendarOverrunDays,
    control.calendarMaximumDays
  from setting
  cross join control
  cross join cycle
  left join lastExecution on cycle.cycleKey = lastExecution.cycleKey
  left join lastActivity on cycle.cycleKey = lastActivity.cycleKey
),

span as (
  select
    planned.cycleKey,
    planned.cycleId,
    planned.cycleStartDate,
    planned.cycleEndDate,
    least(
      greatest(planned.lastDate, least(planned.asOf, date_add(planned.lastDate, planned.calendarOverrunDays))),
      date_add(planned.cycleStartDate, cast(planned.calendarMaximumDays - 1 as int))
    ) as calendarEndDate,
    startDay.businessDayNumber - case when startDay.isBusinessDay then 1 else 0 end as businessDaysBefore,
    nullif(
      endDay.businessDayNumber - startDay.businessDayNumber + case when startDay.isBusinessDay then 1 else 0 end,
      0
    ) as cycleWorkingDays
  from planned
  join day as startDay on planned.cycleStartDate = startDay.date
  left join day as endDay on planned.cycleEndDate = endDay.date
),

final as (
  select
    -- A day number takes eight digits, so cycle and day stand side by side in one whole number.
    span.cycleId * 100000000 + day.dateId as cycleCalendarKey,
    span.cycleKey,
    day.dateId as cycleDateKey,
    span.cycleId,
    day.date,
    span.cycleStartDate,
    span.cycleEndDate,
    span.cycleWorkingDays,
    date_diff(day.date, span.cycleStartDate) + 1 as dayOfCycle,
    day.businessDayNumber - span.businessDaysBefore as workingDayIndex,
    case when day.isBusinessDay then day.businessDayNumber - span.businessDaysBefore end as workingDayNumber,
    day.businessDayNumber,
    day.isWeekend,
    day.isHoliday,
    day.isBusinessDay as isWorkingDay,
    day.date = span.cycleStartDate as isCycleStart,
    day.date = span.cycleEndDate as isCycleEnd,
    day.date <= span.cycleEndDate as isWithinCycle,
    day.isFuture
  from span
  join day on day.date between span.cycleStartDate and span.calendarEndDate
)

select * from final
