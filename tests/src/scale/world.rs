//! What the site holds. Everything is a function of the seed and of its place in a list, so a million executions take
//! no memory: only what was changed or deleted since is kept, by [`super::Scale`].

use crate::simulator::noise::{Kind, Noise};

/// What a status can be of.
pub const STATUS_TYPES: [&str; 4] = ["TEST_CASE", "TEST_PLAN", "TEST_CYCLE", "TEST_EXECUTION"];
/// What a folder can hold.
pub const FOLDER_TYPES: [&str; 3] = ["TEST_CASE", "TEST_PLAN", "TEST_CYCLE"];
/// Statuses of executions every project has; the first is the default.
pub const EXECUTION_STATUSES: [&str; 5] = ["Not Executed", "In Progress", "Pass", "Fail", "Blocked"];
/// A status only the first project has.
pub const OWN_STATUS: &str = "Not Applicable";
/// Names of priorities; the second is the default.
pub const PRIORITIES: [&str; 3] = ["High", "Normal", "Low"];
/// Names of environments.
pub const ENVIRONMENTS: [&str; 2] = ["UAT", "Vendor"];
/// Test plans of a project.
pub const PLANS: u64 = 2;
/// Folders of a project by type: test cases, plans, cycles.
pub const FOLDERS: [u64; 3] = [6, 1, 2];

/// The second at which the invented past ends: 2026-01-05T09:00:00Z.
pub const NEWEST_S: i64 = 1_767_603_600;

const DAY_S: u64 = 86_400;
const FIRST_PROJECT_ID: u64 = 5_001;
const FIRST_JIRA_PROJECT_ID: u64 = 10_001;
const FIRST_CYCLE_ID: u64 = 20_001;
const FIRST_VERSION_ID: u64 = 30_001;
const FIRST_TESTCASE_ID: u64 = 40_001;
const FIRST_EXECUTION_ID: u64 = 100_001;
/// Ids have gaps, as deletions and other tenants leave them.
const EXECUTION_ID_STEP: u64 = 3;

/// The shape of a site.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// The seed of everything invented.
    pub seed: u64,
    /// Projects.
    pub projects: u64,
    /// Test cycles of all projects; the last one stays empty.
    pub cycles: u64,
    /// Test cases of all projects.
    pub testcases: u64,
}

/// Where an execution belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its project.
    pub project: u64,
    /// Its cycle; none for one that was started from the test case itself.
    pub cycle: Option<u64>,
}

/// What an execution says, apart from where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Place of its status in the project's list.
    pub status: u64,
    /// Its test case.
    pub testcase: u64,
    /// Version of the test case that was executed.
    pub version: u64,
    /// Second at which it ended; none for one that was not executed.
    pub end_s: Option<i64>,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// Who it is assigned to.
    pub assignee: Option<u64>,
    /// An issue it led to.
    pub issue_id: Option<u64>,
}

impl World {
    /// The key of a project.
    pub fn project_key(&self, project: u64) -> String {
        match project {
            0 => "DEMO".to_owned(),
            1 => "CLAIMS".to_owned(),
            2 => "PAY_2".to_owned(),
            other => format!("PRJ{other}"),
        }
    }

    /// The project of a key.
    pub fn project_of(&self, key: &str) -> Option<u64> {
        (0..self.projects).find(|project| self.project_key(*project) == key)
    }

    /// The id of a project in this API.
    pub fn project_id(&self, project: u64) -> u64 {
        FIRST_PROJECT_ID + project * 7
    }

    /// The id of a project in Jira.
    pub fn jira_project_id(&self, project: u64) -> u64 {
        FIRST_JIRA_PROJECT_ID + project
    }

    /// The project of a cycle.
    pub fn project_of_cycle(&self, cycle: u64) -> u64 {
        cycle % self.projects.max(1)
    }

    /// The id of a cycle.
    pub fn cycle_id(&self, cycle: u64) -> u64 {
        FIRST_CYCLE_ID + cycle
    }

    /// The key of a cycle.
    pub fn cycle_key(&self, cycle: u64) -> String {
        let project = self.project_of_cycle(cycle);
        format!("{}-R{}", self.project_key(project), 1 + cycle / self.projects.max(1))
    }

    /// The cycle of a key.
    pub fn cycle_of(&self, key: &str) -> Option<u64> {
        let (project, number) = key.rsplit_once("-R")?;
        let number: u64 = number.parse().ok()?;
        let cycle = number.checked_sub(1)?.checked_mul(self.projects)?.checked_add(self.project_of(project)?)?;
        (cycle < self.cycles).then_some(cycle)
    }

    /// The Jira version a cycle tests, where it names one.
    pub fn version_id_of_cycle(&self, cycle: u64) -> Option<u64> {
        let round = cycle / self.projects.max(1);
        (round % 4 != 3).then(|| FIRST_VERSION_ID + self.project_of_cycle(cycle) * 10 + round % 2)
    }

    /// First and last second a cycle is planned for.
    pub fn cycle_plan_s(&self, cycle: u64) -> (i64, i64) {
        let mut noise = Noise::of(self.seed, Kind::Cycle, cycle as i64);
        let start = NEWEST_S - noise.below(50 * DAY_S) as i64;
        (start, start + (3 + noise.below(18)) as i64 * DAY_S as i64)
    }

    /// The project of a test case.
    pub fn project_of_testcase(&self, testcase: u64) -> u64 {
        testcase % self.projects.max(1)
    }

    /// The id of a test case.
    pub fn testcase_id(&self, testcase: u64) -> u64 {
        FIRST_TESTCASE_ID + testcase
    }

    /// The place of the first test case with this id or a higher one.
    pub fn testcase_from(&self, id: u64) -> u64 {
        id.saturating_sub(FIRST_TESTCASE_ID)
    }

    /// The key of a test case.
    pub fn testcase_key(&self, testcase: u64) -> String {
        let project = self.project_of_testcase(testcase);
        format!("{}-T{}", self.project_key(project), 1 + testcase / self.projects.max(1))
    }

    /// Versions a test case has.
    pub fn testcase_versions(&self, testcase: u64) -> u64 {
        let mut noise = Noise::of(self.seed, Kind::Testcase, testcase as i64);
        if noise.chance(200) { 2 + noise.below(2) } else { 1 }
    }

    /// The id of a version of a test case: a family of its own but for the first.
    pub fn testcase_version_id(&self, testcase: u64, version: u64) -> u64 {
        if version == 1 { self.testcase_id(testcase) } else { 900_000_000 + testcase * 10 + version }
    }

    /// Second at which a test case was created.
    pub fn testcase_created_s(&self, testcase: u64) -> i64 {
        let mut noise = Noise::of(self.seed, Kind::Requirement, testcase as i64);
        NEWEST_S - (60 * DAY_S + noise.below(300 * DAY_S)) as i64
    }

    /// The id of a status.
    pub fn status_id(&self, project: u64, kind: usize, place: u64) -> u64 {
        70_000 + project * 100 + kind as u64 * 10 + place
    }

    /// Names of a project's statuses of a type.
    pub fn statuses(&self, project: u64, kind: usize) -> Vec<&'static str> {
        match kind {
            3 if project == 0 => EXECUTION_STATUSES.into_iter().chain([OWN_STATUS]).collect(),
            3 => EXECUTION_STATUSES.to_vec(),
            2 => vec!["Not Executed", "In Progress", "Done"],
            _ => vec!["Draft", "Approved", "Deprecated"],
        }
    }

    /// The id of a priority.
    pub fn priority_id(&self, project: u64, place: u64) -> u64 {
        80_001 + project * 10 + place
    }

    /// The id of an environment.
    pub fn environment_id(&self, project: u64, place: u64) -> u64 {
        85_001 + project * 10 + place
    }

    /// The id of a test plan.
    pub fn plan_id(&self, project: u64, place: u64) -> u64 {
        90_001 + project * 10 + place
    }

    /// The id of a folder of a type.
    pub fn folder_id(&self, project: u64, kind: usize, place: u64) -> u64 {
        60_001 + project * 10 + FOLDERS.iter().take(kind).sum::<u64>() + place
    }

    /// The account of a person.
    pub fn account(&self, person: u64) -> String {
        let mut noise = Noise::of(self.seed, Kind::User, person as i64);
        format!("{:016x}{:08x}", noise.bits(), noise.below(u64::from(u32::MAX)))
    }

    /// The id of an execution.
    pub fn execution_id(&self, execution: u64) -> u64 {
        FIRST_EXECUTION_ID + execution * EXECUTION_ID_STEP
    }

    /// The place of the first execution with this id or a higher one.
    pub fn execution_from(&self, id: u64) -> u64 {
        id.saturating_sub(FIRST_EXECUTION_ID).div_ceil(EXECUTION_ID_STEP)
    }

    /// Where an execution belongs.
    pub fn placement(&self, execution: u64) -> Placement {
        let mut noise = Noise::of(self.seed, Kind::Execution, execution as i64);
        if self.cycles == 0 || noise.chance(30) {
            return Placement { project: noise.below(self.projects), cycle: None };
        }
        let used = self.cycles.saturating_sub(1).max(1);
        // The smaller of two draws: a few cycles are large and most are not.
        let cycle = noise.below(used).min(noise.below(used));
        Placement { project: self.project_of_cycle(cycle), cycle: Some(cycle) }
    }

    /// Second at which an execution was last changed, as far as the invented past goes.
    pub fn execution_updated_s(&self, execution: u64) -> i64 {
        let mut noise = Noise::of(self.seed, Kind::Day, execution as i64);
        NEWEST_S - noise.below(60 * DAY_S) as i64
    }

    /// What an execution says after so many changes, the last of them at a second.
    pub fn life(&self, execution: u64, revision: u32, updated_s: i64) -> Life {
        let project = self.placement(execution).project;
        let mut noise = Noise::of(self.seed, Kind::ExecutionText, execution as i64);
        let mut status = match noise.below(100) {
            0..25 => 0,
            25..30 => 1,
            30..80 => 2,
            80..95 => 3,
            95 if project == 0 => 5,
            _ => 4,
        };
        if revision > 0 {
            status = 2 + (status + u64::from(revision)) % 3;
        }
        let own = self.testcases.saturating_sub(project).div_ceil(self.projects.max(1));
        let testcase = project + self.projects * noise.below(own);
        let version = 1 + noise.below(self.testcase_versions(testcase));
        let is_executed = status >= 2;
        let took_ms = 1_000 + noise.below(1_800_000);
        Life {
            status,
            testcase,
            version,
            end_s: is_executed.then_some(updated_s),
            took_ms,
            assignee: noise.chance(800).then(|| noise.below(12)),
            issue_id: (status == 3 && noise.chance(600)).then(|| 50_000 + noise.below(200)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: World = World { seed: 1, projects: 3, cycles: 12, testcases: 250 };

    #[test]
    fn keys_lead_back_to_what_they_name() {
        for cycle in 0..12 {
            assert_eq!(WORLD.cycle_of(&WORLD.cycle_key(cycle)), Some(cycle));
        }
        for key in ["DEMO-R0", "DEMO-R5", "NONE-R1", "DEMO", "DEMO-Rx", "DEMO-R18446744073709551615"] {
            assert_eq!(WORLD.cycle_of(key), None, "{key}");
        }
        for execution in 0..50 {
            let id = WORLD.execution_id(execution);
            assert_eq!((WORLD.execution_from(id), WORLD.execution_from(id + 1)), (execution, execution + 1));
        }
    }

    #[test]
    fn every_execution_runs_a_test_case_of_its_own_project() {
        for execution in 0..2_000 {
            let life = WORLD.life(execution, 0, NEWEST_S);
            assert_eq!(WORLD.project_of_testcase(life.testcase), WORLD.placement(execution).project);
            assert!(life.testcase < WORLD.testcases && life.version <= WORLD.testcase_versions(life.testcase));
        }
    }

    #[test]
    fn a_change_changes_the_status() {
        for execution in 0..200 {
            let status = |revision| WORLD.life(execution, revision, NEWEST_S).status;
            assert!((1..5).all(|revision| status(revision) != status(revision + 1)), "{execution}");
        }
    }
}
