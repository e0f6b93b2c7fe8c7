-- One row per tester, trustworthy: people of the user list, those only executions name, and the stand-ins
-- (-10 Anyone, -1 nobody). What the table testerAttributes says about a login name stands beside them.
-- Holds personal data: names and mail addresses.
-- testerDepartment: where the tester belongs, from testerAttributes.
-- testerLocation: where the tester works, from testerAttributes, else from the user list.
-- testerExperienceLevel: Junior, Mid, Senior or Lead, from testerAttributes.
-- isExternalTester: not an employee, from testerAttributes; empty where it does not say.
-- key: testerId
-- expect: duplicateNumber = 1, else quarantine
-- expect: testerName is not null, else warn
-- conserves: prepare.dimTester
with
tester as (select * from prepare.dimTester),

attribute as (select * from prepare.testerAttributes),

tidied as (
  select
    recordKey,
    testerId,
    nullif(btrim(replace(testerName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as testerName,
    nullif(btrim(replace(username, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as username,
    nullif(btrim(replace(testerEmail, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as testerEmail,
    nullif(btrim(replace(title, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as title,
    nullif(btrim(replace(location, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as location,
    nullif(btrim(replace(role, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as role,
    cast(row_number() over (
      partition by testerId
      order by case when isListed then 0 else 1 end, extractedAt desc, recordKey
    ) as int) as duplicateNumber,
    isActive,
    isListed,
    isStale
  from tester
),

final as (
  select
    tidied.recordKey,
    tidied.testerId,
    tidied.testerName,
    tidied.username,
    tidied.testerEmail,
    tidied.title,
    tidied.location,
    tidied.role,
    attribute.department as testerDepartment,
    coalesce(attribute.location, tidied.location) as testerLocation,
    attribute.experienceLevel as testerExperienceLevel,
    tidied.duplicateNumber,
    tidied.isActive,
    tidied.isListed,
    attribute.isExternal as isExternalTester,
    tidied.isStale
  from tidied
  left join attribute on lower(tidied.username) = attribute.username
)

select * from final
