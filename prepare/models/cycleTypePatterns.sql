-- One row per pattern that tells the type of a test cycle by its name; the one with the smallest number wins.
-- priority: order in which the patterns are tried.
-- pattern: regular expression, tried on the name in lower case.
-- cycleType: what a fitting cycle is: Smoke Test, Regression, Full, Targeted or a word of the tenant's own.
-- key: priority
-- expect: priority is not null and pattern is not null, else fail
-- expect: cycleType is not null, else fail
with
patterns as (select * from reference.cycleTypePatterns),

final as (
  select
    try_cast(btrim(priority) as int) as priority,
    nullif(btrim(pattern), '') as pattern,
    nullif(btrim(cycleType), '') as cycleType
  from patterns
)

select * from final
