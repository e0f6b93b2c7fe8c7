"""What was served, as facts: days instead of milliseconds, one category per status, every row knowing where it belongs.

Written from the definitions, with loops and dictionaries: none of it follows the SQL it is held against.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date

import days as calendar_days
import lake
from days import instant, local_day

CATEGORIES = {"1": "Success", "2": "Failure", "4": "Blocked", "3": "Pending", "10": "Pending", "0": "Pending", "": "Pending"}
PLACES = ("phase", "cycle", "release", "project")
OF_PROJECTS = ("releases", "cycles", "phases", "executions", "folders", "placements", "requirement_folders",
               "requirements")
EXECUTED = ("Success", "Failure", "Blocked")


def tidy(text):
    """A text without space around it; nothing where nothing is left."""
    if text is None:
        return None
    return text.replace("\u00a0", " ").strip(" \t\n\r") or None


def rate(part, whole):
    return part / whole if whole > 0 else None


def percent(part, whole):
    return 100.0 * part / whole if whole else None


@dataclass
class Execution:
    """One execution with what follows from it alone."""

    id: int
    project: int
    release: int
    cycle: int
    phase: int
    testcase: int
    tester: int
    executed_by: int
    code: str
    category: str
    assigned: date
    executed_at: object
    executed_on: date
    modified_on: date
    duration_ms: int
    estimated_ms: int
    defects: list
    comment: str
    scope_day: date = None
    burned_day: date = None
    executed_day: date = None
    passed_day: date = None

    @property
    def is_executed(self):
        return self.category in EXECUTED


@dataclass
class Facts:
    """All facts of one lake: what is there now, and who was in which cycle at each earlier look."""

    as_of: date
    controls: dict
    calendar: object
    projects: dict = field(default_factory=dict)
    releases: dict = field(default_factory=dict)
    cycles: dict = field(default_factory=dict)
    phases: dict = field(default_factory=dict)
    users: dict = field(default_factory=dict)
    executions: list = field(default_factory=list)
    executions_by_look: list = field(default_factory=list)
    statuses: dict = field(default_factory=dict)
    requirements: dict = field(default_factory=dict)
    links: set = field(default_factory=set)
    linked_since: dict = field(default_factory=dict)
    placements: list = field(default_factory=list)
    looks: list = field(default_factory=list)
    served: object = None
    lake: str = ""
    environment_patterns: list = field(default_factory=list)
    cycle_type_patterns: list = field(default_factory=list)
    runs: dict = field(default_factory=dict)
    requests: int = 0
    stale: set = field(default_factory=set)
    memo: dict = field(default_factory=dict)

    @property
    def levels(self):
        """The levels the rates are given for."""
        return ("all", "project", "release", "cycle", "phase")

    @property
    def last_calendar_day(self):
        """The last day of the lake's calendar."""
        if "last day" not in self.memo:
            days = (row["date"] for row in lake.rows(self.lake, "refine.dimDate"))
            self.memo["last day"] = max(day for day in days if day)
        return self.memo["last day"]

    def number(self, name):
        return float(self.controls[name])

    def of(self, **place):
        """The executions of a place; the narrowest of its names says which, as each lies in one of the wider ones."""
        if "places" not in self.memo:
            self.memo["places"] = index = defaultdict(list)
            for row in self.executions:
                for name in PLACES:
                    index[name, getattr(row, name)].append(row)
        narrowest = next((name for name in PLACES if name in place), None)
        return self.memo["places"][narrowest, place[narrowest]] if narrowest else self.executions

    def real_releases(self):
        return {id_: row for id_, row in self.releases.items() if not row["pseudo"]}


def read_controls(path):
    with open(path, encoding="utf-8", newline="") as lines:
        return {row["name"]: row["value"] for row in csv.DictReader(lines)}


def read_patterns(path, meaning):
    """Patterns in the order of their priority, with what they stand for."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["priority"]))
    return [(row["pattern"], row[meaning]) for row in rows]


def remembered(looks):
    """The looks, each with what earlier ones saw of projects that it was not let into."""
    made, before = [], None
    for day, look in looks:
        if look.forbidden:
            kept = {name: [row for row in getattr(before, name) if owner(row) in look.forbidden] for name in OF_PROJECTS}
            seen = {name: [row for row in getattr(look, name) if owner(row) not in look.forbidden] for name in OF_PROJECTS}
            look = replace(look, **{name: seen[name] + kept[name] for name in OF_PROJECTS})
        made.append((day, look))
        before = look
    return made


def owner(row):
    """The project a row belongs to."""
    return row["project"] if "project" in row else row["projectId"]


def make(looks, as_of, reference):
    """Facts from every look at the server, oldest first; a look is a day and what was served on it."""
    looks = remembered(looks)
    controls = read_controls(reference / "controls.csv")
    calendar = calendar_days.Calendar(reference / "holidays.csv", controls["calendarName"])
    served = looks[-1][1]
    facts = Facts(as_of=as_of, controls=controls, calendar=calendar, served=served, looks=looks)
    facts.stale = served.forbidden
    facts.environment_patterns = read_patterns(reference / "environmentPatterns.csv", "environmentCategory")
    facts.cycle_type_patterns = read_patterns(reference / "cycleTypePatterns.csv", "cycleType")
    facts.statuses = served.statuses
    for row in served.projects:
        facts.projects[row["id"]] = {
            "name": tidy(row["name"]),
            "start": local_day(row.get("startDate")),
            "end": local_day(row.get("endDate")),
            "created": local_day(row.get("createdOn")),
            "active": row["active"],
        }
    for row in served.releases:
        facts.releases[row["id"]] = {
            "name": tidy(row["name"]),
            "project": row["projectId"],
            "start": local_day(row.get("startDate")),
            "end": local_day(row.get("endDate")),
            "status": row.get("status"),
            "pseudo": row["projectRelease"],
        }
    for row in served.cycles:
        facts.cycles[row["id"]] = {
            "name": tidy(row["name"]),
            "project": row["project"],
            "release": row["release"],
            "environment": tidy(row.get("environment")),
            "build": tidy(row.get("build")),
            "start": local_day(row.get("startDate")),
            "end": local_day(row.get("endDate")),
            "status": row.get("status"),
        }
    for row in served.phases:
        facts.phases[row["phase"]] = {
            "name": tidy(row["name"]),
            "project": row["project"],
            "release": row["release"],
            "cycle": row["cycle"],
        }
    for row in served.users:
        facts.users[row["id"]] = {"name": tidy(row["fullName"]), "active": row["accountEnabled"], "listed": True}
    # a cycle that is gone takes its executions along
    facts.executions_by_look = [
        (day, [execution(facts, row) for row in look.executions if row["cycle"] in facts.cycles]) for day, look in looks
    ]
    facts.executions = facts.executions_by_look[-1][1]
    facts.requirements = {row["id"]: row for row in served.requirements}
    facts.placements = served.placements
    facts.links = links(served)
    for day, look in looks:
        for pair in links(look):
            facts.linked_since.setdefault(pair, day)
    return facts


def links(look):
    """Every pair of a test case and a requirement that either of them names."""
    named = {(testcase, row["id"]) for row in look.requirements for testcase in row.get("testcaseIds", [])}
    for row in look.placements:
        testcase = row["testcase"]
        named |= {(testcase["testcaseId"], requirement) for requirement in testcase.get("requirementIds", [])}
    return named


def execution(facts, row):
    """An execution as served, understood."""
    result = row.get("lastTestResult") or {}
    code = str(result.get("executionStatus") or row.get("status") or "")
    listed = code in facts.statuses or code in CATEGORIES
    category = CATEGORIES.get(code, "Other") if listed else None
    executed_ms = result.get("executionDate")
    if executed_ms is None and code not in ("", "0", "10"):
        executed_ms = row.get("lastModifiedOn")
    made = Execution(
        id=row["id"],
        project=row["project"],
        release=row["release"],
        cycle=row["cycle"],
        phase=row["phase"],
        testcase=row["tcrTreeTestcase"]["testcase"]["testcaseId"],
        tester=row["testerId"],
        executed_by=row.get("executedBy"),
        code=code or "absent",
        category=category,
        assigned=local_day(row.get("assignmentDate")),
        executed_at=instant(executed_ms),
        executed_on=local_day(executed_ms),
        modified_on=local_day(row.get("lastModifiedOn")),
        duration_ms=row.get("actualTime"),
        estimated_ms=row.get("estimatedTime"),
        defects=row.get("defects", []),
        comment=tidy(row.get("comment")),
    )
    start = facts.cycles[made.cycle]["start"]
    made.scope_day = made.assigned or start or made.modified_on or facts.as_of
    done_on = made.executed_on or made.modified_on or facts.as_of
    made.executed_day = done_on if made.is_executed else None
    made.passed_day = done_on if category == "Success" else None
    made.burned_day = made.passed_day if facts.controls["burnPolicy"] == "passed" else made.executed_day
    return made


def tally(rows):
    """How executions ended."""
    counts = defaultdict(int)
    for row in rows:
        counts["all"] += 1
        counts[row.category] += 1
    counts["executed"] = sum(counts[category] for category in EXECUTED)
    return counts
