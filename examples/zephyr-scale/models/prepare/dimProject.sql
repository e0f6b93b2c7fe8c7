-- One row per project record in the current project list. The API knows a project's key and not its name: Jira has that.
-- A project is stale when the list it comes from is, or when one of its own lists could not be read: the product was
-- switched off in it, or the token no longer sees it.
-- key: recordKey
-- expect: projectId is not null, else quarantine
-- expect: projectKey is not null, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimProject'),

unreadable as (
  select distinct projectKey from prepare.slice where projectKey is not null and status <> 'complete'
),

landed as (select * from source.dimProject),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    from_json(landed.payload, 'id bigint, jiraProjectId bigint, key string, enabled boolean') as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimProject', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as projectId,
    cast(parsed.p.jiraProjectId as string) as externalId,
    cast(null as bigint) as dtsId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.key as projectKey,
    parsed.p.key as projectName,
    cast(null as string) as description,
    cast(null as string) as projectStatus,
    'Jira' as externalSystem,
    cast(null as bigint) as isolationLevel,
    cast(null as bigint) as projectVersion,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as projectStartDateTime,
    cast(null as string) as projectStartDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as projectEndDateTime,
    cast(null as string) as projectEndDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    parsed.extractedAt,
    parsed.p.enabled as isActive,
    cast(null as boolean) as isShared,
    cast(null as boolean) as isGlobal,
    parsed.isStale or unreadable.projectKey is not null as isStale
  from parsed
  left join unreadable on parsed.p.key = unreadable.projectKey
)

select * from final
