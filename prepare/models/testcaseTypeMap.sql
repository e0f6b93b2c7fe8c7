-- One row per type of test cases that the map knows, whatever the case of its letters.
-- testcaseType: the type as test cases carry it, in upper case.
-- testcaseTypeCategory: what reports group it as.
-- key: testcaseType
-- expect: testcaseType is not null, else fail
-- expect: testcaseTypeCategory is not null, else fail
with
given as (select * from reference.testcaseTypeMap),

final as (
  select
    nullif(upper(btrim(testcaseType)), '') as testcaseType,
    nullif(btrim(testcaseTypeCategory), '') as testcaseTypeCategory
  from given
)

select * from final
