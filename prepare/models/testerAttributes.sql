-- One row per tester about whom the tenant says more than the user list does; shipped empty. Holds personal data.
-- username: login name in lower case, which the user list names too.
-- department: where the tester belongs in the organisation.
-- location: where the tester works; it wins over the user list's.
-- experienceLevel: Junior, Mid, Senior or Lead.
-- isExternal: the tester is not an employee.
-- isExternalReadable: isExternal is empty, true or false in the file.
-- key: username
-- expect: username is not null, else fail
-- expect: experienceLevel in ('Junior', 'Mid', 'Senior', 'Lead') or experienceLevel is null, else fail
-- expect: isExternalReadable, else fail
with
given as (select * from reference.testerAttributes),

final as (
  select
    nullif(lower(btrim(username)), '') as username,
    nullif(btrim(department), '') as department,
    nullif(btrim(location), '') as location,
    nullif(btrim(experienceLevel), '') as experienceLevel,
    case lower(btrim(isExternal)) when 'true' then true when 'false' then false end as isExternal,
    coalesce(lower(btrim(isExternal)) in ('true', 'false', ''), true) as isExternalReadable
  from given
)

select * from final
