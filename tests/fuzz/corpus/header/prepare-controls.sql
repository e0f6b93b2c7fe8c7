-- One row per setting of the models: thresholds, weights, patterns and policies that would otherwise be constants in SQL.
-- name, value, description: the setting, its value as text and what it decides.
-- kind: what the value must be: number, date, switch (on or off) or text; empty for a line no model asks for.
-- isRequired: a model asks for it.
-- key: name
-- expect: value is not null, else fail
-- expect: kind <> 'number' or kind is null or try_cast(value as double) is not null, else fail
-- expect: kind <> 'date' or kind is null or try_cast(value as date) is not null, else fail
-- expect: kind <> 'switch' or kind is null or value in ('on', 'off'), else fail
-- expect: name <> 'burnPolicy' or value in ('executed', 'passed'), else fail
-- expect: name <> 'executionTimeUnit' or value in ('ms', 's'), else fail
-- expect: name <> 'driftMode' or value in ('evolve', 'freeze', 'quarantine'), else fail
-- expect: name not in ('businessHoursStart', 'businessHoursEnd') or try_cast(value as double) between 0 and 24, else fail
-- expect: name <> 'fiscalYearStartMonth' or try_cast(value as int) between 1 and 12, else fail
-- expect: name not like '%Weight' or try_cast(value as double) between 0 and 1, else fail
with
given as (
  select btrim(name) as name, nullif(btrim(value), '') as value, btrim(description) as description
  from reference.controls
),

-- A replaced file may have lost a line: the setting then stands here without a value, and the stage says which.
required as (
  select name, kind
  from (
    values
      ('burnPolicy', 'text'),
      ('calendarName', 'text'),
      ('executionTimeUnit', 'text'),
      ('businessHoursStart', 'number'),
      ('businessHoursEnd', 'number'),
      ('durationFastBelowSeconds', 'number'),
      ('durationSlowAboveSeconds', 'number'),
      ('cycleSizeSmallBelow', 'number'),
      ('cycleSizeLargeAbove', 'number'),
      ('cycleHealthCompletionWeight', 'number'),
      ('cycleHealthVelocityWeight', 'number'),
      ('cycleHealthQualityWeight', 'number'),
      ('healthPointsPerDayBehind', 'number'),
      ('calendarOverrunDays', 'number'),
      ('calendarMaximumDays', 'number'),
      ('earliestDate', 'date'),
      ('latestDate', 'date'),
      ('workloadRecentDays', 'number'),
      ('requirementRecentDays', 'number'),
      ('allocationRecentDays', 'number'),
      ('businessCriticalPriority', 'number'),
      ('requirementSimpleMaximumLinks', 'number'),
      ('requirementComplexAboveLinks', 'number'),
      ('allocationStrongPassRate', 'number'),
      ('traceabilityLinkWeight', 'number'),
      ('traceabilityExecutionWeight', 'number'),
      ('linkConfidenceOneSided', 'number'),
      ('matrixAmberMinimum', 'number'),
      ('matrixGreenMinimum', 'number'),
      ('outOfScopeStatuses', 'text'),
      ('weekendIsAfterHours', 'switch'),
      ('durationOutlierSigmas', 'number'),
      ('durationOutlierMinimumRuns', 'number'),
      ('buildVersionPattern', 'text'),
      ('releaseVersionPattern', 'text'),
      ('releaseHotfixPattern', 'text'),
      ('cycleTypeDefault', 'text'),
      ('fiscalYearStartMonth', 'number'),
      ('statusTrendDays', 'number'),
      ('statusTrendPoints', 'number'),
      ('passRateTrendDays', 'number'),
      ('passRateTrendPoints', 'number'),
      ('executionGrowthDays', 'number'),
      ('executionsRecentDays', 'number'),
      ('projectRecentDays', 'number'),
      ('projectMatureDays', 'number'),
      ('projectSizeSmallBelow', 'number'),
      ('projectSizeLargeAbove', 'number'),
      ('projectSimpleMaximumCycles', 'number'),
      ('projectComplexAboveCycles', 'number'),
      ('projectHealthPassWeight', 'number'),
      ('projectHealthCompletionWeight', 'number'),
      ('projectHealthUnblockedWeight', 'number'),
      ('personRanking', 'switch'),
      ('testerProductivityDays', 'number'),
      ('activeTesterDays', 'number'),
      ('testcaseR