-- One row per requirement and release it is allocated to. A requirement that is allocated to none has no row here, and counts
-- in every release of its project.
-- requirementKey, releaseKey: what is allocated where; -1 for a release that is not known.
-- requirementId, releaseId: ids of the two.
-- isStale: read before the newest walk of its folder.
-- key: requirementKey, releaseId
-- reference: requirementKey in transform.dimRequirement.requirementKey
-- reference: releaseKey in transform.dimRelease.releaseKey
with
requirement as (select * from clean.dimRequirement where placeNumber = 1),

testRelease as (select releaseId from clean.dimRelease),

named as (
  select requirementId, unnest(string_to_array(releaseIds, ',')) as releaseIdText, isStale
  from requirement
  where releaseIds is not null
),

-- A list may name a release twice.
allocation as (
  select requirementId, try_cast(btrim(releaseIdText) as bigint) as releaseId, bool_or(isStale) as isStale
  from named
  group by requirementId, try_cast(btrim(releaseIdText) as bigint)
),

final as (
  select
    xxhash64('zephyr', 'requirement', allocation.requirementId) as requirementKey,
    case
      when testRelease.releaseId is null then -1
      else xxhash64('zephyr', 'release', allocation.releaseId)
    end as releaseKey,
    allocation.requirementId,
    allocation.releaseId,
    allocation.isStale
  from allocation
  left join testRelease on allocation.releaseId = testRelease.releaseId
  where allocation.releaseId is not null
)

select * from final
