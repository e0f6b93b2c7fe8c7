-- One row per execution, trustworthy: doubles set aside, its phase known (and with it cycle, release and project), its
-- status in the status map, days local to the tenant.
-- An execution is dated by its latest result; without one, by its last change if it carries a status other than not
-- executed (absent, 0, 10); else it has no date.
-- statusCategory: Success, Failure, Blocked, Pending or Other.
-- executionDateSource: where the execution date comes from.
-- commentText: what the tester typed, trimmed.
-- durationMs, estimatedMs: time it took and was to take, in milliseconds.
-- key: executionId
-- incremental: cyclePhaseId of prepare.factExecution
-- expect: duplicateNumber = 1, else quarantine
-- expect: isCyclePhaseKnown, else quarantine
-- expect: statusCategory is not null, else quarantine
-- expect: testcaseId is not null or treeTestcaseId is not null, else quarantine
-- expect: isResultDateAgreed, else quarantine
-- expect: isResultDateReadable, else warn
-- expect: isAssignmentDateReadable, else warn
-- expect: rowStatusCode = resultStatusCode or rowStatusCode is null or resultStatusCode is null, else warn
-- expect: executionDate is not null or statusCategory not in ('Success', 'Failure', 'Blocked'), else warn
-- expect: durationMs >= 0 or durationMs is null, else warn
-- expect: testerId is not null, else warn
-- conserves: prepare.factExecution
with
execution as (select * from prepare.factExecution),

phase as (select cyclePhaseId, cycleId, releaseId, projectId from clean.dimCyclePhase),

executionStatus as (select statusCode, category from clean.dimExecutionStatus),

setting as (select * from run.setting),

-- Doubles are rare (a row that moved while pages were read): finding their ids first spares sorting every execution.
repeatedExecution as (
  select executionId from execution group by executionId having count(*) > 1
),

-- A plain join here would be sorted before it is joined, every execution of it; the grouping keeps the sort above.
repeatedRow as (
  select
    execution.executionId,
    execution.recordKey,
    execution.isStale,
    execution.lastModifiedDateTime,
    execution.extractedAt
  from repeatedExecution
  join execution on repeatedExecution.executionId = execution.executionId
  group by
    execution.executionId,
    execution.recordKey,
    execution.isStale,
    execution.lastModifiedDateTime,
    execution.extractedAt
),

rankedRepeat as (
  select
    recordKey,
    row_number() over (
      partition by executionId
      order by
        case when isStale then 1 else 0 end,
        lastModifiedDateTime desc nulls last,
        extractedAt desc nulls last,
        recordKey
    ) as duplicateNumber
  from repeatedRow
),

-- The small side stands first: it is the one a hash join keeps in memory.
numbered as (
  select
    execution.*,
    cast(coalesce(rankedRepeat.duplicateNumber, 1) as int) as duplicateNumber
  from rankedRepeat
  right join execution on rankedRepeat.recordKey = execution.recordKey
),

joined as (
  select
    numbered.*,
    executionStatus.category as statusCategory,
    phase.cyclePhaseId is not null as isCyclePhaseKnown,
    case
      when numbered.resultDateTime is not null then 'lastTestResult'
      when numbered.statusCode not in ('absent', '0', '10') and numbered.lastModifiedDateTime is not null
        then 'lastModifiedOn'
    end as executionDateSource,
    case
      when numbered.resultDateTime is not null then numbered.resultDateTime
      when numbered.statusCode not in ('absent', '0', '10') then numbered.lastModifiedDateTime
    end as executionDateTime,
    nullif(btrim(numbered.resultDateText), '') as resultText
  from numbered
  left join phase
    on numbered.cyclePhaseId = phase.cyclePhaseId
    and numbered.cycleId = phase.cycleId
    and numbered.releaseId = phase.releaseId
    and numbered.projectId = phase.projectId
  left join executionStatus on numbered.statusCode = executionStatus.statusCode
),

dated as (
  select
    joined.*,
    cast(from_utc_timestamp(joined.assignmentDateTime, setting.timeZone) as date) as assignmentLocalDate,
    cast(from_utc_timestamp(joined.executionDateTime, setting.timeZone) as date) as executionDate,
    cast(from_utc_timestamp(joined.resultDateTime, setting.timeZone) as date) as resultLocalDate,
    cast(from_utc_timestamp(joined.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    coalesce(
      case when regexp_like(joined.assignmentDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
        '-',
        split_part(joined.assignmentDateText, '/', 3),
        lpad(split_part(joined.assignmentDateText, '/', 1), 2, '0'),
        lpad(split_part(joined.assignmentDateText, '/', 2), 2, '0')
      ) as date) end,
      try_cast(joined.assignmentDateText as date)
    ) as assignmentTextDate,
    case when regexp_like(joined.resultText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(joined.resultText, '/', 3),
      lpad(split_part(joined.resultText, '/', 1), 2, '0'),
      lpad(split_part(joined.resultText, '/', 2), 2, '0')
    ) as date) end as resultTextDate
  from setting
  cross join joined
),

final as (
  select
    recordKey,
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
    statusCode,
    statusCategory,
    rowStatusCode,
    resultStatusCode,
    executionDateSource,
    nullif(btrim(replace(comment, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as commentText,
    coalesce(assignmentLocalDate, assignmentTextDate) as assignmentDate,
    executionDate,
    executionDateTime,
    resultText as resultDateText,
    lastModifiedDate,
    lastModifiedDateTime,
    executionOrder,
    actualTimeMs as durationMs,
    estimatedTimeMs as estimatedMs,
    attachmentCount,
    duplicateNumber,
    isStale,
    isCyclePhaseKnown,
    assignmentDateText is null or assignmentTextDate is not null as isAssignmentDateReadable,
    resultText is null or resultTextDate is not null as isResultDateReadable,
    -- The text is no documented twin on every server: only where it is a day can it contradict the instant.
    coalesce(resultLocalDate = resultTextDate, true) as isResultDateAgreed
  from dated
)

select * from final
