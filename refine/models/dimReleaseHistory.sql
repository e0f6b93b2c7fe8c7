-- One row per version of a release, as transform has it, for those who ask what was known when.
-- key: releaseVersionKey
-- expect: effectiveFrom < effectiveTo, else fail
-- conserves: transform.dimReleaseHistory
with
version as (select * from transform.dimReleaseHistory),

final as (select * from version)

select * from final
