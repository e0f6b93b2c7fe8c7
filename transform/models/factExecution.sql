-- One row per execution: one test case scheduled in one phase of a cycle, with its latest result. Dates are days of
-- dimDate; a date that is not known, or beyond dimDate, points to the Unknown day (-1). Texts stay behind in clean.
-- key: executionKey
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
with
execution as (select * from clean.factExecution),

calendar as (select min(date) as firstDate, max(date) as lastDate from transform.dimDate),

-- Keys are computed, not looked up: clean has seen to it that what they name exists, and the references above check it.
final as (
  select
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
  cross join execution
)

select * from final
