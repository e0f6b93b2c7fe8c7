"""Marts about order: which things break which rule, how well a project keeps the rules, and its score."""

from collections import defaultdict

from coverage import linked_testcases
from days import local_day
from facts import tidy
from registry import mart
from testcases import by_testcase, link_counts, placed_testcases



def dates_wrong(thing):
    """What is wrong with the dates of a thing, if anything is."""
    start, end = thing["start"], thing["end"]
    if start is None and end is None:
        return "no start and no end"
    if start is None:
        return "no start"
    if end is None:
        return "no end"
    return "ends before it starts" if end < start else None


class Book:
    """Who was checked by which rule, and what was found."""

    def __init__(self):
        self.checked = defaultdict(int)
        self.offences = []

    def check(self, rule, project, entity, id_, name, found, count=1):
        self.checked[project, rule] += 1
        if found:
            self.offences.append(
                {"ruleName": rule, "projectId": project, "entity": entity, "entityId": id_, "entityName": name,
                 "detail": found, "offenceCount": count}
            )


def book(facts):
    if "hygiene" in facts.memo:
        return facts.memo["hygiene"]
    made = Book()
    for row in facts.served.projects:
        for field in facts.controls["hygieneProjectFields"].split(","):
            value = tidy(row["description"]) if field == "description" else row.get(field.strip())
            found = None if value is not None else f"no {field.strip()}"
            made.check("projectFields", row["id"], "project", row["id"], tidy(row["name"]), found)
    for id_, release in facts.real_releases().items():
        made.check("releaseDates", release["project"], "release", id_, release["name"], dates_wrong(release))
    for id_, cycle in facts.cycles.items():
        check_cycle(facts, made, id_, cycle)
    check_testcases(facts, made)
    linked = linked_testcases(facts)
    for id_, row in facts.requirements.items():
        found = None if linked[id_] else "tested by no test case"
        made.check("requirementHasTestcase", row["project"], "requirement", id_, tidy(row["name"]), found)
    facts.memo["hygiene"] = made
    return made


def check_cycle(facts, made, id_, cycle):
    who = (cycle["project"], "cycle", id_, cycle["name"])
    rows, release = facts.of(cycle=id_), facts.releases[cycle["release"]]
    made.check("cycleDates", *who, dates_wrong(cycle))
    starts, ends = (cycle["start"], release["start"]), (cycle["end"], release["end"])
    if None not in starts or None not in ends:
        found = []
        if None not in starts and starts[0] < starts[1]:
            found.append(f"starts before its release, which starts on {starts[1]}")
        if None not in ends and ends[0] > ends[1]:
            found.append(f"ends after its release, which ends on {ends[1]}")
        made.check("cycleWithinRelease", *who, " and ".join(found))
    if cycle["start"] and cycle["start"] <= facts.as_of:
        made.check("cycleNotEmpty", *who, None if rows else "has started and nothing is scheduled in it")
    is_open = sum(row.category == "Pending" for row in rows)
    if cycle["end"] and cycle["end"] < facts.as_of and rows:
        found = f"{is_open} of {len(rows)} executions are open although it is over" if is_open else None
        made.check("cycleComplete", *who, found, is_open)
    runs = [row for row in rows if row.is_executed]
    if runs:
        nobody = sum(row.executed_by is None and row.tester is None for row in runs)
        found = f"{nobody} of {len(runs)} executed by nobody known" if nobody else None
        made.check("executedByTester", *who, found, nobody)
        late = sum(cycle["end"] is not None and row.executed_on > cycle["end"] for row in runs)
        if cycle["end"]:
            found = f"{late} of {len(runs)} executed after its end" if late else None
            made.check("executedInTime", *who, found, late)


def check_testcases(facts, made):
    testcases, rows_of, links = placed_testcases(facts), by_testcase(facts), link_counts(facts)
    created = {row["testcase"]["testcaseId"]: local_day(row["testcase"]["creationDate"]) for row in facts.placements}
    plain = {id_: " ".join(testcase["name"].split()).lower() for id_, testcase in testcases.items()}
    twins = defaultdict(int)
    for id_, testcase in testcases.items():
        twins[testcase["project"], plain[id_]] += 1
    for id_, testcase in testcases.items():
        who = (testcase["project"], "testcase", id_, testcase["name"])
        made.check("testcaseNamed", *who, None if testcase["name"] else "no name")
        count = twins[testcase["project"], plain[id_]]
        found = f"name shared by {count} test cases of the project" if count > 1 else None
        made.check("testcaseNameUnique", *who, found)
        if (facts.as_of - created[id_]).days > facts.number("hygieneTestcaseGraceDays"):
            made.check("testcaseScheduled", *who, None if rows_of[id_] else "stands in no cycle")
            made.check("testcaseHasRequirement", *who, None if links[id_] else "tests no requirement")


@mart("analyse.hygieneOffender", "ruleName", "entityId", "detail")
def hygiene_offender(facts):
    return [
        row | {"projectName": facts.projects[row["projectId"]]["name"]} for row in book(facts).offences
    ]


def rules(facts):
    """Per project and rule, how well it is kept."""
    if "rules" in facts.memo:
        return facts.memo["rules"]
    offenders, offences = defaultdict(int), defaultdict(int)
    for row in book(facts).offences:
        offenders[row["projectId"], row["ruleName"]] += 1
        offences[row["projectId"], row["ruleName"]] += row["offenceCount"]
    made = {}
    for (project, rule), count in book(facts).checked.items():
        weight = facts.number(f"hygieneWeight{rule[0].upper()}{rule[1:]}")
        made[project, rule] = {
            "projectId": project,
            "ruleName": rule,
            "projectName": facts.projects[project]["name"],
            "weight": weight,
            "checkedCount": count,
            "offenderCount": offenders[project, rule],
            "offenceCount": offences[project, rule],
            "complianceRate": 1 - offenders[project, rule] / count,
        }
    facts.memo["rules"] = made
    return made


def weight_of(facts, project):
    return sum(row["weight"] for (of, _), row in rules(facts).items() if of == project)


@mart("analyse.hygieneRule", "projectId", "ruleName")
def hygiene_rule(facts):
    return [
        row | {"pointsLost": 100.0 * row["weight"] * (1 - row["complianceRate"]) / weight_of(facts, row["projectId"])}
        for row in rules(facts).values()
    ]


@mart("analyse.projectHygiene", "projectId")
def project_hygiene(facts):
    made = []
    for id_, project in facts.projects.items():
        own = [row for (of, _), row in rules(facts).items() if of == id_]
        score = 100.0 * sum(row["weight"] * row["complianceRate"] for row in own) / weight_of(facts, id_)
        fields = rules(facts)[id_, "projectFields"]
        made.append(
            {
                "projectId": id_,
                "projectName": project["name"],
                "hygieneScore": score,
                "projectFieldScore": fields["complianceRate"],
                "checkedCount": sum(row["checkedCount"] for row in own),
                "offenderCount": sum(row["offenderCount"] for row in own),
                "offenceCount": sum(row["offenceCount"] for row in own),
                "ruleCount": len(own),
                "brokenRuleCount": sum(row["offenderCount"] > 0 for row in own),
                "isBelowAlert": score < facts.number("hygieneAlertBelow"),
            }
        )
    return made
