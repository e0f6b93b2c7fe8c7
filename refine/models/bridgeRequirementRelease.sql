-- One row per requirement and release it is allocated to, as transform has it.
-- key: requirementKey, releaseId
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: releaseKey in refine.dimRelease.releaseKey
-- conserves: transform.bridgeRequirementRelease
with
allocation as (select * from transform.bridgeRequirementRelease),

final as (
  select requirementKey, releaseKey, requirementId, releaseId, isStale from allocation
)

select * from final
