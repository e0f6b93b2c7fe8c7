//! The test-case trees: which folders a release or a repository has and which test cases lie in them.
//!
//! Nothing here is stored. A folder holds a range of its project's pool; a release holds the part of it that its phases ever
//! scheduled and a few test cases nobody scheduled yet, while the repository holds all of it. A test case that was revised
//! is placed twice, once per version, as cycles that began earlier still run the first one.

use super::calendar::Day;
use super::noise::{Kind, Noise, mix};
use super::quirks::Quirk;
use super::world::{Phase, World};

/// Ids below a release's first folder that are kept for the roots its phases are built from.
pub const ROOT_IDS: i64 = 20;

/// Placement ids begin above this.
const FIRST_PLACEMENT: i64 = 3_000;
/// Version ids begin above this.
const FIRST_VERSION: i64 = 1_200;
/// How many of a thousand test cases lie in the tree of a release without any of its phases using them.
const UNSCHEDULED_PERMILLE: u64 = 80;
/// How far apart the ids of two versions are when every execution has a test case of its own.
const UNSHARED_SPAN: i64 = 1_000_000_000;
/// Every so many folders directly below a root, the ones between being inside of them.
const FOLDERS_PER_BRANCH: usize = 4;

/// How many neighbouring test cases of a pool share a folder: larger pools have larger folders rather than more.
pub fn testcases_per_folder(pool: u32) -> u32 {
    pool.div_ceil(125).max(40)
}

/// How many folders a pool fills.
pub fn folders_of(pool: u32) -> usize {
    pool.div_ceil(testcases_per_folder(pool)) as usize
}

/// A version of a test case in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The release or pseudo release, as an index.
    pub release: usize,
    /// The id of the folder.
    pub folder: i64,
    /// The logical id of the test case.
    pub testcase_id: i64,
    /// Which version of it.
    pub version: i64,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A root, by its position.
    Root(usize),
    /// A folder, by its number.
    Folder(usize),
}

/// The tree of a release, or of a repository for a pseudo release.
pub struct Tree<'a> {
    world: &'a World,
    /// The release, as an index.
    pub release: usize,
    roots: Vec<i64>,
    /// The first roots, those that have folders.
    branches: usize,
    folders: usize,
    per_folder: u32,
    scheduled: Vec<(u32, u32)>,
    phases: Vec<&'a Phase>,
}

impl World {
    /// How far apart the ids of two versions or of two releases' placements are.
    fn version_span(&self) -> i64 {
        let spread = if self.quirks.has(Quirk::SharedTestcases) { 0 } else { UNSHARED_SPAN };
        self.testcases + spread
    }

    /// The day a test case got its second version, if it has one.
    pub fn revised_on(&self, noise: &mut Noise) -> Option<Day> {
        noise.chance(250).then(|| self.epoch - noise.between(0, 300) as Day)
    }

    /// The noise of a logical test case.
    pub fn testcase_noise(&self, testcase_id: i64) -> Noise {
        Noise::of(self.seed ^ 0x40, Kind::Testcase, testcase_id)
    }

    /// The id of the placement.
    pub fn placement_id(&self, placed: &Placed) -> i64 {
        let position = self.releases[placed.release].position as i64;
        FIRST_PLACEMENT + placed.testcase_id + self.version_span() * (placed.version - 1 + 2 * position)
    }

    /// The id of a version of a test case.
    pub fn version_id(&self, testcase_id: i64, version: i64) -> i64 {
        FIRST_VERSION + testcase_id + (version - 1) * self.version_span()
    }

    /// The placement an execution row runs.
    pub fn placed_in(&self, phase: &Phase, slot: u32) -> Placed {
        let release = self.release_of_phase(phase);
        let pool = self.projects[self.releases[release].project].testcases.max(1);
        let testcase_id = self.testcase_of(phase, slot);
        // cycles that began after a revision run the second version
        let revised = self.revised_on(&mut self.testcase_noise(testcase_id));
        let version = if revised.is_some_and(|day| day <= phase.start) { 2 } else { 1 };
        let place = (u64::from(phase.pool_offset) + u64::from(slot)) % u64::from(pool);
        let folder = place as i64 / i64::from(testcases_per_folder(pool));
        Placed { release, folder: self.releases[release].first_tree + ROOT_IDS + folder, testcase_id, version }
    }

    /// The phases of a release, deleted ones included: what they scheduled stays in the tree.
    fn phases_ever(&self, release: usize) -> impl Iterator<Item = &Phase> {
        let cycles = self.index.cycles_of_release[release].iter();
        cycles.flat_map(|&cycle| &self.index.phases_of_cycle[cycle]).map(|&at| &self.phases[at])
    }

    /// The tree of a release, by its index.
    pub fn tree(&self, release: usize) -> Tree<'_> {
        Tree::of(self, release)
    }

    /// The tree and the node with an id.
    pub fn node(&self, id: i64) -> Option<(Tree<'_>, Node)> {
        let release = match self.index.recorded_tree.get(&id) {
            Some(&release) => release,
            None => {
                let after = self.index.tree_starts.partition_point(|&(start, _)| start <= id);
                self.index.tree_starts.get(after.checked_sub(1)?)?.1
            }
        };
        let tree = self.tree(release);
        let node = tree.find(id)?;
        Some((tree, node))
    }

    /// The pseudo release that is a project's repository, by their indices.
    pub fn repository(&self, project: usize) -> Option<usize> {
        self.index.releases_of_project[project].iter().copied().find(|&at| self.releases[at].is_pseudo)
    }
}

impl<'a> Tree<'a> {
    fn of(world: &'a World, release: usize) -> Self {
        let owner = &world.releases[release];
        let pool = world.projects[owner.project].testcases;
        let mut tree = Self {
            world,
            release,
            roots: Vec::new(),
            branches: 0,
            folders: 0,
            per_folder: testcases_per_folder(pool),
            scheduled: Vec::new(),
            phases: Vec::new(),
        };
        if owner.is_pseudo {
            tree.roots = (0..3.min(folders_of(pool)) as i64).map(|root| owner.first_tree + root).collect();
            tree.branches = tree.roots.len();
        } else {
            tree.phases = world.phases_ever(release).collect();
            tree.find_roots();
            tree.find_scheduled(pool);
        }
        if tree.branches > 0 {
            tree.folders = folders_of(pool);
        }
        if owner.is_pseudo && !world.quirks.has(Quirk::SharedTestcases) {
            let releases = &world.index.releases_of_project[owner.project];
            tree.phases = releases.iter().flat_map(|&release| world.phases_ever(release)).collect();
        }
        tree
    }

    /// The roots its phases are built from; only those that were there from the start have folders, so that no folder moves.
    fn find_roots(&mut self) {
        let ids = |is_added: bool| {
            let mut ids: Vec<i64> =
                self.phases.iter().filter(|phase| phase.is_added == is_added).map(|phase| phase.tree_id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (first, later) = (ids(false), ids(true));
        // a release that had no phase keeps its folders below its first root
        self.branches = if first.is_empty() { later.len().min(1) } else { first.len() };
        self.roots = first;
        for id in later {
            if !self.roots.contains(&id) {
                self.roots.push(id);
            }
        }
    }

    /// The parts of the pool that phases scheduled, as ascending ranges that do not touch.
    fn find_scheduled(&mut self, pool: u32) {
        let mut ranges = Vec::new();
        for phase in &self.phases {
            let until = u64::from(phase.pool_offset) + u64::from(phase.slots().min(pool));
            ranges.push((phase.pool_offset, until.min(u64::from(pool)) as u32));
            if until > u64::from(pool) {
                ranges.push((0, (until - u64::from(pool)) as u32));
            }
        }
        ranges.sort_unstable();
        for (from, until) in ranges {
            match self.scheduled.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ if from < until => self.scheduled.push((from, until)),
                _ => {}
            }
        }
    }

    /// The nodes at the top.
    pub fn roots(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.roots.len()).map(Node::Root)
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.roots.len() + self.folders
    }

    /// The id of a node.
    pub fn id(&self, node: Node) -> i64 {
        match node {
            Node::Root(at) => self.roots[at],
            Node::Folder(number) => self.world.releases[self.release].first_tree + ROOT_IDS + number as i64,
        }
    }

    fn find(&self, id: i64) -> Option<Node> {
        if let Some(at) = self.roots.iter().position(|&root| root == id) {
            return Some(Node::Root(at));
        }
        let number = usize::try_from(id - self.world.releases[self.release].first_tree - ROOT_IDS).ok()?;
        (number < self.folders).then_some(Node::Folder(number))
    }

    /// The node above another, if it is no root.
    pub fn parent(&self, node: Node) -> Option<Node> {
        let Node::Folder(number) = node else {
            return None;
        };
        let depth = number / self.branches % FOLDERS_PER_BRANCH;
        Some(match depth {
            0 => Node::Root(number % self.branches),
            _ => Node::Folder(number - depth * self.branches),
        })
    }

    /// The nodes directly below another.
    pub fn children(&self, node: Node) -> Vec<Node> {
        let branches = self.branches;
        let numbers: Vec<usize> = match node {
            Node::Root(at) if at < branches => (at..self.folders).step_by(branches * FOLDERS_PER_BRANCH).collect(),
            Node::Folder(number) if (number / branches).is_multiple_of(FOLDERS_PER_BRANCH) => {
                (1..FOLDERS_PER_BRANCH).map(|inner| number + inner * branches).collect()
            }
            _ => Vec::new(),
        };
        numbers.into_iter().filter(|&number| number < self.folders).map(Node::Folder).collect()
    }

    /// How many test cases lie directly in a node.
    pub fn count(&self, node: Node) -> u64 {
        let mut count = 0;
        self.visit(node, |_| count += 1);
        count
    }

    /// How many test cases lie in all nodes together.
    pub fn total(&self) -> u64 {
        (0..self.folders).map(|number| self.count(Node::Folder(number))).sum()
    }

    /// The test cases directly in a node, in the order of the folder.
    pub fn rows(&self, node: Node) -> Vec<Placed> {
        let mut rows = Vec::new();
        self.visit(node, |placed| rows.push(placed));
        rows
    }

    fn visit(&self, node: Node, mut visit: impl FnMut(Placed)) {
        let Node::Folder(number) = node else {
            return;
        };
        let folder = self.id(node);
        let gone = &self.world.drift.placements_gone;
        let mut visit_testcase = |testcase_id: i64| {
            if self.world.events.testcases_gone.contains(&testcase_id) {
                return;
            }
            let is_revised = self.world.revised_on(&mut self.world.testcase_noise(testcase_id)).is_some();
            for version in 1..=1 + i64::from(is_revised) {
                let placed = Placed { release: self.release, folder, testcase_id, version };
                if gone.is_empty() || !gone.contains(&self.world.placement_id(&placed)) {
                    visit(placed);
                }
            }
        };
        let project = &self.world.projects[self.world.releases[self.release].project];
        let from = number as u32 * self.per_folder;
        let until = (from + self.per_folder).min(project.testcases);
        if self.world.quirks.has(Quirk::SharedTestcases) {
            for place in from..until {
                if self.holds(place) {
                    visit_testcase(project.first_testcase + i64::from(place));
                }
            }
            return;
        }
        let (from, until, pool) = (i64::from(from), i64::from(until), i64::from(project.testcases.max(1)));
        for phase in &self.phases {
            // the slots that fall into this part of the pool come around once per turn of it
            let mut start = (from - i64::from(phase.pool_offset)).rem_euclid(pool) - pool;
            while start < i64::from(phase.slots()) {
                for slot in start.max(0)..(start + until - from).min(i64::from(phase.slots())) {
                    visit_testcase(self.world.testcase_of(phase, slot as u32));
                }
                start += pool;
            }
        }
    }

    fn holds(&self, place: u32) -> bool {
        let owner = &self.world.releases[self.release];
        if owner.is_pseudo {
            return true;
        }
        let after = self.scheduled.partition_point(|&(from, _)| from <= place);
        let is_scheduled = after > 0 && place < self.scheduled[after - 1].1;
        is_scheduled
            || mix(self.world.seed ^ mix((owner.id as u64) << 32 | u64::from(place))) % 1000 < UNSCHEDULED_PERMILLE
    }
}
