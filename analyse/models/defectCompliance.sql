-- One row per cycle in which an execution failed or was blocked: how many of these name a defect, so that somebody can
-- follow up. The latest result of an execution counts, and so do the defects its record names now.
-- failedWithDefect, failedWithoutDefect: failed executions that name at least one defect, or none; together failedExecutions.
-- failedExecutions, blockedExecutions: executions whose latest result is a failure, or blocked.
-- blockedWithDefect, blockedWithoutDefect: the same for blocked ones.
-- defectCount: different defects that failed or blocked executions of the cycle name.
-- failedDefectLinkRate: share of the failed executions that name a defect, 0 to 1; empty where none failed.
-- blockedDefectLinkRate: the same for blocked ones. defectLinkRate: the same for both together.
-- isBelowTarget: failedDefectLinkRate is below the setting defectLinkTargetRate; empty where none failed.
-- key: cycleKey
-- expect: failedWithDefect + failedWithoutDefect = failedExecutions, else fail
-- expect: blockedWithDefect + blockedWithoutDefect = blockedExecutions, else fail
-- expect: failedDefectLinkRate between 0 and 1 or failedDefectLinkRate is null, else fail
-- expect: blockedDefectLinkRate between 0 and 1 or blockedDefectLinkRate is null, else fail
-- expect: defectLinkRate between 0 and 1, else fail
-- reference: cycleKey in refine.dimCycle.cycleKey
with
execution as (
  select executionKey, cycleKey, isFailed from refine.factExecution where isFailed or isBlocked
),

defect as (select executionKey, defectKey from refine.bridgeExecutionDefect),

cycle as (
  select cycleKey, releaseKey, projectKey, cycleId, releaseId, projectId, cycleName from refine.dimCycle
),

testRelease as (select releaseKey, releaseName from refine.dimRelease),

project as (select projectKey, projectName from refine.dimProject),

control as (
  select cast(max(value) as double) as targetRate from prepare.controls where name = 'defectLinkTargetRate'
),

linked as (select distinct executionKey from defect),

judged as (
  select execution.cycleKey, execution.isFailed, linked.executionKey is not null as isLinked
  from linked
  right join execution on linked.executionKey = execution.executionKey
),

counted as (
  select
    cycleKey,
    sum(case when isFailed then 1 else 0 end) as failedExecutions,
    sum(case when isFailed and isLinked then 1 else 0 end) as failedWithDefect,
    sum(case when not isFailed then 1 else 0 end) as blockedExecutions,
    sum(case when not isFailed and isLinked then 1 else 0 end) as blockedWithDefect
  from judged
  group by cycleKey
),

named as (
  select execution.cycleKey, count(distinct defect.defectKey) as defectCount
  from defect
  join execution on defect.executionKey = execution.executionKey
  group by execution.cycleKey
),

final as (
  select
    counted.cycleKey,
    cycle.releaseKey,
    cycle.projectKey,
    cycle.cycleId,
    cycle.releaseId,
    cycle.projectId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    counted.failedExecutions,
    counted.failedWithDefect,
    counted.failedExecutions - counted.failedWithDefect as failedWithoutDefect,
    counted.blockedExecutions,
    counted.blockedWithDefect,
    counted.blockedExecutions - counted.blockedWithDefect as blockedWithoutDefect,
    coalesce(named.defectCount, 0) as defectCount,
    1.0 * counted.failedWithDefect / nullif(counted.failedExecutions, 0) as failedDefectLinkRate,
    1.0 * counted.blockedWithDefect / nullif(counted.blockedExecutions, 0) as blockedDefectLinkRate,
    1.0 * (counted.failedWithDefect + counted.blockedWithDefect)
      / (counted.failedExecutions + counted.blockedExecutions) as defectLinkRate,
    1.0 * counted.failedWithDefect / nullif(counted.failedExecutions, 0) < control.targetRate as isBelowTarget
  from control
  cross join counted
  left join named on counted.cycleKey = named.cycleKey
  left join cycle on counted.cycleKey = cycle.cycleKey
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  left join project on cycle.projectKey = project.projectKey
)

select * from final
