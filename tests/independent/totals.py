"""Marts that sum things up: releases, projects, statuses, weeks, key figures."""

import statistics
from collections import defaultdict
from datetime import timedelta

from coverage import states
from days import week_start
from enrichment import dim_project, dim_release, mean
from facts import EXECUTED, percent, rate, tally
from progress import cycle_measures
from registry import mart


def worst(values):
    return max((value for value in values if value is not None), default=None)


def over_cycles(facts, own, rows):
    """What cycles add up to."""
    timed = [row.duration_ms / 1000 for row in rows if row.duration_ms is not None]
    counts = tally(rows)
    total, burned = sum(row["totalTestcases"] for row in own), sum(row["burnedTestcases"] for row in own)
    return {
        "lastExecutionDate": worst(row["lastExecutionDate"] for row in own),
        "activeCycles": sum(row["isActiveCycle"] is True for row in own),
        "onTrackCycles": sum(row["isOnTrack"] is True for row in own),
        "lateCycles": sum(row["isOnTrack"] is False for row in own),
        "burnedTestcases": burned,
        "remainingTestcases": total - burned,
        "totalExecutions": counts["all"],
        "completedExecutions": counts["executed"],
        "passedExecutions": counts["Success"],
        "failedExecutions": counts["Failure"],
        "blockedExecutions": counts["Blocked"],
        "pendingExecutions": counts["Pending"],
        "otherExecutions": counts["Other"],
        "completionRate": rate(burned, total),
        "passRateOfTotal": rate(counts["Success"], counts["all"]),
        "blockRate": rate(counts["Blocked"], counts["all"]),
        "avgExecutionDurationSeconds": mean(timed),
        "daysBehindSchedule": worst(row["daysBehindSchedule"] for row in own),
    }


@mart("analyse.releaseProgress", "releaseId")
def release_progress(facts):
    made, releases = [], {row["releaseId"]: row for row in dim_release(facts)}
    for id_, release in facts.real_releases().items():
        own = [row for row in cycle_measures(facts).values() if row["releaseId"] == id_]
        judged = [row["isOnTrack"] for row in own if row["isOnTrack"] is not None]
        unfinished = [row["forecastDate"] for row in own if row["remainingTestcases"] > 0]
        planned = [row["plannedRemaining"] for row in own if row["plannedRemaining"] is not None]
        taken = ("releaseId", "releaseName", "releaseType", "releaseQuarter", "releaseStartDate", "releaseEndDate",
                 "releaseDurationDays", "releaseProgressPct", "totalCycles", "releasePassRate", "isActiveRelease",
                 "isPastRelease", "isFutureRelease")
        made.append(
            {name: releases[id_][name] for name in taken}
            | over_cycles(facts, own, facts.of(release=id_))
            | {
                "projectId": release["project"],
                "projectName": facts.projects[release["project"]]["name"],
                "asOf": facts.as_of,
                "forecastDate": None if None in unfinished else worst(unfinished),
                "pastCycles": sum(row["isPastCycle"] is True for row in own),
                "futureCycles": sum(row["isFutureCycle"] is True for row in own),
                "totalTestcases": sum(row["totalTestcases"] for row in own),
                "plannedRemaining": sum(planned) if planned else None,
                "avgBurndownHealthScore": mean(row["burndownHealthScore"] for row in own),
                "avgCycleHealthScore": mean(row["cycleHealthScore"] for row in own),
                "isOnTrack": all(judged) if judged else None,
                "isStale": release["project"] in facts.stale,
            }
        )
    return made


@mart("analyse.projectProgress", "projectId")
def project_progress(facts):
    made, releases = [], dim_release(facts)
    for project in dim_project(facts):
        id_ = project["projectId"]
        if id_ is None:
            continue
        own = [row for row in cycle_measures(facts).values() if row["projectId"] == id_]
        taken = ("projectId", "projectName", "projectStatusCategory", "projectSizeCategory", "projectComplexity",
                 "totalReleases", "totalCycles", "totalTestcases", "projectPassRate", "avgPassRate",
                 "projectHealthScore")
        made.append(
            over_cycles(facts, own, facts.of(project=id_))
            | {name: project[name] for name in taken}
            | {
                "asOf": facts.as_of,
                "activeReleases": sum(
                    row["isActiveRelease"] is True
                    for row in releases
                    if row["releaseId"] in facts.real_releases() and facts.releases[row["releaseId"]]["project"] == id_
                ),
                "cycleTestcases": sum(row["totalTestcases"] for row in own),
                "isStale": id_ in facts.stale,
            }
        )
    return made


def places(facts):
    """Everything together, and each project, release and cycle: (label, its executions)."""
    name = lambda of, id_: of[id_]["name"] if id_ is not None else None  # noqa: E731
    found = [("all", None, None, None)]
    found += [("project", id_, None, None) for id_ in facts.projects]
    found += [("release", row["project"], id_, None) for id_, row in facts.real_releases().items()]
    found += [("cycle", row["project"], row["release"], id_) for id_, row in facts.cycles.items()]
    for level, project, release, cycle in found:
        place = {"project": project, "release": release, "cycle": cycle}
        label = {
            "level": level,
            "projectId": project,
            "releaseId": release,
            "cycleId": cycle,
            "projectName": name(facts.projects, project),
            "releaseName": name(facts.releases, release),
            "cycleName": name(facts.cycles, cycle),
        }
        yield label, facts.of(**{key: id_ for key, id_ in place.items() if id_ is not None})


@mart("analyse.statusBreakdown", "level", "projectId", "releaseId", "cycleId", "statusCode")
def status_breakdown(facts):
    made = []
    for label, rows in places(facts):
        codes = defaultdict(list)
        for row in rows:
            codes[row.code].append(row)
        for code, members in codes.items():
            made.append(
                label
                | {
                    "statusCode": code,
                    "statusCategory": members[0].category,
                    "executionCount": len(members),
                    "sharePct": percent(len(members), len(rows)),
                }
            )
    return made


@mart("analyse.passRateTrend", "level", "projectId", "releaseId", "cycleId", "weekStartDate")
def pass_rate_trend(facts):
    made = []
    for label, rows in places(facts):
        weeks = defaultdict(list)
        for row in rows:
            if row.is_executed and row.executed_on:
                weeks[week_start(row.executed_on)].append(row)
        so_far = []
        for monday in sorted(weeks):
            so_far += weeks[monday]
            counts, sums = tally(weeks[monday]), tally(so_far)
            made.append(
                label
                | {
                    "weekStartDate": monday,
                    "isoYear": monday.isocalendar().year,
                    "isoWeek": monday.isocalendar().week,
                    "executedCount": counts["executed"],
                    "passedCount": counts["Success"],
                    "failedCount": counts["Failure"],
                    "blockedCount": counts["Blocked"],
                    "passRate": rate(counts["Success"], counts["executed"]),
                    "failRate": rate(counts["Failure"], counts["executed"]),
                    "blockRate": rate(counts["Blocked"], counts["executed"]),
                    "cumulativeExecutedCount": sums["executed"],
                    "cumulativePassedCount": sums["Success"],
                    "cumulativePassRate": rate(sums["Success"], sums["executed"]),
                }
            )
    return made


def of_place(label, row):
    """Whether a row that names a project, a release and a cycle belongs to a place."""
    return all(label[name] is None or row[name] == label[name] for name in ("projectId", "releaseId", "cycleId"))


def judged_cycles(level, own):
    """How cycles stand against their plans, taken together."""
    planned = [row for row in own if row["plannedRemaining"] is not None]
    added = lambda name: sum(row[name] for row in planned) if planned else None  # noqa: E731
    remaining = sum(row["remainingTestcases"] for row in planned)
    unfinished = [row["forecastDate"] for row in own if row["remainingTestcases"] > 0 or level == "cycle"]
    paced = [row["velocity"] for row in own if row["isActiveCycle"] or level == "cycle"]
    paced = [velocity for velocity in paced if velocity is not None]
    total, burned = sum(row["totalTestcases"] for row in own), sum(row["burnedTestcases"] for row in own)
    return {
        "plannedTestsRemaining": added("plannedRemaining"),
        "plannedTestsRemainingAdjusted": added("plannedAdjusted"),
        "actualVsPlannedDelta": remaining - added("plannedRemaining") if planned else None,
        "burndownVelocity": sum(paced) if paced else None,
        "daysBehindSchedule": worst(row["daysBehindSchedule"] for row in own),
        "forecastCompletionDate": None if None in unfinished else worst(unfinished),
        "burndownHealthScore": mean(row["burndownHealthScore"] for row in own),
        "burndownHealthScoreOriginal": mean(row["burndownHealthScoreOriginal"] for row in own),
        "cycleHealthScore": mean(row["cycleHealthScore"] for row in own),
        "cycleProgressPct": mean(row["cycleProgressPct"] for row in own),
        "cycleCompletionPct": percent(burned, total),
    }


def covered(facts, label):
    """How many requirements there are and have a test case; not told of a release or a cycle."""
    if label["level"] not in ("all", "project"):
        return {}
    rows = [row for row in states(facts).values() if label["projectId"] in (None, row["projectId"])]
    count, with_testcase = len(rows), sum(row["isCovered"] for row in rows)
    return {
        "requirementCount": count,
        "requirementsCoveredCount": with_testcase,
        "requirementsRemainingCount": count - with_testcase,
        "coveragePct": percent(with_testcase, count),
    }


@mart("analyse.kpi", "level", "projectId", "releaseId", "cycleId")
def kpi(facts):
    made, total = [], len(facts.executions)
    growth_days = timedelta(days=facts.number("executionGrowthDays"))
    recent_days = timedelta(days=facts.number("executionsRecentDays"))
    as_of = facts.as_of
    for label, rows in places(facts):
        counts = tally(rows)
        own = [row for row in cycle_measures(facts).values() if of_place(label, row)]
        days = [row.executed_on for row in rows if row.is_executed and row.executed_on]
        timed = [row.duration_ms / 1000 for row in rows if row.duration_ms is not None]
        scope, done = sum(row["totalTestcases"] for row in own), sum(row["burnedTestcases"] for row in own)
        since = as_of - growth_days
        before = sum(day <= since for day in days)
        both = [row.duration_ms - row.estimated_ms for row in rows if None not in (row.duration_ms, row.estimated_ms)]
        made.append(
            label
            | judged_cycles(label["level"], own)
            | covered(facts, label)
            | {
                "timeVarianceMinutes": sum(both) / 60_000 if both else None,
                "asOf": as_of,
                "executionCount": counts["all"],
                "executedCount": counts["executed"],
                "passedCount": counts["Success"],
                "failedCount": counts["Failure"],
                "blockedCount": counts["Blocked"],
                "pendingCount": counts["Pending"],
                "otherCount": counts["Other"],
                "executionsLast7Days": sum(as_of - recent_days < day <= as_of for day in days),
                "executionsThisWeek": sum(week_start(as_of) <= day <= as_of for day in days),
                "executionsThisMonth": sum(as_of.replace(day=1) <= day <= as_of for day in days),
                "totalTestcases": scope,
                "testsCompletedCount": done,
                "testsRemainingCount": scope - done,
                "executionRatePct": percent(counts["executed"], counts["all"]),
                "shareOfExecutionsPct": percent(counts["all"], total),
                "passRatePct": percent(counts["Success"], counts["executed"]),
                "failRatePct": percent(counts["Failure"], counts["executed"]),
                "blockRatePct": percent(counts["Blocked"], counts["executed"]),
                "passRateOfTotalPct": percent(counts["Success"], counts["all"]),
                "failRateOfTotalPct": percent(counts["Failure"], counts["all"]),
                "blockRateOfTotalPct": percent(counts["Blocked"], counts["all"]),
                "testsRemainingPct": percent(scope - done, scope),
                "averageExecutionDurationSeconds": mean(timed),
                "totalExecutionTimeHours": sum(timed) / 3600 if timed else None,
                "executionTimeVariance": statistics.variance(timed) if len(timed) > 1 else None,
                "executionGrowthRate": rate(len([day for day in days if since < day <= as_of]), before),
            }
        )
    return made
