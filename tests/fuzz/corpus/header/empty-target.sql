-- words
-- key: a
-- reference: a in x.y.
select 1 as a