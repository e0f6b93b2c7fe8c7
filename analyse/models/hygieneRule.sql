-- One row per project and rule of order that has something to check there: how well the rule is kept.
-- ruleName: the rule; the things that break it stand in hygieneOffender
-- ruleText: what it asks for, in words
-- entity: what is checked: project, release, cycle, testcase or requirement
-- weight: its share in the score of the project, from the control hygieneWeight and its name
-- checkedCount: things checked; for projectFields the fields that must be filled
-- offenderCount: of those, the ones that break the rule
-- offenceCount: how many things are wrong in them
-- complianceRate: checked less offenders, of checked, 0 to 1
-- pointsLost: points of 100 that the project's score loses to the rule
-- key: projectKey, ruleName
-- expect: offenderCount <= checkedCount, else fail
-- expect: complianceRate between 0 and 1, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
offender as (select * from analyse.hygieneOffender),

project as (select * from refine.dimProject where projectKey <> -1),

testRelease as (select * from refine.dimRelease where releaseKey <> -1 and not isPseudoRelease),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

testcase as (select * from refine.dimTestcase where testcaseKey <> -1 and not isGone),

requirement as (select * from refine.dimRequirement where requirementKey <> -1),

setting as (select * from run.setting),

controls as (select * from prepare.controls),

control as (
  select
    max(case when name = 'hygieneTestcaseGraceDays' then try_cast(value as double) end) as graceDays,
    max(case when name = 'hygieneProjectFields' then array_length(string_to_array(value, ',')) end) as fieldCount
  from controls
),

rule as (
  select
    named.ruleName,
    named.entity,
    named.ruleText,
    coalesce(try_cast(controls.value as double), 0.0) as weight
  from (
    values
      ('projectFields', 'project', 'The fields of a project that must be filled are filled'),
      ('releaseDates', 'release', 'A release has a start and an end in that order'),
      ('cycleDates', 'cycle', 'A cycle has a start and an end in that order'),
      ('cycleWithinRelease', 'cycle', 'A cycle lies within the dates of its release'),
      ('cycleNotEmpty', 'cycle', 'A cycle that has started has something scheduled in it'),
      ('cycleComplete', 'cycle', 'A cycle that is over has no open executions'),
      ('executedByTester', 'cycle', 'Whoever executed a test case is known'),
      ('executedInTime', 'cycle', 'Nothing is executed after the end of its cycle'),
      ('testcaseNamed', 'testcase', 'A test case has a name'),
      ('testcaseNameUnique', 'testcase', 'No two test cases of a project have the same name'),
      ('testcaseScheduled', 'testcase', 'A test case stands in some cycle before its days of grace are over'),
      ('testcaseHasRequirement', 'testcase', 'A test case tests a requirement before its days of grace are over'),
      ('requirementHasTestcase', 'requirement', 'A requirement is tested by some test case')
  ) as named(ruleName, entity, ruleText)
  left join controls
    on controls.name = concat('hygieneWeight', upper(substr(named.ruleName, 1, 1)), substr(named.ruleName, 2))
),

projectCheck as (
  select project.projectKey, 'projectFields' as ruleName, control.fieldCount as checkedCount
  from project
  cross join control
),

releaseCheck as (
  select projectKey, 'releaseDates' as ruleName, count(*) as checkedCount from testRelease group by projectKey
),

cycleCount as (
  select
    cycle.projectKey,
    count(*) as cycleDates,
    count(case when cycle.cycleStartDate is not null and testRelease.releaseStartDate is not null
      or cycle.cycleEndDate is not null and testRelease.releaseEndDate is not null then 1 end) as cycleWithinRelease,
    count(case when cycle.cycleStartDate <= setting.asOf then 1 end) as cycleNotEmpty,
    count(case when cycle.cycleEndDate < setting.asOf and cycle.totalExecutions > 0 then 1 end) as cycleComplete,
    count(case when cycle.completedExecutions > 0 then 1 end) as executedByTester,
    count(case when cycle.completedExecutions > 0 and cycle.cycleEndDate is not null then 1 end) as executedInTime
  from cycle
  cross join setting
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  group by cycle.projectKey
),

testcaseCount as (
  select
    testcase.projectKey,
    count(case when not testcase.isPlacementOnly then 1 end) as testcaseNamed,
    count(nullif(btrim(testcase.testcaseName), '')) as testcaseNameUnique,
    count(case when coalesce(testcase.testcaseAgeDays > control.graceDays, true) then 1 end) as settled
  from testcase
  cross join control
  group by testcase.projectKey
),

checked as (
  select * from projectCheck
  union all
  select * from releaseCheck
  union all
  select projectKey, 'cycleDates' as ruleName, cycleDates as checkedCount from cycleCount
  union all
  select projectKey, 'cycleWithinRelease' as ruleName, cycleWithinRelease as checkedCount from cycleCount
  union all
  select projectKey, 'cycleNotEmpty' as ruleName, cycleNotEmpty as checkedCount from cycleCount
  union all
  select projectKey, 'cycleComplete' as ruleName, cycleComplete as checkedCount from cycleCount
  union all
  select projectKey, 'executedByTester' as ruleName, executedByTester as checkedCount from cycleCount
  union all
  select projectKey, 'executedInTime' as ruleName, executedInTime as checkedCount from cycleCount
  union all
  select projectKey, 'testcaseNamed' as ruleName, testcaseNamed as checkedCount from testcaseCount
  union all
  select projectKey, 'testcaseNameUnique' as ruleName, testcaseNameUnique as checkedCount from testcaseCount
  union all
  select projectKey, 'testcaseScheduled' as ruleName, settled as checkedCount from testcaseCount
  union all
  select projectKey, 'testcaseHasRequirement' as ruleName, settled as checkedCount from testcaseCount
  union all
  select projectKey, 'requirementHasTestcase' as ruleName, count(*) as checkedCount from requirement group by projectKey
),

offence as (
  select projectKey, ruleName, count(*) as offenderCount, sum(offenceCount) as offenceCount
  from offender
  group by projectKey, ruleName
),

judged as (
  select
    checked.projectKey,
    rule.ruleName,
    rule.ruleText,
    rule.entity,
    rule.weight,
    cast(checked.checkedCount as bigint) as checkedCount,
    coalesce(offence.offenderCount, 0) as offenderCount,
    coalesce(offence.offenceCount, 0) as offenceCount,
    1.0 - 1.0 * coalesce(offence.offenderCount, 0) / checked.checkedCount as complianceRate
  from checked
  join rule on checked.ruleName = rule.ruleName
  left join offence on checked.projectKey = offence.projectKey and checked.ruleName = offence.ruleName
  where checked.checkedCount > 0
),

weighed as (select projectKey, sum(weight) as weight from judged group by projectKey),

final as (
  select
    judged.projectKey,
    project.projectId,
    project.projectName,
    judged.ruleName,
    judged.ruleText,
    judged.entity,
    judged.weight,
    judged.checkedCount,
    judged.offenderCount,
    judged.offenceCount,
    judged.complianceRate,
    100.0 * judged.weight * (1.0 - judged.complianceRate) / nullif(weighed.weight, 0) as pointsLost
  from judged
  join weighed on judged.projectKey = weighed.projectKey
  left join project on judged.projectKey = project.projectKey
)

select * from final
