-- One row per calendar day, from the first to the last day anything happened, widened to whole years and one year more,
-- so that plans and forecasts find their days. Days beyond the settings earliestDate and latestDate point to Unknown (-1).
-- dayOfWeek 1 is Monday; week and isoYear follow ISO 8601; a business day is no weekend and no holiday of the chosen
-- calendar; businessDayNumber counts business days from the first day of the table up to and including the day.
-- date: the day.
-- year, quarter, month: of the calendar year.
-- isoYear, week: the ISO week and the year it belongs to.
-- dayOfMonth, dayOfYear: from 1.
-- dayOfWeek: 1 Monday to 7 Sunday.
-- businessDayNumber: business days up to and with this day, counted over the whole calendar.
-- isWeekend: Saturday or Sunday.
-- isHoliday: in the list of holidays.
-- isBusinessDay: neither.
-- key: dateId
with
project as (select projectStartDate, projectEndDate from clean.dimProject),

testRelease as (select releaseStartDate, releaseEndDate from clean.dimRelease),

cycle as (select cycleStartDate, cycleEndDate from clean.dimCycle),

phase as (select phaseStartDate, phaseEndDate from clean.dimCyclePhase),

execution as (select assignmentDate, executionDate, lastModifiedDate from clean.factExecution),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'earliestDate' then cast(value as date) end) as earliestDate,
    max(case when name = 'latestDate' then cast(value as date) end) as latestDate,
    max(case when name = 'calendarName' then value end) as calendarName
  from prepare.controls
  where name in ('earliestDate', 'latestDate', 'calendarName')
),

holiday as (select * from prepare.holidays),

extent as (
  select
    least(min(projectStartDate), min(projectEndDate)) as firstDate,
    greatest(max(projectStartDate), max(projectEndDate)) as lastDate
  from project
  union all
  select
    least(min(releaseStartDate), min(releaseEndDate)) as firstDate,
    greatest(max(releaseStartDate), max(releaseEndDate)) as lastDate
  from testRelease
  union all
  select
    least(min(cycleStartDate), min(cycleEndDate)) as firstDate,
    greatest(max(cycleStartDate), max(cycleEndDate)) as lastDate
  from cycle
  union all
  select
    least(min(phaseStartDate), min(phaseEndDate)) as firstDate,
    greatest(max(phaseStartDate), max(phaseEndDate)) as lastDate
  from phase
  union all
  select
    least(min(assignmentDate), min(executionDate), min(lastModifiedDate)) as firstDate,
    greatest(max(assignmentDate), max(executionDate), max(lastModifiedDate)) as lastDate
  from execution
  union all
  select asOf as firstDate, asOf as lastDate
  from setting
),

bounded as (
  select
    greatest(min(extent.firstDate), max(control.earliestDate)) as firstDate,
    least(max(extent.lastDate), max(control.latestDate)) as lastDate
  from control
  cross join extent
),

span as (
  select
    make_date(cast(extract(year from firstDate) as int), 1, 1) as firstDay,
    make_date(cast(extract(year from lastDate) as int) + 1, 12, 31) as lastDay
  from bounded
),

digit as (
  select n from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as tenDigits(n)
),

counter as (
  select cast(ones.n + 10 * tens.n + 100 * hundreds.n + 1000 * thousands.n + 10000 * tenThousands.n as int) as n
  from digit as ones
  cross join digit as tens
  cross join digit as hundreds
  cross join digit as thousands
  cross join digit as tenThousands
),

day as (
  select date_add(span.firstDay, counter.n) as date
  from span
  cross join counter
  where counter.n <= date_diff(span.lastDay, span.firstDay)
),

-- Counted from a Monday, so that the number of the weekday means the same in every engine.
weekday as (
  select
    day.date,
    cast((date_diff(day.date, cast('1970-01-05' as date)) % 7 + 7) % 7 + 1 as int) as dayOfWeek
  from day
),

judged as (
  select
    weekday.date,
    weekday.dayOfWeek,
    holiday.holidayName,
    weekday.dayOfWeek >= 6 as isWeekend,
    holiday.date is not null as isHoliday,
    weekday.dayOfWeek < 6 and holiday.date is null as isBusinessDay
  from control
  cross join weekday
  left join holiday on weekday.date = holiday.date and control.calendarName = holiday.calendarName
),

parted as (
  select
    judged.*,
    cast(extract(year from judged.date) as int) as year,
    cast(extract(month from judged.date) as int) as month,
    cast(extract(day from judged.date) as int) as dayOfMonth
  from judged
),

described as (
  select
    cast(year * 10000 + month * 100 + dayOfMonth as int) as dateId,
    date,
    year,
    cast((month + 2) / 3 as int) as quarter,
    month,
    case month
      when 1 then 'January'
      when 2 then 'February'
      when 3 then 'March'
      when 4 then 'April'
      when 5 then 'May'
      when 6 then 'June'
      when 7 then 'July'
      when 8 then 'August'
      when 9 then 'September'
      when 10 then 'October'
      when 11 then 'November'
      else 'December'
    end as monthName,
    -- A week belongs to the year of its Thursday.
    cast(extract(year from date_add(date, cast(4 - dayOfWeek as int))) as int) as isoYear,
    cast(extract(week from date) as int) as week,
    dayOfMonth,
    date_diff(date, make_date(year, 1, 1)) + 1 as dayOfYear,
    dayOfWeek,
    case dayOfWeek
      when 1 then 'Monday'
      when 2 then 'Tuesday'
      when 3 then 'Wednesday'
      when 4 then 'Thursday'
      when 5 then 'Friday'
      when 6 then 'Saturday'
      else 'Sunday'
    end as dayName,
    holidayName,
    cast(sum(case when isBusinessDay then 1 else 0 end) over (
      order by date rows between unbounded preceding and current row
    ) as int) as businessDayNumber,
    isWeekend,
    isHoliday,
    isBusinessDay
  from parted
),

final as (
  select * from described
  union all
  select
    -1 as dateId,
    null as date,
    null as year,
    null as quarter,
    null as month,
    'Unknown' as monthName,
    null as isoYear,
    null as week,
    null as dayOfMonth,
    null as dayOfYear,
    null as dayOfWeek,
    'Unknown' as dayName,
    null as holidayName,
    null as businessDayNumber,
    null as isWeekend,
    null as isHoliday,
    null as isBusinessDay
)

select * from final
