//! The life of one execution row: assigned, perhaps executed, perhaps executed again, perhaps given to somebody else.
//!
//! A row's whole life is a pure function of the seed and its id; its state is that life up to the clock. Nothing is stored,
//! which makes the state independent of the steps in which the clock moved.

use super::calendar::{DAY_MS, Day, HOUR_MS, calendar, is_weekend};
use super::noise::{Kind, Noise};
use super::world::{Phase, World};

/// Pass.
pub const PASS: i64 = 1;
/// Fail.
pub const FAIL: i64 = 2;
/// Work in progress.
pub const WIP: i64 = 3;
/// Blocked.
pub const BLOCKED: i64 = 4;
/// Not applicable: the tenant's own.
pub const NOT_APPLICABLE: i64 = 5;
/// Deferred: the tenant's own, no longer offered.
pub const DEFERRED: i64 = 6;
/// Reset to not executed.
pub const NOT_EXECUTED: i64 = 10;

/// The pseudo-user to whom unclaimed rows are assigned.
pub const ANYONE: i64 = -10;

/// The last result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many results the row has had, this one included.
    pub number: i64,
    /// The status code.
    pub status: i64,
    /// When it was executed.
    pub at_ms: i64,
    /// Who executed it, as a user index.
    pub by: usize,
}

/// The state of an execution row at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: i64,
    /// Its place in the phase.
    pub slot: u32,
    /// The day of its latest assignment.
    pub assigned: Day,
    /// The user it is assigned to, as an index; none means Anyone.
    pub tester: Option<usize>,
    /// Its last result, absent until executed.
    pub run: Option<Run>,
    /// When anything on it last changed.
    pub modified_ms: i64,
}

impl World {
    /// Whether a row is there at the clock.
    pub fn has_row(&self, phase: &Phase, slot: u32) -> bool {
        let id = phase.first_execution + i64::from(slot);
        if !self.deleted_executions.is_empty() && self.deleted_executions.contains(&id) {
            return false;
        }
        let mut noise = Noise::of(self.seed, Kind::Execution, id);
        self.assignment(phase, slot, &mut noise).1 <= self.clock_ms
    }

    /// A row as it is at the clock, or nothing when it is not there.
    pub fn row(&self, phase: &Phase, slot: u32) -> Option<Row> {
        let id = phase.first_execution + i64::from(slot);
        if !self.deleted_executions.is_empty() && self.deleted_executions.contains(&id) {
            return None;
        }
        let mut noise = Noise::of(self.seed, Kind::Execution, id);
        let (mut assigned, assigned_ms) = self.assignment(phase, slot, &mut noise);
        if assigned_ms > self.clock_ms {
            return None;
        }
        let first_day = assigned;
        let team = &self.projects[self.project_of_phase(phase)].team;
        let mut tester = self.somebody(team, &mut noise);
        let mut modified_ms = assigned_ms;

        if noise.chance(30) && phase.end > first_day {
            let day = first_day + 1 + noise.below((phase.end - first_day) as u64) as Day;
            let at_ms = working_time(day, &mut noise);
            let other = self.somebody(team, &mut noise);
            if at_ms <= self.clock_ms {
                assigned = day;
                tester = other;
                modified_ms = at_ms;
            }
        }

        let run = self.last_run(phase, (first_day, assigned_ms), team, tester, &mut noise);
        if let Some(run) = run {
            modified_ms = modified_ms.max(run.at_ms + 8_000);
        }
        Some(Row { id, slot, assigned, tester, run, modified_ms })
    }

    fn somebody(&self, team: &[usize], noise: &mut Noise) -> Option<usize> {
        let is_anyone = noise.chance(80);
        let member = team.get(noise.below(team.len() as u64) as usize).copied();
        if is_anyone { None } else { member }
    }

    /// The local day and the instant at which a row was first assigned.
    fn assignment(&self, phase: &Phase, slot: u32, noise: &mut Noise) -> (Day, i64) {
        if slot >= phase.base_rows {
            let horizon = (phase.end - self.epoch).clamp(1, 40);
            let day = self.epoch + 1 + noise.below(horizon as u64) as Day;
            return (day, working_time(day, noise));
        }
        if phase.is_added {
            // present from the moment its phase appeared
            let at_ms = calendar().midnight_ms(phase.opened) + noise.below(4 * HOUR_MS as u64) as i64;
            return (phase.opened, whole_seconds(at_ms));
        }
        let is_late = noise.chance(130);
        let last = phase.end.min(self.epoch - 1);
        let day = if is_late && last > phase.start {
            phase.start + 1 + noise.below((last - phase.start) as u64) as Day
        } else {
            phase.opened
        };
        (day, working_time(day, noise))
    }

    fn last_run(
        &self,
        phase: &Phase,
        (assigned, assigned_ms): (Day, i64),
        team: &[usize],
        tester: Option<usize>,
        noise: &mut Noise,
    ) -> Option<Run> {
        let first_day = assigned.max(phase.start);
        if !noise.chance(u64::from(phase.executed_permille)) || first_day > phase.end {
            return None;
        }
        let span = (phase.end - first_day + 1) as u64;
        let mut day = first_day + ((noise.below(span) + noise.below(span)) / 2) as Day;
        if is_weekend(day) && !noise.chance(100) {
            day = if day + 2 <= phase.end { day + 2 } else { (day - 2).max(first_day) };
        }
        // nobody executes a row before it is assigned, whatever the hour
        let mut at_ms = working_time(day, noise).max(assigned_ms + HOUR_MS / 2);
        let mut status = first_status(noise, day, self.epoch);
        let by = |noise: &mut Noise| {
            tester.or_else(|| team.get(noise.below(team.len() as u64) as usize).copied()).unwrap_or(0)
        };
        let mut last = None;
        for number in 1..=5 {
            if at_ms > self.clock_ms {
                break;
            }
            last = Some(Run { number, status, at_ms, by: by(noise) });
            let goes_on = match status {
                PASS => noise.chance(40),
                FAIL | WIP | BLOCKED => noise.chance(600),
                _ => noise.chance(100),
            };
            if !goes_on {
                break;
            }
            status = match status {
                PASS => FAIL,
                FAIL | BLOCKED => {
                    *[PASS, PASS, PASS, FAIL, BLOCKED, NOT_EXECUTED].get(noise.below(6) as usize).unwrap_or(&PASS)
                }
                _ => PASS,
            };
            at_ms += noise.between(1, 5) * DAY_MS + noise.between(-90, 90) * 60_000;
        }
        last
    }
}

fn first_status(noise: &mut Noise, day: Day, epoch: Day) -> i64 {
    match noise.below(100) {
        0..68 => PASS,
        68..82 => FAIL,
        82..88 => WIP,
        88..93 => BLOCKED,
        93..97 => NOT_APPLICABLE,
        97 if day < epoch - 120 => DEFERRED,
        97 => PASS,
        _ => NOT_EXECUTED,
    }
}

/// An instant in the working hours of a day.
fn working_time(day: Day, noise: &mut Noise) -> i64 {
    let into_day = 8 * HOUR_MS + 30 * 60_000 + noise.below(9 * HOUR_MS as u64) as i64;
    whole_seconds(calendar().midnight_ms(day) + into_day)
}

fn whole_seconds(instant_ms: i64) -> i64 {
    instant_ms.div_euclid(1000) * 1000
}
