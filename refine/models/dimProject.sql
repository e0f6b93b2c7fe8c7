-- One row per project, and the Unknown project (-1), with what the reference table projectAttributes says about it and how far
-- its tests are as of the as-of date.
-- projectCode, projectType, projectTypeClassification: by projectAttributes, as all up to regulatory; empty without a line there.
-- projectCategory: Internal, Client, Maintenance or Strategic.
-- projectPriority: Critical, High, Medium or Low.
-- projectOwner, projectManager, projectLead: names of those who answer for the project; personal data.
-- businessUnit: part of the organisation that pays for it.
-- revenueImpact: what the project means for revenue, in the words of the file.
-- isCustomerFacing, isRegulatoryRequired: customers see what it makes; a regulator asks for it.
-- projectStatusCategory: by projectAttributes; else Completed when its end lies before the as-of date, Active when the server
-- says so, else Cancelled.
-- projectAgeDays, projectAgeMonths, projectAgeYears: from its creation to the as-of date; months whole, years of 365.25 days.
-- totalReleases: its releases, pseudo releases left out. totalCycles: its test cycles.
-- totalTestcases: different test cases among its executions.
-- totalExecutions: its executions; completedExecutions are Success, Failure and Blocked.
-- avgPassRate: mean of the pass rates of its cycles, each cycle counted alike, 0 to 1.
-- avgCompletionRate: mean of the completion rates of its cycles, 0 to 1.
-- projectPassRate: passed / completed executions over all cycles together, 0 to 1.
-- blockRate: blocked / all executions, 0 to 1.
-- projectHealthScore: 0 to 100, weighted by the settings projectHealth*: mean pass rate, mean completion rate, share not blocked.
-- projectSizeCategory: Small, Medium or Large by its test cases and the settings projectSize*.
-- projectComplexity: Simple when Small with few cycles, Complex when Large or with many, else Moderate.
-- isRecentProject, isMatureProject: not older than projectRecentDays days, older than projectMatureDays.
-- passedExecutions, failedExecutions: executions that ended in Success, in Failure.
-- pendingExecutions: executions not executed yet.
-- otherExecutions: executions with a status of the tenant's own that nobody categorised.
-- blockedExecutions: executions that are blocked.
-- description, projectStatus, externalSystem, isolationLevel, projectVersion: as the server sends them.
-- isActive, isShared, isGlobal: flags of the server: in use, shared with other projects, visible to all.
-- isStale: the list it comes from could not be read on the last walk; the row is as old as the last one that could.
-- key: projectKey
-- expect: avgPassRate between 0 and 1.000000001 or avgPassRate is null, else fail
-- expect: avgCompletionRate between 0 and 1.000000001 or avgCompletionRate is null, else fail
-- expect: projectPassRate between 0 and 1 or projectPassRate is null, else fail
-- expect: blockRate between 0 and 1 or blockRate is null, else fail
-- expect: projectHealthScore between 0 and 100.000001 or projectHealthScore is null, else warn
-- expect: projectStatusCategory is not null or projectKey = -1, else fail
-- conserves: transform.dimProject
with
project as (select * from transform.dimProject),

testRelease as (select projectKey, isPseudoRelease from transform.dimRelease where releaseKey <> -1),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

execution as (select projectKey, testcaseKey from refine.factExecution),

attributes as (select * from prepare.projectAttributes),

setting as (select * from run.setting),

control as (
  select
    max(case when name = 'projectRecentDays' then cast(value as double) end) as projectRecentDays,
    max(case when name = 'projectMatureDays' then cast(value as double) end) as projectMatureDays,
    max(case when name = 'projectSizeSmallBelow' then cast(value as double) end) as projectSizeSmallBelow,
    max(case when name = 'projectSizeLargeAbove' then cast(value as double) end) as projectSizeLargeAbove,
    max(case when name = 'projectSimpleMaximumCycles' then cast(value as double) end) as projectSimpleMaximumCycles,
    max(case when name = 'projectComplexAboveCycles' then cast(value as double) end) as projectComplexAboveCycles,
    max(case when name = 'projectHealthPassWeight' then cast(value as double) end) as passWeight,
    max(case when name = 'projectHealthCompletionWeight' then cast(value as double) end) as completionWeight,
    max(case when name = 'projectHealthUnblockedWeight' then cast(value as double) end) as unblockedWeight
  from prepare.controls
  where name like 'project%'
),

releaseTotal as (
  select projectKey, sum(case when isPseudoRelease then 0 else 1 end) as totalReleases
  from testRelease
  group by projectKey
),

testcaseTotal as (
  select projectKey, count(distinct testcaseKey) as totalTestcases
  from execution
  group by projectKey
),

cycleTotal as (
  select
    projectKey,
    count(*) as totalCycles,
    sum(totalExecutions) as totalExecutions,
    sum(completedExecutions) as completedExecutions,
    sum(passedExecutions) as passedExecutions,
    sum(failedExecutions) as failedExecutions,
    sum(blockedExecutions) as blockedExecutions,
    sum(pendingExecutions) as pendingExecutions,
    sum(otherExecutions) as otherExecutions,
    avg(cyclePassRate) as avgPassRate,
    avg(cycleCompletionRate) as avgCompletionRate
  from cycle
  group by projectKey
),

joined as (
  select
    project.*,
    setting.asOf,
    control.*,
    attributes.projectCode,
    attributes.projectType,
    attributes.projectTypeClassification,
    attributes.projectLead,
    attributes.projectCategory,
    attributes.projectPriority,
    attributes.projectOwner,
    attributes.projectManager,
    attributes.businessUnit,
    attributes.projectStatusCategory as givenStatusCategory,
    attributes.revenueImpact,
    attributes.isCustomerFacing,
    attributes.isRegulatoryRequired,
    date_diff(setting.asOf, project.createdDate) as projectAgeDays,
    coalesce(releaseTotal.totalReleases, 0) as totalReleases,
    coalesce(testcaseTotal.totalTestcases, 0) as totalTestcases,
    coalesce(cycleTotal.totalCycles, 0) as totalCycles,
    coalesce(cycleTotal.totalExecutions, 0) as totalExecutions,
    coalesce(cycleTotal.completedExecutions, 0) as completedExecutions,
    coalesce(cycleTotal.passedExecutions, 0) as passedExecutions,
    coalesce(cycleTotal.failedExecutions, 0) as failedExecutions,
    coalesce(cycleTotal.blockedExecutions, 0) as blockedExecutions,
    coalesce(cycleTotal.pendingExecutions, 0) as pendingExecutions,
    coalesce(cycleTotal.otherExecutions, 0) as otherExecutions,
    cycleTotal.avgPassRate,
    cycleTotal.avgCompletionRate,
    cycleTotal.blockedExecutions * 1.0 / nullif(cycleTotal.totalExecutions, 0) as blockRate
  from setting
  cross join control
  cross join project
  left join attributes on project.projectId = attributes.projectId
  left join releaseTotal on project.projectKey = releaseTotal.projectKey
  left join testcaseTotal on project.projectKey = testcaseTotal.projectKey
  left join cycleTotal on project.projectKey = cycleTotal.projectKey
),

sized as (
  select
    joined.*,
    case
      when joined.totalTestcases < joined.projectSizeSmallBelow then 'Small'
      when joined.totalTestcases > joined.projectSizeLargeAbove then 'Large'
      else 'Medium'
    end as projectSizeCategory
  from joined
),

final as (
  select
    projectKey,
    projectId,
    externalId,
    dtsId,
    projectName,
    projectCode,
    description,
    projectStatus,
    case
      when projectKey = -1 then null
      when givenStatusCategory is not null then givenStatusCategory
      when projectEndDate < asOf then 'Completed'
      when isActive then 'Active'
      else 'Cancelled'
    end as projectStatusCategory,
    projectCategory,
    projectPriority,
    projectType,
    projectTypeClassification,
    projectOwner,
    projectManager,
    projectLead,
    businessUnit,
    revenueImpact,
    externalSystem,
    isolationLevel,
    projectVersion,
    projectStartDate,
    projectEndDate,
    createdDate,
    createdDateTime,
    projectSizeCategory,
    case
      when projectSizeCategory = 'Small' and totalCycles <= projectSimpleMaximumCycles then 'Simple'
      when projectSizeCategory = 'Large' or totalCycles > projectComplexAboveCycles then 'Complex'
      else 'Moderate'
    end as projectComplexity,
    projectAgeDays,
    -- A month is whole once its day of the month has come.
    cast(
      (extract(year from asOf) - extract(year from createdDate)) * 12
        + extract(month from asOf) - extract(month from createdDate)
        - case when extract(day from asOf) < extract(day from createdDate) then 1 else 0 end
      as int
    ) as projectAgeMonths,
    projectAgeDays / 365.25 as projectAgeYears,
    totalReleases,
    totalCycles,
    totalTestcases,
    totalExecutions,
    completedExecutions,
    passedExecutions,
    failedExecutions,
    blockedExecutions,
    pendingExecutions,
    otherExecutions,
    -- Rounded, for the order of a sum may touch its last digit.
    round(avgPassRate, 9) as avgPassRate,
    round(avgCompletionRate, 9) as avgCompletionRate,
    passedExecutions * 1.0 / nullif(completedExecutions, 0) as projectPassRate,
    blockRate,
    round(100.0 * (
      passWeight * avgPassRate + completionWeight * avgCompletionRate + unblockedWeight * (1.0 - blockRate)
    ), 9) as projectHealthScore,
    isActive,
    isShared,
    isGlobal,
    isCustomerFacing,
    isRegulatoryRequired,
    projectAgeDays <= projectRecentDays as isRecentProject,
    projectAgeDays > projectMatureDays as isMatureProject,
    isStale
  from sized
)

select * from final
