//! Executions as the server writes them, with the placement and the test case nested in each.

use super::calendar::{DAY_MS, calendar, date_of};
use super::generate::TESTCASES_PER_FOLDER;
use super::json::Json;
use super::lifecycle::{ANYONE, FAIL, Row, Run};
use super::noise::{Kind, Noise, mix};
use super::quirks::{Quirk, Quirks};
use super::rows::extra_fields;
use super::words;
use super::world::{Phase, World};

/// A status no list of values has.
const UNLISTED_STATUS: i64 = 9;
/// A user id no user list has.
const VANISHED_TESTER: i64 = 999_999;

/// Writes executions one after the other, using its buffers again.
pub struct ExecutionWriter<'a> {
    world: &'a World,
    shuffle: u64,
    name: String,
}

impl<'a> ExecutionWriter<'a> {
    /// A writer over a world; `shuffle` orders id lists and is zero where their order is stable.
    pub fn new(world: &'a World, shuffle: u64) -> Self {
        Self { world, shuffle, name: String::new() }
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
        self.write_defects(json, row, &mut noise);
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

    fn write_defects(&self, json: &mut Json, row: &Row, noise: &mut Noise) {
        json.list("defects");
        if row.run.is_some_and(|run| run.status == FAIL) && noise.chance(400) {
            for _ in 0..noise.between(1, 2) {
                let number = 1 + (mix(row.id as u64 / 3) % 900) as i64;
                json.open();
                json.int("id", number + 40);
                json.int("bugId", 1_000_000 + number);
                json.text("externalId", &format!("DEMO-{number}"));
                json.text("status", "Open");
                json.text("priority", "High");
                json.int("dtsId", 3);
                json.close();
            }
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
        let world = self.world;
        let release = &world.releases[world.release_of_phase(phase)];
        let testcase_id = world.testcase_of(phase, row.slot);
        let mut noise = Noise::of(world.seed ^ 0x40, Kind::Testcase, testcase_id);
        // a quarter of the test cases got a second version on some day; cycles that began later run it
        let revised = noise.chance(250).then(|| world.epoch - noise.between(0, 300) as i32);
        let version = if revised.is_some_and(|day| day <= phase.start) { 2 } else { 1 };
        let version_id = 1_200 + testcase_id + (version - 1) * world.testcases;
        let placement = testcase_id + world.testcases * (version - 1 + 2 * release.position as i64);
        let created = world.epoch - noise.between(310, 700) as i32;
        let created_ms = calendar().midnight_ms(created) + noise.between(30_000, 60_000) * 1000;
        let modified_ms =
            revised.filter(|_| version == 2).map_or(created_ms, |day| calendar().midnight_ms(day) + DAY_MS / 3);
        let team = &world.projects[release.project].team;
        let author = team.get(noise.below(team.len() as u64) as usize).copied().unwrap_or(0);

        json.object("tcrTreeTestcase");
        json.int("id", 3_000 + placement);
        let first = world.projects[release.project].first_testcase;
        let folder = release.first_tree + 20 + (testcase_id - first) / TESTCASES_PER_FOLDER;
        json.int("tcrCatalogTreeId", folder);
        json.int("revision", noise.between(1, 290));
        json.int("stateFlag", 0);
        json.instant("lastModifiedOn", modified_ms);
        json.int("versionNumber", version);
        json.instant("createDatetime", created_ms);
        json.int("createdById", world.users[author].id);
        json.int("modifiedById", world.users[author].id);
        if json.has(Quirk::BareTestcases) {
            json.absent("testcase");
            json.close();
            return;
        }
        json.object("testcase");
        json.int("id", version_id);
        json.int("testcaseId", testcase_id);
        words::testcase(world.seed, testcase_id, &mut self.name);
        json.text("name", &self.name);
        if noise.chance(500) {
            json.text("description", "");
        } else {
            json.absent("description");
        }
        match noise.chance(300) {
            true => json.text("externalId", &format!("TC-{testcase_id}")),
            false => json.absent("externalId"),
        }
        match noise.chance(900) {
            true => json.int_text("priority", noise.between(1, 5)),
            false => json.absent("priority"),
        }
        match noise.chance(200) {
            true => json.text("tag", "regression nightly"),
            false => json.absent("tag"),
        }
        json.instant("lastModifiedOn", modified_ms);
        json.day("creationDate", created);
        json.day_text("tcCreationDate", created);
        json.flag("isComplex", false);
        json.flag("automated", noise.chance(180));
        json.int("creatorId", world.users[author].id);
        json.text("creatorName", &world.users[author].full_name);
        json.int("versionNumber", version);
        json.int("projectId", world.projects[release.project].id);
        json.text("testcaseType", if noise.chance(100) { "SHARED" } else { "ORIGINAL" });
        json.list("requirementIds");
        let requirements = if noise.chance(400) { noise.between(1, 3) } else { 0 };
        let first = 1 + noise.between(0, 6_000);
        for number in 0..requirements {
            // the members are the same on every call, their order need not be
            let turned = (number as u64 + self.shuffle) % requirements as u64;
            json.int_member(first + 7 * turned as i64);
        }
        json.close_list();
        json.close();
        json.close();
    }
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
