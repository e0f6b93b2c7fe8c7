-- One row per defect that a trustworthy execution names, as it knew the defect; named twice by one execution, it counts once.
-- defectId: the API's id. bugId, externalId: the tracker's. dtsId: the tracker itself.
-- createdDate: local day the defect was made, where the execution says.
-- duplicateNumber: 1 for the row of an execution and defect that is kept.
-- isExecutionKnown: the execution is in the table of trustworthy ones.
-- executionId: the API's id of the execution that names the defect.
-- description: what the execution knew of the defect.
-- defectStatus, defectPriority, defectState, defectCategory: the tracker's words at that time.
-- key: executionId, defectId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isExecutionKnown, else quarantine
-- expect: externalId is not null, else warn
-- conserves: prepare.defectReference
with
reference as (select * from prepare.defectReference),

execution as (select executionId from clean.factExecution),

setting as (select * from run.setting),

-- Defects are few: finding which of their executions are known keeps the join small.
named as (select distinct executionId from reference),

known as (
  select named.executionId
  from named
  join execution on named.executionId = execution.executionId
),

final as (
  select
    reference.recordKey,
    reference.executionId,
    reference.defectId,
    reference.bugId,
    nullif(btrim(replace(reference.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as externalId,
    reference.dtsId,
    nullif(btrim(replace(reference.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as description,
    nullif(btrim(reference.defectStatus), '') as defectStatus,
    nullif(btrim(reference.priority), '') as defectPriority,
    nullif(btrim(reference.state), '') as defectState,
    nullif(btrim(reference.category), '') as defectCategory,
    cast(from_utc_timestamp(reference.createdDateTime, setting.timeZone) as date) as createdDate,
    cast(row_number() over (
      partition by reference.executionId, reference.defectId
      order by
        case when reference.isStale then 1 else 0 end,
        reference.extractedAt desc nulls last,
        reference.recordKey
    ) as int) as duplicateNumber,
    known.executionId is not null as isExecutionKnown,
    reference.isStale
  from setting
  cross join reference
  left join known on reference.executionId = known.executionId
)

select * from final
