-- One row per rule of order and thing that breaks it: the list a test manager works through. How much each rule weighs,
-- and what it says in words, stands in hygieneRule.
-- ruleName: the rule, such as cycleDates
-- entity: what the thing is: project, release, cycle, testcase or requirement
-- entityKey: its surrogate key
-- entityId: its id in the source
-- entityName: its name
-- detail: what is wrong with it
-- offenceCount: how many things are wrong in it: executions for rules about those, else 1
-- key: ruleName, entityKey, detail
-- expect: offenceCount > 0, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
project as (select * from refine.dimProject where projectKey <> -1),

testRelease as (select * from refine.dimRelease where releaseKey <> -1 and not isPseudoRelease),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

testcase as (select * from refine.dimTestcase where testcaseKey <> -1 and not isGone),

requirement as (select * from refine.dimRequirement where requirementKey <> -1),

execution as (select * from refine.factExecution),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'hygieneProjectFields' then value end) as projectFields,
    max(case when name = 'hygieneTestcaseGraceDays' then try_cast(value as double) end) as graceDays
  from prepare.controls
),

requiredField as (
  select btrim(field) as fieldName
  from (select unnest(string_to_array(projectFields, ',')) as field from control) as listed
),

missingField as (
  select
    'projectFields' as ruleName,
    'project' as entity,
    project.projectKey as entityKey,
    project.projectId as entityId,
    project.projectKey,
    project.projectName as entityName,
    concat('no ', requiredField.fieldName) as detail,
    1 as offenceCount
  from project
  cross join requiredField
  where case requiredField.fieldName
    when 'description' then nullif(btrim(project.description), '') is null
    when 'startDate' then project.projectStartDate is null
    when 'endDate' then project.projectEndDate is null
    when 'projectCode' then project.projectCode is null
    when 'projectType' then project.projectType is null
    when 'projectLead' then project.projectLead is null
    when 'projectOwner' then project.projectOwner is null
    when 'projectCategory' then project.projectCategory is null
    else false
  end
),

releaseDates as (
  select
    'releaseDates' as ruleName,
    'release' as entity,
    releaseKey as entityKey,
    releaseId as entityId,
    projectKey,
    releaseName as entityName,
    case
      when releaseStartDate is null and releaseEndDate is null then 'no start and no end'
      when releaseStartDate is null then 'no start'
      when releaseEndDate is null then 'no end'
      else 'ends before it starts'
    end as detail,
    1 as offenceCount
  from testRelease
  where releaseStartDate is null or releaseEndDate is null or releaseEndDate < releaseStartDate
),

cycleDates as (
  select
    'cycleDates' as ruleName,
    'cycle' as entity,
    cycleKey as entityKey,
    cycleId as entityId,
    projectKey,
    cycleName as entityName,
    case
      when cycleStartDate is null and cycleEndDate is null then 'no start and no end'
      when cycleStartDate is null then 'no start'
      when cycleEndDate is null then 'no end'
      else 'ends before it starts'
    end as detail,
    1 as offenceCount
  from cycle
  where cycleStartDate is null or cycleEndDate is null or cycleEndDate < cycleStartDate
),

cycleWithinRelease as (
  select
    'cycleWithinRelease' as ruleName,
    'cycle' as entity,
    cycle.cycleKey as entityKey,
    cycle.cycleId as entityId,
    cycle.projectKey,
    cycle.cycleName as entityName,
    concat_ws(
      ' and ',
      case when cycle.cycleStartDate < testRelease.releaseStartDate
        then concat('starts before its release, which starts on ', testRelease.releaseStartDate) end,
      case when cycle.cycleEndDate > testRelease.releaseEndDate
        then concat('ends after its release, which ends on ', testRelease.releaseEndDate) end
    ) as detail,
    1 as offenceCount
  from cycle
  join testRelease on cycle.releaseKey = testRelease.releaseKey
  where cycle.cycleStartDate < testRelease.releaseStartDate or cycle.cycleEndDate > testRelease.releaseEndDate
),

cycleNotEmpty as (
  select
    'cycleNotEmpty' as ruleName,
    'cycle' as entity,
    cycle.cycleKey as entityKey,
    cycle.cycleId as entityId,
    cycle.projectKey,
    cycle.cycleName as entityName,
    'has started and nothing is scheduled in it' as detail,
    1 as offenceCount
  from cycle
  cross join setting
  where cycle.cycleStartDate <= setting.asOf and cycle.totalExecutions = 0
),

cycleComplete as (
  select
    'cycleComplete' as ruleName,
    'cycle' as entity,
    cycle.cycleKey as entityKey,
    cycle.cycleId as entityId,
    cycle.projectKey,
    cycle.cycleName as entityName,
    concat(cycle.pendingExecutions, ' of ', cycle.totalExecutions, ' executions are open although it is over') as detail,
    cycle.pendingExecutions as offenceCount
  from cycle
  cross join setting
  where cycle.cycleEndDate < setting.asOf and cycle.pendingExecutions > 0
),

executed as (
  select
    cycleKey,
    count(*) as executedCount,
    sum(case when testerKey = -1 and executedByKey = -1 then 1 else 0 end) as nobodyCount,
    sum(case when isLateExecution then 1 else 0 end) as lateCount
  from execution
  where isExecuted
  group by cycleKey
),

executedByTester as (
  select
    'executedByTester' as ruleName,
    'cycle' as entity,
    cycle.cycleKey as entityKey,
    cycle.cycleId as entityId,
    cycle.projectKey,
    cycle.cycleName as entityName,
    concat(executed.nobodyCount, ' of ', executed.executedCount, ' executed by nobody known') as detail,
    executed.nobodyCount as offenceCount
  from cycle
  join executed on cycle.cycleKey = executed.cycleKey
  where executed.nobodyCount > 0
),

executedInTime as (
  select
    'executedInTime' as ruleName,
    'cycle' as entity,
    cycle.cycleKey as entityKey,
    cycle.cycleId as entityId,
    cycle.projectKey,
    cycle.cycleName as entityName,
    concat(executed.lateCount, ' of ', executed.executedCount, ' executed after its end') as detail,
    executed.lateCount as offenceCount
  from cycle
  join executed on cycle.cycleKey = executed.cycleKey
  where executed.lateCount > 0
),

namedTestcase as (
  select
    testcase.*,
    lower(regexp_replace(btrim(testcaseName), '\s+', ' ', 'g')) as plainName
  from testcase
),

testcaseNamed as (
  select
    'testcaseNamed' as ruleName,
    'testcase' as entity,
    testcaseKey as entityKey,
    testcaseId as entityId,
    projectKey,
    testcaseName as entityName,
    'no name' as detail,
    1 as offenceCount
  from namedTestcase
  where nullif(plainName, '') is null and not isPlacementOnly
),

repeatedName as (
  select projectKey, plainName, count(*) as sameCount
  from namedTestcase
  where nullif(plainName, '') is not null
  group by projectKey, plainName
  having count(*) > 1
),

testcaseNameUnique as (
  select
    'testcaseNameUnique' as ruleName,
    'testcase' as entity,
    namedTestcase.testcaseKey as entityKey,
    namedTestcase.testcaseId as entityId,
    namedTestcase.projectKey,
    namedTestcase.testcaseName as entityName,
    concat('name shared by ', repeatedName.sameCount, ' test cases of the project') as detail,
    1 as offenceCount
  from namedTestcase
  join repeatedName
    on namedTestcase.projectKey = repeatedName.projectKey
    and namedTestcase.plainName = repeatedName.plainName
),

-- What was written only now need not have a place yet.
settledTestcase as (
  select testcase.*
  from testcase
  cross join control
  where coalesce(testcase.testcaseAgeDays > control.graceDays, true)
),

testcaseScheduled as (
  select
    'testcaseScheduled' as ruleName,
    'testcase' as entity,
    testcaseKey as entityKey,
    testcaseId as entityId,
    projectKey,
    testcaseName as entityName,
    'stands in no cycle' as detail,
    1 as offenceCount
  from settledTestcase
  where totalExecutions = 0
),

testcaseHasRequirement as (
  select
    'testcaseHasRequirement' as ruleName,
    'testcase' as entity,
    testcaseKey as entityKey,
    testcaseId as entityId,
    projectKey,
    testcaseName as entityName,
    'tests no requirement' as detail,
    1 as offenceCount
  from settledTestcase
  where not hasRequirementLink
),

requirementHasTestcase as (
  select
    'requirementHasTestcase' as ruleName,
    'requirement' as entity,
    requirementKey as entityKey,
    requirementId as entityId,
    projectKey,
    requirementName as entityName,
    'tested by no test case' as detail,
    1 as offenceCount
  from requirement
  where not isCovered
),

offender as (
  select * from missingField
  union all
  select * from releaseDates
  union all
  select * from cycleDates
  union all
  select * from cycleWithinRelease
  union all
  select * from cycleNotEmpty
  union all
  select * from cycleComplete
  union all
  select * from executedByTester
  union all
  select * from executedInTime
  union all
  select * from testcaseNamed
  union all
  select * from testcaseNameUnique
  union all
  select * from testcaseScheduled
  union all
  select * from testcaseHasRequirement
  union all
  select * from requirementHasTestcase
),

final as (
  select
    offender.entityKey,
    offender.projectKey,
    offender.entityId,
    project.projectId,
    offender.ruleName,
    offender.entity,
    project.projectName,
    offender.entityName,
    offender.detail,
    cast(offender.offenceCount as bigint) as offenceCount
  from offender
  left join project on offender.projectKey = project.projectKey
)

select * from final
