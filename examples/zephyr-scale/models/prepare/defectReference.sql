-- One row per defect an execution names. Executions of this API name Jira issues by link only: see
-- bridgeExecutionIssue.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as defectId,
    cast(null as bigint) as bugId,
    cast(null as string) as externalId,
    cast(null as bigint) as executionId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    cast(null as bigint) as dtsId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as description,
    cast(null as string) as defectStatus,
    cast(null as string) as priority,
    cast(null as string) as state,
    cast(null as string) as category,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as extractedAt,
    cast(null as boolean) as isStale,
    cast(null as boolean) as hasUnreadableInstant
  where false
)

select * from final
