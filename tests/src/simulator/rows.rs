//! Projects, releases, cycles, phases and users as the server writes them.

use super::calendar::calendar;
use super::json::Json;
use super::noise::{Kind, Noise};
use super::quirks::Quirk;
use super::world::World;

/// How much of a project a call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectForm {
    /// Every field, members left empty: list calls.
    List,
    /// The few fields of `/project/lite`.
    Lite,
    /// Every field, members filled: `/project/{id}`.
    Whole,
}

/// Writes a project.
pub fn project(json: &mut Json, world: &World, at: usize, form: ProjectForm) {
    let project = &world.projects[at];
    if let (Some(recorded), ProjectForm::List) = (&project.recorded, form) {
        json.raw_member(recorded);
        return;
    }
    let mut noise = Noise::of(world.seed ^ 0x50, Kind::Project, project.id);
    json.open();
    json.int("id", project.id);
    if form == ProjectForm::Lite {
        json.text("name", &project.name);
        json.flag("active", true);
        json.int("isolationLevel", 0);
        json.close();
        return;
    }
    json.int("version", project.version);
    json.text("name", &project.name);
    json.text("description", &project.description);
    json.day("startDate", project.start);
    json.day_text("projectStartDate", project.start);
    match project.end {
        Some(end) => {
            json.day("endDate", end);
            json.day_text("projectEndDate", end);
        }
        None => {
            json.absent("endDate");
            json.absent("projectEndDate");
        }
    }
    json.text("status", "2");
    json.flag("showItem", false);
    json.flag("newItem", false);
    json.text("externalSystem", "Demo Tracker");
    json.int("dtsId", if noise.chance(50) { 1 } else { 3 });
    json.list("members");
    if form == ProjectForm::Whole {
        for &member in &project.team {
            json.open();
            json.int("userId", world.users[member].id);
            json.object("role");
            json.text("name", if noise.chance(80) { "lead" } else { "tester" });
            json.close();
            json.close();
        }
    }
    json.close_list();
    json.list("projectGroups");
    json.close_list();
    json.list("sharedProjects");
    json.close_list();
    json.int("isolationLevel", i64::from(noise.chance(40)));
    json.flag("dashboardSecured", false);
    json.flag("dashboardRestricted", false);
    json.instant("createdOn", project.created_ms);
    json.flag("shared", noise.chance(840));
    json.flag("active", true);
    json.object("customProperties");
    json.close();
    json.list("customFieldValues");
    json.close_list();
    json.flag("globalProject", false);
    json.flag("allowedGlobalProject", noise.chance(840));
    json.flag("autoUpdateTestStatus", noise.chance(80));
    let external = (!noise.chance(50)).then(|| 10_000 + noise.between(1, 40));
    json.int_or_absent("externalId", external);
    json.int("webhookId", 0);
    json.flag("allowedInternalRequirements", noise.chance(260));
    json.int("attachmentStorageId", -1);
    extra_fields(json);
    json.close();
}

/// Writes a release.
pub fn release(json: &mut Json, world: &World, at: usize) {
    let release = &world.releases[at];
    if let Some(recorded) = &release.recorded {
        json.raw_member(recorded);
        return;
    }
    json.open();
    json.int("id", release.id);
    json.text("name", &release.name);
    json.text_or_absent("description", release.description.as_deref());
    match release.start {
        Some(_) if release.created_by_program => {
            json.instant("startDate", release.created_ms);
            json.day_text("releaseStartDate", calendar().day_of(release.created_ms));
        }
        Some(start) => {
            json.day("startDate", start);
            json.day_text("releaseStartDate", start);
        }
        None => {
            json.absent("startDate");
            json.absent("releaseStartDate");
        }
    }
    match release.end {
        Some(end) => {
            json.day("endDate", end);
            json.day_text("releaseEndDate", end);
        }
        None => {
            json.absent("endDate");
            json.absent("releaseEndDate");
        }
    }
    json.instant("createdDate", release.created_ms);
    json.int_or_absent("status", release.status);
    json.int("projectId", world.projects[release.project].id);
    json.int("orderId", release.order_id);
    json.flag("globalRelease", false);
    json.flag("projectRelease", release.is_pseudo);
    let has_child = !json.has(Quirk::HasChildFalse) && world.living_cycles(at).next().is_some();
    json.flag("hasChild", has_child);
    json.flag("syncEnabled", false);
    extra_fields(json);
    json.close();
}

/// Writes a cycle with its phases.
pub fn cycle(json: &mut Json, world: &World, at: usize) {
    let cycle = &world.cycles[at];
    if let Some(recorded) = &cycle.recorded {
        json.raw_member(recorded);
        return;
    }
    let is_off = json.has(Quirk::TwinDatesDiffer) && cycle.id % 10 == 3;
    json.open();
    json.int("id", cycle.id);
    // half of the cycles without an environment have an empty one
    let empty = (cycle.id % 2 == 0).then_some("");
    json.text_or_absent("environment", cycle.environment.as_deref().or(empty));
    json.text_or_absent("build", cycle.build.as_deref().or(empty));
    json.text("name", &cycle.name);
    json.day("startDate", cycle.start);
    json.day("endDate", cycle.end);
    json.day_text("cycleStartDate", cycle.start + i32::from(is_off));
    json.day_text("cycleEndDate", cycle.end);
    json.int_or_absent("status", cycle.status);
    json.int("revision", cycle.revision);
    json.int("releaseId", world.releases[cycle.release].id);
    json.list("cyclePhases");
    // the server lists phases by no key a client could rely on
    for phase in world.living_phases(at).rev() {
        write_phase(json, world, phase);
    }
    json.close_list();
    json.instant("createdOn", cycle.created_ms);
    json.flag("hasChild", world.living_phases(at).next().is_some());
    extra_fields(json);
    json.close();
}

fn write_phase(json: &mut Json, world: &World, at: usize) {
    let phase = &world.phases[at];
    json.open();
    json.int("id", phase.id);
    json.text("name", &phase.name);
    json.int("tcrCatalogTreeId", phase.tree_id);
    json.flag("freeForm", phase.is_free_form);
    json.day("startDate", phase.start);
    json.day("endDate", phase.end);
    json.instant("createdOn", phase.created_ms);
    json.int("cycleId", world.cycles[phase.cycle].id);
    json.day_text("phaseStartDate", phase.start);
    json.day_text("phaseEndDate", phase.end);
    json.flag("resetExecution", false);
    json.flag("hasChild", phase.has_child);
    json.close();
}

/// Writes a user.
pub fn user(json: &mut Json, world: &World, at: usize) {
    let user = &world.users[at];
    let mut noise = Noise::of(world.seed ^ 0x60, Kind::User, user.id);
    let is_lead = noise.chance(90);
    json.open();
    json.int("id", user.id);
    json.text("username", &user.username);
    json.text("firstName", &user.first_name);
    json.text("lastName", &user.last_name);
    json.text("fullName", &user.full_name);
    json.text("loginName", &user.username);
    if noise.chance(930) {
        json.text("email", &format!("{}@example.test", user.username));
    } else {
        json.absent("email");
    }
    if noise.chance(300) {
        json.text("title", "Test Analyst");
        json.text("location", "Anywhere");
    } else {
        json.absent("title");
        json.absent("location");
    }
    json.flag("accountEnabled", !noise.chance(120));
    json.flag("accountExpired", false);
    json.flag("credentialsExpired", false);
    json.list("roles");
    json.open();
    json.int("id", if is_lead { 2 } else { 3 });
    json.text("name", if is_lead { "lead" } else { "tester" });
    json.text("description", if is_lead { "Lead" } else { "Tester" });
    json.flag("hasManagerApp", is_lead);
    json.close();
    json.close_list();
    json.int("userType", 1);
    json.list("groupSet");
    json.close_list();
    json.int("countAttempts", 0);
    json.flag("isInternal", noise.chance(200));
    if noise.chance(800) {
        let day = world.epoch - noise.between(1, 200) as i32;
        let at_ms = calendar().midnight_ms(day) + noise.between(28_800, 64_000) * 1000;
        json.instant("lastSuccessfulLogin", at_ms);
        json.day_text("lastSuccessfulLoginString", day);
    } else {
        json.absent("lastSuccessfulLogin");
        json.absent("lastSuccessfulLoginString");
    }
    extra_fields(json);
    json.close();
}

/// Writes the fields a newer server build would add.
pub fn extra_fields(json: &mut Json) {
    if json.has(Quirk::ExtraFields) {
        json.text("dataRegion", "eu-2");
        json.object("auditTrail");
        json.int("depth", 3);
        json.close();
    }
}
