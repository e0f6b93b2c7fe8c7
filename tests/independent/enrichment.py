"""The enriched star: what a project, a release, a test case, a tester, a status and a day are said to be."""

import math
import re
from collections import defaultdict
from datetime import timedelta

import lake
from coverage import states
from days import DAY, day_id, week_start, whole_months
from facts import percent, rate, tally
from progress import cycle_measures
from registry import mart
from testcases import by_testcase, flips, is_flaky, link_counts, placed_testcases, recent_runs, runs_in_order


@mart("refine.dimDate", "dateId")
def dim_date(facts):
    made, first_month = [], int(facts.number("fiscalYearStartMonth"))
    monday = week_start(facts.as_of)
    for row in lake.rows(facts.lake, "refine.dimDate"):
        day = row["date"]
        if day is None:
            made.append({"dateId": -1})
            continue
        month = (day.month - first_month) % 12 + 1
        this_month, last_month = (facts.as_of.year, facts.as_of.month), facts.as_of.replace(day=1) - DAY
        quarter = (day.year, (day.month - 1) // 3)
        period = "Older"
        if monday <= day < monday + 7 * DAY:
            period = "Current Week"
        elif monday - 7 * DAY <= day < monday:
            period = "Last Week"
        elif (day.year, day.month) == this_month:
            period = "Current Month"
        elif (day.year, day.month) == (last_month.year, last_month.month):
            period = "Last Month"
        elif quarter == (facts.as_of.year, (facts.as_of.month - 1) // 3):
            period = "Current Quarter"
        elif day > facts.as_of:
            period = "Future"
        tomorrow = day + DAY
        made.append(
            {
                "dateId": day_id(day),
                "year": day.year,
                "quarter": quarter[1] + 1,
                "month": day.month,
                "isoWeek": day.isocalendar().week,
                "isoYear": day.isocalendar().year,
                "dayOfWeek": day.isoweekday(),
                "dayName": day.strftime("%A"),
                "dayOfYear": day.timetuple().tm_yday,
                "weekOfMonth": math.ceil(day.day / 7),
                "fiscalMonth": month,
                "fiscalQuarter": (month + 2) // 3,
                "fiscalYear": day.year + (1 if first_month > 1 and day.month >= first_month else 0),
                "isWeekend": day.weekday() >= 5,
                "isHoliday": day in facts.calendar.holidays,
                "isBusinessDay": facts.calendar.is_worked(day),
                "reportingPeriod": period,
                "periodLabel": day.strftime("%b %Y"),
                "season": ("Winter", "Spring", "Summer", "Autumn")[day.month % 12 // 3],
                "isCurrentPeriod": (day.year, day.month) == this_month,
                "isPreviousPeriod": (day.year, day.month) == (last_month.year, last_month.month),
                "isMonthEnd": tomorrow.day == 1,
                "isQuarterEnd": tomorrow.day == 1 and tomorrow.month in (1, 4, 7, 10),
                "isYearEnd": tomorrow.day == 1 and tomorrow.month == 1,
                "isFuture": day > facts.as_of,
            }
        )
    return made


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


@mart("refine.dimProject", "projectId")
def dim_project(facts):
    made, cycles = [{"projectId": None}], cycle_measures(facts)
    for id_, project in facts.projects.items():
        rows = facts.of(project=id_)
        counts, testcases = tally(rows), len({row.testcase for row in rows})
        own = [row for row in cycles.values() if row["projectId"] == id_]
        passed, completed = mean(row["cyclePassRate"] for row in own), mean(row["cycleCompletionRate"] for row in own)
        blocked = rate(counts["Blocked"], counts["all"])
        health = None
        if None not in (passed, completed, blocked):
            health = 100.0 * (
                facts.number("projectHealthPassWeight") * passed
                + facts.number("projectHealthCompletionWeight") * completed
                + facts.number("projectHealthUnblockedWeight") * (1 - blocked)
            )
        size = "Medium"
        if testcases < facts.number("projectSizeSmallBelow"):
            size = "Small"
        elif testcases > facts.number("projectSizeLargeAbove"):
            size = "Large"
        complexity = "Moderate"
        if size == "Small" and len(own) <= facts.number("projectSimpleMaximumCycles"):
            complexity = "Simple"
        elif size == "Large" or len(own) > facts.number("projectComplexAboveCycles"):
            complexity = "Complex"
        age = (facts.as_of - project["created"]).days
        status = "Active" if project["active"] else "Cancelled"
        if project["end"] and project["end"] < facts.as_of:
            status = "Completed"
        made.append(
            {
                "projectId": id_,
                "projectName": project["name"],
                "projectStatusCategory": status,
                "projectAgeDays": age,
                "projectAgeMonths": whole_months(project["created"], facts.as_of),
                "projectAgeYears": age / 365.25,
                "isRecentProject": age <= facts.number("projectRecentDays"),
                "isMatureProject": age > facts.number("projectMatureDays"),
                "totalReleases": sum(row["project"] == id_ for row in facts.real_releases().values()),
                "totalCycles": len(own),
                "totalTestcases": testcases,
                "totalExecutions": counts["all"],
                "completedExecutions": counts["executed"],
                "passedExecutions": counts["Success"],
                "failedExecutions": counts["Failure"],
                "blockedExecutions": counts["Blocked"],
                "pendingExecutions": counts["Pending"],
                "otherExecutions": counts["Other"],
                "avgPassRate": passed,
                "avgCompletionRate": completed,
                "projectPassRate": rate(counts["Success"], counts["executed"]),
                "blockRate": blocked,
                "projectHealthScore": health,
                "projectSizeCategory": size,
                "projectComplexity": complexity,
            }
        )
    return made


def release_type(facts, name):
    if re.search(facts.controls["releaseHotfixPattern"], name.lower()):
        return "Hotfix"
    found = re.search(facts.controls["releaseVersionPattern"], name)
    if not found:
        return None
    if int(found.group(4) or 0):
        return "Patch"
    return "Minor" if int(found.group(2)) else "Major"


@mart("refine.dimRelease", "releaseId")
def dim_release(facts):
    made = [{"releaseId": None}]
    for id_, release in facts.releases.items():
        counts, start, end = tally(facts.of(release=id_)), release["start"], release["end"]
        length = (end - start).days + 1 if start and end and end >= start else None
        progress = None
        if length is not None:
            done = (facts.as_of - start).days
            progress = 100.0 if facts.as_of >= end else 0.0 if done < 0 else 100.0 * done / (length - 1)
        named = end or start
        made.append(
            {
                "releaseId": id_,
                "releaseName": release["name"],
                "releaseStartDate": start,
                "releaseEndDate": end,
                "releaseDurationDays": length,
                "releaseDurationWeeks": math.ceil(length / 7) if length else None,
                "releaseProgressPct": progress,
                "releaseQuarter": f"Q{(named.month + 2) // 3} {named.year}" if named else None,
                "releaseMonth": named.strftime("%B %Y") if named else None,
                "releaseYear": named.year if named else None,
                "releaseType": release_type(facts, release["name"]),
                "totalCycles": sum(row["release"] == id_ for row in facts.cycles.values()),
                "totalExecutions": counts["all"],
                "completedExecutions": counts["executed"],
                "passedExecutions": counts["Success"],
                "failedExecutions": counts["Failure"],
                "blockedExecutions": counts["Blocked"],
                "pendingExecutions": counts["Pending"],
                "releasePassRate": rate(counts["Success"], counts["executed"]),
                "isActiveRelease": start <= facts.as_of <= end if length is not None else None,
                "isPastRelease": end < facts.as_of if end else None,
                "isFutureRelease": start > facts.as_of if start else None,
                "isPseudoRelease": release["pseudo"],
            }
        )
    return made


def frequency(facts, runs):
    """How often a test case is run, by the mean distance between its days with a run."""
    days = sorted({row.executed_on for row in runs})
    if not days:
        return None
    gap = (days[-1] - days[0]).days / (len(days) - 1) if len(days) > 1 else None
    for name in ("Daily", "Weekly", "Monthly"):
        if gap is not None and gap <= facts.number(f"frequency{name}MaximumDays"):
            return name
    return "Rarely"


@mart("refine.dimTestcase", "testcaseId")
def dim_testcase(facts):
    made, rows_of, links = [{"testcaseId": None}], by_testcase(facts), link_counts(facts)
    for id_, testcase in placed_testcases(facts).items():
        rows = rows_of[id_]
        runs, counts = runs_in_order(rows), tally(rows)
        recent, last = recent_runs(facts, runs), max((row.executed_on for row in runs), default=None)
        stability = rate(flips(runs), len(runs) - 1)
        age = (facts.as_of - last).days if last else None
        made.append(
            {
                "testcaseId": id_,
                "testcaseName": testcase["name"],
                "testcaseNameLength": len(testcase["name"]),
                "testcaseAgeDays": (facts.as_of - testcase["created"]).days,
                "testcaseAgeMonths": whole_months(testcase["created"], facts.as_of),
                "isRecentTestcase": (facts.as_of - testcase["created"]).days <= facts.number("testcaseRecentDays"),
                "createdDate": testcase["created"],
                "hasDescription": testcase["description"] is not None,
                "testcaseDescriptionLength": len(testcase["description"] or ""),
                "isAutomated": testcase["automated"],
                "testcasePriorityNumeric": min(int(testcase["priority"]), 4) if testcase["priority"] else None,
                "totalExecutions": len(rows),
                "executedCount": len(runs),
                "passCount": counts["Success"],
                "failCount": counts["Failure"],
                "blockCount": counts["Blocked"],
                "pendingCount": counts["Pending"],
                "passRate": rate(counts["Success"], len(runs)),
                "failRate": rate(counts["Failure"], len(runs)),
                "stabilityScore": None if stability is None else 100.0 * (1 - stability),
                "flakinessRate": rate(flips(recent), len(recent) - 1),
                "isFlaky": is_flaky(facts, recent),
                "requirementCount": links[id_],
                "hasRequirementLink": links[id_] > 0,
                "lastExecutionDate": last,
                "daysSinceLastExecution": age,
                "isStaleTestcase": last is None or age > facts.number("testcaseStaleDays"),
                "executionFrequency": frequency(facts, runs),
            }
        )
    return made


@mart("refine.dimTester", "testerId", is_partial=True)
def dim_tester(facts):
    given, done = defaultdict(list), defaultdict(list)
    for row in facts.executions:
        given[row.tester].append(row)
        if row.is_executed:
            done[row.executed_by if row.executed_by is not None else row.tester].append(row)
    made = []
    stand_ins = {-10} & given.keys()
    for id_ in facts.users.keys() | stand_ins:
        counts, timed = tally(done[id_]), [row.duration_ms / 1000 for row in done[id_] if row.duration_ms is not None]
        days = [row.executed_on for row in done[id_]]
        last = max(days, default=None)
        as_of = facts.as_of
        active = last is not None and (as_of - last).days <= facts.number("activeTesterDays")
        made.append(
            {
                "testerId": id_,
                "totalExecutions": len(done[id_]),
                "passCount": counts["Success"],
                "failCount": counts["Failure"],
                "blockCount": counts["Blocked"],
                "assignedCount": len(given[id_]),
                "pendingCount": sum(row.category == "Pending" for row in given[id_]),
                "passRate": rate(counts["Success"], counts["executed"]),
                "avgExecutionDuration": mean(timed),
                "lastExecutionDate": last,
                "daysSinceLastExecution": (as_of - last).days if last else None,
                "executionsThisMonth": sum(as_of.replace(day=1) <= day <= as_of for day in days),
                "executionsThisWeek": sum(week_start(as_of) <= day <= as_of for day in days),
                "isActiveTester": active,
                "testerProductivityScore": None,
            }
        )
    return made


@mart("refine.dimExecutionStatus", "statusCode", is_partial=True)
def dim_execution_status(facts):
    total, made = len(facts.executions), []
    span = timedelta(days=facts.number("statusTrendDays"))
    recent = [row for row in facts.executions if row.executed_on and facts.as_of - span < row.executed_on <= facts.as_of]
    before = [
        row for row in facts.executions
        if row.executed_on and facts.as_of - 2 * span < row.executed_on <= facts.as_of - span
    ]
    for code in facts.statuses:
        count = lambda rows: sum(row.code == code for row in rows)  # noqa: E731
        now, then = percent(count(recent), len(recent)), percent(count(before), len(before))
        trend = None
        if now is not None and then is not None:
            points = facts.number("statusTrendPoints")
            trend = "Increasing" if now - then >= points else "Decreasing" if then - now >= points else "Stable"
        made.append(
            {
                "statusCode": code,
                "statusFrequency": count(facts.executions),
                "statusPercentage": percent(count(facts.executions), total),
                "recentSharePct": now,
                "previousSharePct": then,
                "statusTrend": trend,
            }
        )
    return made


@mart("refine.dimRequirement", "requirementId", is_partial=True)
def dim_requirement(facts):
    skipped = ("projectName",)
    return [{name: value for name, value in row.items() if name not in skipped} for row in states(facts).values()]
