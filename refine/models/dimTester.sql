-- One row per tester, and the Unknown tester (-1), with the work done. Holds personal data. The productivity score rates
-- people: it is empty unless the setting personRanking is on.
-- totalExecutions: executions whose result the tester entered (the assignee where the server does not say): the sum of the
--     next three.
-- passCount, failCount, blockCount: those of them that passed, failed, were blocked.
-- assignedCount: executions assigned to the tester. pendingCount: those of them not executed yet.
-- executionsThisMonth, executionsThisWeek: in the calendar month and the week (from Monday) of the as-of date, up to it.
-- passRate: share of the executions done that passed, 0 to 1.
-- avgExecutionDuration: mean of the durations known, seconds.
-- daysSinceLastExecution: days from the latest one done to the as-of date.
-- testerProductivityScore: share of the testers at work in the last testerProductivityDays days who executed less per
--     working day, 0 to 100; empty for those who did nothing then, for stand-ins and while personRanking is off.
-- isActive: the account is enabled. isActiveTester: executed within the last activeTesterDays days.
-- lastExecutionDate, lastExecutionDateTime: local day and instant of the latest execution done.
-- key: testerKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: testerProductivityScore between 0 and 100 or testerProductivityScore is null, else fail
-- expect: totalExecutions = passCount + failCount + blockCount, else fail
-- conserves: transform.dimTester
with
tester as (select * from transform.dimTester),

activity as (select * from refine.testerActivity),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'personRanking' then value end) as personRanking,
    max(case when name = 'activeTesterDays' then cast(value as double) end) as activeTesterDays
  from prepare.controls
  where name in ('personRanking', 'activeTesterDays')
),

-- The working days of the period are the same for everybody, so the rank by work per day is the rank by work.
ranked as (
  select
    activity.testerKey,
    100.0 * percent_rank() over (order by activity.productivityExecutions) as productivityScore
  from activity
  join tester on activity.testerKey = tester.testerKey
  where activity.productivityExecutions > 0 and tester.testerId > 0
),

joined as (
  select
    tester.*,
    activity.lastExecutionDate,
    activity.lastExecutionDateTime,
    date_diff(setting.asOf, activity.lastExecutionDate) as daysSinceLastExecution,
    coalesce(activity.assignedCount, 0) as assignedCount,
    coalesce(activity.pendingCount, 0) as pendingCount,
    coalesce(activity.totalExecutions, 0) as totalExecutions,
    coalesce(activity.passCount, 0) as passCount,
    coalesce(activity.failCount, 0) as failCount,
    coalesce(activity.blockCount, 0) as blockCount,
    coalesce(activity.executionsThisMonth, 0) as executionsThisMonth,
    coalesce(activity.executionsThisWeek, 0) as executionsThisWeek,
    activity.executedMs,
    activity.timedCount,
    case when control.personRanking = 'on' then ranked.productivityScore end as testerProductivityScore,
    control.activeTesterDays
  from setting
  cross join control
  cross join tester
  left join activity on tester.testerKey = activity.testerKey
  left join ranked on tester.testerKey = ranked.testerKey
),

final as (
  select
    testerKey,
    testerId,
    testerName,
    username,
    testerEmail,
    title,
    location,
    role,
    testerDepartment,
    testerLocation,
    testerExperienceLevel,
    lastExecutionDate,
    lastExecutionDateTime,
    daysSinceLastExecution,
    assignedCount,
    pendingCount,
    totalExecutions,
    passCount,
    failCount,
    blockCount,
    executionsThisMonth,
    executionsThisWeek,
    1.0 * passCount / nullif(totalExecutions, 0) as passRate,
    executedMs / 1000.0 / nullif(timedCount, 0) as avgExecutionDuration,
    testerProductivityScore,
    isActive,
    isListed,
    coalesce(daysSinceLastExecution <= activeTesterDays, false) as isActiveTester,
    isExternalTester,
    isStale
  from joined
)

select * from final
