//! Rows that move while somebody is paging: they stay where they went, in every listing and in the truth.
//!
//! What moved is forgotten when the world is built anew: when the clock goes back, or a quirk that shapes rows is switched.

use std::sync::{Arc, PoisonError};

use anyhow::Result;

use super::Simulator;
use super::executions::{self, Page};
use super::faults::{ADDED, DELETED, Fault, SWAPPED};
use super::request::Query;
use super::routes::View;
use super::testcases;
use super::world::World;

/// A listing whose rows can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// `/execution`, whatever its filters.
    Executions,
    /// `/testcase/tree/{id}`.
    Folder(i64),
}

/// A row that is kept back until it appears.
#[derive(Clone, Copy, Debug)]
pub struct Withheld {
    listing: Listing,
    id: i64,
}

impl Listing {
    /// The listing a path below the base is about, if it is one.
    pub fn of(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match segments.as_slice() {
            [_, "execution"] => Some(Self::Executions),
            [_, "testcase", "tree", id] => id.parse().ok().map(Self::Folder),
            _ => None,
        }
    }

    fn ids(self, view: &View, query: &Query, from: u64, count: u64) -> Vec<i64> {
        match self {
            Self::Executions => executions::ids(view, query, from, count),
            Self::Folder(id) => testcases::ids(view, id, query, from, count),
        }
    }

    fn set_gone(self, world: &mut World, id: i64, is_gone: bool) {
        match self {
            Self::Executions => {
                if is_gone {
                    world.deleted_executions.insert(id);
                } else {
                    world.deleted_executions.remove(&id);
                }
                let after = world.phases.partition_point(|phase| phase.first_execution <= id);
                world.census.forget(after.saturating_sub(1));
            }
            Self::Folder(_) if is_gone => {
                world.drift.placements_gone.insert(id);
            }
            Self::Folder(_) => {
                world.drift.placements_gone.remove(&id);
            }
        }
    }

    fn swap(self, world: &mut World, left: i64, right: i64) {
        let swapped = match self {
            Self::Executions => &mut world.drift.executions_swapped,
            Self::Folder(_) => &mut world.drift.placements_swapped,
        };
        swapped.insert(left, right);
        swapped.insert(right, left);
    }
}

impl Simulator {
    fn move_rows(&self, act: impl FnOnce(&mut World)) {
        // nothing in it can fail
        let moved: Result<()> = self.change(|state| {
            act(Arc::make_mut(&mut state.world));
            Ok(())
        });
        debug_assert!(moved.is_ok());
    }

    /// Keeps the first rows of a listing back, for a rule that will make them appear.
    pub fn withhold(&self, path: &str, query: &Query, count: u64) {
        let Some(listing) = Listing::of(path) else {
            return;
        };
        let ids = listing.ids(&self.look(), query, 0, count);
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        withheld.extend(ids.iter().map(|&id| Withheld { listing, id }));
        self.move_rows(|world| ids.iter().for_each(|&id| listing.set_gone(world, id, true)));
    }

    /// Moves rows after a page was answered, if the fault that struck does so.
    pub fn drift(&self, fault: Fault, path: &str, query: &Query) {
        let count = fault.amount.unwrap_or(1);
        let Some(listing) = Listing::of(path) else {
            return;
        };
        let view = self.look();
        let Ok(page) = Page::of(&view, query) else {
            return;
        };
        match fault.kind {
            DELETED => {
                let ids = listing.ids(&view, query, page.offset, count);
                drop(view);
                self.move_rows(|world| ids.iter().for_each(|&id| listing.set_gone(world, id, true)));
            }
            ADDED => {
                let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
                let kept: Vec<Withheld> = withheld.drain(..).collect();
                let (back, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(|row| row.listing == listing);
                *withheld = kept;
                drop(view);
                self.move_rows(|world| back.iter().for_each(|row| row.listing.set_gone(world, row.id, false)));
            }
            SWAPPED => {
                let Some(edge) = page.size.and_then(|size| (page.offset + size).checked_sub(1)) else {
                    return;
                };
                let ids = listing.ids(&view, query, edge, 2);
                drop(view);
                if let &[left, right] = ids.as_slice() {
                    self.move_rows(|world| listing.swap(world, left, right));
                }
            }
            _ => {}
        }
    }
}
