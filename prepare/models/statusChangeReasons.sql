-- One row per cycle and day for which the reference file statusChangeReasons says why a cycle changed its status.
-- Empty as shipped: no API tells.
-- date: local day of the change.
-- reason: why, in the words of the file.
-- key: cycleId, date
-- expect: cycleId is not null and date is not null, else fail
-- expect: reason is not null, else fail
with
reasons as (select * from reference.statusChangeReasons),

final as (
  select
    try_cast(btrim(cycleId) as bigint) as cycleId,
    try_cast(btrim(date) as date) as date,
    nullif(btrim(reason), '') as reason
  from reasons
)

select * from final
