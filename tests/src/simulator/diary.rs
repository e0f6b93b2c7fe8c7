//! What the simulator did on each day, in its own words: the yardstick for history, scope changes and status transitions.
//!
//! A day is the time from one reading of the clock to the same time on the next day, counted from where the clock started, so
//! that whoever looks once a day sees exactly what one page of the diary tells. The diary is computed when it is asked for,
//! from the world as it began: it depends on the seed, and not on the steps in which the clock moved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::calendar::{DAY_MS, calendar, date_of};
use super::lifecycle::Row;
use super::truth::instant_text;
use super::world::{Phase, World};

/// Every kind of event, so that a kind without any is seen to be empty.
pub const KINDS: &[&str] = &[
    "projectRenamed",
    "projectForbidden",
    "projectAllowed",
    "userRenamed",
    "releaseRenamed",
    "cycleCreated",
    "cycleRenamed",
    "cycleStatusChanged",
    "cycleDeleted",
    "phaseCreated",
    "phaseDeleted",
    "executionCreated",
    "executionRun",
    "executionRerun",
    "executionStatusChanged",
    "executionReassigned",
    "executionDeleted",
    "testcaseEnteredCycle",
    "testcaseLeftCycle",
    "testcaseRenamed",
    "testcaseDeleted",
    "testcaseRestored",
    "requirementRenamed",
    "requirementLinked",
    "requirementUnlinked",
];

/// A project closed or opened by an admin call.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// When.
    pub at_ms: i64,
    /// Which project.
    pub project_id: i64,
    /// Whether it was closed.
    pub is_forbidden: bool,
}

/// The diary from a world as it began up to an instant.
pub fn diary(began: World, until_ms: i64, access: &[Access]) -> Value {
    let seed = began.seed;
    let mut pages = Vec::new();
    let mut totals: BTreeMap<&str, u64> = KINDS.iter().map(|&kind| (kind, 0)).collect();
    let mut close = |page: Page| {
        for event in &page.events {
            if let Some(total) = totals.get_mut(event.kind) {
                *total += 1;
            }
        }
        pages.push(page.into_json());
    };
    // what was closed before the clock moved
    let mut page = Page::of(0, &began, &began);
    page.note_access(access, |at_ms| at_ms <= began.clock_ms);
    close(page);

    let mut before = began;
    for number in 1.. {
        if before.clock_ms >= until_ms {
            break;
        }
        let mut after = before.clone();
        after.advance((before.clock_ms + DAY_MS).min(until_ms));
        let mut page = Page::of(number, &before, &after);
        page.note_names(&before, &after);
        page.note_access(access, |at_ms| at_ms > before.clock_ms && at_ms <= after.clock_ms);
        page.note_cycles(&before, &after);
        page.note_executions(&before, &after);
        page.note_design(&before, &after);
        close(page);
        before = after;
    }
    json!({ "seed": seed, "days": pages, "counts": totals })
}

/// Something that happened.
struct Event {
    kind: &'static str,
    fields: Map<String, Value>,
}

impl Event {
    fn new(kind: &'static str) -> Self {
        Self { kind, fields: Map::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    fn turned(self, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        self.with("before", before).with("after", after)
    }

    fn into_json(mut self) -> Value {
        self.fields.insert("kind".to_owned(), self.kind.into());
        Value::Object(self.fields)
    }
}

/// One day.
struct Page {
    number: i64,
    from_ms: i64,
    until_ms: i64,
    events: Vec<Event>,
}

impl Page {
    fn of(number: i64, before: &World, after: &World) -> Self {
        Self { number, from_ms: before.clock_ms, until_ms: after.clock_ms, events: Vec::new() }
    }

    fn into_json(self) -> Value {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for event in &self.events {
            *counts.entry(event.kind).or_default() += 1;
        }
        json!({
            "day": self.number,
            "date": date_of(calendar().day_of(self.until_ms)).to_string(),
            "from": instant_text(self.from_ms),
            "until": instant_text(self.until_ms),
            "counts": counts,
            "events": self.events.into_iter().map(Event::into_json).collect::<Vec<_>>(),
        })
    }

    fn note_access(&mut self, access: &[Access], is_of_today: impl Fn(i64) -> bool) {
        for access in access.iter().filter(|access| is_of_today(access.at_ms)) {
            let kind = if access.is_forbidden { "projectForbidden" } else { "projectAllowed" };
            self.events.push(Event::new(kind).with("projectId", access.project_id));
        }
    }

    fn note_names(&mut self, before: &World, after: &World) {
        for (old, new) in before.projects.iter().zip(&after.projects) {
            if old.name != new.name {
                let event = Event::new("projectRenamed").with("projectId", new.id);
                self.events.push(event.turned(old.name.as_str(), new.name.as_str()));
            }
        }
        for (kind, ids) in [
            ("projectForbidden", after.events.closed.difference(&before.events.closed)),
            ("projectAllowed", before.events.closed.difference(&after.events.closed)),
        ] {
            self.events.extend(ids.map(|&id| Event::new(kind).with("projectId", id)));
        }
        for (old, new) in before.users.iter().zip(&after.users) {
            if old.full_name != new.full_name {
                let event = Event::new("userRenamed").with("userId", new.id);
                self.events.push(event.turned(old.full_name.as_str(), new.full_name.as_str()));
            }
        }
        for (at, (old, new)) in before.releases.iter().zip(&after.releases).enumerate() {
            if old.name != new.name {
                let event = of_release(Event::new("releaseRenamed"), after, at);
                self.events.push(event.turned(old.name.as_str(), new.name.as_str()));
            }
        }
    }

    fn note_cycles(&mut self, before: &World, after: &World) {
        for (at, new) in after.cycles.iter().enumerate() {
            let event = |kind| of_cycle(Event::new(kind), after, at);
            match before.cycles.get(at) {
                None if !new.is_deleted => {
                    let event = event("cycleCreated").with("after", new.name.as_str());
                    self.events.push(event.with("status", new.status));
                }
                Some(old) if !old.is_deleted && new.is_deleted => self.events.push(event("cycleDeleted")),
                Some(old) if !old.is_deleted => {
                    if old.name != new.name {
                        self.events.push(event("cycleRenamed").turned(old.name.as_str(), new.name.as_str()));
                    }
                    if old.status != new.status {
                        self.events.push(event("cycleStatusChanged").turned(old.status, new.status));
                    }
                }
                _ => {}
            }
        }
        for (at, phase) in after.phases.iter().enumerate() {
            let was_living = before.phases.get(at).is_some_and(|phase| before.is_living(phase));
            match (was_living, after.is_living(phase)) {
                (false, true) => {
                    self.events
                        .push(of_phase(Event::new("phaseCreated"), after, phase).with("after", phase.name.as_str()));
                }
                (true, false) => self.events.push(of_phase(Event::new("phaseDeleted"), after, phase)),
                _ => {}
            }
        }
    }

    fn note_executions(&mut self, before: &World, after: &World) {
        let (mut left, mut entered) = (BTreeSet::new(), BTreeSet::new());
        for (at, phase) in after.phases.iter().enumerate() {
            let was_living = before.phases.get(at).is_some_and(|phase| before.is_living(phase));
            let is_living = after.is_living(phase);
            for slot in 0..phase.slots() {
                let old = if was_living { before.row(phase, slot) } else { None };
                let new = if is_living { after.row(phase, slot) } else { None };
                let place = (phase.cycle, after.testcase_of(phase, slot));
                left.extend(old.map(|_| place));
                entered.extend(new.map(|_| place));
                if old != new {
                    self.note_row(after, phase, slot, old, new);
                }
            }
        }
        for (kind, places) in
            [("testcaseEnteredCycle", entered.difference(&left)), ("testcaseLeftCycle", left.difference(&entered))]
        {
            for &(cycle, testcase_id) in places {
                self.events.push(of_cycle(Event::new(kind), after, cycle).with("testcaseId", testcase_id));
            }
        }
    }

    fn note_row(&mut self, world: &World, phase: &Phase, slot: u32, old: Option<Row>, new: Option<Row>) {
        let id = phase.first_execution + i64::from(slot);
        let event = |kind| {
            let event = of_phase(Event::new(kind), world, phase).with("executionId", id);
            event.with("testcaseId", world.testcase_of(phase, slot))
        };
        let (old, new) = match (old, new) {
            // a row may be executed on the day it appears
            (None, Some(new)) => {
                self.events.push(event("executionCreated"));
                (Row { run: None, ..new }, new)
            }
            (Some(_), None) => return self.events.push(event("executionDeleted")),
            (Some(old), Some(new)) => (old, new),
            (None, None) => return,
        };
        let status = |row: &Row| row.run.map(|run| run.status);
        if let Some(run) = new.run.filter(|run| old.run.is_none_or(|before| before.number != run.number)) {
            let kind = if old.run.is_none() { "executionRun" } else { "executionRerun" };
            let event = event(kind).turned(status(&old), status(&new)).with("runs", run.number);
            self.events.push(event.with("at", instant_text(run.at_ms)).with("userId", world.users[run.by].id));
        }
        if status(&old) != status(&new) {
            self.events.push(event("executionStatusChanged").turned(status(&old), status(&new)));
        }
        if old.tester != new.tester || old.assigned != new.assigned {
            let tester = |row: Row| row.tester.map(|at| world.users[at].id);
            self.events.push(event("executionReassigned").turned(tester(old), tester(new)));
        }
    }

    fn note_design(&mut self, before: &World, after: &World) {
        let (old, new) = (&before.events, &after.events);
        let mut touched: BTreeSet<i64> = old.links.keys().chain(new.links.keys()).copied().collect();
        touched.extend(old.testcases_gone.symmetric_difference(&new.testcases_gone));
        for id in touched {
            let Some(project) = after.project_of_testcase(id) else {
                continue;
            };
            let (had, has) = (before.link_count(id), after.link_count(id));
            let kind = if has > had { "requirementLinked" } else { "requirementUnlinked" };
            for number in had.min(has)..had.max(has) {
                let event = Event::new(kind).with("projectId", after.projects[project].id).with("testcaseId", id);
                self.events.push(event.with("requirementId", after.linked_requirement(project, id, number)));
            }
        }
        for (kind, ids) in [
            ("testcaseDeleted", new.testcases_gone.difference(&old.testcases_gone)),
            ("testcaseRestored", old.testcases_gone.difference(&new.testcases_gone)),
        ] {
            self.events.extend(ids.map(|&id| of_testcase(Event::new(kind), after, id)));
        }
        let is_renamed = |edit: (&i64, &super::events::Edit), of: &BTreeMap<i64, super::events::Edit>| {
            edit.1.renamed > of.get(edit.0).map_or(0, |before| before.renamed)
        };
        for (&id, _) in new.testcases.iter().filter(|&edit| is_renamed(edit, &old.testcases)) {
            self.events.push(of_testcase(Event::new("testcaseRenamed"), after, id));
        }
        for (&id, _) in new.requirements.iter().filter(|&edit| is_renamed(edit, &old.requirements)) {
            let event = Event::new("requirementRenamed").with("requirementId", id);
            self.events.push(event.with("projectId", after.project_of_requirement(id)));
        }
    }
}

fn of_release(event: Event, world: &World, at: usize) -> Event {
    let release = &world.releases[at];
    event.with("projectId", world.projects[release.project].id).with("releaseId", release.id)
}

fn of_cycle(event: Event, world: &World, at: usize) -> Event {
    of_release(event, world, world.cycles[at].release).with("cycleId", world.cycles[at].id)
}

fn of_phase(event: Event, world: &World, phase: &Phase) -> Event {
    of_cycle(event, world, phase.cycle).with("cyclePhaseId", phase.id)
}

fn of_testcase(event: Event, world: &World, id: i64) -> Event {
    let project = world.project_of_testcase(id).map(|at| world.projects[at].id);
    event.with("projectId", project).with("testcaseId", id)
}
