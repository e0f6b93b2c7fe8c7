-- One row per execution with its surrogate keys: the star fact of the models that are shipped, without the versions of what it
-- points to and without test cases and testers of its own, so that other tools can do the same in a page of code.
-- commentLength: characters the tester typed.
-- key: executionKey
-- reference: projectKey in transform.dimProject.projectKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: cyclePhaseKey in transform.dimCyclePhase.cyclePhaseKey
-- reference: executionStatusKey in transform.dimExecutionStatus.executionStatusKey
with
execution as (select * from clean.factExecution),

final as (
  select
    xxhash64('zephyr', 'execution', executionId) as executionKey,
    xxhash64('zephyr', 'project', projectId) as projectKey,
    xxhash64('zephyr', 'release', releaseId) as releaseKey,
    xxhash64('zephyr', 'cycle', cycleId) as cycleKey,
    xxhash64('zephyr', 'cyclePhase', cyclePhaseId) as cyclePhaseKey,
    case
      when testcaseId is not null then xxhash64('zephyr', 'testcase', testcaseId)
      when treeTestcaseId is not null then xxhash64('zephyr', 'treeTestcase', treeTestcaseId)
      else -1
    end as testcaseKey,
    case when testerId is null then -1 else xxhash64('zephyr', 'tester', testerId) end as testerKey,
    case when executedById is null then -1 else xxhash64('zephyr', 'tester', executedById) end as executedByKey,
    xxhash64('zephyr', 'executionStatus', statusCode) as executionStatusKey,
    cast(coalesce(
      extract(year from executionDate) * 10000 + extract(month from executionDate) * 100 + extract(day from executionDate),
      -1
    ) as int) as executionDateId,
    cast(coalesce(
      extract(year from assignmentDate) * 10000
        + extract(month from assignmentDate) * 100
        + extract(day from assignmentDate),
      -1
    ) as int) as assignmentDateId,
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
    executionDateSource,
    assignmentDate,
    executionDate,
    executionDateTime,
    lastModifiedDate,
    lastModifiedDateTime,
    executionOrder,
    durationMs,
    estimatedMs,
    cast(coalesce(char_length(commentText), 0) as int) as commentLength,
    attachmentCount,
    isStale
  from execution
)

select * from final
