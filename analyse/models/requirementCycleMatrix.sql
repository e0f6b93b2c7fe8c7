-- One row per requirement and test cycle: the traffic light of the requirement matrix, as of the as-of date. Every requirement
-- stands against every cycle of its project, and against the cycles of other projects in which one of its test cases is scheduled.
-- Executions are those of the test cases linked to the requirement now, in the cycle, each with its latest result; a test case
-- scheduled in two phases counts with both.
-- cycleOrder: place of the cycle among those of its project by start date; cycles without one come last.
-- linkedTestcaseCount: test cases linked to the requirement.
-- scheduledTestcaseCount: those of them that are scheduled in the cycle.
-- executionCount, executedCount: their executions in the cycle; those that are passed, failed or blocked.
-- passedCount, failedCount, blockedCount, pendingCount, otherCount: the executions by category.
-- passRate: passed / executed, 0 to 1; empty while nothing is executed.
-- light: Grey without a link or with nothing scheduled; Red when anything failed or the pass rate is below matrixAmberMinimum;
-- Amber when something is pending, blocked or of a status without category, or the pass rate is below matrixGreenMinimum; else Green.
-- greyReason: why a Grey cell is grey: no link, nothing scheduled.
-- isScheduled: a linked test case is scheduled in the cycle.
-- cycleKey, cycleId, cycleName, cycleStartDate: the cycle of the cell.
-- projectKey, projectId: project of the requirement.
-- releaseKey, releaseId: release of the cycle.
-- key: requirementKey, cycleKey
-- expect: passRate between 0 and 1 or passRate is null, else fail
-- expect: light in ('Grey', 'Red', 'Amber', 'Green'), else fail
-- expect: (light = 'Grey') = (greyReason is not null), else fail
-- expect: light <> 'Green' or (passedCount > 0 and failedCount + blockedCount + pendingCount + otherCount = 0), else fail
-- expect: executedCount = passedCount + failedCount + blockedCount, else fail
-- expect: executionCount = executedCount + pendingCount + otherCount, else fail
-- expect: scheduledTestcaseCount <= linkedTestcaseCount, else fail
-- reference: requirementKey in refine.dimRequirement.requirementKey
-- reference: cycleKey in refine.dimCycle.cycleKey
with
requirement as (
  select requirementKey, projectKey, requirementId, projectId, requirementName, linkedTestcaseCount
  from refine.dimRequirement
  where requirementKey <> -1
),

link as (
  select requirementKey, testcaseKey
  from refine.factRequirementCoverage
  where requirementKey <> -1 and testcaseKey <> -1
),

result as (select * from refine.testcaseCycleResult),

cycle as (
  select
    cycleKey,
    releaseKey,
    projectKey,
    cycleId,
    releaseId,
    cycleName,
    cycleStartDate,
    cast(row_number() over (partition by projectKey order by cycleStartDate nulls last, cycleId) as int) as cycleOrder
  from refine.dimCycle
  where cycleKey <> -1
),

control as (
  select
    max(case when name = 'matrixAmberMinimum' then cast(value as double) end) as amberMinimum,
    max(case when name = 'matrixGreenMinimum' then cast(value as double) end) as greenMinimum
  from prepare.controls
  where name in ('matrixAmberMinimum', 'matrixGreenMinimum')
),

scheduled as (
  select
    link.requirementKey,
    result.cycleKey,
    count(*) as scheduledTestcaseCount,
    sum(result.executionCount) as executionCount,
    sum(result.executedCount) as executedCount,
    sum(result.passedCount) as passedCount,
    sum(result.failedCount) as failedCount,
    sum(result.blockedCount) as blockedCount,
    sum(result.pendingCount) as pendingCount,
    sum(result.otherCount) as otherCount
  from link
  join result on link.testcaseKey = result.testcaseKey
  group by link.requirementKey, result.cycleKey
),

grid as (
  select requirement.requirementKey, cycle.cycleKey
  from cycle
  join requirement on cycle.projectKey = requirement.projectKey
),

cell as (
  select
    coalesce(grid.requirementKey, scheduled.requirementKey) as requirementKey,
    coalesce(grid.cycleKey, scheduled.cycleKey) as cycleKey,
    coalesce(scheduled.scheduledTestcaseCount, 0) as scheduledTestcaseCount,
    coalesce(scheduled.executionCount, 0) as executionCount,
    coalesce(scheduled.executedCount, 0) as executedCount,
    coalesce(scheduled.passedCount, 0) as passedCount,
    coalesce(scheduled.failedCount, 0) as failedCount,
    coalesce(scheduled.blockedCount, 0) as blockedCount,
    coalesce(scheduled.pendingCount, 0) as pendingCount,
    coalesce(scheduled.otherCount, 0) as otherCount,
    scheduled.passedCount * 1.0 / nullif(scheduled.executedCount, 0) as passRate
  from scheduled
  full join grid on scheduled.requirementKey = grid.requirementKey and scheduled.cycleKey = grid.cycleKey
),

final as (
  select
    cell.requirementKey,
    cell.cycleKey,
    requirement.projectKey,
    cycle.releaseKey,
    requirement.requirementId,
    cycle.cycleId,
    requirement.projectId,
    cycle.releaseId,
    requirement.requirementName,
    cycle.cycleName,
    case
      when cell.scheduledTestcaseCount = 0 then 'Grey'
      when cell.failedCount > 0 or cell.passRate < control.amberMinimum then 'Red'
      when cell.pendingCount + cell.blockedCount + cell.otherCount > 0 then 'Amber'
      when cell.passRate >= control.greenMinimum then 'Green'
      else 'Amber'
    end as light,
    case
      when requirement.linkedTestcaseCount = 0 then 'no link'
      when cell.scheduledTestcaseCount = 0 then 'nothing scheduled'
    end as greyReason,
    cycle.cycleStartDate,
    cycle.cycleOrder,
    requirement.linkedTestcaseCount,
    cell.scheduledTestcaseCount,
    cell.executionCount,
    cell.executedCount,
    cell.passedCount,
    cell.failedCount,
    cell.blockedCount,
    cell.pendingCount,
    cell.otherCount,
    cell.passRate,
    cell.scheduledTestcaseCount > 0 as isScheduled
  from control
  cross join cell
  left join requirement on cell.requirementKey = requirement.requirementKey
  left join cycle on cell.cycleKey = cycle.cycleKey
)

select * from final
