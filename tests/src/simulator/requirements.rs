//! Requirements: their tree, their rows and their links to test cases, all computed when asked for.

use super::calendar::{DAY_MS, calendar};
use super::events::reworded;
use super::executions::Page;
use super::json::Json;
use super::noise::{Kind, Noise};
use super::quirks::Quirk;
use super::reply::Reply;
use super::request::Query;
use super::routes::View;
use super::rows::extra_fields;
use super::words;
use super::world::World;

/// Nodes of one branch of the tree, its root included.
const BRANCH: u32 = 8;
/// Children of a root; the rest of its branch lies below them.
const CHILDREN: u32 = 4;
/// The most requirements a test case is linked to.
pub const MOST_LINKS: u32 = 3;
/// How far apart the requirements of a test case are.
const LINK_STEP: u32 = 7;
/// Bytes of a typical row, for the first size of the buffer.
const ROW_BYTES: usize = 900;

impl World {
    /// How many requirements a test case is linked to.
    pub fn link_count(&self, testcase_id: i64) -> u32 {
        if self.events.testcases_gone.contains(&testcase_id) {
            return 0;
        }
        if let Some(&count) = self.events.links.get(&testcase_id) {
            return count;
        }
        let mut noise = Noise::of(self.seed ^ 0x41, Kind::Testcase, testcase_id);
        if noise.chance(400) { noise.between(1, i64::from(MOST_LINKS)) as u32 } else { 0 }
    }

    /// One of the requirements of a test case.
    pub fn linked_requirement(&self, project: usize, testcase_id: i64, number: u32) -> i64 {
        let requirements = &self.projects[project].requirements;
        let place = (testcase_id + i64::from(LINK_STEP * number)) % i64::from(requirements.count.max(1));
        requirements.first + place
    }

    /// The logical ids a project's test cases have, as ranges.
    fn testcase_ranges(&self, project: usize) -> Vec<(i64, i64)> {
        let owner = &self.projects[project];
        if self.quirks.has(Quirk::SharedTestcases) {
            return vec![(owner.first_testcase, owner.first_testcase + i64::from(owner.testcases))];
        }
        let phases = self.phases.iter().filter(|phase| self.project_of_phase(phase) == project && phase.slots() > 0);
        phases
            .map(|phase| {
                let first = self.testcase_of(phase, 0);
                (first, first + i64::from(phase.slots()))
            })
            .collect()
    }

    /// The test cases linked to a requirement, by its place in the project.
    pub fn linked_testcases(&self, project: usize, place: u32) -> impl Iterator<Item = i64> {
        let count = i64::from(self.projects[project].requirements.count.max(1));
        let ranges = self.testcase_ranges(project);
        (0..MOST_LINKS).flat_map(move |number| {
            let wanted = (i64::from(place) - i64::from(LINK_STEP * number)).rem_euclid(count);
            let mut found = Vec::new();
            for &(from, until) in &ranges {
                let mut id = from + (wanted - from).rem_euclid(count);
                while id < until {
                    if self.link_count(id) > number {
                        found.push(id);
                    }
                    id += count;
                }
            }
            found
        })
    }

    fn requirements_per_node(&self, project: usize) -> u32 {
        let requirements = &self.projects[project].requirements;
        requirements.count.div_ceil(requirements.nodes.max(1)).max(1)
    }

    /// The project and the place in it of an id, in a family of ids that ascends with the projects.
    fn place_of(starts: &[(i64, usize)], count: impl Fn(usize) -> u32, id: i64) -> Option<(usize, u32)> {
        let after = starts.partition_point(|&(first, _)| first <= id);
        // projects without any share their start with the next one
        let (first, project) = starts[..after].iter().rev().copied().find(|&(_, project)| count(project) > 0)?;
        let place = u32::try_from(id - first).ok()?;
        (place < count(project)).then_some((project, place))
    }

    /// The id of the project a requirement belongs to.
    pub fn project_of_requirement(&self, id: i64) -> Option<i64> {
        self.requirement_at(id).map(|(project, _)| self.projects[project].id)
    }

    fn requirement_at(&self, id: i64) -> Option<(usize, u32)> {
        Self::place_of(&self.index.requirement_starts, |project| self.projects[project].requirements.count, id)
    }

    fn requirement_node_at(&self, id: i64) -> Option<(usize, u32)> {
        Self::place_of(&self.index.requirement_node_starts, |project| self.projects[project].requirements.nodes, id)
    }

    /// How many requirements of a project have a test case.
    pub fn mapped_requirements(&self, project: usize) -> u32 {
        let count = self.projects[project].requirements.count;
        (0..count).filter(|&place| self.linked_testcases(project, place).next().is_some()).count() as u32
    }
}

fn parent_of(place: u32) -> Option<u32> {
    match place % BRANCH {
        0 => None,
        within if within <= CHILDREN => Some(place - within),
        // the last of a branch lie one below each of the first children
        _ => Some(place - CHILDREN),
    }
}

fn open(view: &View, found: Option<(usize, u32)>, entity: &str) -> Result<(usize, u32), Reply> {
    let (project, place) = found.ok_or_else(|| Reply::unknown_id(view.quirks, entity))?;
    if view.is_forbidden(project) {
        return Err(Reply::forbidden());
    }
    Ok((project, place))
}

/// Answers the tree of a project.
pub fn tree(view: &View, query: &Query) -> Result<Reply, Reply> {
    let Some(id) = query.int("projectId", view.quirks)? else {
        return Err(Reply::missing("project id cannot be null.", "143z04"));
    };
    let Some(&project) = view.world.index.project.get(&id) else {
        return Err(Reply::unknown_id(view.quirks, "project"));
    };
    if view.is_forbidden(project) {
        return Err(Reply::forbidden());
    }
    let nodes = view.world.projects[project].requirements.nodes;
    let mut json = Json::new(view.quirks, 64 + nodes as usize * 400);
    json.open_list();
    for root in (0..nodes).step_by(BRANCH as usize) {
        json.open();
        write_node(&mut json, &view.world, project, root);
    }
    json.close_list();
    Ok(Reply::json(json.into_bytes(), nodes as usize))
}

/// Answers one node with what lies above and below it.
pub fn node(view: &View, id: i64) -> Result<Reply, Reply> {
    let (project, place) = open(view, view.world.requirement_node_at(id), "requirementTree")?;
    let mut json = Json::new(view.quirks, 4_000);
    json.open();
    if let Some(parent) = parent_of(place) {
        // the node above shows its children again, the one asked for among them
        json.object("parent");
        write_node(&mut json, &view.world, project, parent);
    }
    write_node(&mut json, &view.world, project, place);
    Ok(Reply::json(json.into_bytes(), 1))
}

/// Writes the fields of a node and closes it.
fn write_node(json: &mut Json, world: &World, project: usize, place: u32) {
    let owner = &world.projects[project];
    let mut noise = Noise::of(world.seed ^ 0x42, Kind::Requirement, owner.requirements.first_node + i64::from(place));
    json.int("id", owner.requirements.first_node + i64::from(place));
    json.text("name", &words::phase(&mut noise, place as usize));
    if noise.chance(400) {
        json.text("description", "");
    } else {
        json.absent("description");
    }
    json.int("projectId", owner.id);
    json.int_or_absent("parentId", parent_of(place).map(|parent| owner.requirements.first_node + i64::from(parent)));
    let created_ms = owner.created_ms + noise.between(1, 90) * DAY_MS;
    let author = author(world, project, &mut noise);
    json.instant("createdOn", created_ms);
    // many nodes were last touched by the same import
    json.instant("lastModifiedOn", owner.created_ms + 100 * DAY_MS);
    json.int("createdBy", author);
    json.int("lastModifiedBy", author);
    json.text("type", "req");
    json.flag("hasChild", false);
    for empty in ["requirements", "releaseIds"] {
        json.list(empty);
        json.close_list();
    }
    json.list("categories");
    let branch_end = (place - place % BRANCH + BRANCH).min(owner.requirements.nodes);
    for child in (place + 1..branch_end).filter(|&child| parent_of(child) == Some(place)) {
        json.open();
        write_node(json, world, project, child);
    }
    json.close_list();
    json.close();
}

fn author(world: &World, project: usize, noise: &mut Noise) -> i64 {
    let team = &world.projects[project].team;
    let at = team.get(noise.below(team.len() as u64) as usize).copied().unwrap_or(0);
    world.users[at].id
}

/// Answers a page of the requirements of a node.
pub fn list(view: &View, query: &Query) -> Result<Reply, Reply> {
    let Some(id) = query.int("requirementtreeid", view.quirks)? else {
        return Err(Reply::missing("requirement tree id cannot be null.", "143z04"));
    };
    let (project, node) = open(view, view.world.requirement_node_at(id), "requirementTree")?;
    let page = Page::of(view, query)?;
    let per_node = view.world.requirements_per_node(project);
    let count = view.world.projects[project].requirements.count;
    let from = (node * per_node).min(count);
    let until = (from + per_node).min(count);
    let mut json = Json::new(view.quirks, 200 + (until - from) as usize * ROW_BYTES);
    page.open_envelope(view, &mut json, u64::from(until - from));
    let mut rows = 0;
    let size = page.size.unwrap_or(u64::MAX);
    for place in (from..until).skip(page.offset as usize).take(size as usize) {
        json.open();
        write(&mut json, view, project, place);
        rows += 1;
    }
    json.close_list();
    json.text("type", "requirement");
    json.close();
    Ok(Reply::json(json.into_bytes(), rows))
}

/// Answers one requirement.
pub fn one(view: &View, id: i64) -> Result<Reply, Reply> {
    let (project, place) = open(view, view.world.requirement_at(id), "requirement")?;
    let mut json = Json::new(view.quirks, ROW_BYTES);
    json.open();
    write(&mut json, view, project, place);
    Ok(Reply::json(json.into_bytes(), 1))
}

/// Writes the fields of a requirement and closes it.
fn write(json: &mut Json, view: &View, project: usize, place: u32) {
    let world = &view.world;
    let owner = &world.projects[project];
    let id = owner.requirements.first + i64::from(place);
    let mut noise = Noise::of(world.seed, Kind::Requirement, id);
    let day = calendar().day_of(owner.created_ms) + noise.between(1, 200) as i32;
    let created_ms = calendar().midnight_ms(day) + noise.between(30_000, 60_000) * 1000;
    for empty in ["customProperties", "customProcessedProperties"] {
        json.object(empty);
        json.close();
    }
    json.int("id", id);
    let edit = world.events.requirements.get(&id);
    let mut name = words::sentence(&mut noise);
    reworded(&mut name, edit);
    json.text("name", &name);
    match noise.chance(930) {
        true => json.int_text("priority", noise.between(1, 5)),
        false => json.absent("priority"),
    }
    json.text("url", "");
    match noise.chance(600) {
        true => json.text("details", &words::sentence(&mut noise)),
        false => json.absent("details"),
    }
    let author = author(world, project, &mut noise);
    json.day("createdOn", day);
    json.day_text("reqCreationDate", day);
    json.int("createdBy", author);
    json.int("lastModifiedBy", author);
    let modified_ms = created_ms + noise.between(0, 20) * DAY_MS;
    json.instant("lastModifiedOn", World::edited_ms(edit, modified_ms));
    json.instant("createDatetime", created_ms);
    match noise.chance(500) {
        true => json.text("externalId", &format!("REQ-{id}")),
        false => json.absent("externalId"),
    }
    json.int("requirementType", 0);
    json.int("attachmentCount", 0);
    let mut testcases: Vec<i64> = world.linked_testcases(project, place).collect();
    let turn = view.shuffle() as usize % testcases.len().max(1);
    testcases.rotate_left(turn);
    for key in ["testcaseIds", "actualTestcaseIds"] {
        json.list(key);
        testcases.iter().for_each(|&testcase| json.int_member(testcase));
        json.close_list();
    }
    json.list("testcaseVersionIds");
    for &testcase in &testcases {
        let is_revised = world.revised_on(&mut world.testcase_noise(testcase)).is_some();
        json.int_member(world.version_id(testcase, 1 + i64::from(is_revised)));
    }
    json.close_list();
    json.list("requirementTreeIds");
    json.int_member(owner.requirements.first_node + i64::from(place / world.requirements_per_node(project)));
    json.close_list();
    for empty in ["releaseIds", "requirementReleaseTestcaseCountMapping", "customFieldValues", "releaseNames"] {
        json.list(empty);
        json.close_list();
    }
    json.int("projectId", owner.id);
    json.flag("customFieldProcessed", false);
    json.flag("isBddSupported", false);
    extra_fields(json);
    json.close();
}
