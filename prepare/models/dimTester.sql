-- One row per user record in the current user list, and one per person, or stand-in (-10 Anyone, -1 nobody), that only
-- executions name: users leave the list, their executions stay.
-- role: names of the roles the account has, in alphabetical order.
-- recordKey: key of the record this row comes from.
-- testerId: the API's id of the user; -10 Anyone, -1 nobody.
-- sliceKey, runId, recordId: where the record stands in source.
-- testerName: full name, else first and last name, else the login name. Personal data.
-- username: login name. Personal data.
-- testerEmail: mail address. Personal data.
-- title: job title of the account. location: place of the account.
-- extractedAt: when the row was fetched.
-- isActive: the account is enabled.
-- isListed: stands in the current user list; false where only executions name the person.
-- key: recordKey
-- expect: testerId is not null, else quarantine
with
slice as (select * from prepare.slice where resource = 'dimTester'),

landed as (select * from source.dimTester),

execution as (select testerId, executedById, testerName, extractedAt from prepare.factExecution),

parsed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    landed.extractedAt,
    from_json(
      landed.payload,
      'id bigint, username string, firstName string, lastName string, fullName string, email string,
       title string, location string, accountEnabled boolean, roles array<struct<id:bigint, name:string>>'
    ) as p,
    slice.isStale
  from landed
  join slice on landed.sliceKey = slice.sliceKey and landed.runId = slice.contentRunId
),

keyed as (
  select
    parsed.*,
    xxhash64('dimTester', parsed.sliceKey, parsed.runId, parsed.page, parsed.ordinal) as recordKey,
    parsed.p.roles as roles
  from parsed
),

roleItem as (select recordKey, unnest(roles) as r from keyed where roles is not null),

roleName as (select distinct recordKey, nullif(btrim(roleItem.r.name), '') as role from roleItem),

roleText as (
  select recordKey, string_agg(role, ', ' order by role) as role from roleName where role is not null group by recordKey
),

listed as (
  select
    parsed.recordKey,
    parsed.p.id as testerId,
    parsed.sliceKey,
    parsed.runId,
    parsed.recordId,
    coalesce(
      nullif(btrim(parsed.p.fullName), ''),
      nullif(btrim(concat_ws(' ', parsed.p.firstName, parsed.p.lastName)), ''),
      nullif(btrim(parsed.p.username), '')
    ) as testerName,
    parsed.p.username as username,
    parsed.p.email as testerEmail,
    parsed.p.title as title,
    parsed.p.location as location,
    roleText.role,
    parsed.extractedAt,
    parsed.p.accountEnabled as isActive,
    parsed.isStale
  from keyed as parsed
  left join roleText on parsed.recordKey = roleText.recordKey
),

mention as (
  select testerId, nullif(btrim(testerName), '') as testerName, max(extractedAt) as extractedAt
  from execution
  where testerId is not null
  group by testerId, nullif(btrim(testerName), '')
  union all
  select executedById as testerId, cast(null as string) as testerName, max(extractedAt) as extractedAt
  from execution
  where executedById is not null
  group by executedById
),

rankedMention as (
  select
    mention.*,
    row_number() over (
      partition by testerId
      order by case when testerName is null then 1 else 0 end, extractedAt desc, testerName
    ) as recency
  from mention
),

mentionedOnly as (
  select
    xxhash64('dimTester mentioned', rankedMention.testerId) as recordKey,
    rankedMention.testerId,
    cast(null as string) as sliceKey,
    cast(null as string) as runId,
    cast(null as string) as recordId,
    coalesce(
      rankedMention.testerName,
      case rankedMention.testerId when -10 then 'Anyone' when -1 then 'Unassigned' end
    ) as testerName,
    cast(null as string) as username,
    cast(null as string) as testerEmail,
    cast(null as string) as title,
    cast(null as string) as location,
    cast(null as string) as role,
    rankedMention.extractedAt,
    cast(null as boolean) as isActive,
    false as isStale
  from rankedMention
  left join (select distinct testerId from listed where testerId is not null) as known
    on rankedMention.testerId = known.testerId
  where rankedMention.recency = 1 and known.testerId is null
),

everyTester as (
  select listed.*, true as isListed from listed
  union all
  select mentionedOnly.*, false as isListed from mentionedOnly
),

final as (
  select
    recordKey,
    testerId,
    sliceKey,
    runId,
    recordId,
    testerName,
    username,
    testerEmail,
    title,
    location,
    role,
    extractedAt,
    isActive,
    isListed,
    isStale
  from everyTester
)

select * from final
