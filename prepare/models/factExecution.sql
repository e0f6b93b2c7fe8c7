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
-- key: recordKey
-- expect: executionId is not null, else quarantine
-- expect: not hasUnreadableInstant, else quarantine
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
    from_json(
      landed.payload,
      'id bigint, status string, testerId bigint, testerIdName string, executedBy bigint, assignmentDate string,
       lastModifiedOn bigint, actualTime double, estimatedTime double, comment string, versionId string,
       orderId bigint, attachmentCount bigint, lastTestResult struct<id:bigint, executionDate:bigint,
       execDate:string, executionStatus:string>, tcrTreeTestcase struct<id:bigint, tcrCatalogTreeId:bigint,
       versionNumber:bigint, testcase:struct<id:bigint, testcaseId:bigint>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

typed as (
  select
    parsed.sliceKey,
    parsed.runId,
    parsed.page,
    parsed.ordinal,
    parsed.recordId,
    parsed.extractedAt,
    parsed.projectId,
    parsed.releaseId,
    parsed.cycleId,
    parsed.cyclePhaseId,
    parsed.isStale,
    parsed.p.id as executionId,
    parsed.p.status as status,
    parsed.p.testerId as testerId,
    parsed.p.testerIdName as testerName,
    parsed.p.executedBy as executedById,
    -- The same field is an instant on current servers and a day in text on older ones.
    case
      when regexp_like(parsed.p.assignmentDate, '^-?[0-9]+$') then try_cast(parsed.p.assignmentDate as bigint)
    end as assignmentDate,
    case
      when not regexp_like(parsed.p.assignmentDate, '^-?[0-9]+$') then parsed.p.assignmentDate
    end as assignmentDateText,
    parsed.p.lastModifiedOn as lastModifiedOn,
    parsed.p.actualTime as actualTime,
    parsed.p.estimatedTime as estimatedTime,
    parsed.p.comment as comment,
    parsed.p.versionId as versionId,
    parsed.p.orderId as executionOrder,
    parsed.p.attachmentCount as attachmentCount,
    parsed.p.lastTestResult.id as lastResultId,
    parsed.p.lastTestResult.executionDate as resultDate,
    parsed.p.lastTestResult.execDate as resultDateText,
    parsed.p.lastTestResult.executionStatus as lastResultStatus,
    parsed.p.tcrTreeTestcase.id as treeTestcaseId,
    parsed.p.tcrTreeTestcase.tcrCatalogTreeId as tcrCatalogTreeId,
    parsed.p.tcrTreeTestcase.testcase.id as testcaseVersionId,
    parsed.p.tcrTreeTestcase.testcase.testcaseId as testcaseId
  from parsed
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
    sliceKey,
    runId,
    recordId,
    testerName,
    coalesce(
      nullif(regexp_replace(btrim(lastResultStatus), '[.]0+$', ''), ''),
      nullif(regexp_replace(btrim(status), '[.]0+$', ''), ''),
      'absent'
    ) as statusCode,
    nullif(regexp_replace(btrim(status), '[.]0+$', ''), '') as rowStatusCode,
    nullif(regexp_replace(btrim(lastResultStatus), '[.]0+$', ''), '') as resultStatusCode,
    versionId,
    comment,
    case when assignmentDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(assignmentDate), 'Timestamp(Microsecond, Some("UTC"))') end as assignmentDateTime,
    nullif(btrim(assignmentDateText), '') as assignmentDateText,
    case when resultDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(resultDate), 'Timestamp(Microsecond, Some("UTC"))') end as resultDateTime,
    resultDateText,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    extractedAt,
    executionOrder,
    try_cast(round(actualTime * control.millisecondsPerUnit) as bigint) as actualTimeMs,
    try_cast(round(estimatedTime * control.millisecondsPerUnit) as bigint) as estimatedTimeMs,
    attachmentCount,
    isStale,
    coalesce(assignmentDate not between -62135596800000 and 253402300799999, false)
      or coalesce(resultDate not between -62135596800000 and 253402300799999, false)
      or coalesce(lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from control
  cross join typed
)

select * from final
