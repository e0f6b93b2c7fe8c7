-- One row per test case and requirement that are or were linked. A link that is gone keeps its row, so that what was once
-- covered can be told.
-- allocationKey: key of the pair, the allocationId of older documents.
-- testcaseKey: the test case, -1 where the requirement names one that was never seen.
-- requirementKey: the requirement, -1 where the test case names one that is not there (any more).
-- projectKey: project of the requirement, else of the record that names it.
-- allocationDateId: day of dimDate the link was made, -1 beyond it.
-- isActive: the link is there now.
-- key: allocationKey
-- reference: testcaseKey in transform.dimTestcase.testcaseKey
-- reference: requirementKey in transform.dimRequirement.requirementKey
-- reference: projectKey in transform.dimProject.projectKey
-- reference: allocationDateId in transform.dimDate.dateId
-- conserves: clean.bridgeTestcaseRequirement
with
link as (select * from clean.bridgeTestcaseRequirement),

testcase as (select testcaseKey, testcaseId from transform.dimTestcase where testcaseId is not null),

requirement as (select requirementKey, projectKey, requirementId from transform.dimRequirement where requirementKey <> -1),

project as (select projectKey, projectId from transform.dimProject where projectId is not null),

calendar as (select min(date) as firstDate, max(date) as lastDate from transform.dimDate),

final as (
  select
    xxhash64('zephyr', 'allocation', link.requirementId, link.testcaseId) as allocationKey,
    coalesce(testcase.testcaseKey, -1) as testcaseKey,
    coalesce(requirement.requirementKey, -1) as requirementKey,
    coalesce(requirement.projectKey, project.projectKey, -1) as projectKey,
    cast(case
      when link.allocationDate between calendar.firstDate and calendar.lastDate
        then extract(year from link.allocationDate) * 10000
          + extract(month from link.allocationDate) * 100
          + extract(day from link.allocationDate)
      else -1
    end as int) as allocationDateId,
    link.testcaseId,
    link.requirementId,
    link.linkId,
    link.projectId,
    link.namedBy,
    link.allocationDateSource,
    link.allocationDate,
    link.allocationDateTime,
    link.lastSeenDate,
    link.isActive,
    link.isStale
  from calendar
  cross join link
  left join testcase on link.testcaseId = testcase.testcaseId
  left join requirement on link.requirementId = requirement.requirementId
  left join project on link.projectId = project.projectId
)

select * from final
