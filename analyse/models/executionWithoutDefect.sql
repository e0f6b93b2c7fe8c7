-- One row per failed or blocked execution that names no defect: the list behind defectCompliance, to be worked off. It names
-- who can say more, the one who entered the result or else the assignee; it rates nobody. Holds personal data.
-- daysOpen: days since the execution, up to the as-of date.
-- testerKey, testerName: who entered the result, else the assignee.
-- executionStatusName: the tenant's word for the status. statusCategory: Failure or Blocked.
-- executionDate: local day of the result. hasComment: the execution carries a comment.
-- releaseName, cycleName, testcaseName: where it was executed, and what.
-- key: executionKey
-- expect: statusCategory in ('Failure', 'Blocked'), else fail
-- reference: executionKey in refine.factExecution.executionKey
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: testerKey in refine.dimTester.testerKey
with
execution as (
  select
    executionKey,
    projectKey,
    releaseKey,
    cycleKey,
    testcaseKey,
    case when executedByKey = -1 then testerKey else executedByKey end as testerKey,
    executionId,
    projectId,
    releaseId,
    cycleId,
    testcaseId,
    executionStatusKey,
    statusCategory,
    executionDate,
    hasComment
  from refine.factExecution
  where isFailed or isBlocked
),

linked as (select distinct executionKey from refine.bridgeExecutionDefect),

executionStatus as (select executionStatusKey, executionStatusName from refine.dimExecutionStatus),

project as (select projectKey, projectName from refine.dimProject),

testRelease as (select releaseKey, releaseName from refine.dimRelease),

cycle as (select cycleKey, cycleName from refine.dimCycle),

testcase as (select testcaseKey, testcaseName from refine.dimTestcase),

tester as (select testerKey, testerName from refine.dimTester),

setting as (select * from run.setting),

unlinked as (
  select execution.*
  from execution
  where not exists (select 1 from linked where linked.executionKey = execution.executionKey)
),

final as (
  select
    unlinked.executionKey,
    unlinked.projectKey,
    unlinked.releaseKey,
    unlinked.cycleKey,
    unlinked.testcaseKey,
    unlinked.testerKey,
    unlinked.executionId,
    unlinked.projectId,
    unlinked.releaseId,
    unlinked.cycleId,
    unlinked.testcaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    testcase.testcaseName,
    tester.testerName,
    executionStatus.executionStatusName,
    unlinked.statusCategory,
    unlinked.executionDate,
    date_diff(setting.asOf, unlinked.executionDate) as daysOpen,
    unlinked.hasComment
  from setting
  cross join unlinked
  left join executionStatus on unlinked.executionStatusKey = executionStatus.executionStatusKey
  left join project on unlinked.projectKey = project.projectKey
  left join testRelease on unlinked.releaseKey = testRelease.releaseKey
  left join cycle on unlinked.cycleKey = cycle.cycleKey
  left join testcase on unlinked.testcaseKey = testcase.testcaseKey
  left join tester on unlinked.testerKey = tester.testerKey
)

select * from final
