-- One row per test case in the current lists of the projects, as it is now. The list names no version: executions do.
-- key: testcaseId
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else warn
with
slice as (select * from prepare.slice where resource = 'dimTestcase'),

content as (select * from prepare.sliceContent where resource = 'dimTestcase'),

overridden as (select * from prepare.overriddenRecord where resource = 'dimTestcase'),

priority as (select priorityId, min(priorityName) as priorityName from prepare.dimPriority group by priorityId),

landed as (select * from source.dimTestcase),

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
      'id bigint, key string, name string, project struct<id:bigint>, createdOn string, objective string,
       precondition string, estimatedTime bigint, labels array<string>, priority struct<id:bigint>,
       status struct<id:bigint>, folder struct<id:bigint>, owner struct<accountId:string>'
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

typed as (
  select
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.extractedAt,
    parsed.isStale,
    parsed.p.id as testcaseId,
    parsed.p.key as testcaseKey,
    parsed.p.name as testcaseName,
    parsed.p.project.id as projectId,
    parsed.p.createdOn as createdText,
    parsed.p.objective as description,
    parsed.p.precondition as precondition,
    parsed.p.estimatedTime as estimatedTimeMs,
    parsed.p.labels as labels,
    parsed.p.priority.id as priorityId,
    parsed.p.status.id as statusId,
    parsed.p.folder.id as folderId,
    parsed.p.owner.accountId as ownerAccountId
  from parsed
),

final as (
  select
    typed.testcaseId,
    cast(null as bigint) as testcaseVersionId,
    typed.projectId,
    typed.testcaseKey as externalId,
    typed.folderId,
    typed.priorityId,
    typed.statusId,
    typed.ownerAccountId,
    typed.sliceKey,
    typed.runId,
    typed.recordId,
    typed.testcaseKey,
    typed.testcaseName,
    typed.description,
    typed.precondition,
    priority.priorityName as priority,
    nullif(array_to_string(typed.labels, ', '), '') as tag,
    cast(null as string) as testcaseType,
    cast(null as bigint) as versionNumber,
    arrow_cast(try_cast(typed.createdText as timestamp), 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    cast(null as string) as createdDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    typed.extractedAt,
    typed.estimatedTimeMs,
    cast(null as boolean) as isAutomated,
    typed.isStale,
    typed.createdText is not null and try_cast(typed.createdText as timestamp) is null as hasUnreadableInstant
  from priority
  right join typed on priority.priorityId = typed.priorityId
)

select * from final
