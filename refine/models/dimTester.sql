-- One row per tester, and the Unknown tester (-1), as transform has it. Holds personal data.
-- key: testerKey
with
tester as (select * from transform.dimTester),

final as (
  select
    testerKey,
    testerId,
    testerName,
    username,
    testerEmail,
    title,
    location,
    isActive,
    isListed,
    isStale
  from tester
)

select * from final
