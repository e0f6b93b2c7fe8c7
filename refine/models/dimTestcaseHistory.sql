-- One row per version of a test case, as transform has it, for those who ask what was known when.
-- key: testcaseVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- conserves: transform.dimTestcaseHistory
with
version as (select * from transform.dimTestcaseHistory),

final as (select * from version)

select * from final
