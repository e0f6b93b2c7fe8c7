-- One row per tester, trustworthy: people of the user list, those only executions name, and the stand-ins
-- (-10 Anyone, -1 nobody). Holds personal data: names and mail addresses.
-- key: testerId
-- expect: duplicateNumber = 1, else quarantine
-- expect: testerName is not null, else warn
-- conserves: prepare.dimTester
with
tester as (select * from prepare.dimTester),

final as (
  select
    recordKey,
    testerId,
    nullif(btrim(replace(testerName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as testerName,
    nullif(btrim(replace(username, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as username,
    nullif(btrim(replace(testerEmail, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as testerEmail,
    nullif(btrim(replace(title, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as title,
    nullif(btrim(replace(location, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as location,
    cast(row_number() over (
      partition by testerId
      order by case when isListed then 0 else 1 end, extractedAt desc, recordKey
    ) as int) as duplicateNumber,
    isActive,
    isListed,
    isStale
  from tester
)

select * from final
