-- One row per execution and defect it names, as the execution knew the defect.
-- executionKey: the execution that names it. defectKey: the defect, the same for every execution that names it.
-- defectId: the API's id. bugId, externalId: the tracker's. dtsId: the tracker itself.
-- key: executionKey, defectKey
-- reference: executionKey in transform.factExecution.executionKey
-- conserves: clean.bridgeExecutionDefect
with
defect as (select * from clean.bridgeExecutionDefect),

final as (
  select
    xxhash64('zephyr', 'execution', executionId) as executionKey,
    xxhash64('zephyr', 'defect', defectId) as defectKey,
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
