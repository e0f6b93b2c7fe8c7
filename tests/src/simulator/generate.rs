//! The world as it stands when the clock starts.

use super::calendar::{Day, HOUR_MS, calendar};
use super::census::Census;
use super::events::Events;
use super::noise::{Kind, Noise};
use super::profile::{CyclePlan, Profile, ProjectPlan, plan};
use super::quirks::{Quirk, Quirks};
use super::tree::{ROOT_IDS, folders_of};
use super::words;
use super::world::{Cycle, Drift, Index, Phase, Project, Release, Requirements, User, World};

/// The users `/user` lists; all but two are in `/user/filter` as well.
pub const USERS: usize = 384;

/// No project has more requirements.
const MOST_REQUIREMENTS: u32 = 20_000;

/// What the size of the world is made from.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The seed of all noise.
    pub seed: u64,
    /// The profile.
    pub profile: Profile,
    /// How many executions there are when the clock starts.
    pub executions: u64,
    /// Rows per phase the big profile aims at.
    pub phase_rows: u64,
    /// The day the clock starts.
    pub epoch: Day,
    /// The instant the clock starts.
    pub clock_ms: i64,
    /// The quirks that shape rows.
    pub quirks: Quirks,
}

/// A world under construction.
pub struct Builder {
    /// What has been built.
    pub world: World,
    /// The noise of the world's shape.
    pub noise: Noise,
    weights: Vec<u64>,
    /// The largest cycle id so far.
    pub last_cycle: Option<i64>,
    /// The largest phase id so far.
    pub last_phase: Option<i64>,
}

/// Builds the world of a profile.
pub fn generate(shape: Shape) -> World {
    let mut builder = Builder::new(shape);
    let plans = plan(shape.profile, shape.executions, shape.phase_rows, &mut builder.noise);
    for project in &plans {
        builder.add_project(project);
    }
    builder.add_releases(&plans, shape.profile);
    for (at, cycles) in builder.releases_with_plans(&plans) {
        builder.add_cycles(at, &cycles, cycles.len() >= 12);
    }
    builder.finish(shape)
}

impl Builder {
    /// An empty world with its users.
    pub fn new(shape: Shape) -> Self {
        let world = World {
            seed: shape.seed,
            quirks: shape.quirks,
            epoch: shape.epoch,
            clock_ms: shape.clock_ms,
            days: 0,
            projects: Vec::new(),
            releases: Vec::new(),
            cycles: Vec::new(),
            phases: Vec::new(),
            users: Vec::new(),
            deleted_executions: std::collections::HashSet::new(),
            testcases: 0,
            drift: Drift::default(),
            events: Events::default(),
            census: Census::default(),
            index: Index::default(),
        };
        let mut builder = Self {
            world,
            noise: Noise::of(shape.seed, Kind::World, 0),
            weights: Vec::new(),
            last_cycle: None,
            last_phase: None,
        };
        builder.add_users(if shape.profile == Profile::Small { 24 } else { USERS });
        builder
    }

    /// Where the ids of an entity begin: all at one on a real server, apart when the quirk is off.
    fn first_id(&self, range: i64) -> i64 {
        if self.world.quirks.has(Quirk::OverlappingIds) { 1 } else { range * 100_000_000 + 1 }
    }

    /// The next id after the last one, seldom leaving a gap.
    fn next_id(&mut self, last: Option<i64>, range: i64) -> i64 {
        let gap = if self.noise.chance(100) { self.noise.between(1, 2) } else { 0 };
        last.map_or(self.first_id(range), |id| id + 1) + gap
    }

    fn add_users(&mut self, count: usize) {
        for number in 0..count {
            let id = self.first_id(6) + number as i64;
            let mut noise = Noise::of(self.world.seed, Kind::User, id);
            let (first_name, last_name) = words::person(&mut noise);
            self.world.users.push(User {
                id,
                full_name: format!("{first_name} {last_name}"),
                username: format!("user{id}"),
                first_name,
                last_name,
                is_hidden: number + 2 >= count,
            });
        }
    }

    fn add_project(&mut self, plan: &ProjectPlan) {
        let last = self.world.projects.last().map(|project| project.id);
        let id = self.next_id(last, 1);
        let mut noise = Noise::of(self.world.seed, Kind::Project, id);
        let start = self.world.epoch - noise.between(250, 900) as Day;
        let mut name = words::project(&mut noise);
        if self.world.projects.iter().any(|project| project.name == name) {
            name = format!("{name} {id}");
        }
        let project = Project {
            id,
            version: noise.between(4, 60) + if plan.is_largest { 580 } else { 0 },
            name,
            description: if noise.chance(470) { String::new() } else { words::sentence(&mut noise) },
            start,
            end: noise.chance(26).then_some(start + 700),
            created_ms: calendar().midnight_ms(start) + noise.between(8, 16) * HOUR_MS + 137_000,
            team: Vec::new(),
            first_testcase: 0,
            testcases: 0,
            requirements: Requirements::default(),
            recorded: None,
        };
        self.world.projects.push(project);
        self.add_team(plan.is_largest);
    }

    /// Gives the latest project its testers.
    pub fn add_team(&mut self, is_largest: bool) {
        let users = self.world.users.len() as u64 - 2;
        let size = if is_largest { 120 } else { self.noise.between(4, 24) as u64 };
        let mut team: Vec<usize> = (0..size).map(|_| self.noise.below(users) as usize).collect();
        team.sort_unstable();
        team.dedup();
        if let Some(project) = self.world.projects.last_mut() {
            project.team = team;
        }
    }

    fn add_releases(&mut self, plans: &[ProjectPlan], profile: Profile) {
        let (open_ended, ending) = profile.running_percent();
        for (at, plan) in plans.iter().enumerate() {
            let project_start = self.world.projects[at].start;
            if plan.has_pseudo {
                self.add_release(at, true, project_start, None, 0);
            }
            for position in 0..plan.releases.len() {
                // the largest always runs when the clock starts
                let is_largest = plan.is_largest && (position == 2 || plan.releases.len() < 3);
                let epoch = self.world.epoch;
                let start = (project_start + 40 * position as Day).min(epoch - 150);
                let end = match self.noise.below(100) {
                    _ if is_largest => Some(epoch + 120),
                    drawn if drawn < open_ended => None,
                    drawn if drawn < open_ended + ending => Some(epoch + self.noise.between(35, 300) as Day),
                    _ => Some((start + self.noise.between(60, 200) as Day).min(epoch - 10)),
                };
                self.add_release(at, false, start, end, position as i64 + 1);
            }
        }
    }

    fn add_release(&mut self, project: usize, is_pseudo: bool, start: Day, end: Option<Day>, after: i64) {
        let last = self.world.releases.last().map(|release| release.id);
        let id = self.next_id(last, 2);
        let mut noise = Noise::of(self.world.seed, Kind::Release, id);
        let name = if is_pseudo {
            "Project Test Repository".to_owned()
        } else {
            self.distinct(words::release(&mut noise), id)
        };
        let has_description = !is_pseudo && noise.chance(820);
        self.world.releases.push(Release {
            id,
            project,
            name,
            description: has_description
                .then(|| if noise.chance(500) { String::new() } else { words::sentence(&mut noise) }),
            start: (!is_pseudo).then_some(start),
            end,
            created_ms: calendar().midnight_ms(start - 4) + noise.between(8, 16) * HOUR_MS + 927_000,
            created_by_program: !is_pseudo && noise.chance(60),
            status: (is_pseudo || !noise.chance(20)).then(|| i64::from(noise.chance(40))),
            order_id: 1 + after,
            is_pseudo,
            first_tree: 0,
            position: after as usize,
            recorded: None,
        });
    }

    fn distinct(&self, name: String, id: i64) -> String {
        if self.world.quirks.has(Quirk::RepeatedNames) { name } else { format!("{name} ({id})") }
    }

    fn releases_with_plans(&self, plans: &[ProjectPlan]) -> Vec<(usize, CyclePlan)> {
        let mut next = vec![0; plans.len()];
        let mut pairs = Vec::new();
        for (at, release) in self.world.releases.iter().enumerate() {
            if !release.is_pseudo {
                let position = next[release.project];
                next[release.project] += 1;
                pairs.push((at, plans[release.project].releases[position].clone()));
            }
        }
        pairs
    }

    /// Adds the cycles of a release with their phases.
    pub fn add_cycles(&mut self, release: usize, cycles: &CyclePlan, is_largest: bool) {
        let windows = self.windows(release, cycles.len());
        for (&phases, (start, end)) in cycles.iter().zip(windows) {
            let id = self.next_id(self.last_cycle, 3);
            self.last_cycle = Some(id);
            let mut noise = Noise::of(self.world.seed, Kind::Cycle, id);
            let name = self.distinct(words::cycle(&mut noise), id);
            let has_environment = noise.chance(143);
            let created = (start - noise.between(2, 20) as Day).min(self.world.epoch - 1);
            self.world.cycles.push(Cycle {
                id,
                release,
                name,
                environment: has_environment.then(|| words::environment(&mut noise)),
                build: has_environment.then(|| format!("{}.{}", noise.between(1, 25), noise.between(0, 9))),
                start,
                end,
                status: Some(0),
                revision: noise.between(1, 290),
                created_ms: calendar().midnight_ms(created) + noise.between(8, 16) * HOUR_MS + 373_000,
                is_deleted: false,
                recorded: None,
            });
            let cycle = self.world.cycles.len() - 1;
            for position in 0..phases {
                self.add_phase(cycle, position, is_largest);
            }
        }
    }

    fn add_phase(&mut self, cycle: usize, position: usize, is_largest: bool) {
        let id = self.next_id(self.last_phase, 4);
        self.last_phase = Some(id);
        let mut noise = Noise::of(self.world.seed, Kind::Phase, id);
        let name = words::phase(&mut noise, position + cycle * 3);
        let owner = &self.world.cycles[cycle];
        let is_narrow = noise.chance(200) && owner.end - owner.start > 10;
        let start = owner.start + if is_narrow { 2 } else { 0 };
        let end = owner.end - if is_narrow { 2 } else { 0 };
        let phase = Phase {
            id,
            cycle,
            name,
            tree_id: position as i64,
            is_free_form: noise.chance(140),
            has_child: noise.chance(600),
            start,
            end,
            created_ms: owner.created_ms + noise.between(1, 40) * HOUR_MS / 10,
            opened: 0,
            is_added: false,
            first_execution: 0,
            base_rows: 0,
            later_rows: 0,
            pool_offset: 0,
            executed_permille: 0,
            is_deleted: false,
        };
        self.adopt_phase(phase, is_largest);
    }

    /// Adds a phase that is complete but for its rows.
    pub fn adopt_phase(&mut self, mut phase: Phase, is_largest: bool) {
        let epoch = self.world.epoch;
        let mut noise = Noise::of(self.world.seed ^ 0x70, Kind::Phase, phase.id);
        phase.opened = (phase.start - noise.between(1, 5) as Day).min(epoch - 1 - noise.between(0, 3) as Day);
        phase.executed_permille = if phase.end < epoch {
            match noise.below(100) {
                0..45 => 0,
                45..75 => noise.between(30, 220) as u32,
                _ => noise.between(300, 850) as u32,
            }
        } else {
            noise.between(860, 960) as u32
        };
        let size = 12 + noise.below(60) + noise.below(60);
        let weight = match noise.below(40) {
            0 => 0,
            _ if is_largest => size * 4,
            _ => size,
        };
        self.world.phases.push(phase);
        self.weights.push(weight);
    }

    /// First and last days of a release's cycles: one after the other, the later ones around the start of the clock if the
    /// release still runs then.
    fn windows(&mut self, release: usize, count: usize) -> Vec<(Day, Day)> {
        let epoch = self.world.epoch;
        let owner = &self.world.releases[release];
        let start = owner.start.unwrap_or(epoch - 300);
        let runs_until = owner.end.filter(|&end| end < epoch);
        let mut windows = Vec::with_capacity(count);
        if let Some(end) = runs_until {
            let step = ((end - start) / count.max(1) as Day).max(2);
            for number in 0..count as Day {
                let from = start + number * step;
                windows.push((from, from + step - 1));
            }
            return windows;
        }
        let running = count.div_ceil(3);
        let planned = if count >= 4 { count / 6 } else { 0 };
        let mut latest = epoch - 20;
        for _ in 0..count - running - planned {
            let length = self.noise.between(20, 45) as Day;
            windows.push(((latest - length).max(start.min(latest - 2)), latest));
            latest -= length + 2;
        }
        windows.reverse();
        for _ in 0..running {
            let from = epoch - self.noise.between(4, 18) as Day;
            windows.push((from, epoch + self.noise.between(7, 30) as Day));
        }
        for _ in 0..planned {
            let from = epoch + self.noise.between(3, 25) as Day;
            windows.push((from, from + self.noise.between(14, 35) as Day));
        }
        windows
    }

    /// Gives every phase its rows and every project its test cases, and indexes all.
    pub fn finish(mut self, shape: Shape) -> World {
        self.world.reindex();
        self.spread_rows(shape);
        self.spread_testcases(shape.profile);
        self.world.reindex();
        self.world
    }

    fn spread_rows(&mut self, shape: Shape) {
        let big = shape.profile == Profile::Big;
        if big {
            let noise = &mut self.noise;
            let rows = shape.phase_rows as i64;
            for weight in &mut self.weights {
                *weight = noise.between(rows * 6 / 10, rows * 14 / 10) as u64;
            }
        }
        let total: u64 = self.weights.iter().sum::<u64>().max(1);
        let mut given = 0;
        let mut summed = 0;
        let mut next = self.first_id(5);
        for (phase, weight) in self.world.phases.iter_mut().zip(&self.weights) {
            // rounding the running sum, and not each share, makes the rows add up to exactly what was asked for
            summed += weight;
            let until = (u128::from(shape.executions) * u128::from(summed) / u128::from(total)) as u64;
            phase.base_rows = (until - given) as u32;
            given = until;
            phase.later_rows =
                if phase.end > shape.epoch && phase.base_rows > 0 { phase.base_rows / 16 + 1 } else { 0 };
            phase.first_execution = next;
            next += i64::from(phase.slots());
        }
    }

    fn spread_testcases(&mut self, profile: Profile) {
        let (mut next_requirement, mut next_node) = (self.first_id(8), self.first_id(7));
        let world = &mut self.world;
        let mut next = 1;
        // recorded root folders keep their ids
        let recorded = world.phases.iter().filter(|phase| world.cycles[phase.cycle].recorded.is_some());
        let mut next_tree = recorded.map(|phase| phase.tree_id + 1).max().unwrap_or(0).max(100);
        for project in 0..world.projects.len() {
            let cycles: Vec<usize> = world.index.releases_of_project[project]
                .iter()
                .flat_map(|&release| world.index.cycles_of_release[release].iter().copied())
                .collect();
            let rows_of_cycle = |cycle: usize| -> u64 {
                world.index.phases_of_cycle[cycle].iter().map(|&phase| u64::from(world.phases[phase].slots())).sum()
            };
            let most = cycles.iter().map(|&cycle| rows_of_cycle(cycle)).max().unwrap_or(0);
            let least = if profile == Profile::ProdShape && cycles.len() > 12 { 5_000 } else { 120 };
            let pool = (most * 17 / 20).max(least).min(u64::from(u32::MAX)) as u32;
            for (number, &cycle) in cycles.iter().enumerate() {
                let mut offset = number as u64 * u64::from(pool) / 7;
                for &phase in &world.index.phases_of_cycle[cycle] {
                    // neighbouring phases share a few test cases, cycles share many
                    world.phases[phase].pool_offset = (offset % u64::from(pool)) as u32;
                    offset += u64::from(world.phases[phase].slots()) * 17 / 20;
                }
            }
            world.projects[project].first_testcase = next;
            world.projects[project].testcases = pool;
            next += i64::from(pool);
            let count = pool.saturating_mul(3) / 5;
            let requirements = Requirements {
                first: next_requirement,
                count: count.min(MOST_REQUIREMENTS),
                first_node: next_node,
                nodes: count.min(MOST_REQUIREMENTS) / 10 + 1,
            };
            next_requirement += i64::from(requirements.count);
            next_node += i64::from(requirements.nodes);
            world.projects[project].requirements = requirements;
            for &release in &world.index.releases_of_project[project] {
                world.releases[release].first_tree = next_tree;
                next_tree += ROOT_IDS + folders_of(pool) as i64;
            }
        }
        world.testcases = next;
        for at in 0..world.phases.len() {
            let release = world.cycles[world.phases[at].cycle].release;
            if world.cycles[world.phases[at].cycle].recorded.is_none() {
                world.phases[at].tree_id += world.releases[release].first_tree;
            }
        }
    }
}
