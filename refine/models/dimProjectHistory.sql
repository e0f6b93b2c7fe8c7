-- One row per version of a project, as transform has it, for those who ask what was known when.
-- key: projectVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- conserves: transform.dimProjectHistory
with
version as (select * from transform.dimProjectHistory),

final as (select * from version)

select * from final
