-- One row per requirement. This API has none: test cases are linked to Jira issues, see bridgeTestcaseIssue.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as requirementId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as requirementFolderId,
    cast(null as bigint) as createdById,
    cast(null as bigint) as lastModifiedById,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as externalId,
    cast(null as string) as requirementName,
    cast(null as string) as details,
    cast(null as string) as url,
    cast(null as string) as priority,
    cast(null as bigint) as requirementType,
    cast(null as string) as releaseIds,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDayDateTime,
    cast(null as string) as createdDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as extractedAt,
    cast(null as bigint) as testcaseCount,
    cast(null as bigint) as attachmentCount,
    cast(null as boolean) as isBddSupported,
    cast(null as boolean) as isFolderAgreed,
    cast(null as boolean) as isStale,
    cast(null as boolean) as hasUnreadableInstant
  where false
)

select * from final
