//! What happens on the server while the clock runs.
//!
//! Executions change by their own life (see [`super::lifecycle`]). Everything else changes once a day, at six in the morning of
//! UTC, by a list drawn from the seed and the number of the day: a world advanced by three days is the one advanced three times.
//! [`super::events`] adds to that list.

use super::calendar::{DAY_MS, Day, HOUR_MS};
use super::noise::{Kind, Noise};
use super::quirks::Quirk;
use super::words;
use super::world::{Cycle, Phase, World};

impl World {
    /// How many days of changes lie between the start of the clock and an instant.
    pub fn days_until(&self, clock_ms: i64) -> i64 {
        let start = i64::from(self.epoch) * DAY_MS + 6 * HOUR_MS;
        (clock_ms - start).div_euclid(DAY_MS).max(0)
    }

    /// Moves the clock forward; the world must not be ahead of it.
    pub fn advance(&mut self, clock_ms: i64) {
        let days = self.days_until(clock_ms);
        while self.days < days {
            self.days += 1;
            self.live_through(self.days);
        }
        self.clock_ms = clock_ms;
        self.reindex();
    }

    fn live_through(&mut self, number: i64) {
        let mut noise = Noise::of(self.seed, Kind::Day, number);
        let day = self.epoch + number as Day;
        // rows deleted today must be there today
        self.clock_ms = i64::from(day) * DAY_MS + 6 * HOUR_MS;
        if number % 2 == 1 {
            self.rename_tester(&mut noise);
        }
        self.edit_projects(&mut noise, number);
        if number % 2 == 1 {
            self.rename_cycle(&mut noise);
        }
        self.delete_rows(&mut noise);
        if number % 3 == 1 {
            self.delete_phase(&mut noise);
        }
        if number % 7 == 6 {
            self.delete_cycle(&mut noise);
        }
        if number % 4 == 1 {
            self.add_cycle(&mut noise, day);
        }
        if self.quirks.has(Quirk::EventfulDays) {
            self.live_eventfully(number);
        }
    }

    fn rename_tester(&mut self, noise: &mut Noise) {
        let at = noise.below(self.users.len() as u64) as usize;
        let (_, last_name) = words::person(noise);
        let user = &mut self.users[at];
        user.full_name = format!("{} {last_name}", user.first_name);
        user.last_name = last_name;
    }

    fn edit_projects(&mut self, noise: &mut Noise, number: i64) {
        if let Some(busiest) = self.projects.iter_mut().max_by_key(|project| project.version) {
            busiest.version += 1;
        }
        let at = noise.below(self.projects.len() as u64) as usize;
        let name = words::project(noise);
        if number % 3 == 1 && self.projects.iter().all(|project| project.name != name) {
            let project = &mut self.projects[at];
            project.recorded = project.recorded.as_ref().map(|row| renamed(row, &project.name, &name));
            project.name = name;
            project.version += 1;
        }
    }

    fn rename_cycle(&mut self, noise: &mut Noise) {
        let revision = self.next_revision();
        if let Some(at) = self.choose_cycle(noise, |_, _| true) {
            let cycle = &mut self.cycles[at];
            cycle.name = format!("{} (rescheduled)", words::cycle(noise));
            cycle.revision = revision;
            cycle.recorded = None;
        }
    }

    fn delete_rows(&mut self, noise: &mut Noise) {
        let wanted = (self.base_rows() / 5_000).clamp(2, 40) as usize;
        let candidates: Vec<usize> = (0..self.phases.len()).filter(|&at| self.is_open(&self.phases[at])).collect();
        let mut deleted = 0;
        for _ in 0..wanted * 20 {
            if deleted == wanted || candidates.is_empty() {
                break;
            }
            let at = candidates[noise.below(candidates.len() as u64) as usize];
            let phase = &self.phases[at];
            let slot = noise.below(u64::from(phase.slots())) as u32;
            if self.has_row(phase, slot) {
                let id = phase.first_execution + i64::from(slot);
                self.deleted_executions.insert(id);
                deleted += 1;
            }
        }
    }

    fn base_rows(&self) -> u64 {
        self.phases.iter().map(|phase| u64::from(phase.base_rows)).sum()
    }

    /// True for phases people still work in: the others are history, which nobody edits.
    fn is_open(&self, phase: &Phase) -> bool {
        let today = self.epoch + self.days as Day;
        self.is_living(phase) && phase.slots() > 0 && phase.end >= today
    }

    fn delete_phase(&mut self, noise: &mut Noise) {
        let candidates: Vec<usize> = (0..self.phases.len())
            .filter(|&at| {
                let phase = &self.phases[at];
                // a cycle keeps at least one phase
                self.is_open(phase) && self.living_phases(phase.cycle).count() > 1
            })
            .collect();
        let revision = self.next_revision();
        // the smallest of a few: people delete what they have hardly begun
        let chosen = (0..4)
            .filter_map(|_| {
                let at = noise.below(candidates.len() as u64) as usize;
                candidates.get(at).copied()
            })
            .min_by_key(|&at| (self.phases[at].slots(), at));
        if let Some(at) = chosen {
            self.phases[at].is_deleted = true;
            let cycle = &mut self.cycles[self.phases[at].cycle];
            cycle.revision = revision;
            cycle.recorded = None;
        }
    }

    fn delete_cycle(&mut self, noise: &mut Noise) {
        let chosen = self.choose_cycle(noise, |world, at| {
            let siblings =
                world.cycles.iter().filter(|cycle| cycle.release == world.cycles[at].release && !cycle.is_deleted);
            siblings.count() > 1
        });
        if let Some(at) = chosen {
            self.cycles[at].is_deleted = true;
        }
    }

    pub(super) fn choose_cycle(&self, noise: &mut Noise, suits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let today = self.epoch + self.days as Day;
        let candidates: Vec<usize> = (0..self.cycles.len())
            .filter(|&at| !self.cycles[at].is_deleted && self.cycles[at].end >= today && suits(self, at))
            .collect();
        candidates.get(noise.below(candidates.len() as u64) as usize).copied()
    }

    pub(super) fn next_revision(&self) -> i64 {
        1 + self.cycles.iter().map(|cycle| cycle.revision).max().unwrap_or(0)
    }

    fn add_cycle(&mut self, noise: &mut Noise, day: Day) {
        let candidates: Vec<usize> = (0..self.releases.len())
            .filter(|&at| {
                let release = &self.releases[at];
                !release.is_pseudo && release.end.is_none_or(|end| end > day)
            })
            .collect();
        let Some(&release) = candidates.get(noise.below(candidates.len() as u64) as usize) else {
            return;
        };
        let id = 1 + self.cycles.iter().map(|cycle| cycle.id).max().unwrap_or(0);
        let end = day + noise.between(14, 40) as Day;
        let created_ms = self.clock_ms - HOUR_MS;
        self.cycles.push(Cycle {
            id,
            release,
            name: words::cycle(noise),
            environment: None,
            build: None,
            start: day,
            end,
            status: Some(0),
            revision: self.next_revision(),
            created_ms,
            is_deleted: false,
            recorded: None,
        });
        let cycle = self.cycles.len() - 1;
        let most_rows = (self.base_rows() / 80).clamp(6, 40) as i64;
        for position in 0..noise.between(1, 3) as usize {
            let id = 1 + self.phases.iter().map(|phase| phase.id).max().unwrap_or(0);
            let first_execution =
                self.phases.iter().map(|phase| phase.first_execution + i64::from(phase.slots())).max().unwrap_or(1);
            let pool = u64::from(self.projects[self.releases[release].project].testcases);
            self.phases.push(Phase {
                id,
                cycle,
                name: words::phase(noise, position),
                tree_id: self.releases[release].first_tree + position as i64,
                is_free_form: false,
                has_child: true,
                start: day,
                end,
                created_ms,
                opened: day,
                is_added: true,
                first_execution,
                base_rows: noise.between(4, most_rows) as u32,
                later_rows: 0,
                pool_offset: noise.below(pool) as u32,
                executed_permille: 920,
                is_deleted: false,
            });
        }
        self.reindex();
    }
}

/// A recorded row with another name, the rest byte for byte as it was.
fn renamed(row: &str, from: &str, to: &str) -> std::sync::Arc<str> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    row.replacen(&quoted(from), &quoted(to), 1).into()
}
