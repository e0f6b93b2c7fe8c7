-- One row per check of what came against what the API, or the walk, says there is.
-- checkName says which: testcasesOfRelease, requirementsOfRelease and defectsOfRelease compare with the API's summary of
-- a release, testcasesOfFolder with the count of a folder, rowsOfSlice with what the walk of a slice counted.
-- entity is the table the rows lie in, scopeKey the ids the check is about. declaredCount is empty where nothing was
-- declared, and isComplete with it. isStale: one of the two sides is older than it should be, which may be the reason.
-- entity: what is counted.
-- declaredCount: as the server counts.
-- difference: landed less declared.
-- isComplete: whether nothing is missing.
-- key: checkName, scopeKey
-- expect: isComplete is not false, else warn
with
sliceRows as (select * from prepare.sliceRows),

summary as (select * from prepare.releaseSummary),

folder as (select * from prepare.dimFolder),

requirement as (select * from prepare.dimRequirement),

defect as (select * from prepare.defectReference),

rowsOfSlice as (
  select
    'rowsOfSlice' as checkName,
    resource as entity,
    concat(resource, ' ', sliceKey) as scopeKey,
    projectId,
    releaseId,
    folderId,
    requirementFolderId,
    walkedCount as declaredCount,
    landedCount,
    isStale
  from sliceRows
),

-- A folder that stands in a tree twice is asked for once.
rankedFolder as (
  select
    folder.*,
    row_number() over (partition by projectId, releaseId, isRepository, folderId order by recordKey) as preference
  from folder
),

folderRows as (
  select
    rankedFolder.projectId,
    rankedFolder.releaseId,
    rankedFolder.folderId,
    case when rankedFolder.isRepository then 'dimTestcaseRepository' else 'dimTestcase' end as entity,
    rankedFolder.testcaseCount as declaredCount,
    coalesce(sliceRows.landedCount, 0) as landedCount,
    rankedFolder.isStale or coalesce(sliceRows.isStale, false) as isStale
  from rankedFolder
  left join sliceRows
    on sliceRows.resource = case when rankedFolder.isRepository then 'dimTestcaseRepository' else 'dimTestcase' end
    and sliceRows.projectId = rankedFolder.projectId
    and coalesce(sliceRows.releaseId, -1) = coalesce(rankedFolder.releaseId, -1)
    and sliceRows.folderId = rankedFolder.folderId
  where rankedFolder.preference = 1
),

testcasesOfFolder as (
  select
    'testcasesOfFolder' as checkName,
    entity,
    concat_ws(
      ' ', entity, concat('project ', projectId), case when releaseId is not null then concat('release ', releaseId) end,
      concat('folder ', folderId)
    ) as scopeKey,
    projectId,
    releaseId,
    folderId,
    cast(null as bigint) as requirementFolderId,
    declaredCount,
    landedCount,
    isStale
  from folderRows
),

placedInRelease as (
  select projectId, releaseId, sum(landedCount) as landedCount, bool_or(isStale) as isStale
  from sliceRows
  where resource = 'dimTestcase'
  group by projectId, releaseId
),

testcasesOfRelease as (
  select
    'testcasesOfRelease' as checkName,
    'dimTestcase' as entity,
    concat('project ', summary.projectId, ' release ', summary.releaseId) as scopeKey,
    summary.projectId,
    summary.releaseId,
    cast(null as bigint) as folderId,
    cast(null as bigint) as requirementFolderId,
    summary.totalTestcaseCount as declaredCount,
    coalesce(placedInRelease.landedCount, 0) as landedCount,
    summary.isStale or coalesce(placedInRelease.isStale, false) as isStale
  from summary
  left join placedInRelease
    on summary.projectId = placedInRelease.projectId
    and summary.releaseId = placedInRelease.releaseId
),

-- A requirement allocated to no release counts in every release of its project.
unallocated as (
  select projectId, count(distinct requirementId) as landedCount, bool_or(isStale) as isStale
  from requirement
  where releaseIds is null
  group by projectId
),

allocation as (
  select projectId, requirementId, isStale, unnest(string_to_array(releaseIds, ',')) as releaseIdText from requirement
),

allocated as (
  select
    projectId,
    try_cast(releaseIdText as bigint) as releaseId,
    count(distinct requirementId) as landedCount,
    bool_or(isStale) as isStale
  from allocation
  group by projectId, try_cast(releaseIdText as bigint)
),

requirementsOfRelease as (
  select
    'requirementsOfRelease' as checkName,
    'dimRequirement' as entity,
    concat('project ', summary.projectId, ' release ', summary.releaseId) as scopeKey,
    summary.projectId,
    summary.releaseId,
    cast(null as bigint) as folderId,
    cast(null as bigint) as requirementFolderId,
    summary.totalRequirementCount as declaredCount,
    coalesce(unallocated.landedCount, 0) + coalesce(allocated.landedCount, 0) as landedCount,
    summary.isStale or coalesce(unallocated.isStale, false) or coalesce(allocated.isStale, false) as isStale
  from summary
  left join unallocated on summary.projectId = unallocated.projectId
  left join allocated
    on summary.projectId = allocated.projectId
    and summary.releaseId = allocated.releaseId
),

foundInRelease as (
  select projectId, releaseId, count(distinct defectId) as landedCount, bool_or(isStale) as isStale
  from defect
  group by projectId, releaseId
),

defectsOfRelease as (
  select
    'defectsOfRelease' as checkName,
    'factExecution' as entity,
    concat('project ', summary.projectId, ' release ', summary.releaseId) as scopeKey,
    summary.projectId,
    summary.releaseId,
    cast(null as bigint) as folderId,
    cast(null as bigint) as requirementFolderId,
    summary.totalDefectCount as declaredCount,
    coalesce(foundInRelease.landedCount, 0) as landedCount,
    summary.isStale or coalesce(foundInRelease.isStale, false) as isStale
  from summary
  left join foundInRelease
    on summary.projectId = foundInRelease.projectId
    and summary.releaseId = foundInRelease.releaseId
),

everyCheck as (
  select * from rowsOfSlice
  union all
  select * from testcasesOfFolder
  union all
  select * from testcasesOfRelease
  union all
  select * from requirementsOfRelease
  union all
  select * from defectsOfRelease
),

final as (
  select
    checkName,
    scopeKey,
    entity,
    projectId,
    releaseId,
    folderId,
    requirementFolderId,
    declaredCount,
    landedCount,
    landedCount - declaredCount as difference,
    landedCount = declaredCount as isComplete,
    isStale
  from everyCheck
)

select * from final
