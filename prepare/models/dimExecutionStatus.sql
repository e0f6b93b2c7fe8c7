-- One row per entry of the tenant's list of execution statuses, as the list has it. The list is a text inside a
-- preference, a JSON array whose ids come as whole numbers, decimals or texts, or pairs like 1=Pass;2=Fail.
-- A list in any other form gives one row without a code, to be set aside by name.
-- statusCode: the code executions carry.
-- color: the colour the tenant chose, as the API writes it.
-- listPosition: place in the tenant's list, from 0.
-- isActive: whether the tenant still offers it.
-- key: recordKey
-- expect: statusCode is not null, else quarantine
-- expect: statusName is not null, else warn
-- expect: duplicateNumber = 1, else warn
with
slice as (select * from prepare.slice where resource = 'dimExecutionStatus'),

landed as (select * from source.dimExecutionStatus),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    from_json(landed.payload, 'name string, value string, defaultValue string') as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

preference as (
  select
    parsed.sliceKey,
    parsed.runId,
    parsed.page,
    parsed.ordinal,
    parsed.recordId,
    parsed.extractedAt,
    parsed.isStale,
    coalesce(nullif(btrim(parsed.p.value), ''), nullif(btrim(parsed.p.defaultValue), '')) as listText
  from parsed
),

decoded as (
  select
    preference.*,
    from_json(preference.listText, 'array<struct<id:string,value:string,active:string,color:string>>') as items
  from preference
),

formed as (
  select
    decoded.*,
    case
      when decoded.items is not null then 'array'
      when decoded.listText not like '[%' and decoded.listText like '%=%' then 'pairs'
      else 'unreadable'
    end as form
  from decoded
),

arrayItem as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    isStale,
    unnest(items) as item,
    unnest(range(0, cast(cardinality(items) as bigint))) as listPosition
  from formed
  where form = 'array'
),

pairText as (
  select
    formed.*,
    string_to_array(formed.listText, ';') as texts
  from formed
  where form = 'pairs'
),

pairItem as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    isStale,
    unnest(texts) as itemText,
    unnest(range(0, cast(cardinality(texts) as bigint))) as listPosition
  from pairText
),

entry as (
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    isStale,
    listPosition,
    item.id as codeText,
    item.value as nameText,
    item.active as activeText,
    item.color as color
  from arrayItem
  union all
  -- Only the first sign of equality divides: a label may hold another.
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    isStale,
    listPosition,
    case when itemText like '%=%' then split_part(itemText, '=', 1) end as codeText,
    case when itemText like '%=%' then substr(itemText, strpos(itemText, '=') + 1) end as nameText,
    cast(null as string) as activeText,
    cast(null as string) as color
  from pairItem
  where btrim(itemText) <> ''
  union all
  select
    sliceKey,
    runId,
    page,
    ordinal,
    recordId,
    extractedAt,
    isStale,
    cast(-1 as bigint) as listPosition,
    cast(null as string) as codeText,
    cast(null as string) as nameText,
    cast(null as string) as activeText,
    cast(null as string) as color
  from formed
  where form = 'unreadable'
),

trimmed as (
  select
    entry.*,
    nullif(regexp_replace(btrim(entry.codeText), '[.]0+$', ''), '') as statusCode
  from entry
),

final as (
  select
    xxhash64('dimExecutionStatus', sliceKey, runId, page, ordinal, listPosition) as recordKey,
    statusCode,
    sliceKey,
    runId,
    recordId,
    nullif(btrim(nameText), '') as statusName,
    nullif(btrim(color), '') as color,
    listPosition,
    extractedAt,
    cast(row_number() over (
      partition by statusCode order by sliceKey, runId, page, ordinal, listPosition
    ) as int) as duplicateNumber,
    -- An entry taken out of use still stands on old rows, so it is kept and only marked.
    coalesce(lower(btrim(activeText)) <> 'false', true) as isActive,
    isStale
  from trimmed
)

select * from final
