-- One row per status an execution can have in a project. Every project has a list of its own: the same name stands for
-- another id in each, and the id is what executions carry.
-- key: recordKey
-- expect: statusCode is not null, else quarantine
-- expect: statusName is not null, else warn
-- expect: duplicateNumber = 1, else warn
with
slice as (select * from prepare.slice where resource = 'dimExecutionStatus'),

landed as (select * from source.dimExecutionStatus),

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
      'id bigint, project struct<id:bigint>, name string, index bigint, color string, archived boolean, default boolean'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimExecutionStatus', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    cast(parsed.p.id as string) as statusCode,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    nullif(btrim(parsed.p.name), '') as statusName,
    nullif(btrim(parsed.p.color), '') as color,
    parsed.p.index as listPosition,
    parsed.extractedAt,
    cast(row_number() over (
      partition by parsed.p.id order by parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal
    ) as int) as duplicateNumber,
    parsed.p.default as isDefault,
    -- An archived status still stands on old rows, so it is kept and only marked.
    not coalesce(parsed.p.archived, false) as isActive,
    parsed.isStale
  from parsed
)

select * from final
