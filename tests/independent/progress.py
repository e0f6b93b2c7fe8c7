"""Marts about how far things are: cycles, rates, workload, freshness."""

import math
import re
from collections import defaultdict
from datetime import timedelta

import burndown
from facts import percent, rate, tally
from registry import mart


def courses_of(facts):
    """The burn-down of each cycle that has a start."""
    if "courses" not in facts.memo:
        facts.memo["courses"] = burndown.both_policies(facts)
    return facts.memo["courses"]


def cycle_measures(facts):
    """Per cycle, what cycleProgress, releaseProgress and projectProgress are made of."""
    if facts.memo.get("cycles"):
        return facts.memo["cycles"]
    stays_of = burndown.stays(facts, lambda row: row.burned_day)
    courses = courses_of(facts)
    made = {}
    for id_, cycle in facts.cycles.items():
        made[id_] = measure(facts, id_, cycle, stays_of[id_], courses.get(id_, []))
    facts.memo["cycles"] = made
    return made


def measure(facts, id_, cycle, stays_of, days):
    as_of, start, end = facts.as_of, cycle["start"], cycle["end"]
    rows = facts.of(cycle=id_)
    counts = tally(rows)
    scope, done = burndown.standing(stays_of, as_of)
    total, burned = len(scope), len(done)
    now = burndown.today(days, as_of)
    spans = start and end and end >= start
    length = (end - start).days + 1 if spans else None
    worked = facts.calendar.worked_between(start, end) or None if spans else None
    pass_rate = rate(counts["Success"], counts["executed"])
    completion = rate(burned, total)
    ideal = total / worked if worked else None
    actual = None
    if now and (worked or length is None):
        index = now["workingDayIndex"]
        divisor = min(index, worked) if worked else index
        actual = burned / divisor if divisor else None
    health = None
    if completion is not None and pass_rate is not None and actual is not None and ideal:
        health = 100.0 * (
            facts.number("cycleHealthCompletionWeight") * completion
            + facts.number("cycleHealthVelocityWeight") * min(1.0, actual / ideal)
            + facts.number("cycleHealthQualityWeight") * pass_rate
        )
    progress = None
    if length is not None:
        progress = 100.0 if as_of >= end else 0.0 if as_of < start else 100.0 * (as_of - start).days / (length - 1)
    executed_on = [row.executed_on for row in rows if row.executed_on]
    timed = [row.duration_ms for row in rows if row.duration_ms is not None]
    both = [row.duration_ms - row.estimated_ms for row in rows if None not in (row.duration_ms, row.estimated_ms)]
    size = "Medium"
    if total < facts.number("cycleSizeSmallBelow"):
        size = "Small"
    elif total > facts.number("cycleSizeLargeAbove"):
        size = "Large"
    return {
        "cycleId": id_,
        "releaseId": cycle["release"],
        "projectId": cycle["project"],
        "projectName": facts.projects[cycle["project"]]["name"],
        "releaseName": facts.releases[cycle["release"]]["name"],
        "cycleName": cycle["name"],
        "environment": cycle["environment"],
        "environmentCategory": first_pattern(facts.environment_patterns, cycle["environment"], None),
        "cycleType": first_pattern(facts.cycle_type_patterns, cycle["name"], facts.controls["cycleTypeDefault"]),
        "build": cycle["build"],
        "cycleSizeCategory": size,
        "asOf": as_of,
        "cycleStartDate": start,
        "cycleEndDate": end,
        "lastExecutionDate": max(executed_on, default=None),
        "forecastDate": now["forecastDate"] if now else None,
        "cycleDurationDays": length,
        "cycleWorkingDays": worked,
        "daysElapsed": (as_of - start).days if start else None,
        "daysRemaining": (end - as_of).days if end else None,
        "cycleProgressPct": progress,
        "totalTestcases": total,
        "burnedTestcases": burned,
        "remainingTestcases": total - burned,
        "plannedRemaining": now["plannedRemaining"] if now else None,
        "totalExecutions": counts["all"],
        "completedExecutions": counts["executed"],
        "passedExecutions": counts["Success"],
        "failedExecutions": counts["Failure"],
        "blockedExecutions": counts["Blocked"],
        "pendingExecutions": counts["Pending"],
        "otherExecutions": counts["Other"],
        "cycleCompletionRate": completion,
        "cycleCompletionPct": percent(burned, total),
        "cyclePassRate": pass_rate,
        "passRateOfTotal": rate(counts["Success"], counts["all"]),
        "blockRate": rate(counts["Blocked"], counts["all"]),
        "idealBurndownVelocity": ideal,
        "actualBurndownVelocity": actual,
        "daysBehindSchedule": burndown.ceiling(now["daysBehind"]) if now else None,
        "burndownHealthScore": now["burndownHealthScore"] if now else None,
        "cycleHealthScore": health,
        "avgExecutionDurationSeconds": sum(timed) / 1000 / len(timed) if timed else None,
        "timeVarianceMinutes": sum(both) / 60_000 if both else None,
        "burndownHealthScoreOriginal": now["burndownHealthScoreOriginal"] if now else None,
        "plannedAdjusted": now["plannedAdjusted"] if now else None,
        "velocity": now["velocity"] if now else None,
        "isActiveCycle": start <= as_of <= end if length is not None else None,
        "isPastCycle": end < as_of if end else None,
        "isFutureCycle": start > as_of if start else None,
        "isOnTrack": total - burned <= now["plannedRemaining"] if now and now["plannedRemaining"] is not None else None,
        "isStale": cycle["project"] in facts.stale,
    }


def first_pattern(patterns, text, otherwise):
    """What the first pattern that fits a text stands for."""
    for pattern, meaning in patterns:
        if text and re.search(pattern, text.lower()):
            return meaning
    return otherwise


def shown(row):
    """A row without what is only remembered beside it."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


@mart("analyse.cycleProgress", "cycleId")
def cycle_progress(facts):
    return [shown(row) for row in cycle_measures(facts).values()]


@mart("analyse.burndown", "cycleId", "cycleDateKey")
def burndown_days(facts):
    courses = courses_of(facts)
    names = cycle_measures(facts)
    label = ("cycleId", "releaseId", "projectId", "projectName", "releaseName", "cycleName", "isStale")
    left_out = ("cycleStartDate", "scopeAtStartCount", "burndownHealthScoreOriginal")
    return [
        {name: names[id_][name] for name in label} | {name: day[name] for name in day if name not in left_out}
        for id_, days in courses.items()
        for day in days
    ]


def trend(facts, rows):
    """Whether the pass rate of late differs from that before."""
    span = timedelta(days=facts.number("passRateTrendDays"))
    dated = [row for row in rows if row.is_executed and row.executed_on and row.executed_on <= facts.as_of]
    recent = [row for row in dated if row.executed_on > facts.as_of - span]
    before = [row for row in dated if facts.as_of - 2 * span < row.executed_on <= facts.as_of - span]
    passed = lambda of: rate(sum(row.category == "Success" for row in of), len(of))  # noqa: E731
    now, then, points = passed(recent), passed(before), facts.number("passRateTrendPoints")
    change = 100.0 * (now - then) if now is not None and then is not None else None
    word = None
    if change is not None:
        word = "Improving" if change >= points else "Declining" if change <= -points else "Stable"
    return {
        "recentExecutedCount": len(recent),
        "previousExecutedCount": len(before),
        "recentPassRate": now,
        "previousPassRate": then,
        "passRateChangePoints": change,
        "passRateTrend": word,
    }


@mart("refine.cycleBurndown", "cycleId", "cycleDateKey")
def cycle_burndown(facts):
    return [day | {"cycleId": id_} for id_, days in courses_of(facts).items() for day in days]


@mart("analyse.passRate", "level", "projectId", "releaseId", "cycleId", "cyclePhaseId")
def pass_rate(facts):
    places = [("all", None, None, None, None)] if "all" in facts.levels else []
    places += [("project", id_, None, None, None) for id_ in facts.projects]
    places += [("release", row["project"], id_, None, None) for id_, row in facts.real_releases().items()]
    places += [("cycle", row["project"], row["release"], id_, None) for id_, row in facts.cycles.items()]
    places += [("phase", row["project"], row["release"], row["cycle"], id_) for id_, row in facts.phases.items()]
    rows = []
    for level, project, release, cycle, phase in places:
        place = dict(project=project, release=release, cycle=cycle, phase=phase)
        members = facts.of(**{name: id_ for name, id_ in place.items() if id_ is not None})
        counts = tally(members)
        rows.append(
            trend(facts, members)
            | {
                "level": level,
                "projectId": project,
                "releaseId": release,
                "cycleId": cycle,
                "cyclePhaseId": phase,
                "projectName": facts.projects[project]["name"] if project else None,
                "releaseName": facts.releases[release]["name"] if release else None,
                "cycleName": facts.cycles[cycle]["name"] if cycle else None,
                "cyclePhaseName": facts.phases[phase]["name"] if phase else None,
                "executionCount": counts["all"],
                "executedCount": counts["executed"],
                "passedCount": counts["Success"],
                "failedCount": counts["Failure"],
                "blockedCount": counts["Blocked"],
                "pendingCount": counts["Pending"],
                "otherCount": counts["Other"],
                "passRate": rate(counts["Success"], counts["executed"]),
                "passRateOfTotal": rate(counts["Success"], counts["all"]),
                "failRate": rate(counts["Failure"], counts["executed"]),
                "blockRate": rate(counts["Blocked"], counts["executed"]),
                "executionRate": rate(counts["executed"], counts["all"]),
                "isStale": project in facts.stale if project else bool(facts.stale),
            }
        )
    return rows


@mart("analyse.testerWorkload", "testerId", "projectId")
def tester_workload(facts):
    work = defaultdict(lambda: ([], []))
    for row in facts.executions:
        work[row.tester, row.project][0].append(row)
        if row.is_executed:
            doer = row.executed_by if row.executed_by is not None else row.tester
            work[doer, row.project][1].append(row)
    recent_days = facts.number("workloadRecentDays")
    rows = []
    for (tester, project), (given, done) in work.items():
        user = facts.users.get(tester)
        days = [row.executed_on for row in done if row.executed_on]
        last = max(days, default=None)
        timed = [row.duration_ms for row in done if row.duration_ms is not None]
        rows.append(
            {
                "testerId": tester,
                "projectId": project,
                "testerName": user["name"] if user else "Anyone",
                "projectName": facts.projects[project]["name"],
                "lastExecutionDate": last,
                "daysSinceLastExecution": (facts.as_of - last).days if last else None,
                "assignedCount": len(given),
                "pendingCount": sum(row.category == "Pending" for row in given),
                "executedCount": len(done),
                "recentExecutedCount": sum(0 <= (facts.as_of - day).days < recent_days for day in days),
                "executedHours": math.fsum(timed) / 3_600_000 if timed else None,
                "isListed": user is not None,
            }
        )
    return rows


def slices(served):
    """What each kind of listing holds, by what it hangs below."""
    counts = defaultdict(int)
    for row in served.projects:
        counts["dimRelease", (row["id"],)] += 0
    for row in served.releases:
        if not row["projectRelease"]:
            counts["dimRelease", (row["projectId"],)] += 1
            counts["dimCycle", (row["projectId"], row["id"])] += 0
    for row in served.cycles:
        counts["dimCycle", (row["project"], row["release"])] += 1
    for row in served.phases:
        counts["factExecution", (row["project"], row["release"], row["cycle"], row["phase"])] += 0
    for row in served.executions:
        counts["factExecution", (row["project"], row["release"], row["cycle"], row["phase"])] += 1
    return dict(counts)


@mart("analyse.freshness", "resource", "sliceKey", is_partial=True)
def freshness(facts):
    now, ever = slices(facts.looks[-1][1]), {}
    for day, look in facts.looks:
        for place, count in slices(look).items():
            if place[1][0] not in look.forbidden:
                ever[place] = (day, count)
    made = []
    names = ("projectId", "releaseId", "cycleId", "cyclePhaseId")
    for (resource, ids), (day, count) in ever.items():
        is_gone = (resource, ids) not in now
        key = "{" + ",".join(f'"{name}":{id_}' for name, id_ in zip(names, ids)) + "}"
        made.append(
            {
                "resource": resource,
                "sliceKey": key,
                "rowCount": 0 if is_gone else count,
                "isGone": is_gone,
                "isStale": ids[0] in facts.stale,
            }
            | dict(zip(names, ids))
            | ({} if is_gone else {"lastCompleteDate": day, "ageDays": (facts.as_of - day).days})
        )
    return made
