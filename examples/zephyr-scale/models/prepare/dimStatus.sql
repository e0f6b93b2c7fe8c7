-- One row per status a test case, cycle or plan can have in a project. The record does not say what it is a status of:
-- that is in the table it landed in, as it was asked for type by type.
-- key: recordKey
-- expect: statusId is not null, else quarantine
-- expect: statusName is not null, else warn
with
slice as (select * from prepare.slice),

landedTestcaseStatus as (select * from source.dimTestcaseStatus),

landedCycleStatus as (select * from source.dimCycleStatus),

landedTestPlanStatus as (select * from source.dimTestPlanStatus),

landed as (
  select 'dimTestcaseStatus' as resource, 'TEST_CASE' as statusType, landedTestcaseStatus.* from landedTestcaseStatus
  union all
  select 'dimCycleStatus' as resource, 'TEST_CYCLE' as statusType, landedCycleStatus.* from landedCycleStatus
  union all
  select 'dimTestPlanStatus' as resource, 'TEST_PLAN' as statusType, landedTestPlanStatus.* from landedTestPlanStatus
),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    landed.resource,
    landed.statusType,
    slice.projectId,
    from_json(
      landed.payload,
      'id bigint, project struct<id:bigint>, name string, index bigint, color string, archived boolean, default boolean'
    ) as p,
    slice.isStale
  from landed
  join slice
    on landed.resource = slice.resource
    and landed.sliceKey = slice.sliceKey
    and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64(parsed.resource, parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as statusId,
    coalesce(parsed.p.project.id, parsed.projectId) as projectId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.statusType,
    parsed.p.name as statusName,
    parsed.p.color as color,
    parsed.p.index as listPosition,
    parsed.extractedAt,
    parsed.p.default as isDefault,
    not coalesce(parsed.p.archived, false) as isActive,
    parsed.isStale
  from parsed
)

select * from final
