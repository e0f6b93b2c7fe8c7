"""Reads everything a simulator serves, whole and in its own way, and holds it against the simulator's own counts."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

API = "/flex/services/rest/latest/"


class Server:
    """A simulator that listens."""

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        self.root = f"{parts.scheme}://{parts.netloc}"
        self.token = token

    def api(self, path):
        """The answer to a call of the API; nothing where it is forbidden."""
        request = urllib.request.Request(self.root + API + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 403:
                return None
            raise

    def admin(self, path, method="GET"):
        """The answer to a call that steers the simulator."""
        request = urllib.request.Request(f"{self.root}/simulator/{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@dataclass
class Served:
    """What was served at one instant, by kind; each row is as sent, with the ids of what it hangs below."""

    clock: str
    projects: list = field(default_factory=list)
    forbidden: set = field(default_factory=set)
    releases: list = field(default_factory=list)
    cycles: list = field(default_factory=list)
    phases: list = field(default_factory=list)
    executions: list = field(default_factory=list)
    users: list = field(default_factory=list)
    statuses: dict = field(default_factory=dict)
    folders: list = field(default_factory=list)
    placements: list = field(default_factory=list)
    requirement_folders: list = field(default_factory=list)
    requirements: list = field(default_factory=list)


def flatten(nodes, parent=None):
    """All nodes of trees with the id of the node above each."""
    for node in nodes:
        yield node, parent
        yield from flatten(node.get("categories", []), node["id"])


def read(server):
    """Everything there is, checked to be complete."""
    truth = server.admin("truth")
    served = Served(clock=truth["clock"])
    served.projects = server.api("project/details")
    served.users = server.api("user/filter")
    served.statuses = statuses(server)
    for project in served.projects:
        read_project(server, served, project["id"])
    served.releases += [dict(row) for row in server.api("release") if row["projectRelease"]]
    hold_against(served, truth["visible"])
    return served


def statuses(server):
    """Names of execution statuses by their codes."""
    preference = server.api("admin/preference?key=testresult.testresultStatus.LOV")
    return {str(row["id"]): row["value"] for row in json.loads(preference["value"])}


def read_project(server, served, project_id):
    releases = server.api(f"release/project/{project_id}")
    if releases is None:
        served.forbidden.add(project_id)
        return
    read_folders(server, served, f"testcasetree/projectrepository/{project_id}", project_id, None)
    for node, parent in flatten(server.api(f"requirementtree?projectId={project_id}")):
        served.requirement_folders.append({**node, "parent": parent, "project": project_id})
        page = server.api(f"requirement?requirementtreeid={node['id']}&pagesize=0")
        served.requirements += [{**row, "project": project_id, "folder": node["id"]} for row in page["results"]]
    for release in releases:
        served.releases.append(release)
        read_folders(server, served, f"testcasetree/phases/{release['id']}", project_id, release["id"])
        for cycle in server.api(f"cycle/release/{release['id']}"):
            place = {"project": project_id, "release": release["id"], "cycle": cycle["id"]}
            served.cycles.append({**cycle, **place})
            for phase in cycle["cyclePhases"]:
                served.phases.append({**phase, **place, "phase": phase["id"]})
                page = server.api(
                    f"execution?cyclephaseid={phase['id']}&releaseid={release['id']}"
                    "&includeanyoneuser=true&pagesize=0"
                )
                served.executions += [{**row, **place, "phase": phase["id"]} for row in page["results"]]


def read_folders(server, served, call, project_id, release_id):
    for node, parent in flatten(server.api(call)):
        place = {"project": project_id, "release": release_id}
        served.folders.append({**node, **place, "parent": parent})
        page = server.api(f"testcase/tree/{node['id']}?pagesize=0")
        served.placements += [{**row, **place, "folder": node["id"]} for row in page["results"]]


def hold_against(served, counts):
    """Stops unless as much was read as the simulator says it holds."""
    per_phase = {phase["phase"]: 0 for phase in served.phases}
    for row in served.executions:
        per_phase[row["phase"]] += 1
    found = {
        "projects": len(served.projects),
        "releases": len(served.releases),
        "cycles": len(served.cycles),
        "cyclePhases": len(served.phases),
        "executions": len({row["id"] for row in served.executions}),
        "users": len(served.users),
        "requirements": len(served.requirements),
        "placements": sum(row["release"] is not None for row in served.placements),
        "repositoryPlacements": sum(row["release"] is None for row in served.placements),
        "executionsPerPhase": {str(phase): count for phase, count in per_phase.items()},
    }
    for name, count in found.items():
        if counts.get(name, 0) != count:
            raise SystemExit(f"{name}: the simulator says {counts.get(name)}, {count} were read")
