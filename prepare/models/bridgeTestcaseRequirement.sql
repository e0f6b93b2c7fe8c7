-- One row per link between a test case and a requirement, whatever its version and however many places name it.
-- A test case names its requirements in two lists and a requirement its test cases in one; namedBy says which side
-- did: testcase, requirement or both. Of several that name it, the row leads back to the newest version of the test case.
-- A record whose lists cannot be read gives one row without ids, so that the loss is set aside by name.
-- linkCreatedDateTime: when the link was made, as the test case says; empty where only a requirement names it.
-- firstExtractedAt, extractedAt: the first and the last of the pages that name it now.
-- namedBy: which side names the link: testcase, requirement or both.
-- versionNumber: version of the test case the link was made with.
-- isNamedByTestcase, isNamedByRequirement: whether that side names the link.
-- key: recordKey
-- expect: testcaseId is not null and requirementId is not null, else quarantine
with
-- Slices are numbered in the order in which they are preferred: numbers sort faster than texts.
slice as (
  select
    resource,
    sliceKey,
    contentRunId,
    projectId,
    isStale,
    cast(row_number() over (order by resource, sliceKey) as bigint) as sliceNumber
  from prepare.slice
  where resource in ('dimTestcase', 'dimTestcaseRepository', 'dimRequirement')
),

landedOfRelease as (select * from source.dimTestcase),

landedOfRepository as (select * from source.dimTestcaseRepository),

landedRequirement as (select * from source.dimRequirement),

-- Most test cases name none: their payloads are not parsed for nothing. What stands in the place of a list, other than
-- null or an empty list, goes on and is judged by the parser.
landedTestcase as (
  select 'dimTestcase' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRelease
  where regexp_like(payload, '"requirementIds(New)?"\s*:\s*([^\[\sn]|\[\s*[^\]\s])')
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRepository
  where regexp_like(payload, '"requirementIds(New)?"\s*:\s*([^\[\sn]|\[\s*[^\]\s])')
),

parsedTestcase as (
  select
    slice.sliceNumber,
    landedTestcase.page,
    landedTestcase.ordinal,
    landedTestcase.recordId,
    landedTestcase.extractedAt,
    from_json(
      landedTestcase.payload,
      'id bigint, versionNumber bigint, testcase struct<testcaseId:bigint, versionNumber:bigint,
       requirementIds:array<bigint>, requirementIdsNew:array<struct<id:bigint, requirementId:bigint, createDatetime:bigint>>>'
    ) as p,
    slice.isStale
  from slice
  join landedTestcase
    on slice.resource = landedTestcase.resource
    and slice.sliceKey = landedTestcase.sliceKey
    and slice.contentRunId = landedTestcase.runId
),

-- An unreadable record stands as one empty element, or unnesting would drop it.
testcase as (
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    p.testcase.testcaseId as testcaseId,
    coalesce(p.testcase.versionNumber, p.versionNumber) as versionNumber,
    case when p.id is null then make_array(cast(null as bigint)) else p.testcase.requirementIds end as requirementIds,
    p.testcase.requirementIdsNew as links,
    p.id is not null as isReadable,
    isStale
  from parsedTestcase
),

-- The two lists side by side, the shorter one filled up with nulls.
pair as (
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    testcaseId,
    versionNumber,
    isReadable,
    isStale,
    unnest(requirementIds) as requirementId,
    unnest(links) as link
  from testcase
),

-- An id that stands beside its own link says nothing the link does not.
namedByTestcase as (
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    testcaseId,
    versionNumber,
    isReadable,
    isStale,
    unnest(
      make_array(
        case when link.id is null or requirementId is distinct from link.requirementId then requirementId end,
        link.requirementId
      )
    ) as namedRequirementId,
    unnest(make_array(cast(null as bigint), link.id)) as linkId,
    unnest(make_array(cast(null as bigint), link.createDatetime)) as linkCreatedOn
  from pair
),

parsedRequirement as (
  select
    slice.sliceNumber,
    landedRequirement.page,
    landedRequirement.ordinal,
    landedRequirement.recordId,
    landedRequirement.extractedAt,
    from_json(landedRequirement.payload, 'id bigint, testcaseIds array<bigint>') as p,
    slice.isStale
  from slice
  join landedRequirement
    on slice.resource = 'dimRequirement'
    and slice.sliceKey = landedRequirement.sliceKey
    and slice.contentRunId = landedRequirement.runId
),

namedByRequirement as (
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    p.id as requirementId,
    isStale,
    unnest(case when p.id is null then make_array(cast(null as bigint)) else p.testcaseIds end) as testcaseId
  from parsedRequirement
),

naming as (
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    testcaseId,
    namedRequirementId as requirementId,
    linkId,
    linkCreatedOn,
    versionNumber,
    true as isByTestcase,
    isStale
  from namedByTestcase
  where namedRequirementId is not null or linkId is not null or not isReadable
  union all
  select
    sliceNumber,
    page,
    ordinal,
    recordId,
    extractedAt,
    testcaseId,
    requirementId,
    cast(null as bigint) as linkId,
    cast(null as bigint) as linkCreatedOn,
    cast(null as bigint) as versionNumber,
    false as isByTestcase,
    isStale
  from namedByRequirement
),

keyed as (
  select
    naming.*,
    case
      when testcaseId is not null and requirementId is not null
        then xxhash64('testcaseRequirement', testcaseId, requirementId)
      else xxhash64(
        'testcaseRequirement unreadable', sliceNumber, page, ordinal, coalesce(requirementId, -1),
        coalesce(testcaseId, -1)
      )
    end as linkKey
  from naming
),

ranked as (
  select
    keyed.*,
    row_number() over (
      partition by linkKey
      order by
        case when isByTestcase then 0 else 1 end,
        versionNumber desc nulls last,
        linkId nulls last,
        sliceNumber,
        page,
        ordinal
    ) as preference
  from keyed
),

link as (
  select
    linkKey,
    min(testcaseId) as testcaseId,
    min(requirementId) as requirementId,
    min(case when preference = 1 then sliceNumber end) as sliceNumber,
    min(case when preference = 1 then page end) as page,
    min(case when preference = 1 then ordinal end) as ordinal,
    min(case when preference = 1 then recordId end) as recordId,
    min(case when preference = 1 then versionNumber end) as versionNumber,
    min(linkId) as firstLinkId,
    min(case when linkCreatedOn between -62135596800000 and 253402300799999 then linkCreatedOn end)
      as firstLinkCreatedOn,
    min(extractedAt) as firstExtractedAt,
    max(extractedAt) as lastExtractedAt,
    bool_or(isByTestcase) as isNamedByTestcase,
    bool_or(not isByTestcase) as isNamedByRequirement,
    -- Seen in one list that is up to date, a link is up to date.
    bool_and(isStale) as isStale
  from ranked
  group by linkKey
),

final as (
  select
    case
      when link.testcaseId is not null and link.requirementId is not null then link.linkKey
      else xxhash64(
        'testcaseRequirement unreadable', slice.resource, slice.sliceKey, slice.contentRunId, link.page, link.ordinal,
        coalesce(link.requirementId, -1), coalesce(link.testcaseId, -1)
      )
    end as recordKey,
    link.testcaseId,
    link.requirementId,
    link.firstLinkId as linkId,
    slice.projectId,
    slice.sliceKey,
    slice.contentRunId as runId,
    link.recordId,
    case
      when link.isNamedByTestcase and link.isNamedByRequirement then 'both'
      when link.isNamedByTestcase then 'testcase'
      else 'requirement'
    end as namedBy,
    link.versionNumber,
    arrow_cast(to_timestamp_millis(link.firstLinkCreatedOn), 'Timestamp(Microsecond, Some("UTC"))') as linkCreatedDateTime,
    link.firstExtractedAt,
    link.lastExtractedAt as extractedAt,
    link.isNamedByTestcase,
    link.isNamedByRequirement,
    link.isStale
  from slice
  join link on slice.sliceNumber = link.sliceNumber
)

select * from final
