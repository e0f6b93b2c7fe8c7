-- One row per person an execution names, as who ran it or who is to run it. The API lists no people and knows an account
-- by its id only: the name is Jira's, so the account stands for it.
-- key: recordKey
-- expect: testerId is not null, else quarantine
with
execution as (
  select testerId, executedById, assignedToAccountId, executedByAccountId, extractedAt from prepare.factExecution
),

mention as (
  select testerId, assignedToAccountId as accountId, max(extractedAt) as extractedAt
  from execution
  where testerId is not null
  group by testerId, assignedToAccountId
  union all
  select executedById as testerId, executedByAccountId as accountId, max(extractedAt) as extractedAt
  from execution
  where executedById is not null
  group by executedById, executedByAccountId
),

person as (
  select testerId, min(accountId) as accountId, max(extractedAt) as extractedAt from mention group by testerId
),

final as (
  select
    xxhash64('dimTester mentioned', testerId) as recordKey,
    testerId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    accountId as testerName,
    accountId as username,
    cast(null as string) as testerEmail,
    cast(null as string) as title,
    cast(null as string) as location,
    cast(null as string) as role,
    extractedAt,
    cast(null as boolean) as isActive,
    false as isListed,
    false as isStale
  from person
)

select * from final
