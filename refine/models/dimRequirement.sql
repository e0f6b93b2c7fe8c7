-- One row per requirement, and the Unknown requirement (-1), with how far its test cases cover it as of the as-of date.
-- The latest run of a test case is its latest executed execution in any cycle; one that was never executed has none.
-- folderPath: names of the folders it lies in, from the top down, divided by ' / '.
-- firstAllocationDate: day the first of its links was made.
-- requirementNameLength: characters of its name.
-- requirementAgeDays, requirementAgeMonths: days, and whole months, from its creation to the as-of date.
-- linkedTestcaseCount: test cases linked to it now.
-- executedTestcaseCount: linked test cases that were executed at least once.
-- passedTestcaseCount, failedTestcaseCount: linked test cases whose latest run passed; failed or was blocked.
-- coverageStatus: Not Covered without a link, Covered when the latest run of every linked test case passed, else Partial.
-- coverageScore: linked test cases whose latest run passed / linked test cases, 0 to 1; empty without a link.
-- requirementStatus: Validated when the latest run of every linked test case passed, Implemented when any was executed, Approved
-- when any is linked, else Draft.
-- requirementComplexity: Simple up to requirementSimpleMaximumLinks links, Complex above requirementComplexAboveLinks, else
-- Moderate.
-- isRecentRequirement: created at most requirementRecentDays days before the as-of date.
-- isCovered: at least one test case is linked.
-- isAllLinkedExecuted: there are links, and every linked test case was executed at least once.
-- hasPassingTestcase: any execution of a linked test case passed.
-- isBusinessCritical: its numeric priority is businessCriticalPriority or more urgent; empty without a priority.
-- requirementName: its name, or its id in words where it has none.
-- key: requirementKey
-- expect: coverageScore between 0 and 1 or coverageScore is null, else fail
-- expect: passedTestcaseCount + failedTestcaseCount = executedTestcaseCount, else fail
-- expect: executedTestcaseCount <= linkedTestcaseCount, else fail
-- expect: isCovered = (coverageStatus <> 'Not Covered') or requirementKey = -1, else fail
-- reference: projectKey in refine.dimProject.projectKey
-- reference: requirementFolderKey in refine.dimRequirementFolder.requirementFolderKey
-- conserves: transform.dimRequirement
with
requirement as (select * from transform.dimRequirement),

folder as (select requirementFolderKey, folderPath from transform.dimRequirementFolder),

link as (select * from transform.factRequirementCoverage where requirementKey <> -1),

result as (select testcaseKey, lastExecutedCategory, executedCount, passedCount from refine.testcaseResult where testcaseKey <> -1),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'requirementRecentDays' then cast(value as double) end) as requirementRecentDays,
    max(case when name = 'businessCriticalPriority' then cast(value as double) end) as businessCriticalPriority,
    max(case when name = 'requirementSimpleMaximumLinks' then cast(value as double) end) as simpleMaximumLinks,
    max(case when name = 'requirementComplexAboveLinks' then cast(value as double) end) as complexAboveLinks
  from prepare.controls
  where name in (
    'requirementRecentDays', 'businessCriticalPriority', 'requirementSimpleMaximumLinks', 'requirementComplexAboveLinks'
  )
),

coverage as (
  select
    link.requirementKey,
    min(link.allocationDate) as firstAllocationDate,
    count(*) as linkedTestcaseCount,
    cast(sum(case when result.executedCount > 0 then 1 else 0 end) as bigint) as executedTestcaseCount,
    cast(sum(case when result.lastExecutedCategory = 'Success' then 1 else 0 end) as bigint) as passedTestcaseCount,
    cast(sum(case when result.lastExecutedCategory in ('Failure', 'Blocked') then 1 else 0 end) as bigint)
      as failedTestcaseCount,
    cast(sum(result.passedCount) as bigint) as passedExecutions
  from link
  left join result on link.testcaseKey = result.testcaseKey
  group by link.requirementKey
),

joined as (
  select
    requirement.*,
    folder.folderPath,
    coverage.firstAllocationDate,
    date_diff(setting.asOf, requirement.createdDate) as requirementAgeDays,
    cast(
      (extract(year from setting.asOf) - extract(year from requirement.createdDate)) * 12
      + extract(month from setting.asOf) - extract(month from requirement.createdDate)
      - case when extract(day from setting.asOf) < extract(day from requirement.createdDate) then 1 else 0 end
    as int) as requirementAgeMonths,
    coalesce(coverage.linkedTestcaseCount, 0) as linkedTestcaseCount,
    coalesce(coverage.executedTestcaseCount, 0) as executedTestcaseCount,
    coalesce(coverage.passedTestcaseCount, 0) as passedTestcaseCount,
    coalesce(coverage.failedTestcaseCount, 0) as failedTestcaseCount,
    coalesce(coverage.passedExecutions, 0) as passedExecutions,
    control.requirementRecentDays,
    control.businessCriticalPriority,
    control.simpleMaximumLinks,
    control.complexAboveLinks
  from setting
  cross join control
  cross join requirement
  left join folder on requirement.requirementFolderKey = folder.requirementFolderKey
  left join coverage on requirement.requirementKey = coverage.requirementKey
),

final as (
  select
    requirementKey,
    projectKey,
    requirementFolderKey,
    requirementId,
    projectId,
    requirementFolderId,
    createdById,
    lastModifiedById,
    externalId,
    requirementName,
    details,
    url,
    folderPath,
    priority,
    requirementPriorityName,
    requirementPriorityNumeric,
    requirementType,
    requirementTypeCategory,
    createdDate,
    createdDateTime,
    lastModifiedDate,
    lastModifiedDateTime,
    firstAllocationDate,
    case
      when linkedTestcaseCount = 0 then 'Not Covered'
      when passedTestcaseCount = linkedTestcaseCount then 'Covered'
      else 'Partial'
    end as coverageStatus,
    case
      when linkedTestcaseCount = 0 then 'Draft'
      when passedTestcaseCount = linkedTestcaseCount then 'Validated'
      when executedTestcaseCount > 0 then 'Implemented'
      else 'Approved'
    end as requirementStatus,
    case
      when linkedTestcaseCount <= simpleMaximumLinks then 'Simple'
      when linkedTestcaseCount > complexAboveLinks then 'Complex'
      else 'Moderate'
    end as requirementComplexity,
    cast(char_length(requirementName) as int) as requirementNameLength,
    requirementAgeDays,
    requirementAgeMonths,
    attachmentCount,
    linkedTestcaseCount,
    executedTestcaseCount,
    passedTestcaseCount,
    failedTestcaseCount,
    passedTestcaseCount * 1.0 / nullif(linkedTestcaseCount, 0) as coverageScore,
    requirementAgeDays <= requirementRecentDays as isRecentRequirement,
    linkedTestcaseCount > 0 as isCovered,
    linkedTestcaseCount > 0 and executedTestcaseCount = linkedTestcaseCount as isAllLinkedExecuted,
    passedExecutions > 0 as hasPassingTestcase,
    requirementPriorityNumeric <= businessCriticalPriority as isBusinessCritical,
    isBddSupported,
    isRegulatoryRequirement,
    isStale
  from joined
)

select * from final
