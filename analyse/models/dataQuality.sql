-- One row per table of a stage as it was last built, with an empty expectation, and one more per expectation that some of its
-- rows did not meet then. The tables of this stage are told of as of the release before this one.
-- stage, tableName: the table; stage is its schema in the lake
-- expectation: the rule that was not met, or empty for the table as a whole
-- otherwise: what became of the rows that did not meet it: warn or quarantine, or accept where all were let through
-- examples: keys of some of those rows
-- builtRunId, builtDateTime: the run that built it, and when; for source the newest that landed something
-- rowCount: rows in it; for source, rows landed by all its releases
-- quarantinedCount: rows set aside when it was built
-- warningCount: how often a row did not meet an expectation of severity warn
-- brokenCount: rows that did not meet the expectation; for the table as a whole empty
-- acceptedCount: those of them that were let through because a line of acceptances names them
-- quarantineRate: rows set aside, of those set aside and those in it, 0 to 1
-- warningRate: warnings per row in it; above 1 where rows break several rules
-- isAboveGoal, isAboveAlert: quarantineRate is above the control quarantineRateGoal, quarantineRateAlert
-- key: stage, tableName, expectation
-- expect: quarantineRate between 0 and 1 or quarantineRate is null, else fail
-- expect: warningRate >= 0 or warningRate is null, else fail
with
runs as (select * from log.run),

activity as (select * from log.table),

expectation as (
  select
    runId,
    stage,
    tableName,
    expectation,
    max(otherwise) as otherwise,
    coalesce(max(case when otherwise <> 'accept' then examples end), max(examples)) as examples,
    sum(brokenCount) as brokenCount,
    sum(case when otherwise = 'accept' then brokenCount else 0 end) as acceptedCount
  from log.expectation
  group by runId, stage, tableName, expectation
),

-- Read so that the figures are made anew when something new was landed.
slice as (select max(sourceRelease) as sourceRelease from prepare.slice),

control as (
  select
    max(case when name = 'quarantineRateGoal' then try_cast(value as double) end) as rateGoal,
    max(case when name = 'quarantineRateAlert' then try_cast(value as double) end) as rateAlert
  from prepare.controls
),

published as (select distinct runId, stage from runs where status = 'published'),

built as (
  select activity.*
  from activity
  join published on activity.runId = published.runId and activity.stage = published.stage
  cross join slice
  where activity.action in ('rebuilt', 'renewed', 'appended')
    and activity.tableName not like 'quarantine.%'
    and coalesce(slice.sourceRelease, 0) >= 0
),

rankedBuild as (
  select
    built.*,
    sum(built.rowCount) over (partition by built.stage, built.tableName) as landedCount,
    row_number() over (
      partition by built.stage, built.tableName order by built.recordedAt desc, built.runId desc
    ) as recency
  from built
),

newest as (
  select
    rankedBuild.*,
    case when action = 'appended' then landedCount else rowCount end as totalCount
  from rankedBuild
  where recency = 1
),

whole as (
  select
    stage,
    tableName,
    '' as expectation,
    cast(null as string) as otherwise,
    cast(null as string) as examples,
    runId,
    recordedAt,
    totalCount,
    quarantinedCount,
    warningCount,
    cast(null as bigint) as brokenCount,
    cast(null as bigint) as acceptedCount
  from newest
),

broken as (
  select
    newest.stage,
    newest.tableName,
    expectation.expectation,
    expectation.otherwise,
    expectation.examples,
    newest.runId,
    newest.recordedAt,
    newest.totalCount,
    newest.quarantinedCount,
    newest.warningCount,
    expectation.brokenCount,
    expectation.acceptedCount
  from newest
  join expectation
    on newest.stage = expectation.stage
    and newest.tableName = expectation.tableName
    and newest.runId = expectation.runId
),

everything as (
  select * from whole
  union all
  select * from broken
),

rated as (
  select
    everything.*,
    control.rateGoal,
    control.rateAlert,
    1.0 * quarantinedCount / nullif(quarantinedCount + totalCount, 0) as quarantineRate,
    1.0 * warningCount / nullif(totalCount, 0) as warningRate
  from everything
  cross join control
),

final as (
  select
    stage,
    tableName,
    expectation,
    otherwise,
    examples,
    runId as builtRunId,
    recordedAt as builtDateTime,
    totalCount as rowCount,
    coalesce(quarantinedCount, 0) as quarantinedCount,
    coalesce(warningCount, 0) as warningCount,
    brokenCount,
    acceptedCount,
    quarantineRate,
    warningRate,
    coalesce(quarantineRate > rateGoal, false) as isAboveGoal,
    coalesce(quarantineRate > rateAlert, false) as isAboveAlert
  from rated
)

select * from final
