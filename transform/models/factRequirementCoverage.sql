-- One row per allocation of a test case to a requirement that is there now.
-- allocationKey: key of the pair.
-- projectKey: project of the requirement.
-- key: allocationKey
-- reference: requirementKey in transform.dimRequirement.requirementKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: projectKey in transform.dimProject.projectKey
-- reference: allocationDateId in transform.dimDate.dateId
with
link as (select * from transform.bridgeTestcaseRequirement where isActive),

final as (
  select
    allocationKey,
    projectKey,
    requirementKey,
    testcaseKey,
    allocationDateId,
    requirementId,
    testcaseId,
    linkId,
    namedBy,
    allocationDate,
    allocationDateTime,
    isStale
  from link
)

select * from final
