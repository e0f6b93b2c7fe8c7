-- One row per resource and path that records are known to have: what the prepare models were written against. It was made
-- from recorded answers of a real server and from the simulator, and is replaced like every other reference table.
-- resource: the table of source the records lie in
-- path: where in the payload, as in fieldObservation
-- types: the JSON types its values may have, with | between, in alphabetical order
-- isAlwaysPresent: whether every object it lies in has it
-- isNullable: whether null has been seen in its place
-- smallValues: its values as a JSON list, where they are few and each means something
-- key: resource, path
-- expect: types is not null, else fail
with
given as (select * from reference.contract),

final as (
  select
    btrim(resource) as resource,
    btrim(path) as path,
    btrim(types) as types,
    coalesce(isAlwaysPresent = 'true', false) as isAlwaysPresent,
    coalesce(isNullable = 'true', false) as isNullable,
    nullif(btrim(smallValues), '') as smallValues
  from given
)

select * from final
