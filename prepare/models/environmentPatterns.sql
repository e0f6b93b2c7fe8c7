-- One row per pattern that tells the category of a test environment by its name; the one with the smallest number wins.
-- priority: order in which the patterns are tried.
-- pattern: regular expression, tried on the name in lower case.
-- environmentCategory: Development, Testing, Staging or Production.
-- key: priority
-- expect: priority is not null and pattern is not null, else fail
-- expect: environmentCategory in ('Development', 'Testing', 'Staging', 'Production'), else fail
with
patterns as (select * from reference.environmentPatterns),

final as (
  select
    try_cast(btrim(priority) as int) as priority,
    nullif(btrim(pattern), '') as pattern,
    nullif(btrim(environmentCategory), '') as environmentCategory
  from patterns
)

select * from final
