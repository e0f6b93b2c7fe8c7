-- One row per transition of a test cycle from one status to another, with what the burn-down said on that day.
-- transitionDurationHours, transitionDurationDays: time spent in the status before, empty for the first.
-- durationInStatusDays: local days from the transition to the next one, or to the as-of date while the status lasts.
-- isStatusStuck: that is more than statusStuckAboveDays; a deleted cycle is not stuck.
-- statusChangeReason: what the reference table statusChangeReasons says about it.
-- cycleCompletionPct: share of the test cases burned by the day of the transition, 0 to 100.
-- daysBehindSchedule: working days behind the plan by then, rounded up; below 0 is ahead.
-- isOnTrack: no more remained than planned.
-- key: transitionKey
-- expect: durationInStatusDays >= 0 or durationInStatusDays is null, else fail
-- expect: transitionDurationDays >= 0 or transitionDurationDays is null, else fail
-- expect: cycleCompletionPct between 0 and 100 or cycleCompletionPct is null, else fail
-- reference: transitionDateId in refine.dimDate.dateId
-- conserves: transform.factCycleStatusHistory
with
transition as (select * from transform.factCycleStatusHistory),

burndown as (select * from refine.cycleBurndown),

reason as (select cycleId, date, max(reason) as reason from prepare.statusChangeReasons group by cycleId, date),

setting as (select * from run.setting),

control as (
  select cast(max(value) as double) as statusStuckAboveDays from prepare.controls where name = 'statusStuckAboveDays'
),

timed as (
  select
    transition.*,
    control.statusStuckAboveDays,
    -- An as-of date in the past knows nothing of what came after it; least passes over a transition that has not come.
    cast(greatest(0, date_diff(
      least(cast(from_utc_timestamp(transition.nextTransitionDateTime, setting.timeZone) as date), setting.asOf),
      transition.transitionDate
    )) as int) as durationInStatusDays
  from setting
  cross join control
  cross join transition
),

final as (
  select
    timed.transitionKey,
    timed.cycleVersionKey,
    timed.cycleKey,
    timed.transitionDateId,
    timed.cycleId,
    timed.fromStatusId,
    timed.toStatusId,
    timed.transitionKind,
    reason.reason as statusChangeReason,
    timed.transitionDate,
    timed.transitionDateTime,
    timed.nextTransitionDateTime,
    timed.previousStatusHours as transitionDurationHours,
    timed.previousStatusHours / 24.0 as transitionDurationDays,
    timed.durationInStatusDays,
    100.0 * burndown.burnedCount / nullif(burndown.inScopeCount, 0) as cycleCompletionPct,
    cast(ceil(burndown.daysBehind) as int) as daysBehindSchedule,
    timed.isCurrentStatus,
    timed.transitionKind <> 'deleted' and timed.durationInStatusDays > timed.statusStuckAboveDays as isStatusStuck,
    burndown.remainingCount <= burndown.plannedRemaining as isOnTrack
  from timed
  left join burndown on timed.cycleKey = burndown.cycleKey and timed.transitionDate = burndown.date
  left join reason on timed.cycleId = reason.cycleId and timed.transitionDate = reason.date
)

select * from final
