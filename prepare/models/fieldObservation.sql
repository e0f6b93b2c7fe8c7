-- One row per resource, run of source and path: how often the path is there in the payloads the run landed, and as what.
-- The path of the record itself is $; that of its member a is a, the member b of that a.b, the elements of a list a[], and
-- the members of an object used as a map a.* together; a list in an element of a list of its name is that list again. What a run landed never changes, so rows of earlier releases stand
-- as they are, and only payloads of new runs are read: all of them, or of very large landings an even part.
-- resource: the table of source the records lie in
-- runId: the run of source that landed them
-- path: where in the payload, seen from the record
-- parentPath: the path it lies in; empty for the record itself
-- reader: version of what counts; rows of another version are counted anew
-- landedCount: records of the resource that the run landed
-- readCount: of those, the records whose payload was looked at
-- parentCount: objects or lists in which the path could have been
-- presentCount: times it was there, null included
-- nullCount: times it was null
-- textCount, integerCount, decimalCount, booleanCount, objectCount, arrayCount: times it was of that JSON type
-- smallValues: its different values as a JSON list, where they are few and short; else empty
-- key: resource, runId, path
-- expect: presentCount = nullCount + textCount + integerCount + decimalCount + booleanCount + objectCount + arrayCount, else fail
-- expect: presentCount <= parentCount or path like '%*', else warn
-- expect: readCount between 1 and landedCount, else fail
with
field as (select * from landed.field),

final as (
  select
    resource,
    runId,
    path,
    parentPath,
    reader,
    landedCount,
    readCount,
    parentCount,
    presentCount,
    nullCount,
    textCount,
    integerCount,
    decimalCount,
    booleanCount,
    objectCount,
    arrayCount,
    smallValues
  from field
)

select * from final
