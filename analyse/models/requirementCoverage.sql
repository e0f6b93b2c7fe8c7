-- One row per requirement: how far its test cases cover it as of the as-of date, with the names a reader needs. The measures are
-- those of refine.dimRequirement.
-- projectName: name of its project.
-- key: requirementKey
-- expect: coverageScore between 0 and 1 or coverageScore is null, else fail
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: projectKey in refine.dimProject.projectKey
with
requirement as (select * from refine.dimRequirement where requirementKey <> -1),

project as (select projectKey, projectName from refine.dimProject),

final as (
  select
    requirement.requirementKey,
    requirement.projectKey,
    requirement.requirementId,
    requirement.projectId,
    requirement.externalId,
    project.projectName,
    requirement.requirementName,
    requirement.folderPath,
    requirement.requirementPriorityName,
    requirement.requirementPriorityNumeric,
    requirement.requirementTypeCategory,
    requirement.coverageStatus,
    requirement.requirementStatus,
    requirement.requirementComplexity,
    requirement.createdDate,
    requirement.firstAllocationDate,
    requirement.requirementAgeDays,
    requirement.linkedTestcaseCount,
    requirement.executedTestcaseCount,
    requirement.passedTestcaseCount,
    requirement.failedTestcaseCount,
    requirement.coverageScore,
    requirement.isCovered,
    requirement.isAllLinkedExecuted,
    requirement.hasPassingTestcase,
    requirement.isBusinessCritical,
    requirement.isRegulatoryRequirement,
    requirement.isStale
  from requirement
  left join project on requirement.projectKey = project.projectKey
)

select * from final
