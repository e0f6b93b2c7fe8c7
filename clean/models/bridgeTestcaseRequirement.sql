-- One row per test case and requirement that are or were linked, with the day the link was made, local to the tenant.
-- testcaseId, requirementId: what is linked.
-- linkId: the id the server gives the link.
-- namedBy: which side names it: testcase, requirement or both; empty for a link that is gone.
-- allocationDate, allocationDateTime: when the link was made as the server says, else when it was first seen.
-- allocationDateSource: link (the server says it) or firstSeen.
-- lastSeenDate: local day of the last page that brought it.
-- isActive: it is there now.
-- isRequirementKnown: its requirement is in dimRequirement.
-- key: testcaseId, requirementId
-- expect: isRequirementKnown or not isActive, else warn
-- expect: allocationDateTime is not null, else fail
-- conserves: prepare.linkHistory
with
link as (select * from prepare.linkHistory),

requirement as (select distinct requirementId from clean.dimRequirement),

setting as (select * from run.setting),

final as (
  select
    link.recordKey,
    link.testcaseId,
    link.requirementId,
    link.linkId,
    link.projectId,
    link.namedBy,
    cast(
      from_utc_timestamp(coalesce(link.linkCreatedDateTime, link.firstSeenDateTime), setting.timeZone) as date
    ) as allocationDate,
    coalesce(link.linkCreatedDateTime, link.firstSeenDateTime) as allocationDateTime,
    case when link.linkCreatedDateTime is not null then 'link' else 'firstSeen' end as allocationDateSource,
    cast(from_utc_timestamp(link.lastSeenDateTime, setting.timeZone) as date) as lastSeenDate,
    link.isActive,
    link.isStale,
    requirement.requirementId is not null as isRequirementKnown
  from setting
  cross join link
  left join requirement on link.requirementId = requirement.requirementId
)

select * from final
