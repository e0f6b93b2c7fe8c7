-- One row per execution record in the current execution lists of the phases: one scheduled test case, with its latest
-- result if it has one. The payload names only its phase; cycle, release and project come from the list asked for.
-- The status is that of the latest result if it has one, else that of the row, else 'absent'. Times are in milliseconds.
-- statusCode: code of the latest result, else of the row, else 'absent'.
-- rowStatusCode: code of the row itself.
-- resultStatusCode: code of the latest result.
-- comment: what the tester typed.
-- executionOrder: place in its phase.
-- actualTimeMs, estimatedTimeMs: time it took and was to take, in milliseconds.
-- attachmentCount: files attached to it.
-- testcaseProjectId, testcaseExternalId, testcaseName, testcaseDescription, testcasePriority, testcaseTag,
-- testcaseType, testcaseCreatedDateText: what the execution says of its test case, as dimTestcase has it.
-- testcaseVersionNumber: number of the version the execution says was run.
-- testcaseCreatedDateTime, testcaseLastModifiedDateTime: when the test case was created, the version last changed.
-- isTestcaseAutomated: marked as run by a script.
-- isTestcaseReadable: what it says of its test case could be read; an execution is kept where it could not.
-- hasUnreadableTestcaseInstant: an instant of the test case is beyond any calendar and left empty.
-- key: recordKey
-- expect: executionId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
-- expect: isTestcaseReadable, else warn
-- incremental: sliceKey of prepare.slice, source.factExecution
with
slice as (select * from prepare.slice where resource = 'factExecution'),

landed as (select * from source.factExecution),

control as (
  select max(case when name = 'executionTimeUnit' and value = 's' then 1000 else 1 end) as millisecondsPerUnit
  from prepare.controls
),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    slice.releaseId,
    slice.cycleId,
    slice.cyclePhaseId,
    landed.payload,
    from_json(
      landed.payload,
      'id bigint, status string, testerId bigint, testerIdName string, executedBy bigint, assignmentDate string,
       lastModifiedOn bigint, actualTime double, estimatedTime double, comment string, versionId string,
       orderId bigint, attachmentCount bigint, lastTestResult struct<id:bigint, executionDate:bigint,
       execDate:string, executionStatus:string>, tcrTreeTestcase struct<id:bigint, tcrCatalogTreeId:bigint,
       versionNumber:bigint, testcase:struct<id:bigint, testcaseId:bigint, name:string, description:string,
       externalId:string, priority:string, tag:string, automated:boolean, testcaseType:string, versionNumber:bigint,
       projectId:bigint, lastModifiedOn:bigint, creationDate:bigint, tcCreationDate:string>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

-- What an execution says of its test case must not cost the execution: where the whole cannot be read, it is left out.
reread as (
  select
    parsed.*,
    p is not null as isTestcaseReadable,
    case
      when p is null then from_json(
        payload,
        'id bigint, status string, testerId bigint, testerIdName string, executedBy bigint, assignmentDate string,
         lastModifiedOn bigint, actualTime double, estimatedTime double, comment string, versionId string,
         orderId bigint, attachmentCount bigint, lastTestResult struct<id:bigint, executionDate:bigint,
         execDate:string, executionStatus:string>, tcrTreeTestcase struct<id:bigint, tcrCatalogTreeId:bigint,
         versionNumber:bigint, testcase:struct<id:bigint, testcaseId:bigint>>'
      )
    end as e
  from parsed
),

typed as (
  select
    reread.sliceKey,
    reread.runId,
    reread.page,
    reread.ordinal,
    reread.recordId,
    reread.extractedAt,
    reread.projectId,
    reread.releaseId,
    reread.cycleId,
    reread.cyclePhaseId,
    reread.isStale,
    case when reread.isTestcaseReadable then reread.p.id else reread.e.id end as executionId,
    case when reread.isTestcaseReadable then reread.p.status else reread.e.status end as status,
    case when reread.isTestcaseReadable then reread.p.testerId else reread.e.testerId end as testerId,
    case when reread.isTestcaseReadable then reread.p.testerIdName else reread.e.testerIdName end as testerName,
    case when reread.isTestcaseReadable then reread.p.executedBy else reread.e.executedBy end as executedById,
    case when reread.isTestcaseReadable then reread.p.assignmentDate else reread.e.assignmentDate end as assignmentText,
    case when reread.isTestcaseReadable then reread.p.lastModifiedOn else reread.e.lastModifiedOn end as lastModifiedOn,
    case when reread.isTestcaseReadable then reread.p.actualTime else reread.e.actualTime end as actualTime,
    case when reread.isTestcaseReadable then reread.p.estimatedTime else reread.e.estimatedTime end as estimatedTime,
    case when reread.isTestcaseReadable then reread.p.comment else reread.e.comment end as comment,
    case when reread.isTestcaseReadable then reread.p.versionId else reread.e.versionId end as versionId,
    case when reread.isTestcaseReadable then reread.p.orderId else reread.e.orderId end as executionOrder,
    case
      when reread.isTestcaseReadable then reread.p.attachmentCount
      else reread.e.attachmentCount
    end as attachmentCount,
    case
      when reread.isTestcaseReadable then reread.p.lastTestResult.id
      else reread.e.lastTestResult.id
    end as lastResultId,
    case
      when reread.isTestcaseReadable then reread.p.lastTestResult.executionDate
      else reread.e.lastTestResult.executionDate
    end as resultDate,
    case
      when reread.isTestcaseReadable then reread.p.lastTestResult.execDate
      else reread.e.lastTestResult.execDate
    end as resultDateText,
    case
      when reread.isTestcaseReadable then reread.p.lastTestResult.executionStatus
      else reread.e.lastTestResult.executionStatus
    end as lastResultStatus,
    case
      when reread.isTestcaseReadable then reread.p.tcrTreeTestcase.id
      else reread.e.tcrTreeTestcase.id
    end as treeTestcaseId,
    case
      when reread.isTestcaseReadable then reread.p.tcrTreeTestcase.tcrCatalogTreeId
      else reread.e.tcrTreeTestcase.tcrCatalogTreeId
    end as tcrCatalogTreeId,
    case
      when reread.isTestcaseReadable then reread.p.tcrTreeTestcase.testcase.id
      else reread.e.tcrTreeTestcase.testcase.id
    end as testcaseVersionId,
    case
      when reread.isTestcaseReadable then reread.p.tcrTreeTestcase.testcase.testcaseId
      else reread.e.tcrTreeTestcase.testcase.testcaseId
    end as testcaseId,
    reread.p.tcrTreeTestcase.testcase.projectId as testcaseProjectId,
    reread.p.tcrTreeTestcase.testcase.externalId as testcaseExternalId,
    reread.p.tcrTreeTestcase.testcase.name as testcaseName,
    reread.p.tcrTreeTestcase.testcase.description as testcaseDescription,
    reread.p.tcrTreeTestcase.testcase.priority as testcasePriority,
    reread.p.tcrTreeTestcase.testcase.tag as testcaseTag,
    reread.p.tcrTreeTestcase.testcase.testcaseType as testcaseType,
    coalesce(
      reread.p.tcrTreeTestcase.testcase.versionNumber, reread.p.tcrTreeTestcase.versionNumber
    ) as testcaseVersionNumber,
    reread.p.tcrTreeTestcase.testcase.creationDate as testcaseCreatedOn,
    reread.p.tcrTreeTestcase.testcase.tcCreationDate as testcaseCreatedDateText,
    reread.p.tcrTreeTestcase.testcase.lastModifiedOn as testcaseLastModifiedOn,
    reread.p.tcrTreeTestcase.testcase.automated as isTestcaseAutomated,
    reread.isTestcaseReadable
  from reread
),

coded as (
  select
    typed.*,
    nullif(regexp_replace(btrim(status), '[.]0+$', ''), '') as rowStatusCode,
    nullif(regexp_replace(btrim(lastResultStatus), '[.]0+$', ''), '') as resultStatusCode,
    -- The same field is an instant on current servers and a day in text on older ones.
    regexp_like(assignmentText, '^-?[0-9]+$') as isAssignmentInstant
  from typed
),

dated as (
  select
    coded.*,
    case when isAssignmentInstant then try_cast(assignmentText as bigint) end as assignmentDate,
    case when not isAssignmentInstant then assignmentText end as assignmentDateText
  from coded
),

final as (
  select
    xxhash64('factExecution', sliceKey, runId, page, ordinal) as recordKey,
    executionId,
    projectId,
    releaseId,
    cycleId,
    cyclePhaseId,
    testcaseId,
    testcaseVersionId,
    treeTestcaseId,
    tcrCatalogTreeId,
    testerId,
    executedById,
    lastResultId,
    testcaseProjectId,
    sliceKey,
    runId,
    recordId,
    testerName,
    coalesce(resultStatusCode, rowStatusCode, 'absent') as statusCode,
    rowStatusCode,
    resultStatusCode,
    versionId,
    comment,
    testcaseExternalId,
    testcaseName,
    testcaseDescription,
    testcasePriority,
    testcaseTag,
    testcaseType,
    testcaseVersionNumber,
    case when assignmentDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(assignmentDate), 'Timestamp(Microsecond, Some("UTC"))') end as assignmentDateTime,
    nullif(btrim(assignmentDateText), '') as assignmentDateText,
    case when resultDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(resultDate), 'Timestamp(Microsecond, Some("UTC"))') end as resultDateTime,
    resultDateText,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    case when testcaseCreatedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(testcaseCreatedOn), 'Timestamp(Microsecond, Some("UTC"))') end
      as testcaseCreatedDateTime,
    testcaseCreatedDateText,
    case when testcaseLastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(testcaseLastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end
      as testcaseLastModifiedDateTime,
    extractedAt,
    executionOrder,
    try_cast(round(actualTime * control.millisecondsPerUnit) as bigint) as actualTimeMs,
    try_cast(round(estimatedTime * control.millisecondsPerUnit) as bigint) as estimatedTimeMs,
    attachmentCount,
    isTestcaseAutomated,
    isTestcaseReadable,
    isStale,
    coalesce(assignmentDate not between -62135596800000 and 253402300799999, false)
      or coalesce(resultDate not between -62135596800000 and 253402300799999, false)
      or coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant,
    coalesce(testcaseCreatedOn not between -62135596800000 and 253402300799999, false)
      or coalesce(testcaseLastModifiedOn not between -62135596800000 and 253402300799999, false)
      as hasUnreadableTestcaseInstant
  from control
  cross join dated
)

select * from final
