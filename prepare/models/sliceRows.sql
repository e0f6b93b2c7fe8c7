-- One row per slice whose content is one whole listing: the rows its walk counted, and those that lie in the lake for it.
-- The two are equal, or rows were lost between the walk and the table.
-- runId: run whose rows are the content.
-- walkedCount: rows the walk counted.
-- landedCount: rows that are there.
-- key: resource, sliceKey
with
slice as (select * from prepare.slice where contentRunId is not null and baseRunId is null),

landed as (
  select 'dimExecutionStatus' as resource, sliceKey, runId, count(*) as landedCount from source.dimExecutionStatus group by sliceKey, runId
  union all
  select 'dimListOfValues' as resource, sliceKey, runId, count(*) as landedCount from source.dimListOfValues group by sliceKey, runId
  union all
  select 'dimTester' as resource, sliceKey, runId, count(*) as landedCount from source.dimTester group by sliceKey, runId
  union all
  select 'dimProject' as resource, sliceKey, runId, count(*) as landedCount from source.dimProject group by sliceKey, runId
  union all
  select 'dimReleaseAll' as resource, sliceKey, runId, count(*) as landedCount from source.dimReleaseAll group by sliceKey, runId
  union all
  select 'dimRelease' as resource, sliceKey, runId, count(*) as landedCount from source.dimRelease group by sliceKey, runId
  union all
  select 'releaseSummary' as resource, sliceKey, runId, count(*) as landedCount from source.releaseSummary group by sliceKey, runId
  union all
  select 'dimCycle' as resource, sliceKey, runId, count(*) as landedCount from source.dimCycle group by sliceKey, runId
  union all
  select 'factExecution' as resource, sliceKey, runId, count(*) as landedCount from source.factExecution group by sliceKey, runId
  union all
  select 'dimFolder' as resource, sliceKey, runId, count(*) as landedCount from source.dimFolder group by sliceKey, runId
  union all
  select 'dimTestcase' as resource, sliceKey, runId, count(*) as landedCount from source.dimTestcase group by sliceKey, runId
  union all
  select 'dimFolderRepository' as resource, sliceKey, runId, count(*) as landedCount from source.dimFolderRepository group by sliceKey, runId
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, count(*) as landedCount from source.dimTestcaseRepository group by sliceKey, runId
  union all
  select 'dimRequirementFolder' as resource, sliceKey, runId, count(*) as landedCount from source.dimRequirementFolder group by sliceKey, runId
  union all
  select 'dimRequirement' as resource, sliceKey, runId, count(*) as landedCount from source.dimRequirement group by sliceKey, runId
),

final as (
  select
    slice.resource,
    slice.sliceKey,
    slice.projectId,
    slice.releaseId,
    slice.folderId,
    slice.requirementFolderId,
    slice.contentRunId as runId,
    slice.rowCount as walkedCount,
    coalesce(landed.landedCount, 0) as landedCount,
    slice.isStale
  from slice
  left join landed
    on slice.resource = landed.resource
    and slice.sliceKey = landed.sliceKey
    and slice.contentRunId = landed.runId
)

select * from final
