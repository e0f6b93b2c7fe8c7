-- One row per test plan in the current lists of the projects.
-- key: recordKey
-- expect: testPlanId is not null, else quarantine
-- expect: projectId is not null, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimTestPlan'),

landed as (select * from source.dimTestPlan),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    from_json(
      landed.payload,
      'id bigint, key string, name string, objective string, project struct<id:bigint>, status struct<id:bigint>,
       folder struct<id:bigint>, owner struct<accountId:string>, labels array<string>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimTestPlan', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as testPlanId,
    parsed.p.project.id as projectId,
    parsed.p.folder.id as folderId,
    parsed.p.status.id as statusId,
    parsed.p.owner.accountId as ownerAccountId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.key as testPlanKey,
    parsed.p.name as testPlanName,
    parsed.p.objective as description,
    nullif(array_to_string(parsed.p.labels, ', '), '') as tag,
    parsed.extractedAt,
    parsed.isStale
  from parsed
)

select * from final
