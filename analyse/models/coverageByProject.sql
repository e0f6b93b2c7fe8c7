-- One row per project and priority of its requirements, and one per project with all of them together.
-- priorityLabel: All, or Critical, High, Medium, Low by the numeric priority 1 to 4, or None without one.
-- requirementCount: requirements.
-- coveredCount, remainingCount: those with and without a linked test case.
-- executedCount: those of which every linked test case was executed at least once.
-- partialCount, fullyPassedCount: covered ones of which not every, and of which every latest run of a linked test case passed.
-- metCount: those with the verdict Met: Green in every cycle in which they are scheduled.
-- coveragePct, executedPct, fullyPassedPct, metPct: share of the requirements, 0 to 100; empty without requirements.
-- projectName: name of the project.
-- key: projectKey, priorityLabel
-- expect: coveredCount + remainingCount = requirementCount, else fail
-- expect: partialCount + fullyPassedCount = coveredCount, else fail
-- expect: coveragePct between 0 and 100 or coveragePct is null, else fail
-- expect: metPct between 0 and 100 or metPct is null, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
requirement as (select * from refine.dimRequirement where requirementKey <> -1),

verdict as (select requirementKey, isRequirementMet from analyse.requirementVerdict),

project as (select projectKey, projectId, projectName, isStale from refine.dimProject where projectKey <> -1),

labelled as (
  select
    requirement.*,
    verdict.isRequirementMet,
    case requirement.requirementPriorityNumeric
      when 1 then 'Critical'
      when 2 then 'High'
      when 3 then 'Medium'
      when 4 then 'Low'
      else 'None'
    end as priorityName
  from requirement
  left join verdict on requirement.requirementKey = verdict.requirementKey
),

grouped as (
  select
    projectKey,
    priorityName,
    count(*) as requirementCount,
    count(case when isCovered then 1 end) as coveredCount,
    count(case when isAllLinkedExecuted then 1 end) as executedCount,
    count(case when coverageStatus = 'Partial' then 1 end) as partialCount,
    count(case when coverageStatus = 'Covered' then 1 end) as fullyPassedCount,
    count(case when isRequirementMet then 1 end) as metCount
  from labelled
  group by projectKey, priorityName
),

label as (select isAll from (values (true), (false)) as twoLabels(isAll)),

summed as (
  select
    grouped.projectKey,
    case when label.isAll then 'All' else grouped.priorityName end as priorityLabel,
    sum(grouped.requirementCount) as requirementCount,
    sum(grouped.coveredCount) as coveredCount,
    sum(grouped.executedCount) as executedCount,
    sum(grouped.partialCount) as partialCount,
    sum(grouped.fullyPassedCount) as fullyPassedCount,
    sum(grouped.metCount) as metCount
  from label
  cross join grouped
  group by grouped.projectKey, case when label.isAll then 'All' else grouped.priorityName end
),

-- A project without requirements has its row of zeros.
counted as (
  select
    project.projectKey,
    project.projectId,
    project.projectName,
    coalesce(summed.priorityLabel, 'All') as priorityLabel,
    coalesce(summed.requirementCount, 0) as requirementCount,
    coalesce(summed.coveredCount, 0) as coveredCount,
    coalesce(summed.executedCount, 0) as executedCount,
    coalesce(summed.partialCount, 0) as partialCount,
    coalesce(summed.fullyPassedCount, 0) as fullyPassedCount,
    coalesce(summed.metCount, 0) as metCount,
    project.isStale
  from project
  left join summed on project.projectKey = summed.projectKey
),

final as (
  select
    projectKey,
    projectId,
    projectName,
    priorityLabel,
    requirementCount,
    coveredCount,
    requirementCount - coveredCount as remainingCount,
    executedCount,
    partialCount,
    fullyPassedCount,
    metCount,
    100.0 * coveredCount / nullif(requirementCount, 0) as coveragePct,
    100.0 * executedCount / nullif(requirementCount, 0) as executedPct,
    100.0 * fullyPassedCount / nullif(requirementCount, 0) as fullyPassedPct,
    100.0 * metCount / nullif(requirementCount, 0) as metPct,
    isStale
  from counted
)

select * from final
