-- words
-- key: a
with x as (select a from p.q) select x.a from x union all select b from "r"."s t"