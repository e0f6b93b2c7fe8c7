-- One row per landed record that stands for nothing any more, because a later walk, which asked only for what had
-- changed, landed the same record again. Such walks are few rows on top of a whole listing, and so is this table.
-- key: resource, sliceKey, runId, recordId
with
content as (select * from prepare.sliceContent),

testcase as (select * from source.dimTestcase),

execution as (select * from source.factExecution),

landed as (
  select 'dimTestcase' as resource, sliceKey, runId, recordId from testcase
  union all
  select 'factExecution' as resource, sliceKey, runId, recordId from execution
),

override as (
  select landed.resource, landed.sliceKey, landed.recordId, min(content.overrideOrder) as overrideOrder
  from content
  join landed
    on content.resource = landed.resource
    and content.sliceKey = landed.sliceKey
    and content.runId = landed.runId
  where content.isPartial
  group by landed.resource, landed.sliceKey, landed.recordId
),

candidate as (
  select landed.resource, landed.sliceKey, landed.runId, landed.recordId, override.overrideOrder
  from override
  join landed
    on override.resource = landed.resource
    and override.sliceKey = landed.sliceKey
    and override.recordId = landed.recordId
),

final as (
  select candidate.resource, candidate.sliceKey, candidate.runId, candidate.recordId
  from candidate
  join content
    on candidate.resource = content.resource
    and candidate.sliceKey = content.sliceKey
    and candidate.runId = content.runId
  where content.overrideOrder > candidate.overrideOrder
)

select * from final
