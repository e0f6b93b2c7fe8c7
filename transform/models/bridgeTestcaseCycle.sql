-- One row per test case and cycle it stands or once stood in, in whatever phases, as long as the cycle itself is there.
-- firstExecutionId: the least id among its executions there.
-- assignmentDate: the first day it was assigned, empty where no execution says.
-- removedDate: the local day on which the last of its executions was found gone, empty while one is there.
-- executionCount: its executions in the cycle now. removedCount: those that were removed and have not come back.
-- isActive: it stands in the cycle now.
-- key: testcaseKey, cycleKey
-- incremental: cycleKey of transform.factExecution, transform.factExecutionRemoval
-- expect: isActive = (executionCount > 0), else fail
-- expect: isActive or removedDate is not null, else fail
-- expect: executionCount + removedCount > 0, else fail
-- reference: cycleKey in transform.dimCycle.cycleKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: projectKey in transform.dimProject.projectKey
with
execution as (
  select testcaseKey, cycleKey, releaseKey, projectKey, testcaseId, cycleId, executionId, assignmentDate
  from transform.factExecution
),

removal as (select * from transform.factExecutionRemoval where not isReturned),

cycle as (select cycleKey, releaseKey, projectKey from transform.dimCycle),

-- An execution that came back and went again has several removals; the one without a return is the last.
gone as (
  select
    removal.testcaseKey,
    removal.cycleKey,
    cycle.releaseKey,
    cycle.projectKey,
    removal.testcaseId,
    removal.cycleId,
    removal.executionId,
    removal.assignmentDate,
    removal.removedDate
  from removal
  join cycle on removal.cycleKey = cycle.cycleKey
),

placement as (
  select
    testcaseKey,
    cycleKey,
    releaseKey,
    projectKey,
    testcaseId,
    cycleId,
    executionId,
    assignmentDate,
    cast(null as date) as removedDate,
    1 as present
  from execution
  union all
  select
    testcaseKey,
    cycleKey,
    releaseKey,
    projectKey,
    testcaseId,
    cycleId,
    executionId,
    assignmentDate,
    removedDate,
    0 as present
  from gone
),

grouped as (
  select
    testcaseKey,
    cycleKey,
    min(releaseKey) as releaseKey,
    min(projectKey) as projectKey,
    min(testcaseId) as testcaseId,
    min(cycleId) as cycleId,
    min(executionId) as firstExecutionId,
    min(assignmentDate) as assignmentDate,
    max(removedDate) as removedDate,
    cast(sum(present) as bigint) as executionCount,
    cast(sum(1 - present) as bigint) as removedCount
  from placement
  group by testcaseKey, cycleKey
),

final as (
  select
    testcaseKey,
    cycleKey,
    releaseKey,
    projectKey,
    testcaseId,
    cycleId,
    firstExecutionId,
    assignmentDate,
    case when executionCount = 0 then removedDate end as removedDate,
    executionCount,
    removedCount,
    executionCount > 0 as isActive
  from grouped
)

select * from final
