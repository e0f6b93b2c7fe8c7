//! `/summary/release/{id}`: counters of a release.

use std::collections::BTreeSet;

use super::json::Json;
use super::reply::Reply;
use super::routes::View;

/// Answers the counters of a release, by its index.
pub fn release(view: &View, at: usize) -> Reply {
    let world = &view.world;
    let mut testcases = BTreeSet::new();
    for phase in world.phases_of_release(at) {
        let phase = &world.phases[phase];
        for slot in 0..phase.slots() {
            if world.has_row(phase, slot) {
                testcases.insert(world.testcase_of(phase, slot));
            }
        }
    }
    let mut json = Json::new(view.quirks, 500);
    json.open();
    json.object("requirement");
    for key in ["totalRequirementCount", "mappedRequirementCount", "unmappedRequirementCount"] {
        json.int(key, 0);
    }
    json.close();
    json.object("testcase");
    json.int("totalTestcaseCount", testcases.len() as i64);
    json.close();
    json.object("defect");
    json.int("totalDefectCount", 0);
    json.list("totalDefectIds");
    json.close_list();
    json.list("statuses");
    json.close_list();
    json.close();
    json.close();
    let mut reply = Reply::json(json.into_bytes(), 1);
    reply.release_rows = view.release_rows(at);
    reply
}
