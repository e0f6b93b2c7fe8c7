-- words
-- key: a
select a from w.x.y.z