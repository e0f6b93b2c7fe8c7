-- One row per release. The API has none of its own: a cycle may name a Jira version, by its id only, and those are the
-- releases. A cycle without one, and what was executed without a cycle, belongs to a pseudo release of its project.
-- key: recordKey
-- expect: releaseId is not null, else quarantine
-- expect: projectId is not null, else quarantine
with
project as (select projectId, projectName, extractedAt, isStale from prepare.dimProject),

cycle as (select * from prepare.dimCycle where not isAdHoc),

versionSeen as (
  select
    projectId,
    releaseId,
    max(extractedAt) as extractedAt,
    bool_and(isStale) as isStale
  from cycle
  where releaseId > 0
  group by projectId, releaseId
),

everyRelease as (
  select projectId, releaseId, concat('Jira version ', cast(releaseId as string)) as releaseName, extractedAt,
    false as isPseudoRelease, isStale
  from versionSeen
  union all
  select projectId, -projectId as releaseId, concat(projectName, ' without a version') as releaseName, extractedAt,
    true as isPseudoRelease, isStale
  from project
),

final as (
  select
    xxhash64('dimRelease', projectId, releaseId) as recordKey,
    releaseId,
    projectId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    releaseName,
    cast(null as string) as description,
    cast(null as bigint) as releaseStatus,
    cast(null as bigint) as orderId,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as releaseStartDateTime,
    cast(null as string) as releaseStartDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as releaseEndDateTime,
    cast(null as string) as releaseEndDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    extractedAt,
    cast(null as boolean) as isGlobal,
    cast(null as boolean) as isSyncEnabled,
    isPseudoRelease,
    isStale
  from everyRelease
)

select * from final
