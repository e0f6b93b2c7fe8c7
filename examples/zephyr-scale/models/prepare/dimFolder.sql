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

named as (select parsed.p.id as folderId, parsed.p.parentId as parentFolderId, parsed.p.name as folderName from parsed),

-- The list is flat: the way up is found by its ids, five levels at most.
placed as (
  select
    folder.folderId,
    coalesce(fourth.folderId, third.folderId, second.folderId, first.folderId, folder.folderId) as rootFolderId,
    concat_ws(
      ' / ', fourth.folderName, third.folderName, second.folderName, first.folderName, folder.folderName
    ) as path,
    case when first.folderId is null then 0 else 1 end
      + case when second.folderId is null then 0 else 1 end
      + case when third.folderId is null then 0 else 1 end
      + case when fourth.folderId is null then 0 else 1 end as depth
  from named as folder
  left join named as first on folder.parentFolderId = first.folderId
  left join named as second on first.parentFolderId = second.folderId
  left join named as third on second.parentFolderId = third.folderId
  left join named as fourth on third.parentFolderId = fourth.folderId
),

final as (
  select
    xxhash64('dimFolder', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as folderId,
    parsed.p.parentId as parentFolderId,
    placed.rootFolderId,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as linkedFolderId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.name as folderName,
    parsed.p.folderType as folderType,
    parsed.p.index as listPosition,
    cast(null as string) as description,
    placed.path,
    cast(placed.depth as int) as depth,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    cast(null as bigint) as testcaseCount,
    cast(null as bigint) as cumulativeTestcaseCount,
    parsed.extractedAt,
    false as isRepository,
    parsed.isStale
  from parsed
  left join placed on parsed.p.id = placed.folderId
)

select * from final
