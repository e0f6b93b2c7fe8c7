-- words
-- keys: a
select 1