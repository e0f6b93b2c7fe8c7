"""Marts about requirements: coverage, gaps, the matrix with cycles, its verdict, the coverage burn-down."""

from collections import Counter, defaultdict

from days import local_day
from facts import percent, rate, tally, tidy
from progress import courses_of
from registry import mart
from testcases import by_testcase, runs_in_order

PRIORITIES = {1: "Critical", 2: "High", 3: "Medium", 4: "Low", None: "None"}


def linked_testcases(facts):
    found = defaultdict(set)
    for testcase, requirement in facts.links:
        found[requirement].add(testcase)
    return found


def priority(row):
    return min(int(row["priority"]), 4) if row.get("priority") else None


def states(facts):
    """Per requirement, how far its test cases cover it."""
    if "requirements" in facts.memo:
        return facts.memo["requirements"]
    rows_of, linked = by_testcase(facts), linked_testcases(facts)
    runs_of = {id_: runs_in_order(rows) for id_, rows in rows_of.items()}
    made = {}
    for id_, row in facts.requirements.items():
        testcases = linked[id_]
        executed = [testcase for testcase in testcases if runs_of.get(testcase)]
        latest = [runs_of[testcase][-1].category for testcase in executed]
        passed = sum(category == "Success" for category in latest)
        is_all_passed = bool(testcases) and passed == len(testcases)
        status = "Draft"
        if is_all_passed:
            status = "Validated"
        elif executed:
            status = "Implemented"
        elif testcases:
            status = "Approved"
        complexity = "Moderate"
        if len(testcases) <= facts.number("requirementSimpleMaximumLinks"):
            complexity = "Simple"
        elif len(testcases) > facts.number("requirementComplexAboveLinks"):
            complexity = "Complex"
        urgency = priority(row)
        made[id_] = {
            "requirementId": id_,
            "projectId": row["project"],
            "projectName": facts.projects[row["project"]]["name"],
            "externalId": tidy(row.get("externalId")),
            "requirementName": tidy(row["name"]),
            "requirementPriorityNumeric": urgency,
            "linkedTestcaseCount": len(testcases),
            "executedTestcaseCount": len(executed),
            "passedTestcaseCount": passed,
            "failedTestcaseCount": len(executed) - passed,
            "coverageStatus": "Covered" if is_all_passed else "Partial" if testcases else "Not Covered",
            "coverageScore": rate(passed, len(testcases)),
            "requirementStatus": status,
            "requirementComplexity": complexity,
            "isCovered": bool(testcases),
            "hasPassingTestcase": any(
                run.category == "Success" for testcase in testcases for run in runs_of.get(testcase, [])
            ),
            "isBusinessCritical": None if urgency is None else urgency <= facts.number("businessCriticalPriority"),
            "isAllLinkedExecuted": bool(testcases) and len(executed) == len(testcases),
            "createdDate": local_day(row["createDatetime"]),
            "requirementAgeDays": (facts.as_of - local_day(row["createDatetime"])).days,
            "isStale": row["project"] in facts.stale,
        }
    facts.memo["requirements"] = made
    return made


@mart("analyse.requirementCoverage", "requirementId")
def requirement_coverage(facts):
    first = first_links(facts)
    return [row | {"firstAllocationDate": first.get(id_)} for id_, row in states(facts).items()]


@mart("analyse.requirementGap", "requirementId")
def requirement_gap(facts):
    made = []
    for row in states(facts).values():
        linked, executed = row["linkedTestcaseCount"], row["executedTestcaseCount"]
        if linked and row["passedTestcaseCount"] == linked:
            continue
        gap = "Partly executed"
        if not linked:
            gap = "No test case"
        elif row["failedTestcaseCount"]:
            gap = "Failing"
        elif not executed:
            gap = "Not executed"
        taken = ("requirementId", "projectId", "projectName", "externalId", "requirementName",
                 "requirementPriorityNumeric", "linkedTestcaseCount", "executedTestcaseCount",
                 "passedTestcaseCount", "failedTestcaseCount", "isBusinessCritical", "requirementAgeDays", "isStale")
        order = ("No test case", "Failing", "Not executed", "Partly executed").index(gap) + 1
        made.append({name: row[name] for name in taken} | {"gap": gap, "gapOrder": order})
    return made


def light(facts, linked, scheduled, counts):
    """The traffic light of a requirement in a cycle, and why a grey one is grey."""
    if not linked:
        return "Grey", "no link"
    if not scheduled:
        return "Grey", "nothing scheduled"
    passed = rate(counts["Success"], counts["executed"])
    if counts["Failure"] or (passed is not None and passed < facts.number("matrixAmberMinimum")):
        return "Red", None
    if counts["Pending"] or counts["Blocked"] or counts["Other"]:
        return "Amber", None
    return ("Amber" if passed is None or passed < facts.number("matrixGreenMinimum") else "Green"), None


def matrix(facts):
    if "matrix" in facts.memo:
        return facts.memo["matrix"]
    in_cycle, linked = defaultdict(list), linked_testcases(facts)
    cycles_of_testcase, cycles_of_project = defaultdict(set), defaultdict(list)
    for row in facts.executions:
        in_cycle[row.cycle, row.testcase].append(row)
        cycles_of_testcase[row.testcase].add(row.cycle)
    for id_, cycle in facts.cycles.items():
        cycles_of_project[cycle["project"]].append(id_)
    place = {}
    for cycles in cycles_of_project.values():
        key = lambda id_: (facts.cycles[id_]["start"] is None, facts.cycles[id_]["start"], id_)  # noqa: E731
        place |= {id_: number for number, id_ in enumerate(sorted(cycles, key=key), 1)}
    made = []
    for id_, row in facts.requirements.items():
        cycles = set(cycles_of_project[row["project"]])
        for testcase in linked[id_]:
            cycles |= cycles_of_testcase[testcase]
        for cycle in cycles:
            scheduled = [testcase for testcase in linked[id_] if in_cycle.get((cycle, testcase))]
            counts = tally(run for testcase in scheduled for run in in_cycle[cycle, testcase])
            color, reason = light(facts, linked[id_], scheduled, counts)
            made.append(
                {
                    "requirementId": id_,
                    "cycleId": cycle,
                    "projectId": row["project"],
                    "releaseId": facts.cycles[cycle]["release"],
                    "requirementName": tidy(row["name"]),
                    "cycleName": facts.cycles[cycle]["name"],
                    "cycleStartDate": facts.cycles[cycle]["start"],
                    "cycleOrder": place[cycle],
                    "linkedTestcaseCount": len(linked[id_]),
                    "scheduledTestcaseCount": len(scheduled),
                    "executionCount": counts["all"],
                    "executedCount": counts["executed"],
                    "passedCount": counts["Success"],
                    "failedCount": counts["Failure"],
                    "blockedCount": counts["Blocked"],
                    "pendingCount": counts["Pending"],
                    "otherCount": counts["Other"],
                    "passRate": rate(counts["Success"], counts["executed"]),
                    "light": color,
                    "greyReason": reason,
                    "isScheduled": bool(scheduled),
                }
            )
    facts.memo["matrix"] = made
    return made


@mart("analyse.requirementCycleMatrix", "requirementId", "cycleId")
def requirement_cycle_matrix(facts):
    return matrix(facts)


def verdicts(facts):
    if "verdicts" in facts.memo:
        return facts.memo["verdicts"]
    cells = defaultdict(list)
    for cell in matrix(facts):
        cells[cell["requirementId"]].append(cell)
    made = {}
    for id_, state in states(facts).items():
        scheduled = [cell for cell in cells[id_] if cell["isScheduled"]]
        lights = Counter(cell["light"] for cell in scheduled)
        if not state["linkedTestcaseCount"]:
            verdict = "Not covered"
        elif not scheduled:
            verdict = "Not scheduled"
        elif lights["Red"]:
            verdict = "Not met"
        elif lights["Amber"]:
            verdict = "In progress"
        else:
            verdict = "Met"
        latest = max(scheduled, key=lambda cell: cell["cycleOrder"], default=None)
        made[id_] = {
            "requirementId": id_,
            "projectId": state["projectId"],
            "projectName": state["projectName"],
            "requirementName": state["requirementName"],
            "externalId": state["externalId"],
            "requirementPriorityNumeric": state["requirementPriorityNumeric"],
            "isBusinessCritical": state["isBusinessCritical"],
            "isStale": state["isStale"],
            "verdict": verdict,
            "isRequirementMet": verdict == "Met",
            "latestLight": latest["light"] if latest else None,
            "latestCycleName": latest["cycleName"] if latest else None,
            "linkedTestcaseCount": state["linkedTestcaseCount"],
            "cycleCount": len(scheduled),
            "greenCount": lights["Green"],
            "amberCount": lights["Amber"],
            "redCount": lights["Red"],
            "greyCount": len(cells[id_]) - len(scheduled),
        }
    facts.memo["verdicts"] = made
    return made


@mart("analyse.requirementVerdict", "requirementId")
def requirement_verdict(facts):
    return list(verdicts(facts).values())


@mart("analyse.coverageByProject", "projectId", "priorityLabel")
def coverage_by_project(facts):
    groups = defaultdict(list)
    for project in facts.projects:
        groups[project, "All"] = []
    for row in states(facts).values():
        groups[row["projectId"], "All"].append(row)
        groups[row["projectId"], PRIORITIES[row["requirementPriorityNumeric"]]].append(row)
    made = []
    for (project, label), rows in groups.items():
        count = len(rows)
        covered = sum(row["isCovered"] for row in rows)
        passed = sum(row["coverageStatus"] == "Covered" for row in rows)
        executed = sum(
            row["isCovered"] and row["executedTestcaseCount"] == row["linkedTestcaseCount"] for row in rows
        )
        met = sum(verdicts(facts)[row["requirementId"]]["isRequirementMet"] for row in rows)
        made.append(
            {
                "projectId": project,
                "priorityLabel": label,
                "projectName": facts.projects[project]["name"],
                "requirementCount": count,
                "coveredCount": covered,
                "remainingCount": count - covered,
                "executedCount": executed,
                "fullyPassedCount": passed,
                "partialCount": covered - passed,
                "metCount": met,
                "coveragePct": percent(covered, count),
                "executedPct": percent(executed, count),
                "isStale": project in facts.stale,
                "fullyPassedPct": percent(passed, count),
                "metPct": percent(met, count),
            }
        )
    return made


def first_links(facts):
    """Per requirement, the day of the first of the links it has now."""
    made = {}
    for row in facts.placements:
        testcase = row["testcase"]
        for link in testcase.get("requirementIdsNew", []):
            made[testcase["testcaseId"], link["requirementId"]] = local_day(link["createDatetime"])
    found = {}
    for pair in facts.links:
        # a link that only the requirement names is as old as the first look that saw it
        day = made.get(pair) or facts.linked_since[pair]
        found[pair[1]] = min(day, found.get(pair[1], day))
    return found


@mart("analyse.coverageBurndown", "cycleId", "cycleDateKey")
def coverage_burndown(facts):
    made, linked_on = [], first_links(facts)
    created = {id_: local_day(row["createDatetime"]) for id_, row in facts.requirements.items()}
    for id_, days in courses_of(facts).items():
        project = facts.cycles[id_]["project"]
        own = [requirement for requirement, row in facts.requirements.items() if row["project"] == project]
        if not own:
            continue
        at_start = None
        for day in days:
            seen = min(day["date"], facts.as_of)
            there = [one for one in own if created[one] is None or created[one] <= seen]
            covered = sum(one in linked_on and linked_on[one] <= seen for one in there)
            remaining = len(there) - covered
            at_start = remaining if at_start is None else at_start
            planned = None
            if day["cycleWorkingDays"]:
                left = max(0, day["cycleWorkingDays"] - day["workingDayIndex"])
                planned = at_start * left / day["cycleWorkingDays"]
            row = {
                "cycleId": id_,
                "cycleDateKey": day["cycleDateKey"],
                "date": day["date"],
                "workingDayIndex": day["workingDayIndex"],
                "cycleWorkingDays": day["cycleWorkingDays"],
                "requirementCount": len(there),
                "coveredCount": covered,
                "remainingCount": remaining,
                "remainingPct": percent(remaining, len(there)),
                "plannedRemaining": planned,
                "plannedDelta": remaining - planned if planned is not None else None,
                "isFuture": day["isFuture"],
                "isWithinCycle": day["isWithinCycle"],
            }
            if day["isFuture"]:
                counted = ("requirementCount", "coveredCount", "remainingCount", "remainingPct", "plannedDelta")
                row |= dict.fromkeys(counted)
            made.append(row)
    return made
