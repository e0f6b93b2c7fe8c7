-- One row per place that figures are told of: everything, each project, release, cycle and cycle phase, with the names that lead
-- there.
-- level: all, project, release, cycle or phase.
-- levelKey: key of the place in its dimension; 0 for all.
-- projectId, releaseId, cycleId, cyclePhaseId: ids of the place and of those it lies in; empty below it.
-- projectName, releaseName, cycleName, cyclePhaseName: their names.
-- isPseudoRelease: a release that stands for a project's repository, and holds no cycles.
-- isStale: its list could not be read on the last walk; all is stale when a project is.
-- key: level, levelKey
-- expect: level in ('all', 'project', 'release', 'cycle', 'phase'), else fail
with
project as (select * from refine.dimProject where projectKey <> -1),

testRelease as (select * from refine.dimRelease where releaseKey <> -1),

cycle as (select * from refine.dimCycle where cycleKey <> -1),

phase as (select * from refine.dimCyclePhase where cyclePhaseKey <> -1),

final as (
  select
    'all' as level,
    cast(0 as bigint) as levelKey,
    cast(null as bigint) as projectId,
    cast(null as bigint) as releaseId,
    cast(null as bigint) as cycleId,
    cast(null as bigint) as cyclePhaseId,
    cast(null as string) as projectName,
    cast(null as string) as releaseName,
    cast(null as string) as cycleName,
    cast(null as string) as cyclePhaseName,
    false as isPseudoRelease,
    coalesce(max(case when project.isStale then 1 else 0 end), 0) = 1 as isStale
  from project
  union all
  select
    'project' as level,
    project.projectKey as levelKey,
    project.projectId,
    null as releaseId,
    null as cycleId,
    null as cyclePhaseId,
    project.projectName,
    null as releaseName,
    null as cycleName,
    null as cyclePhaseName,
    false as isPseudoRelease,
    project.isStale
  from project
  union all
  select
    'release' as level,
    testRelease.releaseKey as levelKey,
    testRelease.projectId,
    testRelease.releaseId,
    null as cycleId,
    null as cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    null as cycleName,
    null as cyclePhaseName,
    testRelease.isPseudoRelease,
    testRelease.isStale
  from testRelease
  left join project on testRelease.projectKey = project.projectKey
  union all
  select
    'cycle' as level,
    cycle.cycleKey as levelKey,
    cycle.projectId,
    cycle.releaseId,
    cycle.cycleId,
    null as cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    null as cyclePhaseName,
    false as isPseudoRelease,
    cycle.isStale
  from cycle
  left join testRelease on cycle.releaseKey = testRelease.releaseKey
  left join project on cycle.projectKey = project.projectKey
  union all
  select
    'phase' as level,
    phase.cyclePhaseKey as levelKey,
    phase.projectId,
    phase.releaseId,
    phase.cycleId,
    phase.cyclePhaseId,
    project.projectName,
    testRelease.releaseName,
    cycle.cycleName,
    phase.cyclePhaseName,
    false as isPseudoRelease,
    phase.isStale
  from phase
  left join cycle on phase.cycleKey = cycle.cycleKey
  left join testRelease on phase.releaseKey = testRelease.releaseKey
  left join project on phase.projectKey = project.projectKey
)

select * from final
