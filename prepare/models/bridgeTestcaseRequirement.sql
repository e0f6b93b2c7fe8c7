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
slice as (
  select * from prepare.slice where resource in ('dimTestcase', 'dimTestcaseRepository', 'dimRequirement')
),

landedOfRelease as (select * from source.dimTestcase),

landedOfRepository as (select * from source.dimTestcaseRepository),

landedRequirement as (select * from source.dimRequirement),

landedTestcase as (
  select 'dimTestcase' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRelease
  union all
  select 'dimTestcaseRepository' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from landedOfRepository
),

parsedTestcase as (
  select
    landedTestcase.resource,
    landedTestcase.sliceKey,
    landedTestcase.runId,
    landedTestcase.page,
    landedTestcase.ordinal,
    landedTestcase.recordId,
    landedTestcase.extractedAt,
    slice.projectId,
    from_json(
      landedTestcase.payload,
      'id bigint, versionNumber bigint, testcase struct<testcaseId:bigint, versionNumber:bigint,
       requirementIds:array<bigint>, requirementIdsNew:array<struct<id:bigint, requirementId:bigint, createDatetime:bigint>>>'
    ) as p,
    slice.isStale
  from landedTestcase
  join slice
    on landedTestcase.resource = slice.resource
    and landedTestcase.sliceKey = slice.sliceKey
    and landedTestcase.runId = slice.contentRunId
),

-- An unreadable record stands as one empty element, or unnesting would drop it.
testcase as (
  select
    resource,
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
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
    resource,
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    testcaseId,
    versionNumber,
    isReadable,
    isStale,
    unnest(requirementIds) as requirementId,
    unnest(links) as link
  from testcase
),

namedByTestcase as (
  select
    resource,
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    testcaseId,
    versionNumber,
    isReadable,
    isStale,
    unnest(make_array(requirementId, link.requirementId)) as namedRequirementId,
    unnest(make_array(cast(null as bigint), link.id)) as linkId,
    unnest(make_array(cast(null as bigint), link.createDatetime)) as linkCreatedOn
  from pair
),

parsedRequirement as (
  select
    landedRequirement.sliceKey,
    landedRequirement.runId,
    landedRequirement.page,
    landedRequirement.ordinal,
    landedRequirement.recordId,
    landedRequirement.extractedAt,
    slice.projectId,
    from_json(landedRequirement.payload, 'id bigint, testcaseIds array<bigint>') as p,
    slice.isStale
  from landedRequirement
  join slice
    on slice.resource = 'dimRequirement'
    and landedRequirement.sliceKey = slice.sliceKey
    and landedRequirement.runId = slice.contentRunId
),

namedByRequirement as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
    p.id as requirementId,
    p.id is not null as isReadable,
    isStale,
    unnest(case when p.id is null then make_array(cast(null as bigint)) else p.testcaseIds end) as testcaseId
  from parsedRequirement
),

naming as (
  select
    resource,
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
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
    'dimRequirement' as resource,
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    projectId,
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
        'testcaseRequirement unreadable', resource, sliceKey, runId, page, ordinal, coalesce(requirementId, -1),
        coalesce(testcaseId, -1)
      )
    end as recordKey
  from naming
),

ranked as (
  select
    keyed.*,
    row_number() over (
      partition by recordKey
      order by
        case when isByTestcase then 0 else 1 end,
        versionNumber desc nulls last,
        linkId nulls last,
        resource,
        sliceKey,
        runId,
        page,
        ordinal
    ) as preference,
    min(linkId) over (partition by recordKey) as firstLinkId,
    min(case when linkCreatedOn between -62135596800000 and 253402300799999 then linkCreatedOn end)
      over (partition by recordKey) as firstLinkCreatedOn,
    min(extractedAt) over (partition by recordKey) as firstExtractedAt,
    max(extractedAt) over (partition by recordKey) as lastExtractedAt,
    bool_or(isByTestcase) over (partition by recordKey) as isNamedByTestcase,
    bool_or(not isByTestcase) over (partition by recordKey) as isNamedByRequirement,
    -- Seen in one list that is up to date, a link is up to date.
    bool_and(isStale) over (partition by recordKey) as isStaleEverywhere
  from keyed
),

final as (
  select
    recordKey,
    testcaseId,
    requirementId,
    firstLinkId as linkId,
    projectId,
    sliceKey,
    runId,
    recordId,
    case
      when isNamedByTestcase and isNamedByRequirement then 'both'
      when isNamedByTestcase then 'testcase'
      else 'requirement'
    end as namedBy,
    versionNumber,
    arrow_cast(to_timestamp_millis(firstLinkCreatedOn), 'Timestamp(Microsecond, Some("UTC"))') as linkCreatedDateTime,
    firstExtractedAt,
    lastExtractedAt as extractedAt,
    isNamedByTestcase,
    isNamedByRequirement,
    isStaleEverywhere as isStale
  from ranked
  where preference = 1
)

select * from final
