-- One row per calendar day, as transform has it, placed against the as-of date of the run.
-- key: dateId
with
day as (select * from transform.dimDate),

setting as (select * from run.setting),

final as (
  select
    day.dateId,
    day.date,
    day.year,
    day.quarter,
    day.month,
    day.monthName,
    day.isoYear,
    day.week,
    day.dayOfMonth,
    day.dayOfYear,
    day.dayOfWeek,
    day.dayName,
    day.holidayName,
    day.businessDayNumber,
    day.isWeekend,
    day.isHoliday,
    day.isBusinessDay,
    day.date = setting.asOf as isAsOf,
    day.date > setting.asOf as isFuture
  from setting
  cross join day
)

select * from final
