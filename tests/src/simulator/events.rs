//! What happens besides on the days of an eventful world: cycles change their status back and forth, requirements are linked
//! and unlinked, test cases, requirements and releases get other names, unused test cases are deleted, and a project is
//! closed to the owner of the token for some days.
//!
//! It draws from a stream of its own, so that everything else is the same with it and without it.

use std::collections::{BTreeMap, BTreeSet};

use super::noise::{Kind, Noise};
use super::quirks::Quirk;
use super::requirements::MOST_LINKS;
use super::world::World;

/// A cycle in which work goes on; before that it is 0, planned.
const ACTIVE: i64 = 1;
/// A cycle that was declared done.
const COMPLETED: i64 = 2;

/// Days after which closing and opening projects begins anew.
const ACCESS_DAYS: i64 = 14;

/// How often a suitable test case or requirement is looked for before the day goes on without one.
const TRIES: usize = 200;

/// How often a row was reworded, and when it last was touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// How many names it has had since the clock started.
    pub renamed: u32,
    /// When it last changed.
    pub at_ms: i64,
}

/// What eventful days have changed so far.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Projects closed to the owner of the token, by id.
    pub closed: BTreeSet<i64>,
    /// How many requirements a test case is linked to where that has changed, by logical id.
    pub links: BTreeMap<i64, u32>,
    /// Test cases that were edited, by logical id.
    pub testcases: BTreeMap<i64, Edit>,
    /// Test cases that were deleted, by logical id; nothing ever scheduled them.
    pub testcases_gone: BTreeSet<i64>,
    /// Requirements that were edited, by id.
    pub requirements: BTreeMap<i64, Edit>,
    /// The cycle whose status changed last, as an index.
    last_cycle: Option<usize>,
}

/// A name after some edits.
pub fn reworded(name: &mut String, edit: Option<&Edit>) {
    if let Some(edit) = edit.filter(|edit| edit.renamed > 0) {
        name.push_str(&format!(" (reworded {})", edit.renamed));
    }
}

impl World {
    /// What eventful days add to a day.
    pub(super) fn live_eventfully(&mut self, number: i64) {
        let mut noise = Noise::of(self.seed ^ 0x44, Kind::Day, number);
        // a cycle that began today may schedule what was deleted: then it is back
        let gone = std::mem::take(&mut self.events.testcases_gone);
        self.events.testcases_gone = gone.into_iter().filter(|&id| !self.is_scheduled(id)).collect();
        self.change_cycle_status(&mut noise, number);
        self.change_links(&mut noise);
        if number % 2 == 0 {
            self.reword_testcase(&mut noise);
        }
        if number % 3 == 0 {
            self.reword_requirement(&mut noise);
        }
        if number % 5 == 2 {
            self.rename_release(&mut noise);
        }
        if number % 4 == 3 {
            self.delete_testcase(&mut noise);
        }
        self.change_access(&mut noise, number);
    }

    fn change_cycle_status(&mut self, noise: &mut Noise, number: i64) {
        let is_there = |world: &Self, at: usize| !world.cycles[at].is_deleted;
        let any = self.choose_cycle(noise, |_, _| true);
        let completed =
            (0..self.cycles.len()).find(|&at| is_there(self, at) && self.cycles[at].status == Some(COMPLETED));
        let again = self.events.last_cycle.filter(|&at| is_there(self, at));
        let chosen = match number % 5 {
            // people open again what they had declared done
            0 => completed.or(any),
            2 | 4 => again.or(any),
            _ => any,
        };
        let revision = self.next_revision();
        if let Some(at) = chosen {
            let cycle = &mut self.cycles[at];
            cycle.status = Some(if cycle.status == Some(ACTIVE) { COMPLETED } else { ACTIVE });
            cycle.revision = revision;
            cycle.recorded = None;
            self.events.last_cycle = Some(at);
        }
    }

    fn change_links(&mut self, noise: &mut Noise) {
        for is_more in [true, false] {
            let suits = |world: &Self, id: i64| {
                let count = world.link_count(id);
                if is_more { count < MOST_LINKS } else { count > 0 }
            };
            if let Some(id) = self.choose_testcase(noise, suits) {
                let count = self.link_count(id);
                self.events.links.insert(id, if is_more { count + 1 } else { count - 1 });
                let at_ms = self.clock_ms;
                self.events.testcases.entry(id).or_default().at_ms = at_ms;
            }
        }
    }

    fn reword_testcase(&mut self, noise: &mut Noise) {
        if let Some(id) = self.choose_testcase(noise, |_, _| true) {
            let at_ms = self.clock_ms;
            let edit = self.events.testcases.entry(id).or_default();
            edit.renamed += 1;
            edit.at_ms = at_ms;
        }
    }

    fn reword_requirement(&mut self, noise: &mut Noise) {
        let at = noise.below(self.projects.len() as u64) as usize;
        let requirements = self.projects[at].requirements;
        if requirements.count > 0 {
            let id = requirements.first + noise.below(u64::from(requirements.count)) as i64;
            let at_ms = self.clock_ms;
            let edit = self.events.requirements.entry(id).or_default();
            edit.renamed += 1;
            edit.at_ms = at_ms;
        }
    }

    fn rename_release(&mut self, noise: &mut Noise) {
        let candidates: Vec<usize> = (0..self.releases.len()).filter(|&at| !self.releases[at].is_pseudo).collect();
        if let Some(&at) = candidates.get(noise.below(candidates.len() as u64) as usize) {
            let release = &mut self.releases[at];
            release.name.push_str(" (replanned)");
            release.recorded = None;
        }
    }

    fn delete_testcase(&mut self, noise: &mut Noise) {
        if let Some(id) = self.choose_testcase(noise, |world, id| !world.is_scheduled(id)) {
            self.events.testcases_gone.insert(id);
        }
    }

    fn change_access(&mut self, noise: &mut Noise, number: i64) {
        let candidates = self.projects_to_forbid();
        let chosen = candidates.get(noise.below(candidates.len().min(2) as u64) as usize);
        match number % ACCESS_DAYS {
            4 | 11 => self.events.closed.extend(chosen),
            8 | 13 => self.events.closed.clear(),
            _ => {}
        }
    }

    /// A test case of the pool of some project that has a repository, which is there and suits.
    fn choose_testcase(&self, noise: &mut Noise, suits: impl Fn(&Self, i64) -> bool) -> Option<i64> {
        // without the quirk every execution has a test case of its own, and there is no pool to choose from
        if !self.quirks.has(Quirk::SharedTestcases) {
            return None;
        }
        let projects: Vec<usize> = (0..self.projects.len()).filter(|&at| self.repository(at).is_some()).collect();
        (0..TRIES).find_map(|_| {
            let &at = projects.get(noise.below(projects.len() as u64) as usize)?;
            let project = &self.projects[at];
            let id = project.first_testcase + noise.below(u64::from(project.testcases)) as i64;
            (project.testcases > 0 && !self.events.testcases_gone.contains(&id) && suits(self, id)).then_some(id)
        })
    }

    /// The project whose pool holds a test case, as an index.
    pub fn project_of_testcase(&self, testcase_id: i64) -> Option<usize> {
        self.projects.iter().position(|project| {
            (project.first_testcase..project.first_testcase + i64::from(project.testcases)).contains(&testcase_id)
        })
    }

    /// Whether any phase ever holds a row of a test case of a pool.
    fn is_scheduled(&self, testcase_id: i64) -> bool {
        let Some(project) = self.project_of_testcase(testcase_id) else {
            return true;
        };
        let owner = &self.projects[project];
        let place = testcase_id - owner.first_testcase;
        let pool = i64::from(owner.testcases.max(1));
        self.phases.iter().any(|phase| {
            self.project_of_phase(phase) == project
                && (place - i64::from(phase.pool_offset)).rem_euclid(pool) < i64::from(phase.slots())
        })
    }

    /// When a row that was edited last changed, if that is later than what its own life says.
    pub fn edited_ms(edit: Option<&Edit>, modified_ms: i64) -> i64 {
        edit.map_or(modified_ms, |edit| modified_ms.max(edit.at_ms))
    }
}
