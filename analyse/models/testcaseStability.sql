-- One row per test case with at least one run: does its result hold still, and which ones flap. A run is an execution that is
-- executed (Success, Failure or Blocked), in any cycle, with its latest result. The measures are those of refine.dimTestcase.
-- recentResults: a letter for each of the latest stabilityRecentRuns runs, newest first: P passed, F failed, B blocked.
-- key: testcaseKey
-- expect: executedCount >= 1, else fail
-- expect: executedCount = passCount + failCount + blockCount, else fail
-- expect: recentPassRate between 0 and 1 or recentPassRate is null, else fail
-- expect: flakinessRate between 0 and 1 or flakinessRate is null, else fail
-- expect: stabilityScore between 0 and 100 or stabilityScore is null, else fail
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: projectKey in refine.dimProject.projectKey
with
testcase as (select * from refine.dimTestcase where executedCount > 0),

activity as (select * from refine.testcaseActivity),

project as (select projectKey, projectName from refine.dimProject),

final as (
  select
    testcase.testcaseKey,
    testcase.projectKey,
    testcase.folderKey,
    testcase.testcaseId,
    testcase.folderId,
    testcase.projectId,
    project.projectName,
    testcase.externalId,
    testcase.testcaseName,
    testcase.folderPathDisplay,
    testcase.priorityName,
    activity.recentResults,
    testcase.lastExecutionDate,
    testcase.testcasePriorityNumeric,
    testcase.daysSinceLastExecution,
    testcase.executedCount,
    testcase.passCount,
    testcase.failCount,
    testcase.blockCount,
    activity.flipCount,
    activity.recentRunCount,
    activity.recentPassCount,
    activity.recentFlipCount,
    testcase.passRate,
    testcase.failRate,
    testcase.stabilityScore,
    testcase.recentPassRate,
    testcase.flakinessRate,
    testcase.isFlaky
  from testcase
  left join activity on testcase.testcaseKey = activity.testcaseKey
  left join project on testcase.projectKey = project.projectKey
)

select * from final
