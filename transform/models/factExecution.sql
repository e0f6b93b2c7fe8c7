-- One row per execution: one test case scheduled in one phase of a cycle, with its latest result. Dates are days of
-- dimDate; a date that is not known, or beyond dimDate, points to the Unknown day (-1). Texts stay behind in clean.
-- projectVersionKey, releaseVersionKey, cycleVersionKey, testcaseVersionKey: the version of each that held at the instant of
-- the execution, or its first where that is earlier; of an execution that has not taken place the current one.
-- commentLength: characters the tester typed.
-- key: executionKey
-- incremental: cyclePhaseId of clean.factExecution
-- reference: projectKey in transform.dimProject.projectKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cyclePhaseKey in transform.dimCyclePhase.cyclePhaseKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: testerKey in transform.dimTester.testerKey
-- reference: executedByKey in transform.dimTester.testerKey
-- reference: executionStatusKey in transform.dimExecutionStatus.executionStatusKey
-- reference: executionDateId in transform.dimDate.dateId
-- reference: assignmentDateId in transform.dimDate.dateId
-- reference: projectVersionKey in transform.dimProjectHistory.projectVersionKey
-- reference: releaseVersionKey in transform.dimReleaseHistory.releaseVersionKey
-- reference: cycleVersionKey in transform.dimCycleHistory.cycleVersionKey
-- reference: testcaseVersionKey in transform.dimTestcaseHistory.testcaseVersionKey
-- conserves: clean.factExecution
with
execution as (select * from clean.factExecution),

calendar as (select min(date) as firstDate, max(date) as lastDate from transform.dimDate),

-- What has not taken place is looked up on the last day there is, on which every current version holds.
lastDay as (
  select arrow_cast(cast('9999-12-30' as date), 'Timestamp(Microsecond, Some("UTC"))') as instant
),

-- The first version reaches back for ever, so that an execution older than it finds it.
projectVersion as (
  select
    projectKey,
    projectVersionKey,
    case when versionSequence > 1 then effectiveFrom end as fromInstant,
    effectiveTo as toInstant
  from transform.dimProjectHistory
),

releaseVersion as (
  select
    releaseKey,
    releaseVersionKey,
    case when versionSequence > 1 then effectiveFrom end as fromInstant,
    effectiveTo as toInstant
  from transform.dimReleaseHistory
),

cycleVersion as (
  select
    cycleKey,
    cycleVersionKey,
    case when versionSequence > 1 then effectiveFrom end as fromInstant,
    effectiveTo as toInstant
  from transform.dimCycleHistory
),

testcaseVersion as (
  select
    testcaseKey,
    testcaseVersionKey,
    case when versionSequence > 1 then effectiveFrom end as fromInstant,
    effectiveTo as toInstant
  from transform.dimTestcaseHistory
),

-- Keys are computed, not looked up: clean has seen to it that what they name exists, and the references above check it.
keyed as (
  select
    execution.*,
    xxhash64('zephyr', 'execution', execution.executionId) as executionKey,
    xxhash64('zephyr', 'project', execution.projectId) as projectKey,
    xxhash64('zephyr', 'release', execution.releaseId) as releaseKey,
    xxhash64('zephyr', 'cycle', execution.cycleId) as cycleKey,
    xxhash64('zephyr', 'cyclePhase', execution.cyclePhaseId) as cyclePhaseKey,
    case
      when execution.testcaseId is not null then xxhash64('zephyr', 'testcase', execution.testcaseId)
      when execution.treeTestcaseId is not null then xxhash64('zephyr', 'treeTestcase', execution.treeTestcaseId)
      else -1
    end as testcaseKey,
    least(coalesce(execution.executionDateTime, lastDay.instant), lastDay.instant) as instant,
    cast(least(coalesce(execution.executionDateTime, lastDay.instant), lastDay.instant) as date) as instantDay
  from lastDay
  cross join execution
),

-- Days of a cycle are few where executions are many, and hardly any sees a change: what held on a day is looked up once.
cycleDay as (
  select cycleKey, releaseKey, projectKey, instantDay
  from keyed
  group by cycleKey, releaseKey, projectKey, instantDay
),

daySpan as (
  select
    cycleDay.*,
    arrow_cast(instantDay, 'Timestamp(Microsecond, Some("UTC"))') as dayStart,
    arrow_cast(date_add(instantDay, cast(1 as int)), 'Timestamp(Microsecond, Some("UTC"))') as dayEnd
  from cycleDay
),

dayVersion as (
  select
    daySpan.cycleKey,
    daySpan.instantDay,
    cycleVersion.cycleVersionKey,
    releaseVersion.releaseVersionKey,
    projectVersion.projectVersionKey,
    greatest(daySpan.dayStart, cycleVersion.fromInstant, releaseVersion.fromInstant, projectVersion.fromInstant)
      as fromInstant,
    least(daySpan.dayEnd, cycleVersion.toInstant, releaseVersion.toInstant, projectVersion.toInstant) as toInstant
  from daySpan
  left join cycleVersion
    on daySpan.cycleKey = cycleVersion.cycleKey
    and daySpan.dayStart < cycleVersion.toInstant
    and (cycleVersion.fromInstant is null or daySpan.dayEnd > cycleVersion.fromInstant)
  left join releaseVersion
    on daySpan.releaseKey = releaseVersion.releaseKey
    and daySpan.dayStart < releaseVersion.toInstant
    and (releaseVersion.fromInstant is null or daySpan.dayEnd > releaseVersion.fromInstant)
  left join projectVersion
    on daySpan.projectKey = projectVersion.projectKey
    and daySpan.dayStart < projectVersion.toInstant
    and (projectVersion.fromInstant is null or daySpan.dayEnd > projectVersion.fromInstant)
),

-- The small side stands first: it is the one a hash join keeps in memory.
versioned as (
  select
    keyed.*,
    dayVersion.cycleVersionKey,
    dayVersion.releaseVersionKey,
    dayVersion.projectVersionKey
  from dayVersion
  right join keyed
    on dayVersion.cycleKey = keyed.cycleKey
    and dayVersion.instantDay = keyed.instantDay
    and dayVersion.fromInstant <= keyed.instant
    and keyed.instant < dayVersion.toInstant
),

tested as (
  select versioned.*, testcaseVersion.testcaseVersionKey
  from testcaseVersion
  right join versioned
    on testcaseVersion.testcaseKey = versioned.testcaseKey
    and versioned.instant < testcaseVersion.toInstant
    and (testcaseVersion.fromInstant is null or testcaseVersion.fromInstant <= versioned.instant)
),

final as (
  select
    execution.executionKey,
    execution.projectKey,
    execution.releaseKey,
    execution.cycleKey,
    execution.cyclePhaseKey,
    execution.testcaseKey,
    coalesce(execution.projectVersionKey, -1) as projectVersionKey,
    coalesce(execution.releaseVersionKey, -1) as releaseVersionKey,
    coalesce(execution.cycleVersionKey, -1) as cycleVersionKey,
    coalesce(execution.testcaseVersionKey, -1) as testcaseVersionKey,
    case
      when execution.testerId is null then -1
      else xxhash64('zephyr', 'tester', execution.testerId)
    end as testerKey,
    case
      when execution.executedById is null then -1
      else xxhash64('zephyr', 'tester', execution.executedById)
    end as executedByKey,
    xxhash64('zephyr', 'executionStatus', execution.statusCode) as executionStatusKey,
    cast(case
      when execution.executionDate between calendar.firstDate and calendar.lastDate
        then extract(year from execution.executionDate) * 10000
          + extract(month from execution.executionDate) * 100
          + extract(day from execution.executionDate)
      else -1
    end as int) as executionDateId,
    cast(case
      when execution.assignmentDate between calendar.firstDate and calendar.lastDate
        then extract(year from execution.assignmentDate) * 10000
          + extract(month from execution.assignmentDate) * 100
          + extract(day from execution.assignmentDate)
      else -1
    end as int) as assignmentDateId,
    execution.executionId,
    execution.projectId,
    execution.releaseId,
    execution.cycleId,
    execution.cyclePhaseId,
    execution.testcaseId,
    execution.testcaseVersionId,
    execution.treeTestcaseId,
    execution.tcrCatalogTreeId,
    execution.testerId,
    execution.executedById,
    execution.statusCode,
    execution.executionDateSource,
    execution.assignmentDate,
    execution.executionDate,
    execution.executionDateTime,
    execution.lastModifiedDate,
    execution.lastModifiedDateTime,
    execution.executionOrder,
    execution.durationMs,
    execution.estimatedMs,
    cast(coalesce(char_length(execution.commentText), 0) as int) as commentLength,
    execution.attachmentCount,
    execution.isStale
  from calendar
  cross join tested as execution
)

select * from final
