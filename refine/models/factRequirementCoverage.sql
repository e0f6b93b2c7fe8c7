-- One row per allocation of a test case to a requirement that is there now, with the state of both as of the as-of date.
-- coverageStatus: of the requirement: Partial or Covered, as in dimRequirement; Not Covered has no allocation.
-- lastExecutedCategory: how the latest run of the test case ended: Success, Failure or Blocked; empty while it has none.
-- allocationWeekNumber: ISO week of the allocation.
-- daysSinceAllocation: days from the allocation to the as-of date.
-- coveragePercentage: requirements of the project with a link / requirements of the project, 0 to 100.
-- coverageGapCount: requirements of the project without a link.
-- traceabilityScore: as in bridgeTestcaseRequirement, 0 to 1.
-- isExecuted: the test case was executed at least once.
-- isPassed: its latest run passed.
-- isFullyCovered: every test case allocated to the requirement was executed at least once.
-- isPartiallyCovered: some were, not all.
-- isRecentAllocation: made at most allocationRecentDays days before the as-of date.
-- hasRequirementLink: true, a row is a link.
-- key: allocationKey
-- expect: coveragePercentage between 0 and 100 or requirementKey = -1, else fail
-- expect: not (isFullyCovered and isPartiallyCovered), else fail
-- expect: traceabilityScore between 0 and 1, else fail
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: projectKey in refine.dimProject.projectKey
-- reference: allocationDateId in refine.dimDate.dateId
-- conserves: transform.factRequirementCoverage
with
allocation as (select * from transform.factRequirementCoverage),

requirement as (select * from refine.dimRequirement),

result as (select testcaseKey, lastExecutedCategory, executedCount from refine.testcaseResult where testcaseKey <> -1),

bridge as (select allocationKey, traceabilityScore, allocationAgeDays, isRecentAllocation from refine.bridgeTestcaseRequirement),

projectCoverage as (
  select
    projectKey,
    count(*) as requirementCount,
    count(case when isCovered then 1 end) as coveredCount
  from requirement
  where requirementKey <> -1
  group by projectKey
),

final as (
  select
    allocation.allocationKey,
    allocation.projectKey,
    allocation.requirementKey,
    allocation.testcaseKey,
    allocation.allocationDateId,
    allocation.requirementId,
    allocation.testcaseId,
    allocation.linkId,
    allocation.namedBy,
    case when allocation.requirementKey <> -1 then requirement.coverageStatus end as coverageStatus,
    result.lastExecutedCategory,
    allocation.allocationDate,
    allocation.allocationDateTime,
    cast(extract(week from allocation.allocationDate) as int) as allocationWeekNumber,
    bridge.allocationAgeDays as daysSinceAllocation,
    100.0 * projectCoverage.coveredCount / nullif(projectCoverage.requirementCount, 0) as coveragePercentage,
    coalesce(projectCoverage.requirementCount - projectCoverage.coveredCount, 0) as coverageGapCount,
    bridge.traceabilityScore,
    coalesce(result.executedCount > 0, false) as isExecuted,
    coalesce(result.lastExecutedCategory = 'Success', false) as isPassed,
    coalesce(requirement.isAllLinkedExecuted, false) as isFullyCovered,
    coalesce(
      requirement.executedTestcaseCount > 0 and requirement.executedTestcaseCount < requirement.linkedTestcaseCount,
      false
    ) as isPartiallyCovered,
    bridge.isRecentAllocation,
    true as hasRequirementLink,
    allocation.isStale
  from allocation
  left join requirement on allocation.requirementKey = requirement.requirementKey
  left join result on allocation.testcaseKey = result.testcaseKey
  left join bridge on allocation.allocationKey = bridge.allocationKey
  left join projectCoverage on allocation.projectKey = projectCoverage.projectKey
)

select * from final
