-- One row per link between a test case and a requirement that was ever named, from every version of every record that
-- landed: what is linked now, and what once was.
-- recordKey: the same as in bridgeTestcaseRequirement.
-- testcaseId, requirementId: what is linked.
-- linkId: the id the server gives the link, where a test case names it.
-- projectId: project of a record that names it.
-- namedBy: which side names it now: testcase, requirement or both; empty for a link that is gone.
-- linkCreatedDateTime: when the link was made as the server says; empty where only requirements ever named it.
-- firstSeenDateTime, lastSeenDateTime: the first and the last page that brought it.
-- isActive: it is named by what the server says now.
-- isStale: all that names it now is older than the newest walk.
-- key: testcaseId, requirementId
-- expect: linkCreatedDateTime <= lastSeenDateTime or linkCreatedDateTime is null, else warn
with
landedOfRelease as (select * from source.dimTestcase),

landedOfRepository as (select * from source.dimTestcaseRepository),

landedRequirement as (select * from source.dimRequirement),

slice as (
  select resource, sliceKey, contentRunId, true as isCurrent
  from prepare.slice
  where resource in ('dimTestcase', 'dimTestcaseRepository', 'dimRequirement')
),

version as (
  select resource, sliceKey, contentRunId
  from source.slice
  where resource in ('dimTestcase', 'dimTestcaseRepository', 'dimRequirement') and contentRunId is not null
),

link as (select * from prepare.bridgeTestcaseRequirement where testcaseId is not null and requirementId is not null),

landed as (
  select 'dimTestcase' as resource, sliceKey, runId, payload, extractedAt from landedOfRelease
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, payload, extractedAt from landedOfRepository
  union all
  select 'dimRequirement' as resource, sliceKey, runId, payload, extractedAt from landedRequirement
),

-- What is current was read for bridgeTestcaseRequirement: only what is not any more is read here, which is little.
pastVersion as (
  select version.resource, version.sliceKey, version.contentRunId
  from version
  left join slice
    on version.resource = slice.resource
    and version.sliceKey = slice.sliceKey
    and version.contentRunId = slice.contentRunId
  where slice.isCurrent is null
  group by version.resource, version.sliceKey, version.contentRunId
),

past as (
  select landed.resource, landed.sliceKey, landed.payload, landed.extractedAt
  from pastVersion
  join landed
    on pastVersion.resource = landed.resource
    and pastVersion.sliceKey = landed.sliceKey
    and pastVersion.contentRunId = landed.runId
),

parsedTestcase as (
  select
    from_json(
      payload,
      'testcase struct<testcaseId:bigint, requirementIds:array<bigint>,
       requirementIdsNew:array<struct<id:bigint, requirementId:bigint, createDatetime:bigint>>>'
    ) as p,
    sliceKey,
    extractedAt
  from past
  where resource <> 'dimRequirement'
),

-- The two lists side by side, the shorter one filled up with nulls.
pair as (
  select
    sliceKey,
    extractedAt,
    p.testcase.testcaseId as testcaseId,
    unnest(p.testcase.requirementIds) as requirementId,
    unnest(p.testcase.requirementIdsNew) as link
  from parsedTestcase
),

parsedRequirement as (
  select from_json(payload, 'id bigint, testcaseIds array<bigint>') as p, sliceKey, extractedAt
  from past
  where resource = 'dimRequirement'
),

naming as (
  select
    testcaseId,
    requirementId,
    cast(null as bigint) as linkId,
    cast(null as bigint) as createdOn,
    sliceKey,
    extractedAt
  from pair
  union all
  select
    testcaseId,
    link.requirementId as requirementId,
    link.id as linkId,
    link.createDatetime as createdOn,
    sliceKey,
    extractedAt
  from pair
  union all
  select
    unnest(p.testcaseIds) as testcaseId,
    p.id as requirementId,
    cast(null as bigint) as linkId,
    cast(null as bigint) as createdOn,
    sliceKey,
    extractedAt
  from parsedRequirement
),

seen as (
  select
    testcaseId,
    requirementId,
    min(linkId) as linkId,
    min(case when createdOn between -62135596800000 and 253402300799999 then createdOn end) as createdOn,
    min(sliceKey) as sliceKey,
    min(extractedAt) as firstSeenDateTime,
    max(extractedAt) as lastSeenDateTime
  from naming
  where testcaseId is not null and requirementId is not null
  group by testcaseId, requirementId
),

dated as (
  select
    testcaseId,
    requirementId,
    linkId,
    from_json(sliceKey, 'projectId bigint') as place,
    arrow_cast(to_timestamp_millis(createdOn), 'Timestamp(Microsecond, Some("UTC"))') as linkCreatedDateTime,
    firstSeenDateTime,
    lastSeenDateTime
  from seen
),

final as (
  select
    coalesce(
      link.recordKey,
      xxhash64('testcaseRequirement', dated.testcaseId, dated.requirementId)
    ) as recordKey,
    coalesce(link.testcaseId, dated.testcaseId) as testcaseId,
    coalesce(link.requirementId, dated.requirementId) as requirementId,
    coalesce(link.linkId, dated.linkId) as linkId,
    coalesce(link.projectId, dated.place.projectId) as projectId,
    link.namedBy,
    least(link.linkCreatedDateTime, dated.linkCreatedDateTime) as linkCreatedDateTime,
    least(link.firstExtractedAt, dated.firstSeenDateTime) as firstSeenDateTime,
    greatest(link.extractedAt, dated.lastSeenDateTime) as lastSeenDateTime,
    link.recordKey is not null as isActive,
    coalesce(link.isStale, false) as isStale
  from dated
  full join link
    on dated.testcaseId = link.testcaseId
    and dated.requirementId = link.requirementId
)

select * from final
