-- One row per execution and Jira issue linked to it: which defects it led to.
-- key: linkId
-- expect: executionId is not null, else quarantine
-- expect: issueId is not null, else quarantine
with
slice as (select * from prepare.slice where resource = 'factExecution'),

content as (select * from prepare.sliceContent where resource = 'factExecution'),

overridden as (select * from prepare.overriddenRecord where resource = 'factExecution'),

landed as (select * from source.factExecution),

parsed as (
  select
    landed.extractedAt,
    from_json(
      landed.payload,
      'id bigint, project struct<id:bigint>, links struct<issues:array<struct<id:bigint, issueId:bigint, type:string>>>'
    ) as p,
    slice.isStale
  from landed
  join content on landed.sliceKey = content.sliceKey and landed.runId = content.runId
  join slice on landed.sliceKey = slice.sliceKey
  left join overridden
    on landed.sliceKey = overridden.sliceKey
    and landed.runId = overridden.runId
    and landed.recordId = overridden.recordId
  where overridden.recordId is null
),

linked as (
  select
    parsed.extractedAt,
    parsed.isStale,
    parsed.p.id as executionId,
    parsed.p.project.id as projectId,
    parsed.p.links.issues as links
  from parsed
),

link as (
  select extractedAt, isStale, executionId, projectId, unnest(links) as l from linked where links is not null
),

final as (
  select
    link.l.id as linkId,
    link.executionId,
    link.l.issueId as issueId,
    link.projectId,
    link.l.type as linkType,
    link.extractedAt,
    link.isStale
  from link
)

select * from final
