-- One row per test case and requirement that are or were linked, with what the link is worth as of the as-of date.
-- allocationStrength: Strong when the test case passed in allocationStrongPassRate or more of its executed executions, else Weak.
-- allocationAgeDays: days from the link to the as-of date.
-- traceabilityScore: traceabilityLinkWeight for a link that is there now, and traceabilityExecutionWeight when its test case was
-- ever executed, 0 to 1.
-- linkConfidence: 1 when both sides name the link, linkConfidenceOneSided when one does, empty for one that is gone.
-- isRecentAllocation: made at most allocationRecentDays days before the as-of date.
-- isValidatedLink: its test case was executed at least once.
-- key: allocationKey
-- expect: traceabilityScore between 0 and 1, else fail
-- expect: linkConfidence between 0 and 1 or linkConfidence is null, else fail
-- reference: testcaseKey in refine.dimTestcase.testcaseKey
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: projectKey in refine.dimProject.projectKey
-- reference: allocationDateId in refine.dimDate.dateId
-- conserves: transform.bridgeTestcaseRequirement
with
link as (select * from transform.bridgeTestcaseRequirement),

result as (select testcaseKey, executedCount, passedCount from refine.testcaseResult where testcaseKey <> -1),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'allocationRecentDays' then cast(value as double) end) as allocationRecentDays,
    max(case when name = 'allocationStrongPassRate' then cast(value as double) end) as allocationStrongPassRate,
    max(case when name = 'traceabilityLinkWeight' then cast(value as double) end) as linkWeight,
    max(case when name = 'traceabilityExecutionWeight' then cast(value as double) end) as executionWeight,
    max(case when name = 'linkConfidenceOneSided' then cast(value as double) end) as linkConfidenceOneSided
  from prepare.controls
  where name in (
    'allocationRecentDays', 'allocationStrongPassRate', 'traceabilityLinkWeight', 'traceabilityExecutionWeight',
    'linkConfidenceOneSided'
  )
),

final as (
  select
    link.allocationKey,
    link.testcaseKey,
    link.requirementKey,
    link.projectKey,
    link.allocationDateId,
    link.testcaseId,
    link.requirementId,
    link.linkId,
    link.projectId,
    link.namedBy,
    link.allocationDateSource,
    link.allocationDate,
    link.allocationDateTime,
    link.lastSeenDate,
    case
      when result.passedCount >= control.allocationStrongPassRate * result.executedCount and result.executedCount > 0
        then 'Strong'
      else 'Weak'
    end as allocationStrength,
    date_diff(setting.asOf, link.allocationDate) as allocationAgeDays,
    case when link.isActive then control.linkWeight else 0.0 end
      + case when result.executedCount > 0 then control.executionWeight else 0.0 end as traceabilityScore,
    case
      when not link.isActive then null
      when link.namedBy = 'both' then 1.0
      else control.linkConfidenceOneSided
    end as linkConfidence,
    date_diff(setting.asOf, link.allocationDate) <= control.allocationRecentDays as isRecentAllocation,
    coalesce(result.executedCount > 0, false) as isValidatedLink,
    link.isActive,
    link.isStale
  from setting
  cross join control
  cross join link
  left join result on link.testcaseKey = result.testcaseKey
)

select * from final
