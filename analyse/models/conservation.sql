-- One row per kind of record that comes one row for one row from the pages of the API to the marts: how many there are at each
-- step, counted apart from each other. What is missing at a step was set aside there, or the stage fails; of the first step it
-- is a warning, since another API may list a kind otherwise than one to one.
-- The bridges and removals are not here: between two steps each of them is held to rows in = rows out + rows set aside.
-- entity: the table, which has the same name at every step
-- walkedCount: records in the current lists, as source counted them while reading pages; empty where a list is not one to one
-- with the table, or is put together from partial answers
-- driftedCount: records of any kind set aside because they are not as the contract says; 0 unless the control driftMode is quarantine
-- prepareCount, cleanCount, transformCount, refineCount: rows in the table at that step
-- prepareSetAsideCount, cleanSetAsideCount: rows set aside there
-- unknownCount: rows of our own, which stand for what is not known, from transform on
-- martCount: what the cycles of the key figures sum up to; empty where they count nothing of the kind
-- key: entity
-- expect: walkedCount - prepareCount - prepareSetAsideCount between 0 and driftedCount or walkedCount is null, else warn
-- expect: prepareCount = cleanCount + cleanSetAsideCount, else fail
-- expect: cleanCount + unknownCount = transformCount, else fail
-- expect: transformCount = refineCount, else fail
-- expect: refineCount = martCount or martCount is null, else fail
with
input as (select * from run.input),

slice as (select resource, contentRunId, baseRunId, rowCount from prepare.slice),

figure as (select * from analyse.kpi),

kind as (
  select entity, resource, unknownCount
  from (
    values
      ('factExecution', 'factExecution', 0),
      ('dimProject', 'dimProject', 1),
      ('dimRelease', null, 1),
      ('dimCycle', 'dimCycle', 1),
      ('dimCyclePhase', null, 1),
      ('dimTester', null, 1)
  ) as kindOf(entity, resource, unknownCount)
),

walked as (
  select
    resource,
    case when count(baseRunId) = 0 then sum(case when contentRunId is not null then rowCount else 0 end) end as walkedCount
  from slice
  group by resource
),

counted as (
  select
    tableName as entity,
    max(case when stage = 'prepare' then rowCount end) as prepareCount,
    max(case when stage = 'prepare' then quarantinedCount end) as prepareSetAsideCount,
    max(case when stage = 'clean' then rowCount end) as cleanCount,
    max(case when stage = 'clean' then quarantinedCount end) as cleanSetAsideCount,
    max(case when stage = 'transform' then rowCount end) as transformCount,
    max(case when stage = 'refine' then rowCount end) as refineCount
  from input
  group by tableName
),

drifted as (
  select coalesce(sum(quarantinedCount), 0) as driftedCount
  from input
  where stage = 'prepare' and tableName = 'driftedRecord'
),

mart as (select coalesce(sum(executionCount), 0) as executionCount from figure where level = 'all'),

final as (
  select
    kind.entity,
    walked.walkedCount,
    drifted.driftedCount,
    counted.prepareCount,
    counted.prepareSetAsideCount,
    counted.cleanCount,
    counted.cleanSetAsideCount,
    cast(kind.unknownCount as bigint) as unknownCount,
    counted.transformCount,
    counted.refineCount,
    case when kind.entity = 'factExecution' then mart.executionCount end as martCount
  from drifted
  cross join mart
  cross join kind
  left join walked on kind.resource = walked.resource
  left join counted on kind.entity = counted.entity
)

select * from final
