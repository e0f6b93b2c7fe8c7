//! The server's rows above the executions, and the index over them.
//!
//! Projects to phases are held in memory; executions are not: each is computed when it is asked for (see [`super::lifecycle`]),
//! so that the memory of the simulator does not grow with them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::calendar::Day;
use super::census::Census;
use super::events::Events;
use super::quirks::{Quirk, Quirks};
use super::tree::ROOT_IDS;

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its id.
    pub id: i64,
    /// Its change counter.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Its description, often empty.
    pub description: String,
    /// Its first day.
    pub start: Day,
    /// Its last day, seldom known.
    pub end: Option<Day>,
    /// When it was created.
    pub created_ms: i64,
    /// The users who test in it, as indices.
    pub team: Vec<usize>,
    /// The first logical test case id of its pool.
    pub first_testcase: i64,
    /// How many logical test cases it has.
    pub testcases: u32,
    /// Its requirements.
    pub requirements: Requirements,
    /// The row as recorded, served instead of a written one.
    pub recorded: Option<Arc<str>>,
}

/// Where the requirements of a project begin and how many there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requirements {
    /// The id of the first requirement; the others follow.
    pub first: i64,
    /// How many there are.
    pub count: u32,
    /// The id of the first node of their tree; the others follow.
    pub first_node: i64,
    /// How many nodes the tree has.
    pub nodes: u32,
}

/// A release, or the pseudo release of a project's repository.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its id.
    pub id: i64,
    /// Its project, as an index.
    pub project: usize,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its first day.
    pub start: Option<Day>,
    /// Its last day; open-ended releases have none.
    pub end: Option<Day>,
    /// When it was created.
    pub created_ms: i64,
    /// True when it was created by a program, which leaves a time of day in its dates.
    pub created_by_program: bool,
    /// Its status; absent when created without one.
    pub status: Option<i64>,
    /// Its position in the project.
    pub order_id: i64,
    /// True for "Project Test Repository".
    pub is_pseudo: bool,
    /// The id of the first folder of its tree.
    pub first_tree: i64,
    /// Its position among the releases of its project, pseudo release included.
    pub position: usize,
    /// The row as recorded, served instead of a written one.
    pub recorded: Option<Arc<str>>,
}

/// A test cycle.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// Its id.
    pub id: i64,
    /// Its release, as an index.
    pub release: usize,
    /// Its name.
    pub name: String,
    /// The environment tested, seldom given.
    pub environment: Option<String>,
    /// The build tested, seldom given.
    pub build: Option<String>,
    /// Its first day.
    pub start: Day,
    /// Its last day.
    pub end: Day,
    /// Its status, a whole number: planned, active or completed.
    pub status: Option<i64>,
    /// The server-wide change counter when it last changed.
    pub revision: i64,
    /// When it was created.
    pub created_ms: i64,
    /// True once it was deleted; rows keep their index.
    pub is_deleted: bool,
    /// The row as recorded, phases included, served until something in it changes.
    pub recorded: Option<Arc<str>>,
}

/// A phase of a cycle: the parent of executions.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its id.
    pub id: i64,
    /// Its cycle, as an index.
    pub cycle: usize,
    /// Its name.
    pub name: String,
    /// Its root folder.
    pub tree_id: i64,
    /// True when it was not built from a folder.
    pub is_free_form: bool,
    /// Whether its folder has folders.
    pub has_child: bool,
    /// Its first day.
    pub start: Day,
    /// Its last day.
    pub end: Day,
    /// When it was created.
    pub created_ms: i64,
    /// The day its rows were assigned, save for those added later.
    pub opened: Day,
    /// True when it appeared while the clock ran.
    pub is_added: bool,
    /// The id of its first execution row; the others follow.
    pub first_execution: i64,
    /// How many rows it has when the clock starts.
    pub base_rows: u32,
    /// How many more rows appear while the clock runs.
    pub later_rows: u32,
    /// Where its test cases begin in the project's pool.
    pub pool_offset: u32,
    /// How many of a thousand rows are ever executed.
    pub executed_permille: u32,
    /// True once it was deleted.
    pub is_deleted: bool,
}

impl Phase {
    /// All rows it will ever have.
    pub fn slots(&self) -> u32 {
        self.base_rows + self.later_rows
    }
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// Its id.
    pub id: i64,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// First and last name as shown on rows.
    pub full_name: String,
    /// The name to log in with.
    pub username: String,
    /// True for the two accounts that only `/user` lists.
    pub is_hidden: bool,
}

/// Everything the server holds at one instant.
#[derive(Clone, Debug)]
pub struct World {
    /// The seed all noise comes from.
    pub seed: u64,
    /// The quirks that shape rows rather than their writing.
    pub quirks: Quirks,
    /// The day the clock started.
    pub epoch: Day,
    /// The simulated instant.
    pub clock_ms: i64,
    /// How many days of changes have been applied.
    pub days: i64,
    /// All projects, in the order of their creation or of the recording.
    pub projects: Vec<Project>,
    /// All releases, in the order of their creation or of the recording.
    pub releases: Vec<Release>,
    /// All cycles ever, in the order of their creation.
    pub cycles: Vec<Cycle>,
    /// All phases ever, in the order of their creation; execution ids ascend with it.
    pub phases: Vec<Phase>,
    /// All users.
    pub users: Vec<User>,
    /// Execution rows deleted one by one.
    pub deleted_executions: HashSet<i64>,
    /// The number of logical test cases of all projects.
    pub testcases: i64,
    /// What moved while somebody was paging.
    pub drift: Drift,
    /// What eventful days have changed.
    pub events: Events,
    /// How many rows are there.
    pub census: Census,
    /// Which rows belong to which, and where ids are.
    pub index: Index,
}

/// Rows that faults moved, beyond what the clock does; executions that went are in [`World::deleted_executions`].
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// Placements that are in no tree any more.
    pub placements_gone: HashSet<i64>,
    /// Pairs of executions that stand in each other's place in every listing, in both directions.
    pub executions_swapped: HashMap<i64, i64>,
    /// Pairs of placements that stand in each other's place in every listing, in both directions.
    pub placements_swapped: HashMap<i64, i64>,
}

/// Where ids are, and which rows belong to which.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Project id to index.
    pub project: HashMap<i64, usize>,
    /// Release id to index.
    pub release: HashMap<i64, usize>,
    /// Cycle id to index.
    pub cycle: HashMap<i64, usize>,
    /// Phase id to index.
    pub phase: HashMap<i64, usize>,
    /// User id to index.
    pub user: HashMap<i64, usize>,
    /// Where the folder ids of each release begin, ascending.
    pub tree_starts: Vec<(i64, usize)>,
    /// Recorded root folders, which lie outside of those, to their release.
    pub recorded_tree: HashMap<i64, usize>,
    /// Which project's requirements begin where, ascending.
    pub requirement_starts: Vec<(i64, usize)>,
    /// Which project's requirement nodes begin where, ascending.
    pub requirement_node_starts: Vec<(i64, usize)>,
    /// The releases of each project.
    pub releases_of_project: Vec<Vec<usize>>,
    /// The cycles of each release, deleted ones included.
    pub cycles_of_release: Vec<Vec<usize>>,
    /// The phases of each cycle, deleted ones included.
    pub phases_of_cycle: Vec<Vec<usize>>,
}

impl World {
    /// Builds the index anew.
    pub fn reindex(&mut self) {
        let mut index = Index {
            releases_of_project: vec![Vec::new(); self.projects.len()],
            cycles_of_release: vec![Vec::new(); self.releases.len()],
            phases_of_cycle: vec![Vec::new(); self.cycles.len()],
            ..Index::default()
        };
        for (at, project) in self.projects.iter().enumerate() {
            index.project.insert(project.id, at);
            index.requirement_starts.push((project.requirements.first, at));
            index.requirement_node_starts.push((project.requirements.first_node, at));
        }
        for (at, release) in self.releases.iter().enumerate() {
            index.release.insert(release.id, at);
            index.tree_starts.push((release.first_tree, at));
            index.releases_of_project[release.project].push(at);
        }
        for (at, cycle) in self.cycles.iter().enumerate() {
            index.cycle.insert(cycle.id, at);
            index.cycles_of_release[cycle.release].push(at);
        }
        for (at, phase) in self.phases.iter().enumerate() {
            index.phase.insert(phase.id, at);
            index.phases_of_cycle[phase.cycle].push(at);
            let cycle = &self.cycles[phase.cycle];
            let first_tree = self.releases[cycle.release].first_tree;
            if !(first_tree..first_tree + ROOT_IDS).contains(&phase.tree_id) {
                index.recorded_tree.insert(phase.tree_id, cycle.release);
            }
        }
        for (at, user) in self.users.iter().enumerate() {
            index.user.insert(user.id, at);
        }
        index.tree_starts.sort_unstable();
        self.index = index;
        self.census = Census::default();
    }

    /// The release of a phase, as an index.
    pub fn release_of_phase(&self, phase: &Phase) -> usize {
        self.cycles[phase.cycle].release
    }

    /// The project of a phase, as an index.
    pub fn project_of_phase(&self, phase: &Phase) -> usize {
        self.releases[self.release_of_phase(phase)].project
    }

    /// The living cycles of a release.
    pub fn living_cycles(&self, release: usize) -> impl Iterator<Item = &Cycle> {
        self.index.cycles_of_release[release].iter().map(|&at| &self.cycles[at]).filter(|cycle| !cycle.is_deleted)
    }

    /// The living phases of a cycle, by its index.
    pub fn living_phases(&self, cycle: usize) -> impl DoubleEndedIterator<Item = usize> {
        let is_living = !self.cycles[cycle].is_deleted;
        self.index.phases_of_cycle[cycle].iter().copied().filter(move |&at| is_living && !self.phases[at].is_deleted)
    }

    /// The living phases of a release, by its index, in ascending order of their execution ids.
    pub fn phases_of_release(&self, release: usize) -> Vec<usize> {
        let mut phases: Vec<usize> =
            self.index.cycles_of_release[release].iter().flat_map(|&cycle| self.living_phases(cycle)).collect();
        phases.sort_unstable();
        phases
    }

    /// True unless the phase or its cycle was deleted.
    pub fn is_living(&self, phase: &Phase) -> bool {
        !phase.is_deleted && !self.cycles[phase.cycle].is_deleted
    }

    /// The living phase that holds an execution id, with the row's place in it.
    pub fn phase_of_execution(&self, execution_id: i64) -> Option<(&Phase, u32)> {
        let after = self.phases.partition_point(|phase| phase.first_execution <= execution_id);
        let phase = self.phases.get(after.checked_sub(1)?)?;
        let slot = execution_id - phase.first_execution;
        (slot < i64::from(phase.slots()) && self.is_living(phase)).then_some((phase, slot as u32))
    }

    /// Three projects with releases, for the quirk of closed projects: among them one whose cycles hold rows.
    pub fn projects_to_forbid(&self) -> Vec<i64> {
        let mut sized: Vec<(usize, i64)> = Vec::new();
        for (at, project) in self.projects.iter().enumerate() {
            let releases = &self.index.releases_of_project[at];
            if releases.iter().any(|&release| !self.releases[release].is_pseudo) {
                let phases = releases.iter().map(|&release| self.phases_of_release(release).len()).sum();
                sized.push((phases, project.id));
            }
        }
        sized.sort_unstable();
        // the middle of the range: not the busiest project, and not only empty ones
        let middle = sized.len() / 2;
        let last = (middle + 2).min(sized.len());
        let first = last.saturating_sub(3);
        sized[first..last].iter().map(|&(_, id)| id).collect()
    }

    /// The logical id of the test case a row runs.
    pub fn testcase_of(&self, phase: &Phase, slot: u32) -> i64 {
        if !self.quirks.has(Quirk::SharedTestcases) {
            return self.testcases + phase.first_execution + i64::from(slot);
        }
        let project = &self.projects[self.project_of_phase(phase)];
        let place = (u64::from(phase.pool_offset) + u64::from(slot)) % u64::from(project.testcases.max(1));
        project.first_testcase + place as i64
    }
}
