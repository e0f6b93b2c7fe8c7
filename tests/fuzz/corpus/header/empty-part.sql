-- words
-- key: a
-- incremental:  of x.y
select a from x.y