-- One row per project record in the current project list, typed; instants are UTC, the API's own date texts stand beside them.
-- A project is stale when the list it comes from is, or when its own list of releases could not be read: everything
-- below it is then as old as that.
-- projectStatus: the API's own number for the project's status.
-- externalSystem: the system its external id belongs to.
-- isolationLevel: the API's own number for who may see it.
-- projectVersion: number the API raises with every change of the project.
-- isActive, isShared, isGlobal: the API's own flags.
-- key: recordKey
-- expect: projectId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimProject'),

unreadable as (
  select distinct projectId from prepare.slice where resource = 'dimRelease' and status <> 'complete'
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
    from_json(
      landed.payload,
      'id bigint, version bigint, name string, description string, startDate bigint, projectStartDate string,
       endDate bigint, projectEndDate string, status string, externalSystem string, externalId string,
       dtsId bigint, isolationLevel bigint, createdOn bigint, shared boolean, active boolean,
       globalProject boolean'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('dimProject', sliceKey, runId, page, ordinal) as recordKey,
    p.id as projectId,
    p.externalId as externalId,
    p.dtsId as dtsId,
    sliceKey,
    runId,
    recordId,
    p.name as projectName,
    p.description as description,
    p.status as projectStatus,
    p.externalSystem as externalSystem,
    p.isolationLevel as isolationLevel,
    p.version as projectVersion,
    case when p.startDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.startDate), 'Timestamp(Microsecond, Some("UTC"))') end as projectStartDateTime,
    p.projectStartDate as projectStartDateText,
    case when p.endDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.endDate), 'Timestamp(Microsecond, Some("UTC"))') end as projectEndDateTime,
    p.projectEndDate as projectEndDateText,
    case when p.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(p.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    extractedAt,
    p.active as isActive,
    p.shared as isShared,
    p.globalProject as isGlobal,
    isStale or unreadable.projectId is not null as isStale,
    coalesce(p.startDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.endDate not between -62135596800000 and 253402300799999, false)
      or coalesce(p.createdOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from parsed
  left join unreadable on parsed.p.id = unreadable.projectId
)

select * from final
