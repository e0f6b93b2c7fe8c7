-- One row per execution with what its status, its time and the calendar of its cycle say about it.
-- isExecuted: Success, Failure or Blocked. isBurned: what the setting burnPolicy takes off the burn-down, executed or passed
-- only; isRemaining: not burned. burnedDate: the day of a burned execution, its last change or the as-of date where it has none.
-- scopeDate: the day the test case came into the scope of the cycle through this row: its assignment, else the start of
-- the cycle, else its last change, else the as-of date.
-- workingDayIndex: working days of the cycle up to and including the day, 0 before its start; workingDayNumber: the same,
-- on working days only. workingDaysSinceCycleStart and workingDaysUntilCycleEnd count working days after one day up to the other,
-- negative before the start and after the end. cycleProgressPct: share of the way from start to end of the cycle, 0 to 100,
-- on the day of the execution; a cycle of one day is done on that day.
-- Hours are local; business hours run from businessHoursStart up to, not including, businessHoursEnd on weekdays.
-- A cycle whose end lies before its start has no duration and no working days.
-- key: executionKey
-- expect: isExecuted = (isPassed or isFailed or isBlocked), else fail
-- expect: statusCategory is not null, else fail
-- expect: cycleProgressPct between 0 and 100 or cycleProgressPct is null, else fail
-- expect: not isBurned or burnedDate is not null, else fail
-- expect: scopeDate is not null, else fail
-- reference: projectKey in refine.dimProject.projectKey
-- reference: releaseKey in refine.dimRelease.releaseKey
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cyclePhaseKey in refine.dimCyclePhase.cyclePhaseKey
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: testerKey in refine.dimTester.testerKey
-- reference: executedByKey in refine.dimTester.testerKey
-- reference: executionStatusKey in refine.dimExecutionStatus.executionStatusKey
-- reference: executionDateId in refine.dimDate.dateId
-- reference: assignmentDateId in refine.dimDate.dateId
with
execution as (select * from transform.factExecution),

executionStatus as (select executionStatusKey, statusCategory from transform.dimExecutionStatus),

cycle as (select cycleKey, cycleStartDate, cycleEndDate from transform.dimCycle),

day as (select * from transform.dimDate where date is not null),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'burnPolicy' then value end) as burnPolicy,
    max(case when name = 'businessHoursStart' then cast(value as double) end) as businessHoursStart,
    max(case when name = 'businessHoursEnd' then cast(value as double) end) as businessHoursEnd,
    max(case when name = 'durationFastBelowSeconds' then cast(value as double) end) as durationFastBelowSeconds,
    max(case when name = 'durationSlowAboveSeconds' then cast(value as double) end) as durationSlowAboveSeconds
  from prepare.controls
  where name in (
    'burnPolicy', 'businessHoursStart', 'businessHoursEnd', 'durationFastBelowSeconds', 'durationSlowAboveSeconds'
  )
),

cycleSpan as (
  select
    cycle.cycleKey,
    cycle.cycleStartDate,
    cycle.cycleEndDate,
    startDay.businessDayNumber as startBusinessDayNumber,
    endDay.businessDayNumber as endBusinessDayNumber,
    case when startDay.isBusinessDay then 1 else 0 end as startBusinessDays,
    case when cycle.cycleEndDate >= cycle.cycleStartDate
      then date_diff(cycle.cycleEndDate, cycle.cycleStartDate) + 1 end as cycleDurationDays
  from cycle
  left join day as startDay on cycle.cycleStartDate = startDay.date
  left join day as endDay on cycle.cycleEndDate = endDay.date
),

joined as (
  select
    execution.*,
    executionStatus.statusCategory,
    cycleSpan.cycleStartDate,
    cycleSpan.cycleEndDate,
    cycleSpan.cycleDurationDays,
    cycleSpan.startBusinessDayNumber,
    cycleSpan.endBusinessDayNumber,
    cycleSpan.startBusinessDays,
    case when cycleSpan.cycleDurationDays is not null then nullif(
      cycleSpan.endBusinessDayNumber - cycleSpan.startBusinessDayNumber + cycleSpan.startBusinessDays, 0
    ) end as cycleWorkingDays,
    day.dayName,
    day.monthName,
    day.week,
    day.businessDayNumber,
    day.isWeekend,
    day.isBusinessDay,
    from_utc_timestamp(execution.executionDateTime, setting.timeZone) as executionLocalTime,
    setting.asOf,
    control.burnPolicy,
    control.businessHoursStart,
    control.businessHoursEnd,
    control.durationFastBelowSeconds,
    control.durationSlowAboveSeconds
  from setting
  cross join control
  cross join execution
  left join executionStatus on execution.executionStatusKey = executionStatus.executionStatusKey
  left join cycleSpan on execution.cycleKey = cycleSpan.cycleKey
  left join day on execution.executionDate = day.date
),

judged as (
  select
    joined.*,
    joined.statusCategory = 'Success' as isPassed,
    joined.statusCategory = 'Failure' as isFailed,
    joined.statusCategory = 'Blocked' as isBlocked,
    joined.statusCategory = 'Pending' as isNotExecuted,
    joined.statusCategory = 'Other' as isOther,
    joined.statusCategory in ('Success', 'Failure', 'Blocked') as isExecuted,
    joined.statusCategory = 'Success'
      or (joined.burnPolicy = 'executed' and joined.statusCategory in ('Failure', 'Blocked')) as isBurned,
    cast(extract(hour from joined.executionLocalTime) as int) as executionHour
  from joined
),

final as (
  select
    executionKey,
    projectKey,
    releaseKey,
    cycleKey,
    cyclePhaseKey,
    testcaseKey,
    testerKey,
    executedByKey,
    executionStatusKey,
    executionDateId,
    assignmentDateId,
    executionId,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    testcaseId,
    testcaseVersionId,
    treeTestcaseId,
    tcrCatalogTreeId,
    testerId,
    executedById,
    statusCode,
    statusCategory,
    executionDateSource,
    assignmentDate,
    executionDate,
    executionDateTime,
    lastModifiedDate,
    lastModifiedDateTime,
    coalesce(assignmentDate, cycleStartDate, lastModifiedDate, asOf) as scopeDate,
    case when isBurned then coalesce(executionDate, lastModifiedDate, asOf) end as burnedDate,
    case
      when durationMs is null then null
      when durationMs / 1000.0 < durationFastBelowSeconds then 'Fast'
      when durationMs / 1000.0 > durationSlowAboveSeconds then 'Slow'
      else 'Normal'
    end as durationCategory,
    dayName as executionDayOfWeek,
    monthName as executionMonthName,
    week as executionWeekNumber,
    executionHour,
    cycleStartDate,
    cycleEndDate,
    cycleDurationDays,
    cycleWorkingDays,
    case when executionDate >= cycleStartDate then date_diff(executionDate, cycleStartDate) + 1 end as dayOfCycle,
    case
      when executionDate < cycleStartDate then 0
      else businessDayNumber - startBusinessDayNumber + startBusinessDays
    end as workingDayIndex,
    case
      when executionDate >= cycleStartDate and isBusinessDay
        then businessDayNumber - startBusinessDayNumber + startBusinessDays
    end as workingDayNumber,
    date_diff(executionDate, cycleStartDate) as daysSinceCycleStart,
    date_diff(cycleEndDate, executionDate) as daysUntilCycleEnd,
    businessDayNumber - startBusinessDayNumber as workingDaysSinceCycleStart,
    endBusinessDayNumber - businessDayNumber as workingDaysUntilCycleEnd,
    case
      when cycleDurationDays is null or executionDate is null then null
      when executionDate < cycleStartDate then 0.0
      when executionDate >= cycleEndDate then 100.0
      else 100.0 * date_diff(executionDate, cycleStartDate) / (cycleDurationDays - 1)
    end as cycleProgressPct,
    executionOrder,
    durationMs,
    estimatedMs,
    durationMs / 1000.0 as durationSeconds,
    commentLength,
    attachmentCount,
    isPassed,
    isFailed,
    isBlocked,
    isNotExecuted,
    isOther,
    isExecuted,
    isBurned,
    not isBurned as isRemaining,
    isBusinessDay as isWorkingDay,
    isWeekend as isWeekendExecution,
    isWeekend or executionHour < businessHoursStart or executionHour >= businessHoursEnd as isAfterHoursExecution,
    executionDate > cycleEndDate as isLateExecution,
    commentLength > 0 as hasComment,
    isStale
  from judged
)

select * from final
