-- One row per requirement about which somebody knows what the server does not say. Empty as shipped.
-- requirementId: id of the requirement.
-- isRegulatoryRequirement: a law or a regulator asks for it; yes, true and 1 say so, no, false and 0 that it is not.
-- key: requirementId
-- expect: requirementId is not null, else fail
-- expect: isRegulatoryRequirement is not null, else warn
with
attribute as (select * from reference.requirementAttributes),

final as (
  select
    try_cast(btrim(requirementId) as bigint) as requirementId,
    case
      when lower(btrim(isRegulatoryRequirement)) in ('true', 'yes', '1') then true
      when lower(btrim(isRegulatoryRequirement)) in ('false', 'no', '0') then false
    end as isRegulatoryRequirement
  from attribute
)

select * from final
