-- words
-- key: a
-- reference:  in x.y.z
select 1 as a