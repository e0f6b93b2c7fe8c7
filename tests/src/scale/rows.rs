//! Records as the API words them: references are `{id, self}`, instants end in `Z`, durations are milliseconds.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::world::{ENVIRONMENTS, FOLDER_TYPES, FOLDERS, PRIORITIES, World};
use crate::simulator::noise::{Kind, Noise};
use crate::simulator::words;

/// Writes records of a world.
pub struct Rows<'a> {
    /// The world.
    pub world: &'a World,
    /// What links to the API begin with.
    pub root: &'a str,
}

/// An instant in the one form the API writes and reads.
pub fn instant(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or_default().to_string()
}

impl Rows<'_> {
    fn link(&self, kind: &str, id: u64) -> Value {
        json!({ "id": id, "self": format!("{}/{kind}/{id}", self.root) })
    }

    fn project_link(&self, project: u64) -> Value {
        self.link("projects", self.world.project_id(project))
    }

    fn jira(&self, path: &str) -> String {
        format!("https://example.atlassian.net/rest/api/2/{path}")
    }

    fn user(&self, person: u64) -> Value {
        let account = self.world.account(person);
        json!({ "self": self.jira(&format!("user?accountId={account}")), "accountId": account })
    }

    fn issue(&self, link_id: u64, issue_id: u64, kind: &str) -> Value {
        json!({
            "self": format!("{}/links/{link_id}", self.root),
            "issueId": issue_id,
            "id": link_id,
            "target": self.jira(&format!("issue/{issue_id}")),
            "type": kind,
        })
    }

    /// A project.
    pub fn project(&self, project: u64, is_enabled: bool) -> Value {
        json!({
            "id": self.world.project_id(project),
            "jiraProjectId": self.world.jira_project_id(project),
            "key": self.world.project_key(project),
            "enabled": is_enabled,
        })
    }

    /// A folder, by its place among all folders of its project.
    pub fn folder(&self, project: u64, place: u64) -> Value {
        let (mut kind, mut within) = (0, place);
        while kind + 1 < FOLDERS.len() && within >= FOLDERS[kind] {
            within -= FOLDERS[kind];
            kind += 1;
        }
        // The first two lie at the root, the others in one of those.
        let parent = (within >= 2).then(|| self.world.folder_id(project, kind, within % 2));
        let mut noise = Noise::of(self.world.seed, Kind::Folder, (project * 100 + place) as i64);
        json!({
            "id": self.world.folder_id(project, kind, within),
            "parentId": parent,
            "name": words::phase(&mut noise, place as usize),
            "index": within,
            "folderType": FOLDER_TYPES.get(kind),
            "project": self.project_link(project),
        })
    }

    /// A status, by its place in the list of its type.
    pub fn status(&self, project: u64, kind: usize, place: u64) -> Value {
        let names = self.world.statuses(project, kind);
        json!({
            "id": self.world.status_id(project, kind, place),
            "project": self.project_link(project),
            "name": names.get(place as usize),
            "description": null,
            "index": place,
            "color": format!("#{:06X}", 0x11_22_33 * (place + 1)),
            "archived": false,
            "default": place == 0,
        })
    }

    /// A priority.
    pub fn priority(&self, project: u64, place: u64) -> Value {
        json!({
            "id": self.world.priority_id(project, place),
            "project": self.project_link(project),
            "name": PRIORITIES.get(place as usize),
            "description": null,
            "index": place,
            "color": "#FFF",
            "default": place == 1,
        })
    }

    /// An environment.
    pub fn environment(&self, project: u64, place: u64) -> Value {
        json!({
            "id": self.world.environment_id(project, place),
            "project": self.project_link(project),
            "name": ENVIRONMENTS.get(place as usize),
            "description": null,
            "index": place,
            "archived": false,
        })
    }

    /// A test case.
    pub fn testcase(&self, testcase: u64) -> Value {
        let world = self.world;
        let project = world.project_of_testcase(testcase);
        let (id, key) = (world.testcase_id(testcase), world.testcase_key(testcase));
        let mut noise = Noise::of(world.seed, Kind::Folder, -1 - testcase as i64);
        let mut name = String::new();
        words::testcase(world.seed, testcase as i64, &mut name);
        let issues: Vec<Value> = if noise.chance(300) {
            vec![self.issue(id * 10, 51_000 + noise.below(90), "COVERAGE")]
        } else {
            Vec::new()
        };
        json!({
            "id": id,
            "key": key,
            "name": name,
            "project": self.project_link(project),
            "createdOn": instant(world.testcase_created_s(testcase)),
            "objective": noise.chance(500).then(|| words::sentence(&mut noise.clone())),
            "precondition": null,
            "estimatedTime": noise.chance(700).then(|| 60_000 * (1 + noise.below(30))),
            "labels": if noise.chance(250) { vec!["Regression", "Automated"] } else { Vec::new() },
            "component": null,
            "priority": self.link("priorities", world.priority_id(project, noise.below(3))),
            "status": self.link("statuses", world.status_id(project, 0, noise.below(3))),
            "folder": noise.chance(900).then(|| self.link("folders", world.folder_id(project, 0, noise.below(6)))),
            "owner": self.user(noise.below(12)),
            "testScript": { "self": format!("{}/testcases/{key}/testscript", self.root) },
            "customFields": { "Build Number": noise.below(40), "Implemented": noise.chance(500) },
            "links": { "self": format!("{}/testcases/{key}/links", self.root), "issues": issues, "webLinks": [] },
        })
    }

    /// A test cycle.
    pub fn cycle(&self, cycle: u64) -> Value {
        let world = self.world;
        let project = world.project_of_cycle(cycle);
        let (id, key) = (world.cycle_id(cycle), world.cycle_key(cycle));
        let (start_s, end_s) = world.cycle_plan_s(cycle);
        let mut noise = Noise::of(world.seed, Kind::Phase, cycle as i64);
        let version = world.version_id_of_cycle(cycle);
        json!({
            "id": id,
            "key": key,
            "name": words::cycle(&mut noise),
            "project": self.project_link(project),
            "jiraProjectVersion":
                version.map(|version| json!({ "id": version, "self": self.jira(&format!("version/{version}")) })),
            "status": self.link("statuses", world.status_id(project, 2, noise.below(3))),
            "folder": noise.chance(700).then(|| self.link("folders", world.folder_id(project, 2, noise.below(2)))),
            "description": null,
            "plannedStartDate": instant(start_s),
            "plannedEndDate": instant(end_s),
            "owner": self.user(noise.below(12)),
            "customFields": {},
            "links": { "self": format!("{}/testcycles/{id}/links", self.root), "issues": [], "webLinks": [], "testPlans": [] },
        })
    }

    /// A test plan: the first of a project has every second of its cycles, the next the others.
    pub fn plan(&self, project: u64, place: u64) -> Value {
        let world = self.world;
        let id = world.plan_id(project, place);
        let own = (0..world.cycles).filter(|cycle| world.project_of_cycle(*cycle) == project);
        let cycles: Vec<Value> = own
            .filter(|cycle| cycle / world.projects.max(1) % 2 == place)
            .map(|cycle| {
                json!({
                    "id": id * 1_000 + cycle,
                    "self": format!("{}/links/{}", self.root, id * 1_000 + cycle),
                    "testCycleId": world.cycle_id(cycle),
                    "type": "RELATED",
                    "target": format!("{}/testcycles/{}", self.root, world.cycle_id(cycle)),
                })
            })
            .collect();
        json!({
            "id": id,
            "key": format!("{}-P{}", world.project_key(project), place + 1),
            "name": format!("Plan {}", place + 1),
            "objective": null,
            "project": self.project_link(project),
            "status": self.link("statuses", world.status_id(project, 1, place % 3)),
            "folder": self.link("folders", world.folder_id(project, 1, 0)),
            "owner": self.user(place),
            "customFields": {},
            "labels": [],
            "links": { "webLinks": [], "issues": [], "testCycles": cycles },
        })
    }

    /// An execution after so many changes, the last of them at a second.
    pub fn execution(&self, execution: u64, revision: u32, updated_s: i64) -> Value {
        let world = self.world;
        let placement = world.placement(execution);
        let project = placement.project;
        let life = world.life(execution, revision, updated_s);
        let id = world.execution_id(execution);
        let testcase_key = world.testcase_key(life.testcase);
        let version = placement.cycle.and_then(|cycle| world.version_id_of_cycle(cycle));
        let mut noise = Noise::of(world.seed, Kind::Shuffle, execution as i64);
        let mut row = Map::new();
        row.insert("id".into(), id.into());
        row.insert("key".into(), format!("{}-E{}", world.project_key(project), execution + 1).into());
        row.insert("project".into(), self.project_link(project));
        row.insert(
            "testCase".into(),
            json!({
                "id": world.testcase_version_id(life.testcase, life.version),
                "self": format!("{}/testcases/{testcase_key}/versions/{}", self.root, life.version),
            }),
        );
        let environment = noise.chance(600).then(|| world.environment_id(project, noise.below(2)));
        row.insert("environment".into(), environment.map_or(Value::Null, |id| self.link("environments", id)));
        let version = version.map(|id| json!({ "id": id, "self": self.jira(&format!("version/{id}")) }));
        row.insert("jiraProjectVersion".into(), version.unwrap_or_default());
        row.insert("testExecutionStatus".into(), self.link("statuses", world.status_id(project, 3, life.status)));
        // An end that is not there is left out; everything else that is not there is null.
        if let Some(end_s) = life.end_s {
            row.insert("actualEndDate".into(), instant(end_s).into());
        }
        let is_executed = life.end_s.is_some();
        row.insert("estimatedTime".into(), noise.chance(500).then(|| 60_000 * (1 + noise.below(30))).into());
        row.insert("executionTime".into(), is_executed.then_some(life.took_ms).into());
        row.insert("executedById".into(), is_executed.then(|| world.account(noise.below(12))).into());
        row.insert("assignedToId".into(), life.assignee.map(|person| world.account(person)).into());
        let comment = if revision > 0 {
            Some(format!("changed {revision} times"))
        } else {
            noise.chance(100).then(|| words::sentence(&mut noise))
        };
        row.insert("comment".into(), comment.into());
        row.insert("automated".into(), noise.chance(300).into());
        let cycle = placement.cycle.map(|cycle| self.link("testcycles", world.cycle_id(cycle)));
        row.insert("testCycle".into(), cycle.unwrap_or_default());
        row.insert("customFields".into(), json!({}));
        let issues: Vec<Value> = life.issue_id.map(|issue| self.issue(id * 10, issue, "BLOCKS")).into_iter().collect();
        row.insert(
            "links".into(),
            json!({ "self": format!("{}/testexecutions/{id}/links", self.root), "issues": issues }),
        );
        Value::Object(row)
    }
}
