-- One row per difference between what the payloads of source look like and what they were expected to: by the contract, and
-- by what had been landed of the resource before its newest landing.
-- resource: the table of source the records lie in
-- path: where in the payload, as in fieldObservation
-- kind: new, vanished, retyped (a type it did not have), nulled (null for the first time) or newValue (another of few values)
-- comparedWith: contract, or previous for all that was landed before the newest landing of the resource
-- expected: what was to be expected: types, or values as a JSON list
-- found: what there is: types, or the values that are new as a JSON list; empty where the path has vanished
-- firstSeenRelease: the first release of source that landed a record with the path; empty if none ever did
-- newestRelease: the newest release of source that landed records of the resource
-- touchedCount: columns of all stages that are made of the path, or of one above or below it
-- touchedColumns: their names, with commas between
-- driftMode: what was to be done about differences from the contract: evolve, freeze or quarantine
-- isBreaking: whether it is a difference from the contract that freeze refuses: new, vanished or retyped
-- key: resource, path, kind, comparedWith
-- expect: not isBreaking, else warn
with
seen as (select * from prepare.schema),

contract as (select * from prepare.contract),

lineage as (select * from landed.lineage),

control as (
  select
    coalesce(max(case when name = 'driftMode' then value end), 'evolve') as driftMode,
    max(case when name = 'driftRowsMinimum' then try_cast(value as double) end) as rowsMinimum,
    max(case when name = 'driftPresenceMinimum' then try_cast(value as double) end) as presenceMinimum
  from prepare.controls
),

resource as (
  select resource, max(newestRelease) as newestRelease, max(previousRelease) as previousRelease
  from seen
  group by resource
),

-- Once per path and type, so that a type that is new can be named.
seenType as (
  select resource, path, unnest(string_to_array(types, '|')) as type from seen where types is not null
),

-- A flag is tested below, for the engine may take a null test on a join key for one on the other side.
contractType as (
  select resource, path, unnest(string_to_array(types, '|')) as type, true as isKnown from contract
),

-- A whole number is a decimal one too.
typeBeyond as (
  select seenType.resource, seenType.path, string_agg(seenType.type, '|' order by seenType.type) as found
  from seenType
  join contract on seenType.resource = contract.resource and seenType.path = contract.path
  left join contractType
    on seenType.resource = contractType.resource
    and seenType.path = contractType.path
    and (seenType.type = contractType.type or (seenType.type = 'integer' and contractType.type = 'decimal'))
  where contractType.isKnown is null
  group by seenType.resource, seenType.path
),

seenValue as (
  select resource, path, unnest(from_json(smallValues, 'array<string>')) as value
  from seen
  where isEnum and smallValues is not null
),

contractValue as (
  select resource, path, unnest(from_json(smallValues, 'array<string>')) as value, true as isKnown
  from contract
  where smallValues is not null
),

valueBeyond as (
  select
    seenValue.resource,
    seenValue.path,
    concat('["', string_agg(seenValue.value, '","' order by seenValue.value), '"]') as found
  from seenValue
  join contract
    on seenValue.resource = contract.resource
    and seenValue.path = contract.path
    and contract.smallValues is not null
  left join contractValue
    on seenValue.resource = contractValue.resource
    and seenValue.path = contractValue.path
    and seenValue.value = contractValue.value
  where contractValue.isKnown is null
  group by seenValue.resource, seenValue.path
),

knownPath as (select resource, path, true as isKnown from contract),

newPath as (
  select seen.resource, seen.path, 'new' as kind, 'contract' as comparedWith, cast(null as string) as expected,
    coalesce(seen.types, 'null') as found
  from seen
  left join knownPath on seen.resource = knownPath.resource and seen.path = knownPath.path
  where knownPath.isKnown is null
),

-- Where the path would lie, to see whether there was anything it could be missing from.
contractParent as (
  select
    contract.resource,
    contract.path,
    contract.types,
    case
      when strpos(contract.path, '.') = 0 then '$'
      else regexp_replace(contract.path, '\.[^.]*$', '')
    end as parentPath
  from contract
  where contract.isAlwaysPresent and contract.path <> '$' and right(contract.path, 2) <> '[]'
),

vanishedPath as (
  select contractParent.resource, contractParent.path, 'vanished' as kind, 'contract' as comparedWith,
    contractParent.types as expected, cast(null as string) as found
  from contractParent
  cross join control
  join seen as parent
    on contractParent.resource = parent.resource
    and contractParent.parentPath = parent.path
    and parent.newestTypes like '%object%'
    and parent.newestPresentCount >= control.rowsMinimum
  left join seen on contractParent.resource = seen.resource and contractParent.path = seen.path
  where coalesce(seen.newestPresentCount, 0) = 0
),

retypedPath as (
  select typeBeyond.resource, typeBeyond.path, 'retyped' as kind, 'contract' as comparedWith,
    contract.types as expected, typeBeyond.found
  from typeBeyond
  join contract on typeBeyond.resource = contract.resource and typeBeyond.path = contract.path
),

nulledPath as (
  select seen.resource, seen.path, 'nulled' as kind, 'contract' as comparedWith, contract.types as expected,
    'null' as found
  from seen
  join contract on seen.resource = contract.resource and seen.path = contract.path
  where seen.nullCount > 0 and not contract.isNullable
),

newValue as (
  select valueBeyond.resource, valueBeyond.path, 'newValue' as kind, 'contract' as comparedWith,
    contract.smallValues as expected, valueBeyond.found
  from valueBeyond
  join contract on valueBeyond.resource = contract.resource and valueBeyond.path = contract.path
),

-- What all landings before the newest one had, from the totals less those of the newest.
before as (
  select
    seen.*,
    seen.presentCount - seen.newestPresentCount as earlierPresentCount,
    seen.parentCount - seen.newestParentCount as earlierParentCount,
    seen.nullCount - seen.newestNullCount as earlierNullCount
  from seen
  where seen.previousRelease is not null
),

newSincePrevious as (
  select resource, path, 'new' as kind, 'previous' as comparedWith, cast(null as string) as expected,
    coalesce(types, 'null') as found
  from before
  where firstSeenRelease = newestRelease
),

vanishedSincePrevious as (
  select before.resource, before.path, 'vanished' as kind, 'previous' as comparedWith, before.types as expected,
    cast(null as string) as found
  from before
  cross join control
  where before.lastSeenRelease = before.previousRelease
    and right(before.path, 2) <> '[]'
    and before.newestParentCount >= control.rowsMinimum
    and before.earlierPresentCount >= control.presenceMinimum * before.earlierParentCount
),

earlierType as (
  select
    resource,
    path,
    earlierTypes,
    newestTypes,
    unnest(string_to_array(newestTypes, '|')) as type
  from before
  where firstSeenRelease < newestRelease and newestTypes is not null and earlierTypes is not null
),

retypedSincePrevious as (
  select resource, path, 'retyped' as kind, 'previous' as comparedWith, max(earlierTypes) as expected,
    string_agg(type, '|' order by type) as found
  from earlierType
  where strpos(concat('|', earlierTypes, '|'), concat('|', type, '|')) = 0
  group by resource, path
),

nulledSincePrevious as (
  select resource, path, 'nulled' as kind, 'previous' as comparedWith, types as expected, 'null' as found
  from before
  where newestNullCount > 0 and earlierNullCount = 0 and earlierPresentCount > 0
),

grownValue as (
  select resource, path, earlierValues, unnest(from_json(newestValues, 'array<string>')) as value
  from before
  where isEnum and newestValues is not null and earlierValues is not null
),

newValueSincePrevious as (
  select resource, path, 'newValue' as kind, 'previous' as comparedWith, max(earlierValues) as expected,
    concat('["', string_agg(value, '","' order by value), '"]') as found
  from grownValue
  where not array_has(from_json(earlierValues, 'array<string>'), value)
  group by resource, path
),

difference as (
  select * from newPath
  union all
  select * from vanishedPath
  union all
  select * from retypedPath
  union all
  select * from nulledPath
  union all
  select * from newValue
  union all
  select * from newSincePrevious
  union all
  select * from vanishedSincePrevious
  union all
  select * from retypedSincePrevious
  union all
  select * from nulledSincePrevious
  union all
  select * from newValueSincePrevious
),

final as (
  select
    difference.resource,
    difference.path,
    difference.kind,
    difference.comparedWith,
    difference.expected,
    difference.found,
    seen.firstSeenRelease,
    resource.newestRelease,
    coalesce(lineage.touchedCount, 0) as touchedCount,
    nullif(lineage.touchedColumns, '') as touchedColumns,
    control.driftMode,
    difference.comparedWith = 'contract' and difference.kind in ('new', 'vanished', 'retyped') as isBreaking
  from difference
  cross join control
  left join seen on difference.resource = seen.resource and difference.path = seen.path
  left join resource on difference.resource = resource.resource
  left join lineage on difference.resource = lineage.resource and difference.path = lineage.path
)

select * from final
