-- One row per execution and disappearance, trustworthy: its status in the status map, its test case named, days local to
-- the tenant, dated as clean.factExecution dates an execution.
-- removedDate, returnedDate: the local days on which the execution was found gone, and found again.
-- key: recordKey
-- expect: statusCategory is not null, else quarantine
-- expect: testcaseId is not null or treeTestcaseId is not null, else quarantine
-- conserves: prepare.factExecutionRemoval
with
removal as (select * from prepare.factExecutionRemoval),

executionStatus as (select statusCode, category from clean.dimExecutionStatus),

setting as (select * from run.setting),

joined as (
  select
    removal.*,
    setting.timeZone,
    executionStatus.category as statusCategory,
    case
      when removal.resultDateTime is not null then removal.resultDateTime
      when removal.statusCode not in ('absent', '0', '10') then removal.lastModifiedDateTime
    end as executionDateTime,
    coalesce(
      case when regexp_like(removal.assignmentDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
        '-',
        split_part(removal.assignmentDateText, '/', 3),
        lpad(split_part(removal.assignmentDateText, '/', 1), 2, '0'),
        lpad(split_part(removal.assignmentDateText, '/', 2), 2, '0')
      ) as date) end,
      try_cast(removal.assignmentDateText as date)
    ) as assignmentTextDate
  from setting
  cross join removal
  left join executionStatus on removal.statusCode = executionStatus.statusCode
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
    treeTestcaseId,
    runId,
    statusCode,
    statusCategory,
    coalesce(cast(from_utc_timestamp(assignmentDateTime, timeZone) as date), assignmentTextDate) as assignmentDate,
    cast(from_utc_timestamp(executionDateTime, timeZone) as date) as executionDate,
    cast(from_utc_timestamp(lastModifiedDateTime, timeZone) as date) as lastModifiedDate,
    lastSeenDateTime,
    cast(from_utc_timestamp(removedDateTime, timeZone) as date) as removedDate,
    removedDateTime,
    cast(from_utc_timestamp(returnedDateTime, timeZone) as date) as returnedDate,
    returnedDateTime
  from joined
)

select * from final
