//! Executions as the server writes them, with the placement and the test case nested in each.

use super::calendar::{calendar, date_of};
use super::json::Json;
use super::lifecycle::{ANYONE, FAIL, Row, Run};
use super::noise::{Kind, Noise, mix};
use super::quirks::{Quirk, Quirks};
use super::rows::extra_fields;
use super::testcase_row::{PlacementForm, PlacementWriter};
use super::words;
use super::world::{Phase, World};

/// A status no list of values has.
const UNLISTED_STATUS: i64 = 9;
/// A user id no user list has.
const VANISHED_TESTER: i64 = 999_999;

/// Writes executions one after the other, using its buffers again.
pub struct ExecutionWriter<'a> {
    world: &'a World,
    placements: PlacementWriter<'a>,
}

impl<'a> ExecutionWriter<'a> {
    /// A writer over a world; `shuffle` orders id lists and is zero where their order is stable.
    pub fn new(world: &'a World, shuffle: u64) -> Self {
        Self { world, placements: PlacementWriter::new(world, shuffle) }
    }

    /// Writes one row.
    pub fn write(&mut self, json: &mut Json, phase: &Phase, row: &Row) {
        let mut noise = Noise::of(self.world.seed, Kind::ExecutionText, row.id);
        let status = status_sent(json.quirks(), row);
        json.open();
        json.int("id", row.id);
        if json.has(Quirk::TextAssignmentDates) {
            json.text("assignmentDate", &date_of(row.assigned).to_string());
        } else {
            json.day("assignmentDate", row.assigned);
        }
        let minutes = noise.between(2, 150);
        let actual = row.run.filter(|_| noise.chance(850));
        json.int_or_absent("actualTime", actual.map(|_| duration(json, minutes)));
        let estimated = noise.chance(300).then(|| noise.between(0, 12) * 10);
        json.int_or_absent("estimatedTime", estimated.map(|minutes| duration(json, minutes)));
        json.text("versionId", "1");
        match status {
            Some(code) => write_status(json, "status", code),
            None => json.absent("status"),
        }
        match row.run {
            Some(_) if noise.chance(250) => json.text("comment", &words::sentence(&mut noise)),
            Some(_) => json.text("comment", ""),
            None => json.absent("comment"),
        }
        self.write_tester(json, row);
        json.int_or_absent("executedBy", row.run.map(|run| self.world.users[run.by].id));
        json.instant("lastModifiedOn", row.modified_ms);
        json.int("cyclePhaseId", phase.id);
        let attachments = if row.run.is_some() && noise.chance(60) { noise.between(1, 4) } else { 0 };
        json.int("attachmentCount", attachments);
        self.write_defects(json, row);
        json.object("customProperties");
        json.close();
        match (row.run, status) {
            (Some(run), Some(code)) => self.write_result(json, row, run, code),
            _ => json.absent("lastTestResult"),
        }
        self.write_placement(json, phase, row);
        extra_fields(json);
        json.close();
    }

    fn write_tester(&self, json: &mut Json, row: &Row) {
        match row.tester.map(|at| &self.world.users[at]) {
            Some(_) if json.has(Quirk::VanishedTesters) && row.id % 53 == 0 => {
                json.int("testerId", VANISHED_TESTER);
                json.text("testerIdName", "Former Colleague");
            }
            Some(user) => {
                json.int("testerId", user.id);
                json.text("testerIdName", &user.full_name);
            }
            None => {
                json.int("testerId", ANYONE);
                json.text("testerIdName", "Anyone");
            }
        }
    }

    fn write_defects(&self, json: &mut Json, row: &Row) {
        json.list("defects");
        for number in defects_of(self.world, row) {
            json.open();
            json.int("id", number + 40);
            json.int("bugId", 1_000_000 + number);
            json.text("externalId", &format!("DEMO-{number}"));
            json.text("status", defect_status(number));
            json.text("priority", "High");
            json.int("dtsId", 3);
            json.close();
        }
        json.close_list();
    }

    fn write_result(&self, json: &mut Json, row: &Row, run: Run, code: i64) {
        json.object("lastTestResult");
        json.int("id", row.id * 5 + run.number);
        json.instant("executionDate", run.at_ms);
        json.day_text("execDate", calendar().day_of(run.at_ms));
        write_status(json, "executionStatus", code);
        json.int("testerId", self.world.users[run.by].id);
        json.int("releaseTestScheduleId", row.id);
        json.close();
    }

    fn write_placement(&mut self, json: &mut Json, phase: &Phase, row: &Row) {
        let placed = self.world.placed_in(phase, row.slot);
        let is_bare = json.has(Quirk::BareTestcases);
        json.object("tcrTreeTestcase");
        self.placements.write(json, &placed, if is_bare { PlacementForm::Bare } else { PlacementForm::Nested });
        json.close();
    }
}

/// How many defects the tracker knows.
pub const DEFECTS: u64 = 900;

/// The numbers of the defects a row carries: only failed rows do.
pub fn defects_of(world: &World, row: &Row) -> impl Iterator<Item = i64> + use<> {
    let mut count = 0;
    if row.run.is_some_and(|run| run.status == FAIL) {
        let mut noise = Noise::of(world.seed ^ 0x90, Kind::ExecutionText, row.id);
        if noise.chance(400) {
            count = noise.between(1, 2);
        }
    }
    // neighbouring rows fail for the same reason
    let first = mix(row.id as u64 / 3);
    (0..count as u64).map(move |number| 1 + ((first.wrapping_add(number * 7)) % DEFECTS) as i64)
}

/// The state of a defect in its tracker.
pub fn defect_status(number: i64) -> &'static str {
    if number % 4 == 0 { "Closed" } else { "Open" }
}

/// The status code a row is sent with, absent until executed.
pub fn status_sent(quirks: Quirks, row: &Row) -> Option<i64> {
    let run = row.run?;
    if quirks.has(Quirk::UnlistedStatus) && row.id % 37 == 0 {
        return Some(UNLISTED_STATUS);
    }
    Some(run.status)
}

fn write_status(json: &mut Json, key: &str, code: i64) {
    if json.has(Quirk::StatusAsNumber) {
        json.int(key, code);
    } else {
        json.int_text(key, code);
    }
}

fn duration(json: &Json, minutes: i64) -> i64 {
    minutes * if json.has(Quirk::TimesInSeconds) { 60 } else { 60_000 }
}
