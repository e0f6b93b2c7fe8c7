-- One row per requirement: the verdict of its row of the requirement matrix, as of the as-of date.
-- verdict: Met when every cycle in which it is scheduled is Green; Not met when any is Red; In progress when any is Amber and none
-- Red; Not scheduled when it has test cases, but none of them stands in a cycle; Not covered without a test case.
-- latestLight, latestCycleKey, latestCycleName: of the cycle with the latest start in which it is scheduled.
-- cycleCount: cycles in which a linked test case is scheduled.
-- greenCount, amberCount, redCount: those cycles by light.
-- greyCount: cycles of the matrix in which nothing of it is scheduled.
-- isRequirementMet: met across all cycles: scheduled at least once, and Green wherever it is scheduled.
-- projectName: name of its project.
-- key: requirementKey
-- expect: verdict in ('Met', 'Not met', 'In progress', 'Not scheduled', 'Not covered'), else fail
-- expect: isRequirementMet = (verdict = 'Met'), else fail
-- expect: greenCount + amberCount + redCount = cycleCount, else fail
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: projectKey in refine.dimProject.projectKey
with
requirement as (select * from refine.dimRequirement where requirementKey <> -1),

project as (select projectKey, projectName from refine.dimProject),

cell as (select * from analyse.requirementCycleMatrix),

counted as (
  select
    requirementKey,
    count(case when light = 'Green' then 1 end) as greenCount,
    count(case when light = 'Amber' then 1 end) as amberCount,
    count(case when light = 'Red' then 1 end) as redCount,
    count(case when light = 'Grey' then 1 end) as greyCount
  from cell
  group by requirementKey
),

ranked as (
  select
    requirementKey,
    cycleKey,
    cycleName,
    light,
    row_number() over (
      partition by requirementKey order by cycleStartDate desc nulls last, cycleId desc
    ) as recency
  from cell
  where isScheduled
),

latest as (select * from ranked where recency = 1),

judged as (
  select
    requirement.*,
    project.projectName,
    latest.light as latestLight,
    latest.cycleKey as latestCycleKey,
    latest.cycleName as latestCycleName,
    coalesce(counted.greenCount, 0) as greenCount,
    coalesce(counted.amberCount, 0) as amberCount,
    coalesce(counted.redCount, 0) as redCount,
    coalesce(counted.greyCount, 0) as greyCount,
    case
      when requirement.linkedTestcaseCount = 0 then 'Not covered'
      when counted.redCount > 0 then 'Not met'
      when counted.amberCount > 0 then 'In progress'
      when counted.greenCount > 0 then 'Met'
      else 'Not scheduled'
    end as verdict
  from requirement
  left join project on requirement.projectKey = project.projectKey
  left join counted on requirement.requirementKey = counted.requirementKey
  left join latest on requirement.requirementKey = latest.requirementKey
),

final as (
  select
    requirementKey,
    projectKey,
    latestCycleKey,
    requirementId,
    projectId,
    externalId,
    projectName,
    requirementName,
    folderPath,
    requirementPriorityNumeric,
    verdict,
    latestLight,
    latestCycleName,
    linkedTestcaseCount,
    greenCount + amberCount + redCount as cycleCount,
    greenCount,
    amberCount,
    redCount,
    greyCount,
    verdict = 'Met' as isRequirementMet,
    isBusinessCritical,
    isStale
  from judged
)

select * from final
