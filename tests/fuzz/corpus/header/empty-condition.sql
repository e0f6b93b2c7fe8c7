-- words
-- key: a
-- expect: , else warn
select 1 as a