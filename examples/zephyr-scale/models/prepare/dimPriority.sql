-- One row per priority of a project's test cases.
-- key: recordKey
-- expect: priorityId is not null, else quarantine
-- expect: priorityName is not null, else warn
with
slice as (select * from prepare.slice where resource = 'dimPriority'),

landed as (select * from source.dimPriority),

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
      'id bigint, project struct<id:bigint>, name string, index bigint, color string, default boolean'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimPriority', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as priorityId,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.name as priorityName,
    parsed.p.color as color,
    parsed.p.index as listPosition,
    parsed.extractedAt,
    parsed.p.default as isDefault,
    parsed.isStale
  from parsed
)

select * from final
