-- One row per execution and defect it names, as transform has it.
-- executionKey: the execution that names it. defectKey: the defect, the same for every execution that names it.
-- defectId: the API's id. bugId, externalId: the tracker's. dtsId: the tracker itself.
-- key: executionKey, defectKey
-- reference: executionKey in refine.factExecution.executionKey
-- conserves: transform.bridgeExecutionDefect
with
defect as (select * from transform.bridgeExecutionDefect),

final as (
  select
    executionKey,
    defectKey,
    executionId,
    defectId,
    bugId,
    externalId,
    dtsId,
    description,
    defectStatus,
    defectPriority,
    defectState,
    defectCategory,
    createdDate,
    isStale
  from defect
)

select * from final
