-- One row per release: what the API itself counts in it. Nothing is built on these figures; completeness compares with them.
-- totalRequirementCount, mappedRequirementCount, unmappedRequirementCount: requirements of the release, all, with and without a test case, as the server counts.
-- totalTestcaseCount: test cases of the release, as the server counts.
-- totalDefectCount: defects of the release, as the server counts.
-- listedDefectCount: defects the summary names.
-- isReadable: whether the summary could be read.
-- key: recordKey
-- expect: isReadable, else quarantine
-- expect: totalTestcaseCount is not null and totalRequirementCount is not null and totalDefectCount is not null, else warn
-- expect: mappedRequirementCount + unmappedRequirementCount = totalRequirementCount
--     or mappedRequirementCount + unmappedRequirementCount is null or totalRequirementCount is null, else warn
with
slice as (select * from prepare.slice where resource = 'releaseSummary'),

landed as (select * from source.releaseSummary),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.projectId,
    slice.releaseId,
    from_json(
      landed.payload,
      'requirement struct<totalRequirementCount:bigint, mappedRequirementCount:bigint,
       unmappedRequirementCount:bigint>, testcase struct<totalTestcaseCount:bigint>,
       defect struct<totalDefectCount:bigint, totalDefectIds:array<bigint>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

final as (
  select
    xxhash64('releaseSummary', sliceKey, runId, page, ordinal) as recordKey,
    releaseId,
    projectId,
    sliceKey,
    runId,
    recordId,
    extractedAt,
    p.requirement.totalRequirementCount as totalRequirementCount,
    p.requirement.mappedRequirementCount as mappedRequirementCount,
    p.requirement.unmappedRequirementCount as unmappedRequirementCount,
    p.testcase.totalTestcaseCount as totalTestcaseCount,
    p.defect.totalDefectCount as totalDefectCount,
    cast(cardinality(p.defect.totalDefectIds) as bigint) as listedDefectCount,
    p is not null as isReadable,
    isStale
  from parsed
)

select * from final
