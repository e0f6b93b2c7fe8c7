-- One row per placement, trustworthy: one version of a test case in one folder, of a release or of a repository. Days are
-- local to the tenant. A folder that shows the rows of another lists a placement a second time: that of its own is kept.
-- placementId: the test case in this folder; executions name it as treeTestcaseId.
-- testcaseVersionId: the version that stands here. testcaseId: the test case through all versions and places.
-- releaseId: the release whose folder it is; empty in a repository.
-- createdDate: day the placement was made; lastModifiedDate: day it was last changed.
-- duplicateNumber: 1 for the row of a placement that is kept.
-- estimatedMs: time a run should take, milliseconds.
-- isRepository: stands in a repository, not in a release.
-- key: placementId
-- expect: duplicateNumber = 1, else quarantine
-- expect: testcaseId is not null, else quarantine
-- expect: folderId is not null, else warn
-- conserves: prepare.testcasePlacement
with
placement as (select * from prepare.testcasePlacement),

setting as (select * from run.setting),

-- Doubles are rare: finding their ids first spares sorting every placement.
repeatedPlacement as (
  select placementId from placement group by placementId having count(*) > 1
),

rankedRepeat as (
  select
    placement.recordKey,
    row_number() over (
      partition by placement.placementId
      order by
        case when placement.isFolderAgreed then 0 else 1 end,
        case when placement.isStale then 1 else 0 end,
        placement.lastModifiedDateTime desc nulls last,
        placement.extractedAt desc nulls last,
        placement.folderId,
        placement.recordKey
    ) as duplicateNumber
  from repeatedPlacement
  join placement on repeatedPlacement.placementId = placement.placementId
),

numbered as (
  select placement.*, cast(coalesce(rankedRepeat.duplicateNumber, 1) as int) as duplicateNumber
  from rankedRepeat
  right join placement on rankedRepeat.recordKey = placement.recordKey
),

final as (
  select
    numbered.recordKey,
    numbered.placementId,
    numbered.testcaseVersionId,
    numbered.testcaseId,
    numbered.folderId,
    numbered.releaseId,
    numbered.projectId,
    numbered.stateFlag,
    numbered.revision,
    numbered.versionNumber,
    numbered.maxVersionNumber,
    numbered.orderId,
    cast(from_utc_timestamp(numbered.createdDateTime, setting.timeZone) as date) as createdDate,
    numbered.createdDateTime,
    cast(from_utc_timestamp(numbered.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    numbered.lastModifiedDateTime,
    numbered.estimatedTimeMs as estimatedMs,
    numbered.attachmentCount,
    numbered.duplicateNumber,
    numbered.isRepository,
    numbered.isShared,
    numbered.isComplex,
    numbered.isFolderAgreed,
    numbered.isStale
  from setting
  cross join numbered
)

select * from final
