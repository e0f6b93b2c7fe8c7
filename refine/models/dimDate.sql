-- One row per calendar day, as transform has it, and the Unknown day (-1), placed against the as-of date of the run.
-- isoWeek: week of the year by ISO 8601, with isoYear. week: the same.
-- weekOfMonth: 1 for the first seven days of the month, up to 5.
-- fiscalYear, fiscalQuarter, fiscalMonth: counted from the setting fiscalYearStartMonth; a fiscal year has the number of the
-- calendar year it ends in.
-- businessDayNumber: business days from the first day of the table up to and including the day.
-- reportingPeriod: the first of these that holds, seen from the as-of date: Current Week, Last Week (Monday to Sunday), Current
-- Month, Last Month, Current Quarter, Older, Future.
-- periodLabel: month and year, such as Jan 2025.
-- season: Spring is March to May, and so on.
-- isCurrentPeriod, isPreviousPeriod: in the calendar month of the as-of date, in the one before.
-- isMonthEnd, isQuarterEnd, isYearEnd: the last day of the calendar month, quarter, year.
-- isAsOf, isFuture: the as-of date itself, a day after it.
-- dayOfMonth, dayOfYear: counted from 1.
-- dayOfWeek: 1 is Monday.
-- isWeekend, isHoliday, isBusinessDay: Saturday or Sunday; in the chosen calendar of holidays; neither.
-- key: dateId
-- expect: reportingPeriod is not null or dateId = -1, else fail
-- expect: fiscalMonth between 1 and 12 or dateId = -1, else fail
-- expect: isBusinessDay = (not isWeekend and not isHoliday) or dateId = -1, else fail
with
day as (select * from transform.dimDate),

setting as (select * from run.setting),

control as (
  select cast(max(value) as int) as fiscalYearStartMonth from prepare.controls where name = 'fiscalYearStartMonth'
),

-- Months are numbered through, so that the month before January is found by subtraction.
placed as (
  select
    day.*,
    setting.asOf,
    control.fiscalYearStartMonth,
    day.year * 12 + day.month as monthNumber,
    cast(extract(year from setting.asOf) as int) * 12 + cast(extract(month from setting.asOf) as int) as asOfMonthNumber,
    cast((day.month - control.fiscalYearStartMonth + 12) % 12 + 1 as int) as fiscalMonth,
    -- Counted from a Monday.
    cast(floor(date_diff(day.date, cast('1970-01-05' as date)) / 7.0) as int) as weekNumber,
    cast(floor(date_diff(setting.asOf, cast('1970-01-05' as date)) / 7.0) as int) as asOfWeekNumber,
    date_add(day.date, cast(1 as int)) as nextDate
  from setting
  cross join control
  cross join day
),

final as (
  select
    dateId,
    date,
    year,
    quarter,
    month,
    monthName,
    isoYear,
    week,
    week as isoWeek,
    dayOfMonth,
    dayOfYear,
    cast((dayOfMonth + 6) / 7 as int) as weekOfMonth,
    dayOfWeek,
    dayName,
    cast(case
      when fiscalYearStartMonth > 1 and month >= fiscalYearStartMonth then year + 1
      else year
    end as int) as fiscalYear,
    cast((fiscalMonth + 2) / 3 as int) as fiscalQuarter,
    fiscalMonth,
    holidayName,
    case
      when date is null then null
      when weekNumber = asOfWeekNumber then 'Current Week'
      when weekNumber = asOfWeekNumber - 1 then 'Last Week'
      when monthNumber = asOfMonthNumber then 'Current Month'
      when monthNumber = asOfMonthNumber - 1 then 'Last Month'
      when year = extract(year from asOf) and quarter = floor((extract(month from asOf) + 2) / 3) then 'Current Quarter'
      when date < asOf then 'Older'
      else 'Future'
    end as reportingPeriod,
    case when date is not null then concat(substr(monthName, 1, 3), ' ', year) end as periodLabel,
    case
      when month between 3 and 5 then 'Spring'
      when month between 6 and 8 then 'Summer'
      when month between 9 and 11 then 'Autumn'
      when month is not null then 'Winter'
    end as season,
    businessDayNumber,
    isWeekend,
    isHoliday,
    isBusinessDay,
    date = asOf as isAsOf,
    date > asOf as isFuture,
    monthNumber = asOfMonthNumber as isCurrentPeriod,
    monthNumber = asOfMonthNumber - 1 as isPreviousPeriod,
    extract(day from nextDate) = 1 as isMonthEnd,
    extract(day from nextDate) = 1 and month in (3, 6, 9, 12) as isQuarterEnd,
    extract(day from nextDate) = 1 and month = 12 as isYearEnd
  from placed
)

select * from final
