//! Placements with the test case nested in each, as executions and folders show them.

use super::calendar::{DAY_MS, calendar};
use super::events::reworded;
use super::json::Json;
use super::noise::Noise;
use super::rows::extra_fields;
use super::tree::Placed;
use super::words;
use super::world::World;

/// How much of a placement a call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementForm {
    /// The placement alone, as some builds nest it in executions.
    Bare,
    /// The placement with the main fields of its test case, as executions nest it.
    Nested,
    /// Every field, with its position in the folder: direct reads.
    Whole {
        /// The position, counted from one.
        order_id: i64,
    },
}

/// Writes placements one after the other, using its buffer again.
pub struct PlacementWriter<'a> {
    world: &'a World,
    shuffle: u64,
    name: String,
}

/// The days and the author of a version, which both levels of a row show.
struct Origin {
    created: super::calendar::Day,
    created_ms: i64,
    modified_ms: i64,
    author: usize,
}

impl<'a> PlacementWriter<'a> {
    /// A writer over a world; `shuffle` orders id lists and is zero where their order is stable.
    pub fn new(world: &'a World, shuffle: u64) -> Self {
        Self { world, shuffle, name: String::new() }
    }

    /// Writes the fields of a placement into an object that is open.
    pub fn write(&mut self, json: &mut Json, placed: &Placed, form: PlacementForm) {
        let world = self.world;
        let release = &world.releases[placed.release];
        let mut noise = world.testcase_noise(placed.testcase_id);
        let revised = world.revised_on(&mut noise);
        let created = world.epoch - noise.between(310, 700) as i32;
        let created_ms = calendar().midnight_ms(created) + noise.between(30_000, 60_000) * 1000;
        let modified_ms =
            revised.filter(|_| placed.version == 2).map_or(created_ms, |day| calendar().midnight_ms(day) + DAY_MS / 3);
        let modified_ms = World::edited_ms(world.events.testcases.get(&placed.testcase_id), modified_ms);
        let team = &world.projects[release.project].team;
        let author = team.get(noise.below(team.len() as u64) as usize).copied().unwrap_or(0);
        let origin = Origin { created, created_ms, modified_ms, author };

        json.int("id", world.placement_id(placed));
        json.int("tcrCatalogTreeId", placed.folder);
        json.int("revision", noise.between(1, 290));
        json.int("stateFlag", 0);
        json.instant("lastModifiedOn", modified_ms);
        json.int("versionNumber", placed.version);
        json.instant("createDatetime", created_ms);
        json.int("createdById", world.users[author].id);
        json.int("modifiedById", world.users[author].id);
        if let PlacementForm::Whole { order_id } = form {
            json.int("maxVersionNumber", 1 + i64::from(revised.is_some()));
            json.int("orderId", order_id);
            json.int("projectId", world.projects[release.project].id);
            json.int("releaseId", release.id);
            json.int("projectIdParam", world.projects[release.project].id);
            json.flag("isDerivedFromBDD", false);
            json.flag("original", placed.version == 1);
        }
        if form == PlacementForm::Bare {
            json.absent("testcase");
            return;
        }
        json.object("testcase");
        self.write_testcase(json, placed, &origin, &mut noise);
        if matches!(form, PlacementForm::Whole { .. }) {
            self.write_rest(json, placed, &origin);
            extra_fields(json);
        }
        json.close();
    }

    fn write_testcase(&mut self, json: &mut Json, placed: &Placed, origin: &Origin, noise: &mut Noise) {
        let world = self.world;
        let testcase_id = placed.testcase_id;
        json.int("id", world.version_id(testcase_id, placed.version));
        json.int("testcaseId", testcase_id);
        words::testcase(world.seed, testcase_id, &mut self.name);
        reworded(&mut self.name, world.events.testcases.get(&testcase_id));
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
        json.instant("lastModifiedOn", origin.modified_ms);
        json.day("creationDate", origin.created);
        json.day_text("tcCreationDate", origin.created);
        json.flag("isComplex", false);
        json.flag("automated", noise.chance(180));
        json.int("creatorId", world.users[origin.author].id);
        json.text("creatorName", &world.users[origin.author].full_name);
        json.int("versionNumber", placed.version);
        let project = world.releases[placed.release].project;
        json.int("projectId", world.projects[project].id);
        json.text("testcaseType", if noise.chance(100) { "SHARED" } else { "ORIGINAL" });
        json.list("requirementIds");
        for (_, requirement) in self.links(placed) {
            json.int_member(requirement);
        }
        json.close_list();
    }

    /// The requirements of a test case with their numbers: the members are the same on every call, their order need not be.
    fn links(&self, placed: &Placed) -> impl Iterator<Item = (u32, i64)> + use<'a> {
        let world = self.world;
        let project = world.releases[placed.release].project;
        let testcase_id = placed.testcase_id;
        let count = world.link_count(testcase_id);
        let shuffle = self.shuffle;
        (0..count).map(move |number| {
            let turned = ((u64::from(number) + shuffle) % u64::from(count)) as u32;
            (turned, world.linked_requirement(project, testcase_id, turned))
        })
    }

    fn write_rest(&self, json: &mut Json, placed: &Placed, origin: &Origin) {
        let world = self.world;
        let author = world.users[origin.author].id;
        json.int("oldId", placed.testcase_id);
        json.instant("createDatetime", origin.created_ms);
        json.flag("automatedDefault", false);
        json.flag("testcaseShared", false);
        json.flag("customFieldProcessed", false);
        json.int("estimatedTime", 0);
        json.int("writerId", 0);
        json.int("lastUpdaterId", author);
        json.object("testcaseSequence");
        json.int("seqNumber", placed.testcase_id % 10_000);
        json.close();
        json.list("requirementIdsNew");
        for (number, requirement) in self.links(placed) {
            json.open();
            json.int("id", placed.testcase_id * 3 + i64::from(number));
            json.int("requirementId", requirement);
            json.int("testcaseId", placed.testcase_id);
            json.instant("createDatetime", origin.created_ms);
            json.instant("modifiedDatetime", origin.created_ms);
            json.int("createdById", author);
            json.int("modifiedById", author);
            json.close();
        }
        json.close_list();
        json.object("customProperties");
        json.close();
        json.object("customProcessedProperties");
        json.close();
        json.list("customFieldValues");
        json.close_list();
    }
}
