-- One row per row of any stage that the reference file acceptances lets through although it breaks a rule. Empty as shipped.
-- stage, tableName: the table it goes to.
-- rowKey: its key as messages print it, such as executionId=5, or projectId=1 date=2026-01-05 for a key of several columns.
-- expectation: the rule it breaks, in the words of the model.
-- reason: why it may.
-- acceptedBy: who says so.
-- key: stage, tableName, rowKey, expectation
-- expect: reason is not null, else fail
with
acceptance as (select * from reference.acceptances),

final as (
  select
    btrim(stage) as stage,
    btrim(tableName) as tableName,
    btrim(rowKey) as rowKey,
    btrim(expectation) as expectation,
    nullif(btrim(reason), '') as reason,
    nullif(btrim(acceptedBy), '') as acceptedBy
  from acceptance
)

select * from final
