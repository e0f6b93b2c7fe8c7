-- One row per stale test case: never run, or not for more than testcaseStaleDays days up to the as-of date. What is neither
-- linked to a requirement nor scheduled can perhaps go; what is linked is a promise nobody has checked lately.
-- staleReason: never executed, or not executed lately.
-- isScheduled: at least one execution of it waits to be executed.
-- key: testcaseKey
-- expect: staleReason <> 'never executed' or lastExecutionDate is null, else fail
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: projectKey in refine.dimProject.projectKey
with
testcase as (select * from refine.dimTestcase where isStaleTestcase),

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
    case when testcase.executedCount = 0 then 'never executed' else 'not executed lately' end as staleReason,
    testcase.createdDate,
    testcase.lastModifiedDate,
    testcase.lastExecutionDate,
    testcase.testcasePriorityNumeric,
    testcase.testcaseAgeDays,
    testcase.daysSinceLastExecution,
    testcase.totalExecutions,
    testcase.executedCount,
    testcase.pendingCount,
    testcase.requirementCount,
    testcase.hasRequirementLink,
    testcase.pendingCount > 0 as isScheduled,
    testcase.isRecentTestcase,
    testcase.isAutomated
  from testcase
  left join project on testcase.projectKey = project.projectKey
)

select * from final
