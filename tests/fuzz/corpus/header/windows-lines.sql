-- é words
-- key: a
select 1 as a
