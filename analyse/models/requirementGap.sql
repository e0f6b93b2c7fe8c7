-- One row per requirement that is not yet shown to work, with the first thing that is missing. A requirement whose test cases all
-- passed in their latest runs is not here.
-- gap: No test case: nothing is linked; Failing: the latest run of a linked test case failed or was blocked; Not executed: no linked
-- test case was ever executed; Partly executed: some were not, and none of the others fails.
-- gapOrder: 1 to 4, in the order above.
-- requirementAgeDays: days from its creation to the as-of date.
-- projectName: name of its project.
-- key: requirementKey
-- expect: gapOrder between 1 and 4, else fail
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: projectKey in refine.dimProject.projectKey
with
requirement as (
  select * from refine.dimRequirement where requirementKey <> -1 and coverageStatus <> 'Covered'
),

project as (select projectKey, projectName from refine.dimProject),

judged as (
  select
    requirement.*,
    case
      when linkedTestcaseCount = 0 then 1
      when failedTestcaseCount > 0 then 2
      when executedTestcaseCount = 0 then 3
      else 4
    end as gapOrder
  from requirement
),

final as (
  select
    judged.requirementKey,
    judged.projectKey,
    judged.requirementId,
    judged.projectId,
    judged.externalId,
    project.projectName,
    judged.requirementName,
    judged.folderPath,
    judged.requirementPriorityNumeric,
    case judged.gapOrder
      when 1 then 'No test case'
      when 2 then 'Failing'
      when 3 then 'Not executed'
      else 'Partly executed'
    end as gap,
    cast(judged.gapOrder as int) as gapOrder,
    judged.requirementAgeDays,
    judged.linkedTestcaseCount,
    judged.executedTestcaseCount,
    judged.passedTestcaseCount,
    judged.failedTestcaseCount,
    judged.isBusinessCritical,
    judged.isRegulatoryRequirement,
    judged.isStale
  from judged
  left join project on judged.projectKey = project.projectKey
)

select * from final
