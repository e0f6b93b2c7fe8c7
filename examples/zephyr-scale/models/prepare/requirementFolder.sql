-- One row per folder of requirements. This API has none.
-- key: recordKey
with
final as (
  select
    cast(null as bigint) as recordKey,
    cast(null as bigint) as requirementFolderId,
    cast(null as bigint) as parentRequirementFolderId,
    cast(null as bigint) as rootRequirementFolderId,
    cast(null as bigint) as projectId,
    cast(null as bigint) as createdById,
    cast(null as bigint) as lastModifiedById,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    cast(null as string) as requirementFolderName,
    cast(null as string) as description,
    cast(null as string) as folderType,
    cast(null as string) as path,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as createdDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as lastModifiedDateTime,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as extractedAt,
    cast(null as int) as depth,
    cast(null as bigint) as childCount,
    cast(null as boolean) as isStale
  where false
)

select * from final
