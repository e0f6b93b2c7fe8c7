//! How many rows of a phase are there, counted once per state of the world: without it every page of a large phase would
//! cost a walk over all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::world::World;

/// Slots between two checkpoints.
const STEP: u32 = 1_024;

/// Running counts at checkpoints, by phase index.
#[derive(Debug, Default)]
pub struct Census {
    phases: Mutex<HashMap<usize, Arc<[u32]>>>,
}

impl Clone for Census {
    fn clone(&self) -> Self {
        Self { phases: Mutex::new(self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()) }
    }
}

impl Census {
    /// Forgets a phase some of whose rows came or went.
    pub fn forget(&mut self, phase: usize) {
        self.phases.get_mut().unwrap_or_else(PoisonError::into_inner).remove(&phase);
    }
}

impl World {
    /// The rows before each checkpoint, and after the last one all of them.
    fn census_of(&self, at: usize) -> Arc<[u32]> {
        let mut phases = self.census.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = phases.entry(at).or_insert_with(|| {
            let phase = &self.phases[at];
            let mut counts = vec![0];
            let mut count = 0;
            let mut from = 0;
            while from < phase.slots() {
                let until = from.saturating_add(STEP).min(phase.slots());
                count += (from..until).filter(|&slot| self.has_row(phase, slot)).count() as u32;
                counts.push(count);
                from = until;
            }
            counts.into()
        });
        Arc::clone(counts)
    }

    /// How many rows of a phase, by its index, are there at the clock.
    pub fn rows_of(&self, at: usize) -> u32 {
        self.census_of(at).last().copied().unwrap_or(0)
    }

    /// The slot of the n-th row of a phase, counted from zero among those that are there.
    pub fn slot_of_row(&self, at: usize, number: u32) -> Option<u32> {
        let counts = self.census_of(at);
        let step = counts.partition_point(|&count| count <= number).checked_sub(1)?;
        let phase = &self.phases[at];
        let mut left = number - counts[step];
        for slot in step as u32 * STEP..phase.slots() {
            if self.has_row(phase, slot) {
                if left == 0 {
                    return Some(slot);
                }
                left -= 1;
            }
        }
        None
    }
}
