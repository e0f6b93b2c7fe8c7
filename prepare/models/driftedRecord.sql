-- One row per landed record that is not as the contract says. They are looked for only when they are to be set aside (--drift
-- quarantine, or the control driftMode): then no other model sees them, and they are found in the quarantine of this table.
-- recordKey: stable key of the record
-- resource: the table of source it lies in
-- sliceKey: the slice it was listed in, as JSON text
-- runId: the run of source that landed it
-- recordId: what identifies it in the API
-- page, ordinal: the page it came on and its place there, from 0
-- brokenPaths: the paths that the contract does not know, or whose values have another type, with commas between
-- isSetAside: whether no other model sees it
-- key: recordKey
-- expect: not isSetAside, else quarantine
with
drifted as (select * from landed.driftedRecord),

final as (
  select
    xxhash64(resource, sliceKey, runId, page, ordinal) as recordKey,
    resource,
    sliceKey,
    runId,
    recordId,
    page,
    ordinal,
    brokenPaths,
    true as isSetAside
  from drifted
)

select * from final
