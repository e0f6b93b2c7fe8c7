//! What the simulator promises, asked through the routes without a network.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::Value;

use super::calendar::calendar;
use super::reply::Reply;
use super::request::Query;
use super::{Profile, Quirk, Simulator, SimulatorConfig, routes};

pub fn simulator(profile: Profile) -> Simulator {
    with_seed(profile, 1)
}

fn with_seed(profile: Profile, seed: u64) -> Simulator {
    Simulator::new(SimulatorConfig { profile, seed, ..SimulatorConfig::default() }).unwrap()
}

pub fn reply(simulator: &Simulator, call: &str) -> Reply {
    let (path, query) = call.split_once('?').unwrap_or((call, ""));
    let path = format!("latest/{path}");
    routes::answer(&simulator.view(None), &Method::GET, &path, &Query::parse(query))
}

pub fn ask(simulator: &Simulator, call: &str) -> Value {
    let reply = reply(simulator, call);
    assert_eq!(reply.status, 200, "{call}");
    serde_json::from_slice(&reply.body).unwrap()
}

pub fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Every release, cycle and phase the owner of the token can reach.
fn cycles(simulator: &Simulator) -> Vec<Value> {
    let mut cycles = Vec::new();
    for project in rows(&ask(simulator, "project/details")) {
        let answer = reply(simulator, &format!("release/project/{}", project["id"]));
        if answer.status == 403 {
            continue;
        }
        let releases: Value = serde_json::from_slice(&answer.body).unwrap();
        for release in rows(&releases) {
            cycles.extend(rows(&ask(simulator, &format!("cycle/release/{}", release["id"]))).clone());
        }
    }
    cycles
}

fn executions(simulator: &Simulator, phase: &Value, page_size: usize) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let offset = found.len();
        let call = format!(
            "execution?cyclephaseid={phase}&includeanyoneuser=true&order=id&isascorder=true&offset={offset}&pagesize={page_size}"
        );
        let page = ask(simulator, &call);
        found.extend(rows(&page["results"]).clone());
        if rows(&page["results"]).len() < page_size {
            assert_eq!(page["resultSize"], found.len());
            return found;
        }
    }
}

fn count(simulator: &Simulator) -> BTreeMap<String, Value> {
    let (mut phases, mut testcases, mut ids) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let cycles = cycles(simulator);
    for phase in cycles.iter().flat_map(|cycle| rows(&cycle["cyclePhases"])) {
        let found = executions(simulator, &phase["id"], 7);
        phases.insert(phase["id"].to_string(), Value::from(found.len()));
        for row in &found {
            assert!(ids.insert(row["id"].as_i64().unwrap()), "a row under two phases");
            assert_eq!(row["cyclePhaseId"], phase["id"]);
            testcases.insert(row["tcrTreeTestcase"]["testcase"]["testcaseId"].as_i64().unwrap());
        }
    }
    BTreeMap::from([
        ("projects".to_owned(), rows(&ask(simulator, "project/details")).len().into()),
        ("releases".to_owned(), rows(&ask(simulator, "release")).len().into()),
        ("cycles".to_owned(), cycles.len().into()),
        ("cyclePhases".to_owned(), phases.len().into()),
        ("executions".to_owned(), ids.len().into()),
        ("testcases".to_owned(), testcases.len().into()),
        ("users".to_owned(), rows(&ask(simulator, "user/filter")).len().into()),
        ("usersAll".to_owned(), rows(&ask(simulator, "user")).len().into()),
        ("executionsPerPhase".to_owned(), Value::Object(phases.into_iter().collect())),
    ])
}

fn assert_true(simulator: &Simulator) {
    let truth = simulator.truth();
    for (what, found) in count(simulator) {
        assert_eq!(found, truth["visible"][&what], "{what}");
    }
}

#[test]
fn paging_arrives_at_the_truth_before_and_after_the_clock_moves() {
    let simulator = simulator(Profile::Small);
    assert_true(&simulator);
    simulator.advance_days(9).unwrap();
    assert_true(&simulator);
}

#[test]
fn the_same_seed_and_clock_are_the_same_bytes_whatever_the_steps() {
    let (leaping, walking) = (simulator(Profile::Small), simulator(Profile::Small));
    leaping.advance_days(12).unwrap();
    for _ in 0..12 {
        walking.advance_days(1).unwrap();
    }
    walking.advance_days(5).unwrap();
    walking.advance_days(-5).unwrap();
    for call in ["project/details", "release", "user/filter", "execution?pagesize=0&includeanyoneuser=true"] {
        assert_eq!(reply(&leaping, call).body, reply(&walking, call).body, "{call}");
    }
    assert_eq!(leaping.truth(), walking.truth());
    let other = with_seed(Profile::Small, 2);
    assert_ne!(reply(&other, "user/filter").body, reply(&walking, "user/filter").body);
}

#[test]
fn prod_shape_has_the_recorded_shape() {
    let simulator = simulator(Profile::ProdShape);
    let truth = simulator.truth();
    let all = &truth["all"];
    for (what, expected) in [
        ("projects", 38),
        ("releasesReal", 46),
        ("releasesPseudo", 34),
        ("cycles", 84),
        ("executions", 33_000),
        ("users", 382),
        ("usersAll", 384),
    ] {
        assert_eq!(all[what], expected, "{what}");
    }
    let pending = all["executionsPerStatus"]["absent"].as_u64().unwrap();
    assert!((23_000..29_000).contains(&pending), "{pending} never executed");
    for status in ["1", "2", "3", "4", "5", "6", "10"] {
        assert!(all["executionsPerStatus"][status].as_u64().unwrap() > 0, "status {status}");
    }
    assert!(all["testcases"].as_u64().unwrap() >= 5_000);
}

#[test]
fn a_test_case_occurs_in_several_phases_of_a_cycle_and_in_several_cycles() {
    let simulator = simulator(Profile::Small);
    let (mut in_phases, mut in_cycles) = (BTreeMap::new(), BTreeMap::new());
    for cycle in cycles(&simulator) {
        let mut seen = BTreeSet::new();
        for phase in rows(&cycle["cyclePhases"]) {
            for row in executions(&simulator, &phase["id"], 500) {
                let id = row["tcrTreeTestcase"]["testcase"]["testcaseId"].as_i64().unwrap();
                *in_phases.entry((cycle["id"].clone().to_string(), id)).or_insert(0) += 1;
                seen.insert(id);
            }
        }
        for id in seen {
            *in_cycles.entry(id).or_insert(0) += 1;
        }
    }
    assert!(in_phases.values().any(|&count| count > 1));
    assert!(in_cycles.values().any(|&count| count > 1));
}

#[test]
fn an_unknown_parameter_changes_nothing() {
    let simulator = simulator(Profile::Small);
    let (with, without) = (reply(&simulator, "execution?cycleid=3"), reply(&simulator, "execution"));
    assert_eq!(with.body, without.body);
    assert_eq!(with.rows, 10);
    let page: Value = serde_json::from_slice(&with.body).unwrap();
    let ids: Vec<i64> = rows(&page["results"]).iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|left, right| left > right), "newest first");
    simulator.set_quirk(Quirk::UnknownParametersIgnored, false).unwrap();
    assert_eq!(reply(&simulator, "execution?cycleid=3").status, 400);
}

#[test]
fn closed_projects_answer_403_and_leave_the_flat_list() {
    let simulator = simulator(Profile::ProdShape);
    let before = rows(&ask(&simulator, "release")).len();
    simulator.set_quirk(Quirk::ForbiddenProjects, true).unwrap();
    let forbidden = simulator.truth()["forbiddenProjects"].clone();
    assert_eq!(rows(&forbidden).len(), 3);
    for project in rows(&forbidden) {
        assert_eq!(reply(&simulator, &format!("release/project/{project}")).status, 403);
        let listed = ask(&simulator, "project/details");
        assert!(rows(&listed).iter().any(|row| row["id"] == *project));
    }
    let releases = ask(&simulator, "release");
    assert!(rows(&releases).len() < before);
    assert!(rows(&releases).iter().all(|row| !rows(&forbidden).contains(&row["projectId"])));
}

#[test]
fn what_cannot_be_converted_is_404_and_what_is_unknown_500() {
    let simulator = simulator(Profile::Small);
    for call in ["execution?cyclephaseid=1,2", "execution?offset=-1", "release/abc", "nothing", "/project/details"] {
        let reply = reply(&simulator, call);
        assert_eq!((reply.status.as_u16(), reply.body.len()), (404, 0), "{call}");
    }
    for call in ["release/4711", "cycle/4711", "cycle/release/4711", "user/4711", "project/4711", "execution/4711"] {
        assert_eq!(reply(&simulator, call).status, 500, "{call}");
    }
    assert_eq!(reply(&simulator, "admin/preference").status, 400);
}

#[test]
fn every_day_agrees_with_its_text() {
    let simulator = simulator(Profile::ProdShape);
    let mut pairs = 0;
    for call in ["project/details", "release", "execution?pagesize=3000"] {
        check_days(&ask(&simulator, call), &mut pairs);
    }
    for cycle in cycles(&simulator) {
        check_days(&cycle, &mut pairs);
    }
    assert!(pairs > 3_000, "{pairs} pairs");
}

fn check_days(value: &Value, pairs: &mut usize) {
    const TWINS: &[(&str, &[&str])] = &[
        ("startDate", &["projectStartDate", "releaseStartDate", "cycleStartDate", "phaseStartDate"]),
        ("endDate", &["projectEndDate", "releaseEndDate", "cycleEndDate", "phaseEndDate"]),
        ("executionDate", &["execDate"]),
        ("creationDate", &["tcCreationDate"]),
    ];
    if let Some(list) = value.as_array() {
        list.iter().for_each(|row| check_days(row, pairs));
    }
    let Some(row) = value.as_object() else {
        return;
    };
    row.values().for_each(|member| check_days(member, pairs));
    for (number, texts) in TWINS {
        let Some(instant_ms) = row.get(*number).and_then(Value::as_i64) else {
            continue;
        };
        let twin = texts.iter().find_map(|text| row.get(*text));
        let day = calendar().day_of(instant_ms);
        assert_eq!(twin.unwrap(), calendar().text(day));
        *pairs += 1;
    }
}

#[test]
fn absent_values_are_left_out_or_null() {
    let simulator = simulator(Profile::ProdShape);
    let is_absent = |simulator: &Simulator| {
        let releases = ask(simulator, "release");
        let nulls = rows(&releases).iter().filter(|row| row.get("endDate") == Some(&Value::Null)).count();
        let missing = rows(&releases).iter().filter(|row| row.get("endDate").is_none()).count();
        (nulls, missing)
    };
    let (nulls, missing) = is_absent(&simulator);
    assert!(nulls == 0 && missing > 34);
    simulator.set_quirk(Quirk::NullsOmitted, false).unwrap();
    assert_eq!(is_absent(&simulator), (missing, 0));
}

#[test]
fn the_change_log_names_the_phases_whose_bytes_changed() {
    let simulator = simulator(Profile::Small);
    let bodies = |simulator: &Simulator| -> BTreeMap<i64, Vec<Value>> {
        cycles(simulator)
            .iter()
            .flat_map(|cycle| rows(&cycle["cyclePhases"]).clone())
            .map(|phase| (phase["id"].as_i64().unwrap(), executions(simulator, &phase["id"], 500)))
            .collect()
    };
    let before = bodies(&simulator);
    simulator.advance_days(1).unwrap();
    let after = bodies(&simulator);
    let rewritten: Vec<i64> =
        before.iter().filter(|(id, rows)| after.get(id).is_some_and(|now| now != *rows)).map(|(id, _)| *id).collect();
    let log = simulator.change_log();
    assert_eq!(log["phasesRewritten"], Value::from(rewritten));
    for kind in
        ["executionsRun", "executionsDeleted", "cyclesAdded", "phasesDeleted", "projectsRenamed", "usersRenamed"]
    {
        assert!(log["counts"][kind].as_u64().unwrap() > 0, "{kind}");
    }
}

#[test]
fn no_phase_of_a_big_world_is_large() {
    let simulator = Simulator::new(SimulatorConfig {
        profile: Profile::Big,
        executions: Some(100_000),
        ..SimulatorConfig::default()
    })
    .unwrap();
    let world = simulator.world();
    let sizes: Vec<u64> = (0..world.phases.len()).map(|at| u64::from(world.rows_of(at))).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 100_000);
    assert!(sizes.iter().all(|&size| size <= 2_000));
}
