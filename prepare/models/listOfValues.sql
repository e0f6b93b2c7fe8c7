-- One row per entry of the tenant's other lists of values, as the lists have it: priorities of test cases and requirements,
-- statuses of releases and steps. listName is the API's own name of the list; statuses of executions have their own table.
-- A list is a text inside a preference: a JSON array whose ids come as whole numbers, decimals or texts, or pairs like
-- 1=Pass;2=Fail. One in any other form gives one row without an id, to be set aside by name; an empty one gives none.
-- color: the colour the tenant chose, as the API writes it.
-- listPosition: place in the list, from 0.
-- isActive: whether the tenant still offers it.
-- key: recordKey
-- expect: valueId is not null, else quarantine
-- expect: valueName is not null, else warn
-- expect: duplicateNumber = 1, else warn
with
slice as (select * from prepare.slice where resource = 'dimListOfValues'),

landed as (select * from source.dimListOfValues),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    slice.listName,
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
    parsed.listName,
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
    listName,
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
    listName,
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
    listName,
    isStale,
    listPosition,
    item.id as idText,
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
    listName,
    isStale,
    listPosition,
    case when itemText like '%=%' then split_part(itemText, '=', 1) end as idText,
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
    listName,
    isStale,
    cast(-1 as bigint) as listPosition,
    cast(null as string) as idText,
    cast(null as string) as nameText,
    cast(null as string) as activeText,
    cast(null as string) as color
  from formed
  where form = 'unreadable'
),

trimmed as (
  select
    entry.*,
    nullif(regexp_replace(btrim(entry.idText), '[.]0+$', ''), '') as valueId
  from entry
),

final as (
  select
    xxhash64('listOfValues', sliceKey, runId, page, ordinal, listPosition) as recordKey,
    listName,
    valueId,
    sliceKey,
    runId,
    recordId,
    nullif(btrim(nameText), '') as valueName,
    nullif(btrim(color), '') as color,
    listPosition,
    extractedAt,
    cast(row_number() over (
      partition by listName, valueId order by sliceKey, runId, page, ordinal, listPosition
    ) as int) as duplicateNumber,
    -- An entry taken out of use still stands on old rows, so it is kept and only marked.
    coalesce(lower(btrim(activeText)) <> 'false', true) as isActive,
    isStale
  from trimmed
)

select * from final
