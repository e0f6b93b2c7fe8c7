-- One row per phase of a cycle, trustworthy: text trimmed, dates as local days of the tenant, doubles set aside, its
-- cycle known (and with it release and project). A day comes as an instant and as a text; both must name the same local day.
-- key: cyclePhaseId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isCycleKnown, else quarantine
-- expect: isPhaseStartDateAgreed, else quarantine
-- expect: isPhaseEndDateAgreed, else quarantine
-- expect: cyclePhaseName is not null, else warn
-- expect: phaseEndDate >= phaseStartDate or phaseEndDate is null or phaseStartDate is null, else warn
-- conserves: prepare.dimCyclePhase
with
phase as (select * from prepare.dimCyclePhase),

cycle as (select cycleId, releaseId, projectId from clean.dimCycle),

setting as (select * from run.setting),

tidied as (
  select
    phase.recordKey,
    phase.cyclePhaseId,
    phase.projectId,
    phase.releaseId,
    phase.cycleId,
    phase.tcrCatalogTreeId,
    nullif(
      btrim(replace(phase.cyclePhaseName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as cyclePhaseName,
    nullif(
      btrim(replace(phase.phaseStartDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as phaseStartDateText,
    nullif(
      btrim(replace(phase.phaseEndDateText, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as phaseEndDateText,
    cast(from_utc_timestamp(phase.phaseStartDateTime, setting.timeZone) as date) as startLocalDate,
    cast(from_utc_timestamp(phase.phaseEndDateTime, setting.timeZone) as date) as endLocalDate,
    cast(from_utc_timestamp(phase.createdDateTime, setting.timeZone) as date) as createdDate,
    phase.createdDateTime,
    phase.isFreeForm,
    phase.isResetExecution,
    phase.isStale,
    cycle.cycleId is not null as isCycleKnown,
    row_number() over (
      partition by phase.cyclePhaseId
      order by case when phase.isStale then 1 else 0 end, phase.extractedAt desc, phase.recordKey
    ) as duplicateNumber
  from setting
  cross join phase
  left join cycle
    on phase.cycleId = cycle.cycleId
    and phase.releaseId = cycle.releaseId
    and phase.projectId = cycle.projectId
),

dated as (
  select
    tidied.*,
    case when regexp_like(phaseStartDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(phaseStartDateText, '/', 3),
      lpad(split_part(phaseStartDateText, '/', 1), 2, '0'),
      lpad(split_part(phaseStartDateText, '/', 2), 2, '0')
    ) as date) end as startTextDate,
    case when regexp_like(phaseEndDateText, '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$') then try_cast(concat_ws(
      '-',
      split_part(phaseEndDateText, '/', 3),
      lpad(split_part(phaseEndDateText, '/', 1), 2, '0'),
      lpad(split_part(phaseEndDateText, '/', 2), 2, '0')
    ) as date) end as endTextDate
  from tidied
),

final as (
  select
    recordKey,
    cyclePhaseId,
    projectId,
    releaseId,
    cycleId,
    tcrCatalogTreeId,
    cyclePhaseName,
    coalesce(startLocalDate, startTextDate) as phaseStartDate,
    phaseStartDateText,
    coalesce(endLocalDate, endTextDate) as phaseEndDate,
    phaseEndDateText,
    createdDate,
    createdDateTime,
    cast(duplicateNumber as int) as duplicateNumber,
    isFreeForm,
    isResetExecution,
    isStale,
    isCycleKnown,
    case
      when phaseStartDateText is null then true
      when startTextDate is null then false
      when startLocalDate is null then true
      else startLocalDate = startTextDate
    end as isPhaseStartDateAgreed,
    case
      when phaseEndDateText is null then true
      when endTextDate is null then false
      when endLocalDate is null then true
      else endLocalDate = endTextDate
    end as isPhaseEndDateAgreed
  from dated
)

select * from final
