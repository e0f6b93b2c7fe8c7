-- One row per execution status code, and the Unknown status (-1): what the category and the settings make of it. Every flag
-- of an execution comes from here, so that there is one definition of done.
-- isExecuted: Success, Failure or Blocked.
-- isOutOfScope: the setting outOfScopeStatuses names the code or the name; such executions are neither burned nor remaining.
-- isBurnedByExecuted, isBurnedByPassed: what each burn policy takes off the burn-down: executed or passed.
-- isBurned: the one the setting burnPolicy chooses.
-- isRemaining: in scope and not burned.
-- statusCode, statusCategory: code and category of the status.
-- isPassed, isFailed, isBlocked, isNotExecuted, isOther: the category is Success, Failure, Blocked, Pending, Other.
-- key: executionStatusKey
-- expect: isExecuted = (isPassed or isFailed or isBlocked) or executionStatusKey = -1, else fail
-- expect: isExecuted or not isBurned, else fail
-- expect: not isOutOfScope or not (isBurned or isRemaining), else fail
with
executionStatus as (select * from transform.dimExecutionStatus),

control as (
  select
    max(case when name = 'burnPolicy' then value end) as burnPolicy,
    max(case when name = 'outOfScopeStatuses' then lower(value) end) as outOfScopeStatuses
  from prepare.controls
  where name in ('burnPolicy', 'outOfScopeStatuses')
),

named as (
  select
    executionStatus.executionStatusKey,
    executionStatus.executionStatusId,
    executionStatus.statusCode,
    executionStatus.executionStatusName,
    executionStatus.statusCategory,
    control.burnPolicy,
    -- Framed in commas, so that code 1 is not found in 10.
    concat(',', regexp_replace(coalesce(control.outOfScopeStatuses, ''), ' *, *', ',', 'g'), ',') as outOfScopeList
  from control
  cross join executionStatus
),

judged as (
  select
    named.*,
    coalesce(named.statusCategory = 'Success', false) as isPassed,
    coalesce(named.statusCategory = 'Failure', false) as isFailed,
    coalesce(named.statusCategory = 'Blocked', false) as isBlocked,
    coalesce(named.statusCategory = 'Pending', false) as isNotExecuted,
    coalesce(named.statusCategory = 'Other', false) as isOther,
    coalesce(strpos(named.outOfScopeList, concat(',', lower(named.statusCode), ',')) > 0, false)
      or coalesce(strpos(named.outOfScopeList, concat(',', lower(named.executionStatusName), ',')) > 0, false)
      as isOutOfScope
  from named
),

final as (
  select
    executionStatusKey,
    executionStatusId,
    statusCode,
    executionStatusName,
    statusCategory,
    isPassed,
    isFailed,
    isBlocked,
    isNotExecuted,
    isOther,
    isPassed or isFailed or isBlocked as isExecuted,
    isOutOfScope,
    not isOutOfScope and (isPassed or isFailed or isBlocked) as isBurnedByExecuted,
    not isOutOfScope and isPassed as isBurnedByPassed,
    not isOutOfScope and (isPassed or (burnPolicy = 'executed' and (isFailed or isBlocked))) as isBurned,
    not isOutOfScope and not (isPassed or (burnPolicy = 'executed' and (isFailed or isBlocked))) as isRemaining
  from judged
)

select * from final
