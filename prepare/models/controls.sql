-- One row per setting of the models: thresholds, weights and policies that would otherwise be constants in SQL.
-- key: name
-- expect: value is not null, else fail
-- expect: name <> 'burnPolicy' or value in ('executed', 'passed'), else fail
-- expect: name <> 'executionTimeUnit' or value in ('ms', 's'), else fail
-- expect: name not in ('earliestDate', 'latestDate') or try_cast(value as date) is not null, else fail
-- expect: name in ('burnPolicy', 'calendarName', 'executionTimeUnit', 'earliestDate', 'latestDate')
--     or not isRequired or try_cast(value as double) is not null, else fail
with
given as (
  select btrim(name) as name, nullif(btrim(value), '') as value, btrim(description) as description
  from reference.controls
),

-- A replaced file may have lost a line: the setting then stands here without a value, and the stage says which.
required as (
  select name
  from (
    values
      ('burnPolicy'),
      ('calendarName'),
      ('executionTimeUnit'),
      ('businessHoursStart'),
      ('businessHoursEnd'),
      ('durationFastBelowSeconds'),
      ('durationSlowAboveSeconds'),
      ('cycleSizeSmallBelow'),
      ('cycleSizeLargeAbove'),
      ('cycleHealthCompletionWeight'),
      ('cycleHealthVelocityWeight'),
      ('cycleHealthQualityWeight'),
      ('healthPointsPerDayBehind'),
      ('calendarOverrunDays'),
      ('calendarMaximumDays'),
      ('earliestDate'),
      ('latestDate'),
      ('workloadRecentDays')
  ) as requiredName(name)
),

final as (
  select
    coalesce(given.name, required.name) as name,
    given.value as value,
    given.description as description,
    required.name is not null as isRequired
  from given
  full join required on given.name = required.name
)

select * from final
