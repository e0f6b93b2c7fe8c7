-- One row per pattern a folder is sorted by: of those its path matches, the one with the lowest number decides.
-- patternOrder: where the pattern stands among them.
-- pattern: regular expression, tried on the path in lower case.
-- folderCategory: what a folder that matches counts as.
-- key: patternOrder
-- expect: patternOrder is not null, else fail
-- expect: pattern is not null and folderCategory is not null, else fail
with
pattern as (select * from reference.folderPatterns),

final as (
  select
    try_cast(btrim(patternOrder) as int) as patternOrder,
    nullif(btrim(pattern), '') as pattern,
    nullif(btrim(folderCategory), '') as folderCategory
  from pattern
)

select * from final
