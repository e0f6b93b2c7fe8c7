-- One row per transition of a test cycle from one status to another, told from its versions: the API keeps no log of them.
-- transitionKind: first (the cycle appeared), status (its status changed), deleted, or returned.
-- cycleVersionKey: the version of the cycle that began with the transition.
-- fromStatusId, toStatusId: status codes of the cycle before and after; empty before the first and after a deletion.
-- transitionDateTime: when the status was taken on, as exactly as the walks tell.
-- transitionDate: its local day.
-- nextTransitionDateTime: when the status was left, empty while it lasts.
-- previousStatusHours: hours spent in the status before, empty for the first.
-- isCurrentStatus: the cycle still is in it.
-- key: transitionKey
-- expect: transitionKind in ('first', 'status', 'deleted', 'returned'), else fail
-- expect: transitionKind <> 'status' or fromStatusId is distinct from toStatusId, else fail
-- expect: nextTransitionDateTime > transitionDateTime or nextTransitionDateTime is null, else fail
-- expect: isCurrentStatus = (nextTransitionDateTime is null), else fail
-- reference: cycleVersionKey in transform.dimCycleHistory.cycleVersionKey
-- reference: transitionDateId in transform.dimDate.dateId
with
version as (select * from transform.dimCycleHistory where cycleKey <> -1),

calendar as (select min(date) as firstDate, max(date) as lastDate from transform.dimDate),

setting as (select * from run.setting),

preceded as (
  select
    version.*,
    lag(isDeleted) over (partition by cycleKey order by effectiveFrom) as wasDeleted,
    lag(cycleStatus) over (partition by cycleKey order by effectiveFrom) as formerStatus
  from version
),

transition as (
  select
    preceded.*,
    case
      when wasDeleted is null then 'first'
      when isDeleted then 'deleted'
      when wasDeleted then 'returned'
      else 'status'
    end as transitionKind
  from preceded
  where wasDeleted is null or isDeleted or wasDeleted or cycleStatus is distinct from formerStatus
),

followed as (
  select
    transition.*,
    lag(effectiveFrom) over (partition by cycleKey order by effectiveFrom) as formerTransitionDateTime,
    lead(effectiveFrom) over (partition by cycleKey order by effectiveFrom) as nextTransitionDateTime,
    cast(from_utc_timestamp(effectiveFrom, setting.timeZone) as date) as transitionDate
  from setting
  cross join transition
),

final as (
  select
    xxhash64('zephyr', 'cycleTransition', followed.cycleVersionKey) as transitionKey,
    followed.cycleVersionKey,
    followed.cycleKey,
    cast(case
      when followed.transitionDate between calendar.firstDate and calendar.lastDate
        then extract(year from followed.transitionDate) * 10000
          + extract(month from followed.transitionDate) * 100
          + extract(day from followed.transitionDate)
      else -1
    end as int) as transitionDateId,
    followed.cycleId,
    case when followed.transitionKind in ('status', 'deleted') then followed.formerStatus end as fromStatusId,
    case when followed.transitionKind <> 'deleted' then followed.cycleStatus end as toStatusId,
    followed.transitionKind,
    followed.transitionDate,
    followed.effectiveFrom as transitionDateTime,
    followed.nextTransitionDateTime,
    (
      extract(epoch from followed.effectiveFrom) - extract(epoch from followed.formerTransitionDateTime)
    ) / 3600.0 as previousStatusHours,
    followed.nextTransitionDateTime is null as isCurrentStatus
  from calendar
  cross join followed
)

select * from final
