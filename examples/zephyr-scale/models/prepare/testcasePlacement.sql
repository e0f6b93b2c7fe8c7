-- One row per placement of a test case in a folder tree. In this API a test case lies in one folder, which its own
-- record names.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as placementId,
    cast(null as bigint) as testcaseVersionId,
    cast(null as bigint) as testcaseId,
    cast(null as bigint) as folderId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as createdById,
    cast(null as bigint) as modifiedById,
    cast(null as bigint) as writerId,
    cast(null as bigint) as creatorId,
    cast(null as bigint) as lastUpdaterId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as externalId,
    cast(null as string) as testcaseName,
    cast(null as string) as description,
    cast(null as string) as comments,
    cast(null as string) as priority,
    cast(null as string) as tag,
    cast(null as string) as testcaseType,
    cast(null as string) as scriptName,
    cast(null as string) as scriptPath,
    cast(null as string) as scriptId,
    cast(null as bigint) as stateFlag,
    cast(null as bigint) as revision,
    cast(null as bigint) as versionNumber,
    cast(null as bigint) as maxVersionNumber,
    cast(null as bigint) as orderId,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as testcaseCreatedDateTime,
    cast(null as string) as testcaseCreatedDateText,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as testcaseLastModifiedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as extractedAt,
    cast(null as bigint) as estimatedTimeMs,
    cast(null as bigint) as attachmentCount,
    cast(null as boolean) as isAutomated,
    cast(null as boolean) as isComplex,
    cast(null as boolean) as isShared,
    cast(null as boolean) as isDerivedFromBdd,
    cast(null as boolean) as isOriginal,
    cast(null as boolean) as isRepository,
    cast(null as boolean) as isFolderAgreed,
    cast(null as boolean) as isStale,
    cast(null as boolean) as hasUnreadableInstant
  where false
)

select * from final
