//! `GET /execution`: filters, order and pages.

use std::ops::Range;

use super::calendar::{Day, calendar};
use super::execution_row::ExecutionWriter;
use super::faults::Fault;
use super::json::Json;
use super::lifecycle::ANYONE;
use super::quirks::Quirk;
use super::reply::Reply;
use super::request::Query;
use super::routes::View;
use super::world::Phase;

/// Rows of a page unless asked otherwise.
const DEFAULT_PAGE_SIZE: u64 = 10;
/// The most rows of a page when the server caps pages.
const CAPPED_PAGE_SIZE: u64 = 100;
/// Bytes of a typical row, for the first size of the buffer.
const ROW_BYTES: u64 = 1_500;

/// The page asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The first row, counted from zero.
    pub offset: u64,
    /// The first row as asked for, which the envelope repeats.
    pub asked_offset: u64,
    /// The most rows; nothing means all.
    pub size: Option<u64>,
}

impl Page {
    /// Reads `offset` and `pagesize`.
    pub fn of(view: &View, query: &Query) -> Result<Self, Reply> {
        let quirks = view.quirks;
        let asked_offset = query.count("offset", quirks)?.unwrap_or(0);
        let mut offset = asked_offset;
        let asked = query.count("pagesize", quirks)?.unwrap_or(DEFAULT_PAGE_SIZE);
        let mut size = match asked {
            0 if quirks.has(Quirk::PageSizeZeroIsAll) => None,
            0 => Some(DEFAULT_PAGE_SIZE),
            size => Some(size),
        };
        if quirks.has(Quirk::PageSizeCapped) {
            size = Some(size.unwrap_or(CAPPED_PAGE_SIZE).min(CAPPED_PAGE_SIZE));
        }
        match view.fault.map(|fault| fault.kind) {
            Some("ignored-offset") => offset = 0,
            Some("duplicate-page") => offset = offset.saturating_sub(size.unwrap_or(0)),
            _ => {}
        }
        if quirks.has(Quirk::OffsetIgnored) {
            offset = 0;
        }
        Ok(Self { offset, asked_offset, size })
    }

    /// Writes the fields of the envelope before the rows.
    pub fn open_envelope(self, view: &View, json: &mut Json, total: u64) {
        json.open();
        json.int("firstResult", self.asked_offset as i64);
        let total = match view.fault {
            Some(Fault { kind: "result-size-zero", .. }) => 0,
            Some(Fault { kind: "total-lies", amount }) => total + amount.unwrap_or(1),
            Some(Fault { kind: "total-lies-low", amount }) => total.saturating_sub(amount.unwrap_or(1)),
            _ => total,
        };
        json.int("resultSize", total as i64);
        let size = self.size.unwrap_or(0);
        let number = if view.quirks.has(Quirk::PageNumberIsPageSize) {
            size
        } else {
            self.asked_offset.checked_div(size).unwrap_or(0)
        };
        json.int("pageNumber", number as i64);
        json.list("results");
    }
}

/// Which rows are asked for.
struct Filter {
    phases: Vec<usize>,
    tester: Option<i64>,
    folder: Option<i64>,
    hides_anyone: bool,
    is_filtered: bool,
    executed_from: Option<Day>,
}

impl Filter {
    fn of(view: &View, query: &Query) -> Result<Self, Reply> {
        let quirks = view.quirks;
        let phase = query.int("cyclephaseid", quirks)?;
        let release = query.int("releaseid", quirks)?;
        let tester = query.int("testerid", quirks)?;
        let folder = query.int("parentid", quirks)?;
        Ok(Self {
            phases: phases(view, phase, release)?,
            tester,
            folder,
            hides_anyone: quirks.has(Quirk::AnyoneHidden) && !query.flag("includeanyoneuser"),
            is_filtered: phase.or(release).or(tester).or(folder).is_some(),
            executed_from: None,
        })
    }

    /// Whether every row of a phase passes.
    fn takes_whole_phases(&self) -> bool {
        self.tester.is_none() && self.folder.is_none() && !self.hides_anyone && self.executed_from.is_none()
    }

    fn takes(&self, view: &View, phase: &Phase, slot: u32) -> bool {
        if self.takes_whole_phases() {
            return view.world.has_row(phase, slot);
        }
        let Some(row) = view.world.row(phase, slot) else {
            return false;
        };
        let tester = row.tester.map_or(ANYONE, |at| view.world.users[at].id);
        if self.hides_anyone && tester == ANYONE {
            return false;
        }
        if let Some(from) = self.executed_from
            && row.run.is_none_or(|run| calendar().day_of(run.at_ms) < from)
        {
            return false;
        }
        self.tester.is_none_or(|wanted| wanted == tester) && self.folder.is_none_or(|folder| folder == phase.tree_id)
    }
}

/// The phases a call is about, in ascending order of their execution ids.
fn phases(view: &View, phase: Option<i64>, release: Option<i64>) -> Result<Vec<usize>, Reply> {
    let world = &view.world;
    let release_at = match release {
        Some(id) => match world.index.release.get(&id) {
            Some(&at) => Some(at),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    if let Some(at) = release_at
        && view.is_forbidden(world.releases[at].project)
    {
        return Err(Reply::forbidden());
    }
    if let Some(id) = phase {
        let Some(&at) = world.index.phase.get(&id) else {
            return Ok(Vec::new());
        };
        let owner = world.release_of_phase(&world.phases[at]);
        if view.is_forbidden(world.releases[owner].project) {
            return Err(Reply::forbidden());
        }
        let fits = release_at.is_none_or(|release| release == owner) && world.is_living(&world.phases[at]);
        return Ok(if fits { vec![at] } else { Vec::new() });
    }
    if let Some(at) = release_at {
        return Ok(world.phases_of_release(at));
    }
    Ok((0..world.phases.len())
        .filter(|&at| {
            let phase = &world.phases[at];
            world.is_living(phase) && !view.is_forbidden(world.project_of_phase(phase))
        })
        .collect())
}

/// Whether a listing ascends: only with an order, and unless told otherwise.
pub fn is_ascending(query: &Query) -> bool {
    query.get("order").is_some() && query.get("isascorder") != Some("false")
}

/// How a page of executions was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a listing.
    Listing,
    /// As a search, whose envelope comes in a list of one.
    Search {
        /// Only rows whose last result is of this day or later.
        executed_from: Option<Day>,
    },
}

/// Answers a page of executions.
pub fn list(view: &View, query: &Query) -> Result<Reply, Reply> {
    page(view, query, Form::Listing)
}

/// Answers a page of executions in the form of the call.
pub fn page(view: &View, query: &Query, form: Form) -> Result<Reply, Reply> {
    let mut page = Page::of(view, query)?;
    let mut filter = Filter::of(view, query)?;
    if let Form::Search { executed_from } = form {
        filter.executed_from = executed_from;
    }
    if view.quirks.has(Quirk::RowsWhilePaging) && query.get("order").is_none() {
        page.offset = page.offset.saturating_sub(1);
    }
    // an unfiltered count would walk everything, and the server reports none
    let counts = filter.is_filtered || !view.quirks.has(Quirk::ResultSizeZero);
    let until = page.size.map_or(u64::MAX, |size| page.offset.saturating_add(size));
    let (rows, seen) = select(view, &filter, is_ascending(query), page.offset..until, counts);

    let total = if counts { seen } else { 0 };
    let capacity = 200 + rows.len() as u64 * ROW_BYTES;
    let mut json = Json::new(view.quirks, capacity as usize);
    if form != Form::Listing {
        json.open_list();
    }
    page.open_envelope(view, &mut json, total);
    let mut writer = ExecutionWriter::new(&view.world, view.shuffle());
    for &(at, slot) in &rows {
        let phase = &view.world.phases[at];
        if let Some(row) = view.world.row(phase, slot) {
            writer.write(&mut json, phase, &row);
        }
    }
    json.close_list();
    json.text("type", if form == Form::Listing { "execution" } else { "testSchedule" });
    json.close();
    if form != Form::Listing {
        json.close_list();
    }
    let mut reply = Reply::json(json.into_bytes(), rows.len());
    reply.release_rows = release_rows(view, &filter);
    Ok(reply)
}

/// The ids of a listing, from a position on.
pub fn ids(view: &View, query: &Query, from: u64, count: u64) -> Vec<i64> {
    let Ok(filter) = Filter::of(view, query) else {
        return Vec::new();
    };
    let (rows, _) = select(view, &filter, is_ascending(query), from..from.saturating_add(count), false);
    rows.iter().map(|&(at, slot)| view.world.phases[at].first_execution + i64::from(slot)).collect()
}

/// The rows of a part of a listing as phase indices and slots, and how many rows were passed: all of them if they count.
fn select(view: &View, filter: &Filter, ascending: bool, wanted: Range<u64>, counts: bool) -> (Vec<(usize, u32)>, u64) {
    let mut rows = Vec::new();
    let mut seen = 0u64;
    let mut visit = |at: usize| -> bool {
        let phase = &view.world.phases[at];
        if filter.takes_whole_phases() {
            let count = view.world.rows_of(at);
            let first = wanted.start.saturating_sub(seen).min(u64::from(count)) as u32;
            let last = wanted.end.saturating_sub(seen).min(u64::from(count)) as u32;
            take_rows(view, at, ascending, first..last, &mut rows);
            seen += u64::from(count);
            return counts || seen < wanted.end;
        }
        let mut visit_slot = |slot: u32| {
            if filter.takes(view, phase, slot) {
                if wanted.contains(&seen) {
                    rows.push((at, slot));
                }
                seen += 1;
            }
        };
        if ascending {
            (0..phase.slots()).for_each(&mut visit_slot);
        } else {
            (0..phase.slots()).rev().for_each(&mut visit_slot);
        }
        counts || seen < wanted.end
    };
    if ascending {
        filter.phases.iter().all(|&at| visit(at));
    } else {
        filter.phases.iter().rev().all(|&at| visit(at));
    }
    let swapped = &view.world.drift.executions_swapped;
    if !swapped.is_empty() {
        rows.iter_mut().for_each(|row| swap(view, row));
    }
    (rows, seen)
}

/// Adds the rows of a phase between two positions, counted in the order of the listing.
fn take_rows(view: &View, at: usize, ascending: bool, wanted: Range<u32>, rows: &mut Vec<(usize, u32)>) {
    let world = &view.world;
    let phase = &world.phases[at];
    let Some(count) = wanted.end.checked_sub(wanted.start).filter(|&count| count > 0) else {
        return;
    };
    let number = if ascending { wanted.start } else { world.rows_of(at) - 1 - wanted.start };
    let Some(slot) = world.slot_of_row(at, number) else {
        return;
    };
    let is_there = |slot: &u32| world.has_row(phase, *slot);
    if ascending {
        rows.extend((slot..phase.slots()).filter(is_there).take(count as usize).map(|slot| (at, slot)));
    } else {
        rows.extend((0..=slot).rev().filter(is_there).take(count as usize).map(|slot| (at, slot)));
    }
}

/// Puts the partner of a row that was swapped in its place, unless that one is gone.
fn swap(view: &View, row: &mut (usize, u32)) {
    let world = &view.world;
    let id = world.phases[row.0].first_execution + i64::from(row.1);
    let partner = world.drift.executions_swapped.get(&id).and_then(|&id| world.phase_of_execution(id));
    if let Some((phase, slot)) = partner
        && world.has_row(phase, slot)
        && let Some(&at) = world.index.phase.get(&phase.id)
    {
        *row = (at, slot);
    }
}

fn release_rows(view: &View, filter: &Filter) -> u64 {
    filter.phases.first().map_or(0, |&at| {
        let release = view.world.release_of_phase(&view.world.phases[at]);
        view.release_rows(release)
    })
}

/// Answers one execution.
pub fn one(view: &View, id: i64) -> Result<Reply, Reply> {
    let found = view.world.phase_of_execution(id).and_then(|(phase, slot)| Some((phase, view.world.row(phase, slot)?)));
    let Some((phase, row)) = found else {
        return Err(Reply::unknown_id(view.quirks, "releaseTestSchedule"));
    };
    if view.is_forbidden(view.world.project_of_phase(phase)) {
        return Err(Reply::forbidden());
    }
    let mut json = Json::new(view.quirks, ROW_BYTES as usize);
    ExecutionWriter::new(&view.world, view.shuffle()).write(&mut json, phase, &row);
    Ok(Reply::json(json.into_bytes(), 1))
}
