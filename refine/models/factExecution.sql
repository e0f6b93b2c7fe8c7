-- One row per execution with what its status, its time and the calendar of its cycle say about it, and what was known of its
-- tester, its test case and its cycle when it ended.
-- projectVersionKey, releaseVersionKey, cycleVersionKey, testcaseVersionKey: the version valid at the instant of the execution.
-- statusCategoryDetailed: the category; of Pending also whether somebody is assigned: Pending/Assigned, Pending/Unassigned. What
-- waits for Anyone, whose id is below 0, is unassigned.
-- isExecuted, isCompleted: Success, Failure or Blocked.
-- isOutOfScope: its status is one the setting outOfScopeStatuses names.
-- isBurned: what the setting burnPolicy takes off the burn-down, executed or passed only.
-- isRemaining: in scope and not burned.
-- burnedDate: the day of a burned execution, its last change or the as-of date where it has none.
-- scopeDate: the day the test case came into the scope of the cycle through this row: its assignment, else the start of
-- the cycle, else its last change, else the as-of date; empty when it is out of scope.
-- actualTimeMinutes, estimatedTimeMinutes: time taken and time planned, minutes.
-- timeVarianceMinutes: time taken less time planned, minutes.
-- durationCategory: Fast, Normal or Slow by the settings durationFastBelowSeconds and durationSlowAboveSeconds.
-- durationPercentile: share of the timed executions of the cycle that were shorter, 0 for the shortest to 100 for the longest.
-- isDurationOutlier: further than durationOutlierSigmas standard deviations from the mean of the cycle; never in a cycle with
-- fewer than durationOutlierMinimumRuns timed executions.
-- executionHour: local hour, 0 to 23.
-- isAfterHoursExecution: before businessHoursStart or from businessHoursEnd on, local time; by weekendIsAfterHours all weekend.
-- cycleDateKey: day of the execution as yyyymmdd; with cycleKey it finds the day in dimCycleDate.
-- cycleDurationDays: days from start to end of the cycle, both included; empty when the end lies before the start.
-- cycleWorkingDays: working days from start to end of the cycle, empty when there are none.
-- totalTestcases: test cases in the scope of the cycle by the as-of date.
-- workingDayIndex: working days of the cycle up to and including the day, 0 before its start.
-- workingDayNumber: the same, on working days only.
-- workingDaysSinceCycleStart, workingDaysUntilCycleEnd: working days after one day up to the other, negative before the start
-- and after the end.
-- cycleProgressPct: share of the way from start to end of the cycle on the day of the execution, 0 to 100; a cycle of one day
-- is done on that day.
-- executionAttempt: 1 for the first execution of the test case in the cycle, by time, then 2 and so on.
-- isRepeatExecution: the test case has more than one execution in the cycle.
-- testsCompletedAtExecution: test cases of the cycle burned by the instant of this execution; empty when it is not executed.
-- testsRemainingAtExecution: test cases in scope on its day less those completed.
-- plannedTestsRemaining: greatest(0, T - T / W * n) rounded up, with T totalTestcases, W cycleWorkingDays, n workingDayIndex;
-- empty without a day or without working days.
-- actualVsPlannedDelta: tests remaining less those planned to; below 0 is ahead of the plan.
-- burndownVelocity: tests completed per working day of the cycle so far, 0 before the first.
-- testcasesAdded, testcasesRemoved: test cases that came into and left the scope of the cycle on the day of the execution, after
-- its first day.
-- isScopeChange: one of them is above 0.
-- scopeChangeDate: that day, when the scope changed on it.
-- scopeChangeReason: what the reference table scopeChangeReasons says about it.
-- testerTotalExecutions, testerPassRate, testerAvgDurationSeconds: what the tester had executed up to and including this
-- execution, share passed (0 to 1) and mean duration.
-- testcaseExecutionCount, testcaseFailCount: how often the test case had been executed and failed up to and including this one.
-- testcaseStabilityScore: share passed of its last stabilityRecentRuns executed executions by then, 0 to 1.
-- statusCode, executionStatus, statusCategory: code, name and category of its status.
-- isPassed, isFailed, isBlocked: the category is Success, Failure, Blocked.
-- isNotExecuted: the category is Pending.
-- isOther: a status of the tenant's own that nobody categorised.
-- executionDateSource: where its day comes from: lastTestResult or lastModifiedOn.
-- executionDayOfWeek, executionMonthName, executionWeekNumber: weekday, month and ISO week of its day.
-- dayOfCycle: 1 on the first day of the cycle.
-- daysSinceCycleStart, daysUntilCycleEnd: calendar days from the start and to the end of the cycle, below 0 outside it.
-- isLateExecution: its day lies after the end of the cycle.
-- isWorkingDay, isWeekendExecution: its day is worked; it is a Saturday or Sunday.
-- executionOrder: place within its phase.
-- durationMs, durationSeconds: time taken, milliseconds and seconds.
-- estimatedMs: time planned, milliseconds.
-- isAheadOfSchedule, isBehindSchedule: actualVsPlannedDelta is below 0, above 0.
-- commentLength: characters of the trimmed comment, 0 without one.
-- hasComment: there is a comment.
-- attachmentCount: files attached to it.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: executionKey
-- expect: isExecuted = (isPassed or isFailed or isBlocked), else fail
-- expect: statusCategory is not null, else fail
-- expect: cycleProgressPct between 0 and 100 or cycleProgressPct is null, else fail
-- expect: not isBurned or burnedDate is not null, else fail
-- expect: scopeDate is not null or isOutOfScope, else fail
-- expect: not isOutOfScope or not (isBurned or isRemaining), else fail
-- expect: isBurned or isRemaining or isOutOfScope, else fail
-- expect: durationPercentile between 0 and 100 or durationPercentile is null, else fail
-- expect: testerPassRate between 0 and 1 or testerPassRate is null, else fail
-- expect: testcaseStabilityScore between 0 and 1 or testcaseStabilityScore is null, else fail
-- expect: testsRemainingAtExecution >= 0 or testsRemainingAtExecution is null, else fail
-- expect: executionAttempt >= 1, else fail
-- reference: projectKey in transform.dimProject.projectKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cyclePhaseKey in transform.dimCyclePhase.cyclePhaseKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: testerKey in transform.dimTester.testerKey
-- reference: executedByKey in transform.dimTester.testerKey
-- reference: executionStatusKey in transform.dimExecutionStatus.executionStatusKey
-- reference: projectVersionKey in transform.dimProjectHistory.projectVersionKey
-- reference: releaseVersionKey in transform.dimReleaseHistory.releaseVersionKey
-- reference: cycleVersionKey in transform.dimCycleHistory.cycleVersionKey
-- reference: testcaseVersionKey in transform.dimTestcaseHistory.testcaseVersionKey
-- reference: executionDateId in refine.dimDate.dateId
-- reference: assignmentDateId in refine.dimDate.dateId
-- conserves: transform.factExecution
with
execution as (select * from transform.factExecution),

rule as (select * from refine.executionStatusRule),

run as (select * from refine.executionRun),

cycleTestcase as (select cycleKey, testcaseKey from refine.cycleTestcase where executionCount > 1),

activity as (select cycleKey, date, addedCount, removedCount, burnedCount from refine.cycleActivity),

cycle as (select cycleKey, cycleId, cycleStartDate, cycleEndDate from transform.dimCycle),

day as (select * from transform.dimDate where date is not null),

scopeChangeReason as (select * from prepare.scopeChangeReasons),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'businessHoursStart' then cast(value as double) end) as businessHoursStart,
    max(case when name = 'businessHoursEnd' then cast(value as double) end) as businessHoursEnd,
    max(case when name = 'weekendIsAfterHours' then value end) = 'on' as weekendIsAfterHours,
    max(case when name = 'durationFastBelowSeconds' then cast(value as double) end) as durationFastBelowSeconds,
    max(case when name = 'durationSlowAboveSeconds' then cast(value as double) end) as durationSlowAboveSeconds,
    max(case when name = 'durationOutlierSigmas' then cast(value as double) end) as durationOutlierSigmas,
    max(case when name = 'durationOutlierMinimumRuns' then cast(value as double) end) as durationOutlierMinimumRuns
  from prepare.controls
  where name in (
    'businessHoursStart', 'businessHoursEnd', 'weekendIsAfterHours', 'durationFastBelowSeconds', 'durationSlowAboveSeconds',
    'durationOutlierSigmas', 'durationOutlierMinimumRuns'
  )
),

totalTestcase as (
  select activity.cycleKey, sum(activity.addedCount - activity.removedCount) as totalTestcases
  from setting
  cross join activity
  where activity.date <= setting.asOf
  group by activity.cycleKey
),

cycleDuration as (
  select
    cycleKey,
    count(durationMs) as timedCount,
    avg(durationMs) as meanMs,
    stddev_samp(durationMs) as deviationMs
  from execution
  where durationMs is not null
  group by cycleKey
),

cycleSpan as (
  select
    cycle.cycleKey,
    cycle.cycleStartDate,
    cycle.cycleEndDate,
    totalTestcase.totalTestcases,
    cycleDuration.timedCount,
    cycleDuration.meanMs,
    cycleDuration.deviationMs,
    startDay.businessDayNumber as startBusinessDayNumber,
    endDay.businessDayNumber as endBusinessDayNumber,
    case when startDay.isBusinessDay then 1 else 0 end as startBusinessDays,
    case when cycle.cycleEndDate >= cycle.cycleStartDate
      then date_diff(cycle.cycleEndDate, cycle.cycleStartDate) + 1 end as cycleDurationDays
  from cycle
  left join day as startDay on cycle.cycleStartDate = startDay.date
  left join day as endDay on cycle.cycleEndDate = endDay.date
  left join totalTestcase on cycle.cycleKey = totalTestcase.cycleKey
  left join cycleDuration on cycle.cycleKey = cycleDuration.cycleKey
),

-- Durations repeat: each is ranked once, not each execution.
durationCount as (
  select cycleKey, durationMs, count(*) as rowCount
  from execution
  where durationMs is not null
  group by cycleKey, durationMs
),

durationRank as (
  select
    cycleKey,
    durationMs,
    sum(rowCount) over (
      partition by cycleKey order by durationMs rows between unbounded preceding and current row
    ) - rowCount as shorterCount
  from durationCount
),

-- What happened in a cycle on a day, and the days on which something was executed there.
dayEvent as (
  select cycleKey, date, addedCount, removedCount, burnedCount from activity
  union all
  select cycleKey, executionDate as date, 0 as addedCount, 0 as removedCount, 0 as burnedCount
  from execution
  where executionDate is not null
  group by cycleKey, executionDate
),

dayTotal as (
  select
    cycleKey,
    date,
    sum(addedCount) as addedCount,
    sum(removedCount) as removedCount,
    sum(burnedCount) as burnedCount
  from dayEvent
  group by cycleKey, date
),

cycleDay as (
  select
    dayTotal.cycleKey,
    dayTotal.date,
    case when dayTotal.date > cycle.cycleStartDate then dayTotal.addedCount else 0 end as addedCount,
    case when dayTotal.date > cycle.cycleStartDate then dayTotal.removedCount else 0 end as removedCount,
    sum(dayTotal.addedCount - dayTotal.removedCount) over byDay as inScopeCount,
    sum(dayTotal.burnedCount) over byDay as burnedByDayCount,
    scopeChangeReason.reason
  from dayTotal
  left join cycle on dayTotal.cycleKey = cycle.cycleKey
  left join scopeChangeReason on cycle.cycleId = scopeChangeReason.cycleId and dayTotal.date = scopeChangeReason.date
  window byDay as (
    partition by dayTotal.cycleKey order by dayTotal.date rows between unbounded preceding and current row
  )
),

attempt as (
  select
    execution.executionKey,
    row_number() over (
      partition by execution.cycleKey, execution.testcaseKey
      order by execution.executionDateTime nulls last, execution.executionId
    ) as executionAttempt
  from cycleTestcase
  join execution on cycleTestcase.cycleKey = execution.cycleKey and cycleTestcase.testcaseKey = execution.testcaseKey
),

-- Of two sides the engine keeps the first in memory where it does not know their sizes: the narrow one stands first.
tried as (
  select execution.*, attempt.executionAttempt
  from attempt
  right join execution on attempt.executionKey = execution.executionKey
),

ran as (
  select
    tried.*,
    run.testerTotalExecutions,
    run.testerPassRate,
    run.testerAvgDurationSeconds,
    run.testcaseExecutionCount,
    run.testcaseFailCount,
    run.testcaseStabilityScore,
    run.burnedLaterOnDayCount
  from run
  right join tried on run.executionKey = tried.executionKey
),

ranked as (
  select ran.*, durationRank.shorterCount
  from durationRank
  right join ran on durationRank.cycleKey = ran.cycleKey and durationRank.durationMs = ran.durationMs
),

onDay as (
  select
    ranked.*,
    cycleDay.burnedByDayCount - ranked.burnedLaterOnDayCount as testsCompletedAtExecution,
    cycleDay.inScopeCount,
    cycleDay.addedCount,
    cycleDay.removedCount,
    cycleDay.reason
  from cycleDay
  right join ranked on cycleDay.cycleKey = ranked.cycleKey and cycleDay.date = ranked.executionDate
),

spanned as (
  select
    onDay.*,
    cycleSpan.timedCount,
    cycleSpan.meanMs,
    cycleSpan.deviationMs,
    cycleSpan.totalTestcases,
    cycleSpan.cycleStartDate,
    cycleSpan.cycleEndDate,
    cycleSpan.cycleDurationDays,
    cycleSpan.startBusinessDayNumber,
    cycleSpan.endBusinessDayNumber,
    cycleSpan.startBusinessDays
  from cycleSpan
  right join onDay on cycleSpan.cycleKey = onDay.cycleKey
),

joined as (
  select
    execution.*,
    rule.executionStatusId,
    rule.executionStatusName as executionStatus,
    rule.statusCategory,
    rule.isPassed,
    rule.isFailed,
    rule.isBlocked,
    rule.isNotExecuted,
    rule.isOther,
    rule.isExecuted,
    rule.isOutOfScope,
    rule.isBurned,
    rule.isRemaining,
    case when execution.cycleDurationDays is not null then nullif(
      execution.endBusinessDayNumber - execution.startBusinessDayNumber + execution.startBusinessDays, 0
    ) end as cycleWorkingDays,
    day.dayName,
    day.monthName,
    day.week,
    day.businessDayNumber,
    day.isWeekend,
    day.isBusinessDay,
    cast(extract(hour from from_utc_timestamp(execution.executionDateTime, setting.timeZone)) as int) as executionHour,
    setting.asOf,
    control.businessHoursStart,
    control.businessHoursEnd,
    control.weekendIsAfterHours,
    control.durationFastBelowSeconds,
    control.durationSlowAboveSeconds,
    control.durationOutlierSigmas,
    control.durationOutlierMinimumRuns
  from setting
  cross join control
  cross join spanned as execution
  left join rule on execution.executionStatusKey = rule.executionStatusKey
  left join day on execution.executionDate = day.date
),

placed as (
  select
    joined.*,
    case
      when joined.executionDate < joined.cycleStartDate then 0
      else joined.businessDayNumber - joined.startBusinessDayNumber + joined.startBusinessDays
    end as workingDayIndex,
    joined.inScopeCount - joined.testsCompletedAtExecution as testsRemainingAtExecution
  from joined
),

-- Multiplied before it is divided, so that the plan of the last day comes out at exactly 0.
measured as (
  select
    placed.*,
    -- Spelled out, because greatest passes over what is empty.
    cast(ceil(case
      when placed.workingDayIndex > placed.cycleWorkingDays then 0.0
      else placed.totalTestcases * (placed.cycleWorkingDays - placed.workingDayIndex) * 1.0 / placed.cycleWorkingDays
    end) as bigint) as plannedTestsRemaining
  from placed
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
    projectVersionKey,
    releaseVersionKey,
    cycleVersionKey,
    testcaseVersionKey,
    executionDateId,
    assignmentDateId,
    case when executionDateId <> -1 then executionDateId end as cycleDateKey,
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
    executionStatusId,
    statusCode,
    executionStatus,
    statusCategory,
    case
      when statusCategory = 'Pending' and (testerKey = -1 or testerId < 0) then 'Pending/Unassigned'
      when statusCategory = 'Pending' then 'Pending/Assigned'
      else statusCategory
    end as statusCategoryDetailed,
    executionDateSource,
    assignmentDate,
    executionDate,
    executionDateTime,
    lastModifiedDate,
    lastModifiedDateTime,
    case when not isOutOfScope then coalesce(assignmentDate, cycleStartDate, lastModifiedDate, asOf) end as scopeDate,
    case when isBurned then coalesce(executionDate, lastModifiedDate, asOf) end as burnedDate,
    case when addedCount > 0 or removedCount > 0 then executionDate end as scopeChangeDate,
    case when addedCount > 0 or removedCount > 0 then reason end as scopeChangeReason,
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
    totalTestcases,
    case when executionDate >= cycleStartDate then date_diff(executionDate, cycleStartDate) + 1 end as dayOfCycle,
    workingDayIndex,
    case when executionDate >= cycleStartDate and isBusinessDay then workingDayIndex end as workingDayNumber,
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
    testsCompletedAtExecution,
    testsRemainingAtExecution,
    plannedTestsRemaining,
    testsRemainingAtExecution - plannedTestsRemaining as actualVsPlannedDelta,
    case
      when workingDayIndex = 0 and testsCompletedAtExecution is not null then 0.0
      else testsCompletedAtExecution * 1.0 / workingDayIndex
    end as burndownVelocity,
    addedCount as testcasesAdded,
    removedCount as testcasesRemoved,
    executionOrder,
    cast(coalesce(executionAttempt, 1) as int) as executionAttempt,
    durationMs,
    estimatedMs,
    durationMs / 1000.0 as durationSeconds,
    durationMs / 60000.0 as actualTimeMinutes,
    estimatedMs / 60000.0 as estimatedTimeMinutes,
    (durationMs - estimatedMs) / 60000.0 as timeVarianceMinutes,
    cast(case
      when timedCount > 1 then round(100.0 * shorterCount / (timedCount - 1))
      when durationMs is not null then 0
    end as int) as durationPercentile,
    testerTotalExecutions,
    testerPassRate,
    testerAvgDurationSeconds,
    testcaseExecutionCount,
    testcaseFailCount,
    testcaseStabilityScore,
    commentLength,
    attachmentCount,
    isPassed,
    isFailed,
    isBlocked,
    isNotExecuted,
    isOther,
    isExecuted,
    isExecuted as isCompleted,
    isOutOfScope,
    isBurned,
    isRemaining,
    coalesce(
      timedCount >= durationOutlierMinimumRuns and abs(durationMs - meanMs) > durationOutlierSigmas * deviationMs, false
    ) as isDurationOutlier,
    isBusinessDay as isWorkingDay,
    isWeekend as isWeekendExecution,
    (isWeekend and weekendIsAfterHours) or executionHour < businessHoursStart or executionHour >= businessHoursEnd
      as isAfterHoursExecution,
    executionDate > cycleEndDate as isLateExecution,
    testsRemainingAtExecution < plannedTestsRemaining as isAheadOfSchedule,
    testsRemainingAtExecution > plannedTestsRemaining as isBehindSchedule,
    addedCount > 0 or removedCount > 0 as isScopeChange,
    executionAttempt is not null as isRepeatExecution,
    commentLength > 0 as hasComment,
    isStale
  from measured
)

select * from final
