"""Marts about test cases: how stable they are, which are stale, whether failures name a defect."""

from collections import defaultdict

from days import local_day
from facts import rate, tally, tidy
from registry import mart

LETTERS = {"Success": "P", "Failure": "F", "Blocked": "B"}


def runs_in_order(rows):
    """Executed rows, the oldest first; those without an instant before all others."""
    runs = [row for row in rows if row.is_executed]
    return sorted(runs, key=lambda row: (row.executed_at is not None, row.executed_at or 0, row.id))


def flips(runs):
    return sum(before.category != after.category for before, after in zip(runs, runs[1:]))


def placed_testcases(facts):
    """Every test case that lies in a folder or is scheduled: its newest placement, and its project."""
    if "testcases" not in facts.memo:
        found = {}
        for row in facts.placements:
            testcase = row["testcase"]
            known = found.get(testcase["testcaseId"])
            if known is None or row["versionNumber"] > known["version"]:
                found[testcase["testcaseId"]] = {
                    "version": row["versionNumber"],
                    "name": tidy(testcase["name"]),
                    "external": tidy(testcase.get("externalId")),
                    "project": row["project"],
                    "priority": testcase.get("priority"),
                    "created": local_day(testcase.get("creationDate")),
                    "description": tidy(testcase.get("description")),
                    "automated": testcase["automated"],
                }
        facts.memo["testcases"] = found
    return facts.memo["testcases"]


def by_testcase(facts):
    rows = defaultdict(list)
    for row in facts.executions:
        rows[row.testcase].append(row)
    return rows


def link_counts(facts):
    counts = defaultdict(int)
    for testcase, _ in facts.links:
        counts[testcase] += 1
    return counts


def label(facts, id_):
    testcase = placed_testcases(facts)[id_]
    return {
        "testcaseId": id_,
        "projectId": testcase["project"],
        "projectName": facts.projects[testcase["project"]]["name"],
        "testcaseName": testcase["name"],
        "priorityName": f"P{testcase['priority']}" if testcase["priority"] else None,
        "externalId": testcase["external"],
        "testcasePriorityNumeric": min(int(testcase["priority"]), 4) if testcase["priority"] else None,
    }


def recent_runs(facts, runs):
    return runs[-int(facts.number("stabilityRecentRuns")):]


def is_flaky(facts, recent):
    share = rate(flips(recent), len(recent) - 1)
    if share is None:
        return False
    return len(recent) >= facts.number("flakyMinimumRuns") and share >= facts.number("flakyRateFrom")


@mart("analyse.testcaseStability", "testcaseId")
def testcase_stability(facts):
    made = []
    for id_, rows in by_testcase(facts).items():
        runs = runs_in_order(rows)
        if not runs:
            continue
        recent, counts = recent_runs(facts, runs), tally(runs)
        stability = rate(flips(runs), len(runs) - 1)
        made.append(
            label(facts, id_)
            | {
                "executedCount": len(runs),
                "passCount": counts["Success"],
                "failCount": counts["Failure"],
                "blockCount": counts["Blocked"],
                "flipCount": flips(runs),
                "recentRunCount": len(recent),
                "recentPassCount": sum(row.category == "Success" for row in recent),
                "recentFlipCount": flips(recent),
                "recentResults": "".join(LETTERS[row.category] for row in reversed(recent)),
                "passRate": rate(counts["Success"], len(runs)),
                "failRate": rate(counts["Failure"], len(runs)),
                "recentPassRate": rate(sum(row.category == "Success" for row in recent), len(recent)),
                "flakinessRate": rate(flips(recent), len(recent) - 1),
                "stabilityScore": None if stability is None else 100.0 * (1 - stability),
                "lastExecutionDate": max(row.executed_on for row in runs),
                "daysSinceLastExecution": (facts.as_of - max(row.executed_on for row in runs)).days,
                "isFlaky": is_flaky(facts, recent),
            }
        )
    return made


@mart("analyse.staleTestcase", "testcaseId")
def stale_testcase(facts):
    rows_of, links, made = by_testcase(facts), link_counts(facts), []
    for id_ in placed_testcases(facts):
        rows = rows_of[id_]
        runs = runs_in_order(rows)
        last = max((row.executed_on for row in runs), default=None)
        age = (facts.as_of - last).days if last else None
        if last and age <= facts.number("testcaseStaleDays"):
            continue
        made.append(
            label(facts, id_)
            | {
                "staleReason": "not executed lately" if last else "never executed",
                "lastExecutionDate": last,
                "daysSinceLastExecution": age,
                "createdDate": placed_testcases(facts)[id_]["created"],
                "testcaseAgeDays": (facts.as_of - placed_testcases(facts)[id_]["created"]).days,
                "isAutomated": placed_testcases(facts)[id_]["automated"],
                "isScheduled": any(row.category == "Pending" for row in rows),
                "totalExecutions": len(rows),
                "executedCount": len(runs),
                "pendingCount": sum(row.category == "Pending" for row in rows),
                "requirementCount": links[id_],
                "hasRequirementLink": links[id_] > 0,
            }
        )
    return made


@mart("analyse.defectCompliance", "cycleId")
def defect_compliance(facts):
    made = []
    for id_, cycle in facts.cycles.items():
        rows = [row for row in facts.of(cycle=id_) if row.category in ("Failure", "Blocked")]
        if not rows:
            continue
        failed = [row for row in rows if row.category == "Failure"]
        blocked = [row for row in rows if row.category == "Blocked"]
        linked = lambda members: sum(bool(row.defects) for row in members)  # noqa: E731
        target = facts.number("defectLinkTargetRate")
        made.append(
            {
                "cycleId": id_,
                "releaseId": cycle["release"],
                "projectId": cycle["project"],
                "cycleName": cycle["name"],
                "projectName": facts.projects[cycle["project"]]["name"],
                "releaseName": facts.releases[cycle["release"]]["name"],
                "failedExecutions": len(failed),
                "failedWithDefect": linked(failed),
                "failedWithoutDefect": len(failed) - linked(failed),
                "blockedExecutions": len(blocked),
                "blockedWithDefect": linked(blocked),
                "blockedWithoutDefect": len(blocked) - linked(blocked),
                "defectCount": len({defect["id"] for row in rows for defect in row.defects}),
                "failedDefectLinkRate": rate(linked(failed), len(failed)),
                "blockedDefectLinkRate": rate(linked(blocked), len(blocked)),
                "defectLinkRate": rate(linked(rows), len(rows)),
                "isBelowTarget": linked(failed) / len(failed) < target if failed else None,
            }
        )
    return made


@mart("analyse.executionWithoutDefect", "executionId")
def execution_without_defect(facts):
    return [
        {
            "executionId": row.id,
            "projectId": row.project,
            "releaseId": row.release,
            "cycleId": row.cycle,
            "testcaseId": row.testcase,
            "testcaseName": placed_testcases(facts)[row.testcase]["name"],
            "releaseName": facts.releases[row.release]["name"],
            "hasComment": row.comment is not None,
            "projectName": facts.projects[row.project]["name"],
            "cycleName": facts.cycles[row.cycle]["name"],
            "statusCategory": row.category,
            "executionDate": row.executed_on,
            "daysOpen": (facts.as_of - row.executed_on).days,
        }
        for row in facts.executions
        if row.category in ("Failure", "Blocked") and not row.defects
    ]
