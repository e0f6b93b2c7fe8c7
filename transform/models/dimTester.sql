-- One row per tester, and the Unknown tester (-1). The stand-ins Anyone (id -10) and nobody (id -1) are testers of
-- their own: they say who was asked, not that it is unknown. Holds personal data.
-- testerKey: key of the tester.
-- key: testerKey
-- expect: testerName is not null, else fail
with
tester as (select * from clean.dimTester),

keyed as (
  select
    xxhash64('zephyr', 'tester', tester.testerId) as testerKey,
    tester.testerId,
    coalesce(tester.testerName, concat('Tester ', tester.testerId)) as testerName,
    tester.username,
    tester.testerEmail,
    tester.title,
    tester.location,
    tester.role,
    tester.testerDepartment,
    tester.testerLocation,
    tester.testerExperienceLevel,
    tester.isActive,
    tester.isListed,
    tester.isExternalTester,
    tester.isStale
  from tester
),

final as (
  select * from keyed
  union all
  select
    -1 as testerKey,
    null as testerId,
    'Unknown' as testerName,
    null as username,
    null as testerEmail,
    null as title,
    null as location,
    null as role,
    null as testerDepartment,
    null as testerLocation,
    null as testerExperienceLevel,
    null as isActive,
    null as isListed,
    null as isExternalTester,
    null as isStale
)

select * from final
