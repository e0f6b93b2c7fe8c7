-- One row per test cycle in the current cycle lists of the projects, and one per project that stands for what was
-- executed without a cycle (its id is the project's, negative).
-- key: recordKey
-- expect: cycleId is not null, else quarantine
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimCycle'),

project as (select * from prepare.dimProject),

landed as (select * from source.dimCycle),

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
      'id bigint, key string, name string, project struct<id:bigint>, jiraProjectVersion struct<id:bigint>,
       status struct<id:bigint>, folder struct<id:bigint>, owner struct<accountId:string>, description string,
       plannedStartDate string, plannedEndDate string'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

listed as (
  select
    xxhash64('dimCycle', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.id as cycleId,
    parsed.p.project.id as projectId,
    coalesce(parsed.p.jiraProjectVersion.id, -parsed.p.project.id) as releaseId,
    parsed.p.jiraProjectVersion.id as jiraVersionId,
    parsed.p.folder.id as folderId,
    parsed.p.owner.accountId as ownerAccountId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    parsed.p.key as cycleKey,
    parsed.p.name as cycleName,
    parsed.p.description as description,
    parsed.p.status.id as cycleStatus,
    parsed.p.plannedStartDate as startText,
    parsed.p.plannedEndDate as endText,
    parsed.extractedAt,
    false as isAdHoc,
    parsed.isStale
  from parsed
),

adHoc as (
  select
    xxhash64('dimCycle ad hoc', projectId) as recordKey,
    -projectId as cycleId,
    projectId,
    -projectId as releaseId,
    cast(null as bigint) as jiraVersionId,
    cast(null as bigint) as folderId,
    cast(null as string) as ownerAccountId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as cycleKey,
    concat(projectKey, ' without a cycle') as cycleName,
    cast(null as string) as description,
    cast(null as bigint) as cycleStatus,
    cast(null as string) as startText,
    cast(null as string) as endText,
    extractedAt,
    true as isAdHoc,
    isStale
  from project
),

everyCycle as (
  select * from listed
  union all
  select * from adHoc
),

final as (
  select
    recordKey,
    cycleId,
    projectId,
    releaseId,
    jiraVersionId,
    folderId,
    ownerAccountId,
    sliceKey,
    runId,
    recordId,
    cycleKey,
    cycleName,
    description,
    cast(null as string) as environment,
    cast(null as string) as build,
    cycleStatus,
    cast(null as bigint) as revision,
    arrow_cast(try_cast(startText as timestamp), 'Timestamp(Microsecond, Some("UTC"))') as cycleStartDateTime,
    cast(null as string) as cycleStartDateText,
    arrow_cast(try_cast(endText as timestamp), 'Timestamp(Microsecond, Some("UTC"))') as cycleEndDateTime,
    cast(null as string) as cycleEndDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    extractedAt,
    isAdHoc,
    isStale,
    (startText is not null and try_cast(startText as timestamp) is null)
      or (endText is not null and try_cast(endText as timestamp) is null) as hasUnreadableInstant
  from everyCycle
)

select * from final
