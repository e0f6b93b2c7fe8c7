-- One row per execution that disappeared from its phase. Removals are not made out for this API.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as executionId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    cast(null as bigint) as testcaseId,
    cast(null as bigint) as treeTestcaseId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as statusCode,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as assignmentDateTime,
    cast(null as string) as assignmentDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as resultDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastSeenDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as removedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as returnedDateTime
  where false
)

select * from final
