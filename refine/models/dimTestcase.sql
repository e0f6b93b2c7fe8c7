-- One row per test case, and the Unknown test case (-1), with what its text, its age, its runs and its links say about it.
-- A run is an execution that is executed (Success, Failure or Blocked), in any cycle. Days count up to the as-of date.
-- Thresholds are settings (prepare.controls). What is said about a text is empty where there is none to read: for the Unknown
-- test case, for a mere placement and for a test case that is gone.
-- folderPathDisplay: names of the folders from the root down to its own. folderDepth: 0 in a root folder.
-- testcaseNameLength, testcaseDescriptionLength: characters. hasDescription: the description is more than blanks.
-- testcaseAgeDays: days since the test case was created. testcaseAgeMonths: whole calendar months of that.
-- isRecentTestcase: created at most testcaseRecentDays days ago. isMatureTestcase: older than testcaseMatureMonths months.
-- passRate, failRate: share of the runs that passed or failed, 0 to 1; empty without a run.
-- stabilityScore: 100 when no run differs from the one before, 0 when every one does; empty below two runs.
-- flakinessRate: share of changes between consecutive ones of the latest stabilityRecentRuns runs, 0 to 1; empty below two.
-- isFlaky: at least flakyMinimumRuns such runs and a flakinessRate of flakyRateFrom or more.
-- testcaseComplexity: Complex with a description above testcaseComplexDescriptionAbove characters or a fail rate above
--     testcaseComplexFailRateAbove; else Simple below testcaseSimpleDescriptionBelow characters and with at most
--     testcaseSimpleRunsMaximum runs; else Moderate.
-- requirementCount: requirements linked now. hasRequirementLink: at least one; empty for a mere placement.
-- daysSinceLastExecution: days since the latest run. isStaleTestcase: more than testcaseStaleDays, or no run at all;
--     empty where the test case is gone.
-- executionFrequency: Daily, Weekly, Monthly or Rarely by the average distance between its days with a run (frequency*Days);
--     Rarely with one such day, empty with none.
-- totalExecutions: executions of it, whatever their status. executedCount: its runs, the sum of the next three.
-- passCount, failCount, blockCount: runs that passed, failed, were blocked.
-- pendingCount: executions not executed yet.
-- firstExecutionDate, lastExecutionDate: local day of the first and of the latest run.
-- lastExecutionDateTime: instant of the latest run.
-- recentPassRate: share passed of the latest stabilityRecentRuns runs, 0 to 1.
-- key: testcaseKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: failRate between 0 and 1 or failRate is null, else fail
-- expect: stabilityScore between 0 and 100 or stabilityScore is null, else fail
-- expect: flakinessRate between 0 and 1 or flakinessRate is null, else fail
-- expect: executedCount = passCount + failCount + blockCount, else fail
-- expect: testcaseAgeDays >= 0 or testcaseAgeDays is null, else warn
-- reference: projectKey in transform.dimProject.projectKey
-- reference: folderKey in transform.dimFolder.folderKey
-- conserves: transform.dimTestcase
with
testcase as (select * from transform.dimTestcase),

folder as (select folderKey, folderPath, folderLevel from transform.dimFolder where folderId is not null),

link as (
  select testcaseKey, count(distinct requirementId) as requirementCount
  from transform.bridgeTestcaseRequirement
  where isActive
  group by testcaseKey
),

activity as (select * from refine.testcaseActivity),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'testcaseRecentDays' then cast(value as double) end) as recentDays,
    max(case when name = 'testcaseMatureMonths' then cast(value as double) end) as matureMonths,
    max(case when name = 'testcaseStaleDays' then cast(value as double) end) as staleDays,
    max(case when name = 'testcaseSimpleDescriptionBelow' then cast(value as double) end) as simpleDescriptionBelow,
    max(case when name = 'testcaseSimpleRunsMaximum' then cast(value as double) end) as simpleRunsMaximum,
    max(case when name = 'testcaseComplexDescriptionAbove' then cast(value as double) end) as complexDescriptionAbove,
    max(case when name = 'testcaseComplexFailRateAbove' then cast(value as double) end) as complexFailRateAbove,
    max(case when name = 'frequencyDailyMaximumDays' then cast(value as double) end) as dailyMaximumDays,
    max(case when name = 'frequencyWeeklyMaximumDays' then cast(value as double) end) as weeklyMaximumDays,
    max(case when name = 'frequencyMonthlyMaximumDays' then cast(value as double) end) as monthlyMaximumDays,
    max(case when name = 'flakyMinimumRuns' then cast(value as double) end) as flakyMinimumRuns,
    max(case when name = 'flakyRateFrom' then cast(value as double) end) as flakyRateFrom
  from prepare.controls
  where name like 'testcase%' or name like 'frequency%' or name like 'flaky%'
),

joined as (
  select
    testcase.*,
    folder.folderPath,
    folder.folderLevel,
    activity.firstExecutionDate,
    activity.lastExecutionDate,
    activity.lastExecutionDateTime,
    coalesce(activity.totalExecutions, 0) as totalExecutions,
    coalesce(activity.executedCount, 0) as executedCount,
    coalesce(activity.passCount, 0) as passCount,
    coalesce(activity.failCount, 0) as failCount,
    coalesce(activity.blockCount, 0) as blockCount,
    coalesce(activity.pendingCount, 0) as pendingCount,
    coalesce(activity.flipCount, 0) as flipCount,
    activity.executionDayCount,
    activity.recentRunCount,
    activity.recentFlipCount,
    activity.recentPassRate,
    case when testcase.testcaseId is not null then coalesce(link.requirementCount, 0) end as requirementCount,
    setting.asOf,
    cast(coalesce(char_length(testcase.description), 0) as int) as descriptionLength,
    testcase.testcaseKey <> -1 as isKnown,
    -- A stand-in and a test case that is gone have neither a name nor a text of their own.
    testcase.testcaseId is not null and not testcase.isGone as isTextKnown,
    control.*
  from setting
  cross join control
  cross join testcase
  left join folder on testcase.folderKey = folder.folderKey
  left join link on testcase.testcaseKey = link.testcaseKey
  left join activity on testcase.testcaseKey = activity.testcaseKey
),

measured as (
  select
    joined.*,
    1.0 * passCount / nullif(executedCount, 0) as passRate,
    1.0 * failCount / nullif(executedCount, 0) as failRate,
    case when recentRunCount >= 2 then 1.0 * recentFlipCount / (recentRunCount - 1) end as recentFlipRate,
    date_diff(asOf, createdDate) as ageDays,
    cast(
      (extract(year from asOf) - extract(year from createdDate)) * 12
        + extract(month from asOf) - extract(month from createdDate)
        - case when extract(day from asOf) < extract(day from createdDate) then 1 else 0 end
      as int
    ) as ageMonths,
    extract(day from asOf) > extract(day from createdDate) as isPastDayOfMonth,
    date_diff(asOf, lastExecutionDate) as idleDays,
    case when executionDayCount >= 2
      then 1.0 * date_diff(lastExecutionDate, firstExecutionDate) / (executionDayCount - 1) end as meanGapDays
  from joined
),

final as (
  select
    testcaseKey,
    projectKey,
    folderKey,
    testcaseId,
    testcaseVersionId,
    treeTestcaseId,
    folderId,
    projectId,
    externalId,
    testcaseName,
    description,
    folderPath as folderPathDisplay,
    priority,
    priorityName,
    tag,
    testcaseType,
    testcaseTypeCategory,
    case
      when not isTextKnown then null
      when descriptionLength > complexDescriptionAbove or coalesce(failRate > complexFailRateAbove, false) then 'Complex'
      when descriptionLength < simpleDescriptionBelow and executedCount <= simpleRunsMaximum then 'Simple'
      else 'Moderate'
    end as testcaseComplexity,
    case
      when executedCount = 0 then null
      when meanGapDays <= dailyMaximumDays then 'Daily'
      when meanGapDays <= weeklyMaximumDays then 'Weekly'
      when meanGapDays <= monthlyMaximumDays then 'Monthly'
      else 'Rarely'
    end as executionFrequency,
    versionNumber,
    createdDate,
    lastModifiedDate,
    lastModifiedDateTime,
    firstExecutionDate,
    lastExecutionDate,
    lastExecutionDateTime,
    testcasePriorityNumeric,
    folderLevel as folderDepth,
    case when isTextKnown then cast(char_length(testcaseName) as int) end as testcaseNameLength,
    case when isTextKnown then descriptionLength end as testcaseDescriptionLength,
    ageDays as testcaseAgeDays,
    ageMonths as testcaseAgeMonths,
    requirementCount,
    totalExecutions,
    executedCount,
    passCount,
    failCount,
    blockCount,
    pendingCount,
    passRate,
    failRate,
    case when executedCount >= 2 then 100.0 * (1.0 - 1.0 * flipCount / (executedCount - 1)) end as stabilityScore,
    recentPassRate,
    recentFlipRate as flakinessRate,
    idleDays as daysSinceLastExecution,
    isAutomated,
    case when isTextKnown then descriptionLength > 0 end as hasDescription,
    requirementCount > 0 as hasRequirementLink,
    ageDays <= recentDays as isRecentTestcase,
    ageMonths > matureMonths or (ageMonths = matureMonths and isPastDayOfMonth) as isMatureTestcase,
    case when isKnown and not isGone then
      executedCount = 0 or coalesce(idleDays > staleDays, false)
    end as isStaleTestcase,
    case when isKnown then
      coalesce(recentRunCount >= flakyMinimumRuns and recentFlipRate >= flakyRateFrom, false)
    end as isFlaky,
    isInRepository,
    isInRelease,
    isPlacementOnly,
    isGone
  from measured
)

select * from final
