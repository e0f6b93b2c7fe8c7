-- One row per version of a requirement, as transform has it, for those who ask what was known when.
-- key: requirementVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- conserves: transform.dimRequirementHistory
with
version as (select * from transform.dimRequirementHistory),

final as (select * from version)

select * from final
