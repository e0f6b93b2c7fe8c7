-- One row per environment of a project that executions may name.
-- key: recordKey
-- expect: environmentId is not null, else quarantine
-- expect: environmentName is not null, else warn
with
slice as (select * from prepare.slice where resource = 'dimEnvironment'),

landed as (select * from source.dimEnvironment),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    from_json(landed.payload, 'id bigint, project struct<id:bigint>, name string, index bigint, archived boolean') as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimEnvironment', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as environmentId,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.name as environmentName,
    parsed.p.index as listPosition,
    parsed.extractedAt,
    not coalesce(parsed.p.archived, false) as isActive,
    parsed.isStale
  from parsed
)

select * from final
