-- One row per release of the reference file releaseAttributes: what no API tells about releases. Empty as shipped.
-- releasePriority: Critical, High, Medium or Low.
-- releaseType: Major, Minor, Patch or Hotfix, in place of what the name says.
-- releaseVersion: version in place of the one in the name.
-- key: releaseId
-- expect: releaseId is not null, else fail
-- expect: releasePriority in ('Critical', 'High', 'Medium', 'Low') or releasePriority is null, else fail
-- expect: releaseType in ('Major', 'Minor', 'Patch', 'Hotfix') or releaseType is null, else fail
with
attributes as (select * from reference.releaseAttributes),

final as (
  select
    try_cast(btrim(releaseId) as bigint) as releaseId,
    nullif(btrim(releasePriority), '') as releasePriority,
    nullif(btrim(releaseType), '') as releaseType,
    nullif(btrim(releaseVersion), '') as releaseVersion
  from attributes
)

select * from final
