//! `GET /execution`: filters, order and pages.

use super::execution_row::ExecutionWriter;
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
        match view.fault {
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
        let total = if view.fault == Some("result-size-zero") { 0 } else { total };
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
        })
    }

    /// Whether every row of a phase passes.
    fn takes_whole_phases(&self) -> bool {
        self.tester.is_none() && self.folder.is_none() && !self.hides_anyone
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

/// Answers a page of executions.
pub fn list(view: &View, query: &Query) -> Result<Reply, Reply> {
    let mut page = Page::of(view, query)?;
    let filter = Filter::of(view, query)?;
    let ascending = query.get("order").is_some() && query.get("isascorder") != Some("false");
    if view.quirks.has(Quirk::RowsWhilePaging) && query.get("order").is_none() {
        page.offset = page.offset.saturating_sub(1);
    }
    // an unfiltered count would walk everything, and the server reports none
    let counts = filter.is_filtered || !view.quirks.has(Quirk::ResultSizeZero);
    let release_rows = release_rows(view, &filter);

    let mut rows = Vec::new();
    let mut seen = 0u64;
    let until = page.size.map_or(u64::MAX, |size| page.offset.saturating_add(size));
    let mut visit = |at: usize| -> bool {
        let phase = &view.world.phases[at];
        if filter.takes_whole_phases() && (seen >= until || seen + u64::from(phase.slots()) <= page.offset) {
            seen += u64::from(view.world.rows_of(phase));
            return counts || seen < until;
        }
        let mut visit_slot = |slot: u32| {
            if filter.takes(view, phase, slot) {
                if (page.offset..until).contains(&seen) {
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
        counts || seen < until
    };
    if ascending {
        filter.phases.iter().all(|&at| visit(at));
    } else {
        filter.phases.iter().rev().all(|&at| visit(at));
    }

    let total = if counts { seen } else { 0 };
    let capacity = 200 + rows.len() as u64 * ROW_BYTES;
    let mut json = Json::new(view.quirks, capacity as usize);
    page.open_envelope(view, &mut json, total);
    let mut writer = ExecutionWriter::new(&view.world, view.shuffle());
    for &(at, slot) in &rows {
        let phase = &view.world.phases[at];
        if let Some(row) = view.world.row(phase, slot) {
            writer.write(&mut json, phase, &row);
        }
    }
    json.close_list();
    json.text("type", "execution");
    json.close();
    let mut reply = Reply::json(json.into_bytes(), rows.len());
    reply.release_rows = release_rows;
    Ok(reply)
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
