-- One row per test plan and cycle linked to it.
-- key: linkId
-- expect: testPlanId is not null, else quarantine
-- expect: cycleId is not null, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimTestPlan'),

landed as (select * from source.dimTestPlan),

parsed as (
  select
    landed.extractedAt,
    from_json(
      landed.payload,
      'id bigint, project struct<id:bigint>,
       links struct<testCycles:array<struct<id:bigint, testCycleId:bigint, type:string>>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

plan as (
  select
    parsed.extractedAt,
    parsed.isStale,
    parsed.p.id as testPlanId,
    parsed.p.project.id as projectId,
    parsed.p.links.testCycles as links
  from parsed
),

link as (
  select extractedAt, isStale, testPlanId, projectId, unnest(links) as l from plan where links is not null
),

final as (
  select
    link.l.id as linkId,
    link.testPlanId,
    link.l.testCycleId as cycleId,
    link.projectId,
    link.l.type as linkType,
    link.extractedAt,
    link.isStale
  from link
)

select * from final
