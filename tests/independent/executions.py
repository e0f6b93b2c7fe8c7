"""What an execution is said to be: its time, its place in its cycle, and what was known when it ended."""

import math
import statistics
from collections import defaultdict
from datetime import datetime, timezone

import burndown
from days import DAY, ZONE, day_id
from facts import rate
from progress import cycle_measures
from registry import mart
from testcases import recent_runs

EARLY = datetime(1970, 1, 1, tzinfo=timezone.utc)


def duration_class(facts, seconds):
    if seconds is None:
        return None
    if seconds < facts.number("durationFastBelowSeconds"):
        return "Fast"
    return "Slow" if seconds > facts.number("durationSlowAboveSeconds") else "Normal"


def timings(rows):
    """The durations of the executions of each cycle."""
    of_cycle = defaultdict(list)
    for row in rows:
        if row.duration_ms is not None:
            of_cycle[row.cycle].append(row.duration_ms / 1000)
    return of_cycle


def is_outlier(facts, seconds, others):
    if seconds is None:
        return None
    if len(others) < facts.number("durationOutlierMinimumRuns") or len(others) < 2:
        return False
    middle, spread = math.fsum(others) / len(others), statistics.pstdev(others) * math.sqrt(len(others) / (len(others) - 1))
    return abs(seconds - middle) > facts.number("durationOutlierSigmas") * spread


def clock(facts, row):
    """What the local time of an execution says."""
    if row.executed_at is None:
        return {"executionHour": None, "executionDayOfWeek": None, "executionMonthName": None}
    local = row.executed_at.astimezone(ZONE)
    is_weekend = local.weekday() >= 5
    is_outside = not facts.number("businessHoursStart") <= local.hour < facts.number("businessHoursEnd")
    return {
        "executionHour": local.hour,
        "executionDayOfWeek": local.strftime("%A"),
        "executionMonthName": local.strftime("%B"),
        "executionWeekNumber": local.isocalendar().week,
        "isWeekendExecution": is_weekend,
        "isAfterHoursExecution": is_outside or (is_weekend and facts.controls["weekendIsAfterHours"] == "on"),
    }


def in_cycle(facts, row, measures):
    """Where an execution stands in the calendar of its cycle."""
    cycle, day = facts.cycles[row.cycle], row.executed_on
    start, end, worked = cycle["start"], cycle["end"], facts.calendar.worked_between
    made = {
        "cycleStartDate": start,
        "cycleEndDate": end,
        "cycleDurationDays": measures["cycleDurationDays"],
        "cycleWorkingDays": measures["cycleWorkingDays"],
        "totalTestcases": measures["totalTestcases"],
    }
    if day is None:
        return made | {"dayOfCycle": None, "workingDayIndex": None, "cycleProgressPct": None, "isLateExecution": None}
    index = worked(start, day) if day >= start else 0
    length = measures["cycleDurationDays"]
    progress = None
    if length is not None:
        progress = 100.0 if day >= end else 0.0 if day < start else 100.0 * (day - start).days / (length - 1)
    since = worked(start + DAY, day) if day >= start else -worked(day + DAY, start)
    until = worked(day + DAY, end) if day <= end else -worked(end + DAY, day)
    return made | {
        "cycleDateKey": day_id(day),
        "dayOfCycle": (day - start).days + 1 if day >= start else None,
        "workingDayIndex": index,
        "workingDayNumber": index if day >= start and facts.calendar.is_worked(day) else None,
        "isWorkingDay": facts.calendar.is_worked(day),
        "daysSinceCycleStart": (day - start).days,
        "daysUntilCycleEnd": (end - day).days,
        "workingDaysSinceCycleStart": since,
        "workingDaysUntilCycleEnd": until,
        "cycleProgressPct": progress,
        "isLateExecution": day > end,
    }


def so_far(facts):
    """Per executed execution, what its tester and its test case had done up to and including it."""
    made, testcases = {}, defaultdict(list)
    testers = defaultdict(lambda: {"runs": 0, "passed": 0, "seconds": [0.0, 0]})
    runs = [row for row in facts.executions if row.is_executed and row.executed_at]
    for row in sorted(runs, key=lambda row: (row.executed_at, row.id)):
        tester = testers[row.executed_by if row.executed_by is not None else row.tester]
        tester["runs"] += 1
        tester["passed"] += row.category == "Success"
        if row.duration_ms is not None:
            tester["seconds"] = [tester["seconds"][0] + row.duration_ms / 1000, tester["seconds"][1] + 1]
        of_testcase = testcases[row.testcase]
        of_testcase.append(row)
        recent = recent_runs(facts, of_testcase)
        made[row.id] = {
            "testerTotalExecutions": tester["runs"],
            "testerPassRate": rate(tester["passed"], tester["runs"]),
            "testerAvgDurationSeconds": rate(*tester["seconds"]),
            "testcaseExecutionCount": len(of_testcase),
            "testcaseFailCount": sum(one.category == "Failure" for one in of_testcase),
            "testcaseStabilityScore": rate(sum(one.category == "Success" for one in recent), len(recent)),
        }
    return made


def attempts(rows):
    """Which run of its test case in its cycle an execution is."""
    order = sorted(rows, key=lambda row: (row.executed_at is None, row.executed_at or EARLY, row.id))
    return {row.id: number for number, row in enumerate(order, 1)}


def percentile(seconds, others):
    if seconds is None:
        return None
    shorter = sum(other < seconds for other in others)
    return math.floor(100 * shorter / (len(others) - 1) + 0.5) if len(others) > 1 else 0


def at_execution(facts, row, measures, stays_of, firsts):
    """How far the cycle was at the instant of an execution."""
    if not row.is_executed or row.executed_on is None:
        return {"testsCompletedAtExecution": None, "testsRemainingAtExecution": None, "actualVsPlannedDelta": None}
    scope, burned = burndown.standing(stays_of, row.executed_on)
    later = {one for one in burned if firsts.get(one, (None,))[0] == row.executed_on and firsts[one][1] > row.executed_at}
    done = len(burned - later)
    total, worked = measures["totalTestcases"], measures["cycleWorkingDays"]
    index = facts.calendar.worked_between(facts.cycles[row.cycle]["start"], row.executed_on)
    planned = math.ceil(max(0, total * (worked - index)) / worked - 1e-9) if worked else None
    delta = len(scope) - done - planned if planned is not None else None
    return {
        "testsCompletedAtExecution": done,
        "testsRemainingAtExecution": len(scope) - done,
        "plannedTestsRemaining": planned,
        "actualVsPlannedDelta": delta,
        "isAheadOfSchedule": None if delta is None else delta < 0,
        "isBehindSchedule": None if delta is None else delta > 0,
        "burndownVelocity": done / index if index else 0.0,
    }


def first_burns(rows):
    """Per test case, the day and the instant of its first burned execution."""
    found = {}
    for row in rows:
        if row.burned_day and row.executed_at:
            known = found.get(row.testcase)
            found[row.testcase] = min(known, (row.burned_day, row.executed_at)) if known else (row.burned_day, row.executed_at)
    return found


@mart("refine.factExecution", "executionId")
def fact_execution(facts):
    measures, durations, running = cycle_measures(facts), timings(facts.executions), so_far(facts)
    twins, of_cycle = defaultdict(list), defaultdict(list)
    for row in facts.executions:
        twins[row.cycle, row.testcase].append(row)
        of_cycle[row.cycle].append(row)
    attempt = {id_: number for rows in twins.values() for id_, number in attempts(rows).items()}
    firsts = {cycle: first_burns(rows) for cycle, rows in of_cycle.items()}
    stays_of = burndown.stays(facts, lambda row: row.burned_day)
    made = []
    for row in facts.executions:
        seconds = None if row.duration_ms is None else row.duration_ms / 1000
        others = durations[row.cycle]
        minutes = lambda span: None if span is None else span / 60_000  # noqa: E731
        has_both = row.duration_ms is not None and row.estimated_ms is not None
        detail = row.category
        if row.category == "Pending":
            detail += "/Unassigned" if row.tester in (-10, -1, None) else "/Assigned"
        made.append(
            {
                "executionId": row.id,
                "projectId": row.project,
                "releaseId": row.release,
                "cycleId": row.cycle,
                "cyclePhaseId": row.phase,
                "testcaseId": row.testcase,
                "testerId": row.tester,
                "executedById": row.executed_by,
                "statusCode": row.code,
                "statusCategory": row.category,
                "statusCategoryDetailed": detail,
                "assignmentDate": row.assigned,
                "executionDate": row.executed_on,
                "executionDateTime": row.executed_at,
                "lastModifiedDate": row.modified_on,
                "scopeDate": row.scope_day,
                "burnedDate": row.burned_day,
                "durationSeconds": seconds,
                "durationCategory": duration_class(facts, seconds),
                "isDurationOutlier": is_outlier(facts, seconds, others) if seconds is not None else False,
                "actualTimeMinutes": minutes(row.duration_ms),
                "estimatedTimeMinutes": minutes(row.estimated_ms),
                "timeVarianceMinutes": minutes(row.duration_ms - row.estimated_ms) if has_both else None,
                "commentLength": len(row.comment or ""),
                "hasComment": bool(row.comment),
                "isPassed": row.category == "Success",
                "isFailed": row.category == "Failure",
                "isBlocked": row.category == "Blocked",
                "isNotExecuted": row.category == "Pending",
                "isExecuted": row.is_executed,
                "isBurned": row.burned_day is not None,
                "isRemaining": row.burned_day is None,
                "durationPercentile": percentile(seconds, others),
                "executionAttempt": attempt[row.id],
                "isRepeatExecution": len(twins[row.cycle, row.testcase]) > 1,
            }
            | clock(facts, row)
            | in_cycle(facts, row, measures[row.cycle])
            | running.get(row.id, {})
            | at_execution(facts, row, measures[row.cycle], stays_of[row.cycle], firsts[row.cycle])
        )
    return made
