-- One row per type code of requirements, with what it counts as.
-- requirementType: the code as requirements carry it.
-- requirementTypeCategory: what a requirement of the type counts as.
-- key: requirementType
-- expect: requirementType is not null, else fail
-- expect: requirementTypeCategory is not null, else warn
with
typeMap as (select * from reference.requirementTypeMap),

final as (
  select
    try_cast(btrim(requirementType) as bigint) as requirementType,
    nullif(btrim(requirementTypeCategory), '') as requirementTypeCategory
  from typeMap
)

select * from final
