-- One row per release, and the Unknown release (-1). The pseudo release of a project (its test repository) is marked,
-- not left out: it is no release anyone tests.
-- key: releaseKey
-- expect: releaseName is not null, else fail
-- expect: isPseudoRelease is not null or releaseKey = -1, else fail
-- reference: projectKey in transform.dimProject.projectKey
with
testRelease as (select * from clean.dimRelease),

keyed as (
  select
    xxhash64('zephyr', 'release', testRelease.releaseId) as releaseKey,
    xxhash64('zephyr', 'project', testRelease.projectId) as projectKey,
    testRelease.releaseId,
    testRelease.projectId,
    coalesce(testRelease.releaseName, concat('Release ', testRelease.releaseId)) as releaseName,
    testRelease.description,
    testRelease.releaseStatus,
    testRelease.orderId,
    testRelease.releaseStartDate,
    testRelease.releaseEndDate,
    testRelease.createdDate,
    testRelease.createdDateTime,
    testRelease.isGlobal,
    testRelease.isSyncEnabled,
    testRelease.isPseudoRelease,
    testRelease.isStale
  from testRelease
),

final as (
  select * from keyed
  union all
  select
    -1 as releaseKey,
    -1 as projectKey,
    null as releaseId,
    null as projectId,
    'Unknown' as releaseName,
    null as description,
    null as releaseStatus,
    null as orderId,
    null as releaseStartDate,
    null as releaseEndDate,
    null as createdDate,
    null as createdDateTime,
    null as isGlobal,
    null as isSyncEnabled,
    null as isPseudoRelease,
    null as isStale
)

select * from final
