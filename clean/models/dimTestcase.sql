-- One row per logical test case, trustworthy: text trimmed, days local to the tenant.
-- Nothing is set aside but doubles: an execution without its test case could not be counted. A creation day whose two
-- forms disagree is therefore only reported, and left empty.
-- priority: code of the priority, 1 to 5 unless the tenant has others.
-- priorityName: the tenant's word for the priority.
-- testcasePriorityNumeric: 1 Critical, 2 High, 3 Medium, 4 Low, from testcasePriorityMap.
-- testcaseTypeCategory: what reports group the type as, from testcaseTypeMap.
-- key: testcaseId
-- expect: duplicateNumber = 1, else quarantine
-- expect: testcaseName is not null, else warn
-- expect: isCreatedDateAgreed, else warn
-- expect: priority is null or testcasePriorityNumeric is not null, else warn
-- expect: testcaseType is null or testcaseTypeCategory is not null, else warn
-- conserves: prepare.dimTestcase
with
testcase as (select * from prepare.dimTestcase),

priorityMap as (select priority, priorityName, priorityNumeric from prepare.testcasePriorityMap),

typeMap as (select testcaseType, testcaseTypeCategory from prepare.testcaseTypeMap),

setting as (select * from run.setting),

tidied as (
  select
    testcase.testcaseId,
    testcase.testcaseVersionId,
    testcase.projectId,
    nullif(btrim(replace(testcase.externalId, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as externalId,
    nullif(
      btrim(replace(testcase.testcaseName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as testcaseName,
    nullif(
      btrim(replace(testcase.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(btrim(replace(testcase.priority, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as priority,
    nullif(btrim(replace(testcase.tag, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as tag,
    nullif(
      btrim(replace(testcase.testcaseType, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as testcaseType,
    testcase.versionNumber,
    nullif(
      btrim(replace(testcase.createdDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as createdDateText,
    cast(from_utc_timestamp(testcase.createdDateTime, setting.timeZone) as date) as createdLocalDate,
    cast(from_utc_timestamp(testcase.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    testcase.lastModifiedDateTime,
    testcase.isAutomated,
    row_number() over (
      partition by testcase.testcaseId
      order by
        testcase.versionNumber desc nulls last,
        testcase.lastModifiedDateTime desc nulls last,
        testcase.testcaseVersionId desc nulls last,
        testcase.testcaseName
    ) as duplicateNumber
  from setting
  cross join testcase
),

dated as (
  select
    tidied.*,
    case when regexp_like(createdDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(createdDateText, '/', 3),
      lpad(split_part(createdDateText, '/', 1), 2, '0'),
      lpad(split_part(createdDateText, '/', 2), 2, '0')
    ) as date) end as createdTextDate
  from tidied
),

judged as (
  select
    dated.*,
    case
      when createdDateText is null then true
      when createdTextDate is null then false
      when createdLocalDate is null then true
      else createdLocalDate = createdTextDate
    end as isCreatedDateAgreed
  from dated
),

final as (
  select
    judged.testcaseId,
    judged.testcaseVersionId,
    judged.projectId,
    judged.externalId,
    judged.testcaseName,
    judged.description,
    judged.priority,
    priorityMap.priorityName,
    judged.tag,
    judged.testcaseType,
    typeMap.testcaseTypeCategory,
    judged.versionNumber,
    case when judged.isCreatedDateAgreed then coalesce(judged.createdLocalDate, judged.createdTextDate) end as createdDate,
    judged.createdDateText,
    judged.lastModifiedDate,
    judged.lastModifiedDateTime,
    priorityMap.priorityNumeric as testcasePriorityNumeric,
    cast(judged.duplicateNumber as int) as duplicateNumber,
    judged.isAutomated,
    judged.isCreatedDateAgreed
  from judged
  left join priorityMap on regexp_replace(judged.priority, '[.]0+$', '') = priorityMap.priority
  left join typeMap on upper(judged.testcaseType) = typeMap.testcaseType
)

select * from final
