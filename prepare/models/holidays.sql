-- One row per calendar and public holiday; weekdays in it are not worked. Shipped for England and Wales, 2020 to 2030.
-- date: a day nobody works.
-- key: calendarName, date
-- expect: calendarName is not null, else fail
-- expect: date is not null, else fail
with
holiday as (select * from reference.holidays),

final as (
  select
    btrim(calendarName) as calendarName,
    try_cast(btrim(date) as date) as date,
    btrim(holidayName) as holidayName
  from holiday
)

select * from final
