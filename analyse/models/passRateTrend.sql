-- One row per ISO week in which something was executed, for all projects together, and per project, release and cycle (the
-- level says which): how it ended, in the week and up to it. Executions carry their latest result and count in its week.
-- level: all, project, release or cycle.
-- levelKey: key of the project, release or cycle; 0 for all.
-- weekStartDate: Monday of the week.
-- executedCount: executions of the week that passed, failed or are blocked.
-- passRate, failRate, blockRate: passed, failed and blocked / executed of the week, 0 to 1.
-- cumulativeExecutedCount, cumulativePassedCount: executed and passed up to the end of the week.
-- cumulativePassRate: passed / executed up to the end of the week, 0 to 1.
-- isoYear, isoWeek: year and week by ISO 8601.
-- passedCount, failedCount, blockedCount: executions of the week that ended in Success, in Failure, in Blocked.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: level, levelKey, weekStartDate
-- expect: passRate between 0 and 1, else fail
-- expect: failRate between 0 and 1, else fail
-- expect: blockRate between 0 and 1, else fail
-- expect: cumulativePassRate between 0 and 1, else fail
-- expect: executedCount = passedCount + failedCount + blockedCount and executedCount > 0, else fail
-- expect: projectName is not null or level = 'all', else fail
with
execution as (
  select projectKey, releaseKey, cycleKey, executionDate, isPassed, isFailed, isBlocked
  from refine.factExecution
  where isExecuted and executionDate is not null
),

setting as (select * from run.setting),

-- Counted once per day and cycle; weeks and levels are sums of that. Counted from a Monday, so every engine agrees on the week.
dayCount as (
  select
    projectKey,
    releaseKey,
    cycleKey,
    executionDate,
    count(*) as executedCount,
    sum(case when isPassed then 1 else 0 end) as passedCount,
    sum(case when isFailed then 1 else 0 end) as failedCount,
    sum(case when isBlocked then 1 else 0 end) as blockedCount
  from execution
  group by projectKey, releaseKey, cycleKey, executionDate
),

-- What is dated after the as-of date has not happened.
dayWeek as (
  select
    dayCount.*,
    date_sub(
      dayCount.executionDate,
      cast((date_diff(dayCount.executionDate, cast('1970-01-05' as date)) % 7 + 7) % 7 as int)
    ) as weekStartDate
  from setting
  cross join dayCount
  where dayCount.executionDate <= setting.asOf
),

levelKind as (select level from (values ('all'), ('project'), ('release'), ('cycle')) as fourLevels(level)),

leveled as (
  select
    levelKind.level,
    case levelKind.level
      when 'all' then 0
      when 'project' then dayWeek.projectKey
      when 'release' then dayWeek.releaseKey
      else dayWeek.cycleKey
    end as levelKey,
    dayWeek.weekStartDate,
    dayWeek.executedCount,
    dayWeek.passedCount,
    dayWeek.failedCount,
    dayWeek.blockedCount
  from levelKind
  cross join dayWeek
),

weekCount as (
  select
    level,
    levelKey,
    weekStartDate,
    sum(executedCount) as executedCount,
    sum(passedCount) as passedCount,
    sum(failedCount) as failedCount,
    sum(blockedCount) as blockedCount
  from leveled
  group by level, levelKey, weekStartDate
),

running as (
  select
    weekCount.*,
    sum(executedCount) over byWeek as cumulativeExecutedCount,
    sum(passedCount) over byWeek as cumulativePassedCount
  from weekCount
  window byWeek as (
    partition by level, levelKey order by weekStartDate rows between unbounded preceding and current row
  )
),

-- Of everything together no list is told.
place as (select * from analyse.place where level <> 'all'),

final as (
  select
    running.level,
    running.levelKey,
    running.weekStartDate,
    place.projectId,
    place.releaseId,
    place.cycleId,
    place.projectName,
    place.releaseName,
    place.cycleName,
    -- A week belongs to the year of its Thursday.
    cast(extract(year from date_add(running.weekStartDate, cast(3 as int))) as int) as isoYear,
    cast(extract(week from running.weekStartDate) as int) as isoWeek,
    running.executedCount,
    running.passedCount,
    running.failedCount,
    running.blockedCount,
    running.passedCount * 1.0 / running.executedCount as passRate,
    running.failedCount * 1.0 / running.executedCount as failRate,
    running.blockedCount * 1.0 / running.executedCount as blockRate,
    running.cumulativeExecutedCount,
    running.cumulativePassedCount,
    running.cumulativePassedCount * 1.0 / running.cumulativeExecutedCount as cumulativePassRate,
    place.isStale
  from running
  left join place on running.level = place.level and running.levelKey = place.levelKey
)

select * from final
