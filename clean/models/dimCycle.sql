-- One row per test cycle, trustworthy: where and when a release is tested. Text trimmed, dates as local days of the
-- tenant, doubles set aside, its release known. A day comes as an instant and as a text; both must name the same local day.
-- key: cycleId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isReleaseKnown, else quarantine
-- expect: isCycleStartDateAgreed, else quarantine
-- expect: isCycleEndDateAgreed, else quarantine
-- expect: cycleName is not null, else warn
-- expect: cycleEndDate >= cycleStartDate or cycleEndDate is null or cycleStartDate is null, else warn
-- conserves: prepare.dimCycle
with
cycle as (select * from prepare.dimCycle),

testRelease as (select releaseId, projectId from clean.dimRelease),

setting as (select * from run.setting),

tidied as (
  select
    cycle.recordKey,
    cycle.cycleId,
    cycle.projectId,
    cycle.releaseId,
    nullif(btrim(replace(cycle.cycleName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as cycleName,
    nullif(btrim(replace(cycle.environment, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as environment,
    nullif(btrim(replace(cycle.build, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))), '') as build,
    cycle.cycleStatus,
    cycle.revision,
    nullif(
      btrim(replace(cycle.cycleStartDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as cycleStartDateText,
    nullif(
      btrim(replace(cycle.cycleEndDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as cycleEndDateText,
    cast(from_utc_timestamp(cycle.cycleStartDateTime, setting.timeZone) as date) as startLocalDate,
    cast(from_utc_timestamp(cycle.cycleEndDateTime, setting.timeZone) as date) as endLocalDate,
    cast(from_utc_timestamp(cycle.createdDateTime, setting.timeZone) as date) as createdDate,
    cycle.createdDateTime,
    cycle.isStale,
    testRelease.releaseId is not null as isReleaseKnown,
    row_number() over (
      partition by cycle.cycleId
      order by case when cycle.isStale then 1 else 0 end, cycle.extractedAt desc, cycle.recordKey
    ) as duplicateNumber
  from setting
  cross join cycle
  left join testRelease on cycle.releaseId = testRelease.releaseId and cycle.projectId = testRelease.projectId
),

dated as (
  select
    tidied.*,
    case when regexp_like(cycleStartDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(cycleStartDateText, '/', 3),
      lpad(split_part(cycleStartDateText, '/', 1), 2, '0'),
      lpad(split_part(cycleStartDateText, '/', 2), 2, '0')
    ) as date) end as startTextDate,
    case when regexp_like(cycleEndDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(cycleEndDateText, '/', 3),
      lpad(split_part(cycleEndDateText, '/', 1), 2, '0'),
      lpad(split_part(cycleEndDateText, '/', 2), 2, '0')
    ) as date) end as endTextDate
  from tidied
),

final as (
  select
    recordKey,
    cycleId,
    projectId,
    releaseId,
    cycleName,
    environment,
    build,
    cycleStatus,
    revision,
    coalesce(startLocalDate, startTextDate) as cycleStartDate,
    cycleStartDateText,
    coalesce(endLocalDate, endTextDate) as cycleEndDate,
    cycleEndDateText,
    createdDate,
    createdDateTime,
    cast(duplicateNumber as int) as duplicateNumber,
    isStale,
    isReleaseKnown,
    case
      when cycleStartDateText is null then true
      when startTextDate is null then false
      when startLocalDate is null then true
      else startLocalDate = startTextDate
    end as isCycleStartDateAgreed,
    case
      when cycleEndDateText is null then true
      when endTextDate is null then false
      when endLocalDate is null then true
      else endLocalDate = endTextDate
    end as isCycleEndDateAgreed
  from dated
)

select * from final
