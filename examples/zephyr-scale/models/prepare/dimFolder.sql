-- One row per folder record in the current folder lists: folders of test cases, of cycles and of plans, each a tree.
-- key: recordKey
-- expect: folderId is not null, else quarantine
-- expect: projectId is not null, else quarantine
-- expect: folderType in ('TEST_CASE', 'TEST_PLAN', 'TEST_CYCLE'), else warn
-- expect: folderName is not null, else warn
with
slice as (select * from prepare.slice where resource = 'dimFolder'),

landed as (select * from source.dimFolder),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    from_json(
      landed.payload,
      'id bigint, parentId bigint, name string, index bigint, folderType string, project struct<id:bigint>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimFolder', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as folderId,
    parsed.p.parentId as parentFolderId,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.name as folderName,
    parsed.p.folderType as folderType,
    parsed.p.index as listPosition,
    parsed.extractedAt,
    parsed.isStale
  from parsed
)

select * from final
