-- One row per execution and disappearance from its cycle: what left the scope, and whether it came back.
-- What an execution belonged to may be gone with it: its keys are those it had, and are found in the history tables.
-- removalKey: key of the disappearance.
-- statusCode: status code when last seen.
-- isReturned: a later walk had the execution again.
-- key: removalKey
-- expect: not isReturned or returnedDateTime >= removedDateTime, else fail
-- reference: executionStatusKey in transform.dimExecutionStatus.executionStatusKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- conserves: clean.factExecutionRemoval
with
removal as (select * from clean.factExecutionRemoval),

final as (
  select
    recordKey as removalKey,
    xxhash64('zephyr', 'execution', executionId) as executionKey,
    xxhash64('zephyr', 'project', projectId) as projectKey,
    xxhash64('zephyr', 'release', releaseId) as releaseKey,
    xxhash64('zephyr', 'cycle', cycleId) as cycleKey,
    xxhash64('zephyr', 'cyclePhase', cyclePhaseId) as cyclePhaseKey,
    case
      when testcaseId is not null then xxhash64('zephyr', 'testcase', testcaseId)
      else xxhash64('zephyr', 'treeTestcase', treeTestcaseId)
    end as testcaseKey,
    xxhash64('zephyr', 'executionStatus', statusCode) as executionStatusKey,
    executionId,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    testcaseId,
    statusCode,
    assignmentDate,
    executionDate,
    lastModifiedDate,
    lastSeenDateTime,
    removedDate,
    removedDateTime,
    returnedDate,
    returnedDateTime,
    returnedDateTime is not null as isReturned
  from removal
)

select * from final
