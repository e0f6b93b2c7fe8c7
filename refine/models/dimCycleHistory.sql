-- One row per version of a test cycle, as transform has it, for those who ask what was known when.
-- key: cycleVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- conserves: transform.dimCycleHistory
with
version as (select * from transform.dimCycleHistory),

final as (select * from version)

select * from final
