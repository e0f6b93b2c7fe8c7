-- One row per release, real or pseudo, trustworthy: text trimmed, dates as local days of the tenant, doubles set aside,
-- its project known. A day comes as an instant and as a text; both must name the same local day.
-- key: releaseId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isProjectKnown, else quarantine
-- expect: isReleaseStartDateAgreed, else quarantine
-- expect: isReleaseEndDateAgreed, else quarantine
-- expect: releaseName is not null, else warn
-- expect: releaseEndDate >= releaseStartDate or releaseEndDate is null or releaseStartDate is null, else warn
-- conserves: prepare.dimRelease
with
testRelease as (select * from prepare.dimRelease),

project as (select projectId from clean.dimProject),

setting as (select * from run.setting),

tidied as (
  select
    testRelease.recordKey,
    testRelease.releaseId,
    testRelease.projectId,
    nullif(
      btrim(replace(testRelease.releaseName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as releaseName,
    nullif(
      btrim(replace(testRelease.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    testRelease.releaseStatus,
    testRelease.orderId,
    nullif(
      btrim(replace(testRelease.releaseStartDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as releaseStartDateText,
    nullif(
      btrim(replace(testRelease.releaseEndDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as releaseEndDateText,
    cast(from_utc_timestamp(testRelease.releaseStartDateTime, setting.timeZone) as date) as startLocalDate,
    cast(from_utc_timestamp(testRelease.releaseEndDateTime, setting.timeZone) as date) as endLocalDate,
    cast(from_utc_timestamp(testRelease.createdDateTime, setting.timeZone) as date) as createdDate,
    testRelease.createdDateTime,
    testRelease.isGlobal,
    testRelease.isSyncEnabled,
    testRelease.isPseudoRelease,
    testRelease.isStale,
    project.projectId is not null as isProjectKnown,
    row_number() over (
      partition by testRelease.releaseId
      order by
        case when testRelease.isStale then 1 else 0 end,
        case when testRelease.isPseudoRelease then 1 else 0 end,
        testRelease.extractedAt desc,
        testRelease.recordKey
    ) as duplicateNumber
  from setting
  cross join testRelease
  left join project on testRelease.projectId = project.projectId
),

dated as (
  select
    tidied.*,
    case when regexp_like(releaseStartDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(releaseStartDateText, '/', 3),
      lpad(split_part(releaseStartDateText, '/', 1), 2, '0'),
      lpad(split_part(releaseStartDateText, '/', 2), 2, '0')
    ) as date) end as startTextDate,
    case when regexp_like(releaseEndDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(releaseEndDateText, '/', 3),
      lpad(split_part(releaseEndDateText, '/', 1), 2, '0'),
      lpad(split_part(releaseEndDateText, '/', 2), 2, '0')
    ) as date) end as endTextDate
  from tidied
),

final as (
  select
    recordKey,
    releaseId,
    projectId,
    releaseName,
    description,
    releaseStatus,
    orderId,
    coalesce(startLocalDate, startTextDate) as releaseStartDate,
    releaseStartDateText,
    coalesce(endLocalDate, endTextDate) as releaseEndDate,
    releaseEndDateText,
    createdDate,
    createdDateTime,
    cast(duplicateNumber as int) as duplicateNumber,
    isGlobal,
    isSyncEnabled,
    isPseudoRelease,
    isStale,
    isProjectKnown,
    case
      when releaseStartDateText is null then true
      when startTextDate is null then false
      when startLocalDate is null then true
      else startLocalDate = startTextDate
    end as isReleaseStartDateAgreed,
    case
      when releaseEndDateText is null then true
      when endTextDate is null then false
      when endLocalDate is null then true
      else endLocalDate = endTextDate
    end as isReleaseEndDateAgreed
  from dated
)

select * from final
