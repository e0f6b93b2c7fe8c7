-- One row per resource and path: what the payloads of source look like, over everything any release of it has landed.
-- resource: the table of source the records lie in
-- path: where in the payload, as in fieldObservation
-- parentPath: the path it lies in; empty for the record itself
-- types: the JSON types its values have had, with | between, in alphabetical order; empty if it was always null
-- newestTypes: the same, of the newest landing of the resource only
-- earlierTypes: the same, of all landings before the newest
-- firstSeenRelease, lastSeenRelease: the first and the last release of source that landed a record with it
-- firstSeenRunId, lastSeenRunId: a run of source that landed it for them
-- previousRelease: the release of source that landed records of the resource before the newest that did
-- newestRelease: the newest release of source that landed records of the resource
-- readCount: records of the resource that were looked at
-- parentCount: objects or lists in which the path could have been
-- presentCount: times it was there, null included
-- nullCount: times it was null
-- newestParentCount, newestPresentCount, newestNullCount: the same, in the newest landing only
-- presenceShare: presentCount of parentCount, 0 to 1; 1 for the elements of lists
-- nullShare: nullCount of presentCount, 0 to 1
-- valueCount: its different values where they are few, else empty
-- smallValues: those values as a JSON list; not shown where the control fieldsWithoutValues says that they may be about people
-- newestValues: the same, of the newest landing only
-- earlierValues: the same, of all landings before the newest
-- isEnum: whether its values are text, few, short and repeated, so that a new one is worth a word
-- isSampled: whether only an even part of the records was looked at
-- key: resource, path
-- expect: presenceShare between 0 and 1, else fail
-- expect: nullShare between 0 and 1 or nullShare is null, else fail
-- expect: firstSeenRelease <= lastSeenRelease, else fail
with
observation as (select * from prepare.fieldObservation),

version as (select * from source.slice where contentRunId is not null),

control as (
  select max(case when name = 'fieldsWithoutValues' then value end) as fieldsWithoutValues from prepare.controls
),

-- A run that was killed lands for the run that went on with it: the release is the one that first names its rows.
landing as (
  select resource, contentRunId as runId, min(release) as landedRelease from version group by resource, contentRunId
),

dated as (
  select observation.*, landing.landedRelease
  from observation
  join landing on observation.resource = landing.resource and observation.runId = landing.runId
),

landedRelease as (select resource, landedRelease from dated group by resource, landedRelease),

newest as (
  select resource, max(landedRelease) as newestRelease from landedRelease group by resource
),

previous as (
  select landedRelease.resource, max(landedRelease.landedRelease) as previousRelease
  from landedRelease
  join newest on landedRelease.resource = newest.resource and landedRelease.landedRelease < newest.newestRelease
  group by landedRelease.resource
),

record as (
  select resource, sum(readCount) as readCount, bool_or(readCount < landedCount) as isSampled
  from dated
  where path = '$'
  group by resource
),

-- A release in which the parent came and the path did not still counts: a path that was once there could have been.
parent as (
  select
    dated.resource,
    dated.path,
    sum(dated.objectCount) as objectCount,
    sum(case when dated.landedRelease = newest.newestRelease then dated.objectCount else 0 end) as newestObjectCount
  from dated
  join newest on dated.resource = newest.resource
  group by dated.resource, dated.path
),

total as (
  select
    dated.resource,
    dated.path,
    max(dated.parentPath) as parentPath,
    min(dated.landedRelease) as firstSeenRelease,
    max(dated.landedRelease) as lastSeenRelease,
    min(newest.newestRelease) as newestRelease,
    sum(dated.presentCount) as presentCount,
    sum(dated.nullCount) as nullCount,
    sum(dated.textCount) as textCount,
    sum(dated.integerCount) as integerCount,
    sum(dated.decimalCount) as decimalCount,
    sum(dated.booleanCount) as booleanCount,
    sum(dated.objectCount) as objectCount,
    sum(dated.arrayCount) as arrayCount,
    sum(case when isNewest then dated.presentCount else 0 end) as newestPresentCount,
    sum(case when isNewest then dated.nullCount else 0 end) as newestNullCount,
    sum(case when isNewest then dated.textCount else 0 end) as newestTextCount,
    sum(case when isNewest then dated.integerCount else 0 end) as newestIntegerCount,
    sum(case when isNewest then dated.decimalCount else 0 end) as newestDecimalCount,
    sum(case when isNewest then dated.booleanCount else 0 end) as newestBooleanCount,
    sum(case when isNewest then dated.objectCount else 0 end) as newestObjectCount,
    sum(case when isNewest then dated.arrayCount else 0 end) as newestArrayCount,
    -- Values that were too many or too long in one landing are so in all.
    bool_and(dated.smallValues is not null or dated.presentCount = dated.nullCount) as hasSmallValues
  from (
    select dated.*, dated.landedRelease = newest.newestRelease as isNewest
    from dated
    join newest on dated.resource = newest.resource
    where dated.presentCount > 0
  ) as dated
  join newest on dated.resource = newest.resource
  group by dated.resource, dated.path
),

rankedRun as (
  select
    resource,
    path,
    runId,
    row_number() over (partition by resource, path order by landedRelease, runId) as fromFirst,
    row_number() over (partition by resource, path order by landedRelease desc, runId desc) as fromLast
  from dated
  where presentCount > 0
),

run as (
  select
    resource,
    path,
    max(case when fromFirst = 1 then runId end) as firstSeenRunId,
    max(case when fromLast = 1 then runId end) as lastSeenRunId
  from rankedRun
  where fromFirst = 1 or fromLast = 1
  group by resource, path
),

value as (
  select
    dated.resource,
    dated.path,
    dated.landedRelease,
    unnest(from_json(dated.smallValues, 'array<string>')) as value
  from dated
  where dated.smallValues is not null
),

distinctValue as (
  select
    value.resource,
    value.path,
    value.value,
    bool_or(value.landedRelease = newest.newestRelease) as isNewest,
    bool_or(value.landedRelease < newest.newestRelease) as isEarlier
  from value
  join newest on value.resource = newest.resource
  group by value.resource, value.path, value.value
),

valueList as (
  select
    resource,
    path,
    count(*) as valueCount,
    concat('["', string_agg(value, '","' order by value), '"]') as smallValues,
    concat('["', string_agg(case when isNewest then value end, '","' order by value), '"]') as newestValues,
    concat('["', string_agg(case when isEarlier then value end, '","' order by value), '"]') as earlierValues
  from (
    select resource, path, replace(replace(value, '\', '\\'), '"', '\"') as value, isNewest, isEarlier
    from distinctValue
  ) as escaped
  group by resource, path
),

judged as (
  select
    total.*,
    run.firstSeenRunId,
    run.lastSeenRunId,
    previous.previousRelease,
    record.readCount,
    record.isSampled,
    case
      when total.parentPath is null then record.readCount
      when right(total.path, 2) = '[]' or right(total.path, 1) = '*' then total.presentCount
      else greatest(parent.objectCount, total.presentCount)
    end as parentCount,
    case
      when right(total.path, 2) = '[]' or right(total.path, 1) = '*' or total.parentPath is null
        then total.newestPresentCount
      else greatest(parent.newestObjectCount, total.newestPresentCount)
    end as newestParentCount,
    case when total.hasSmallValues and valueList.valueCount <= 24 then valueList.valueCount end as valueCount,
    valueList.smallValues,
    valueList.newestValues,
    valueList.earlierValues,
    coalesce(regexp_like(total.path, concat('(?i)', control.fieldsWithoutValues)), false) as isPrivate
  from total
  cross join control
  join run on total.resource = run.resource and total.path = run.path
  join record on total.resource = record.resource
  left join previous on total.resource = previous.resource
  left join parent on total.resource = parent.resource and total.parentPath = parent.path
  left join valueList on total.resource = valueList.resource and total.path = valueList.path
),

final as (
  select
    resource,
    path,
    parentPath,
    nullif(concat_ws(
      '|',
      case when arrayCount > 0 then 'array' end,
      case when booleanCount > 0 then 'boolean' end,
      case when decimalCount > 0 then 'decimal' end,
      case when integerCount > 0 then 'integer' end,
      case when objectCount > 0 then 'object' end,
      case when textCount > 0 then 'text' end
    ), '') as types,
    nullif(concat_ws(
      '|',
      case when newestArrayCount > 0 then 'array' end,
      case when newestBooleanCount > 0 then 'boolean' end,
      case when newestDecimalCount > 0 then 'decimal' end,
      case when newestIntegerCount > 0 then 'integer' end,
      case when newestObjectCount > 0 then 'object' end,
      case when newestTextCount > 0 then 'text' end
    ), '') as newestTypes,
    nullif(concat_ws(
      '|',
      case when arrayCount > newestArrayCount then 'array' end,
      case when booleanCount > newestBooleanCount then 'boolean' end,
      case when decimalCount > newestDecimalCount then 'decimal' end,
      case when integerCount > newestIntegerCount then 'integer' end,
      case when objectCount > newestObjectCount then 'object' end,
      case when textCount > newestTextCount then 'text' end
    ), '') as earlierTypes,
    firstSeenRelease,
    lastSeenRelease,
    firstSeenRunId,
    lastSeenRunId,
    previousRelease,
    newestRelease,
    readCount,
    parentCount,
    presentCount,
    nullCount,
    newestParentCount,
    newestPresentCount,
    newestNullCount,
    1.0 * presentCount / parentCount as presenceShare,
    1.0 * nullCount / presentCount as nullShare,
    cast(valueCount as int) as valueCount,
    case when valueCount is not null and not isPrivate then smallValues end as smallValues,
    case when valueCount is not null and not isPrivate and newestValues <> '[""]' then newestValues end as newestValues,
    case when valueCount is not null and not isPrivate and earlierValues <> '[""]' then earlierValues end as earlierValues,
    valueCount is not null and not isPrivate and presentCount >= 4 * valueCount
      and textCount > 0 as isEnum,
    isSampled
  from judged
)

select * from final
