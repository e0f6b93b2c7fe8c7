//! `/summary/release/{id}`: counters of a release, to compare with what was read.

use std::collections::{BTreeMap, BTreeSet};

use super::execution_row::{DEFECTS, defect_status, defects_of};
use super::json::Json;
use super::reply::Reply;
use super::routes::View;
use super::world::World;

/// The numbers of the defects on a release's executions; the walk ends once every defect there is was seen.
pub fn defects(world: &World, release: usize) -> BTreeSet<i64> {
    let mut defects = BTreeSet::new();
    for phase in world.phases_of_release(release) {
        let phase = &world.phases[phase];
        for slot in 0..phase.slots() {
            if let Some(row) = world.row(phase, slot) {
                defects.extend(defects_of(world, &row));
            }
            if defects.len() as u64 == DEFECTS {
                return defects;
            }
        }
    }
    defects
}

/// Answers the counters of a release, by its index.
pub fn release(view: &View, at: usize) -> Reply {
    let world = &view.world;
    let project = world.releases[at].project;
    let requirements = i64::from(world.projects[project].requirements.count);
    let mapped = i64::from(world.mapped_requirements(project));
    let defects = defects(world, at);
    let mut json = Json::new(view.quirks, 8_000);
    json.open();
    json.object("requirement");
    json.int("totalRequirementCount", requirements);
    json.int("mappedRequirementCount", mapped);
    json.int("unmappedRequirementCount", requirements - mapped);
    json.close();
    json.object("testcase");
    json.int("totalTestcaseCount", world.tree(at).total() as i64);
    json.close();
    json.object("defect");
    json.int("totalDefectCount", defects.len() as i64);
    json.list("totalDefectIds");
    let mut statuses: BTreeMap<&str, i64> = BTreeMap::new();
    for &number in &defects {
        json.int_member(number + 40);
        *statuses.entry(defect_status(number)).or_default() += 1;
    }
    json.close_list();
    json.list("statuses");
    for (status, count) in statuses {
        json.open();
        json.text("status", status);
        json.int("defectCount", count);
        json.close();
    }
    json.close_list();
    json.close();
    json.close();
    let mut reply = Reply::json(json.into_bytes(), 1);
    reply.release_rows = view.release_rows(at);
    reply
}
