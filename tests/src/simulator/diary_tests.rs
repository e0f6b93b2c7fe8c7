//! What the diary promises, and what eventful days do to the world.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::diary::KINDS;
use super::tests::{ask, rows};
use super::{Profile, Quirk, Simulator, SimulatorConfig};

fn eventful(seed: u64) -> Simulator {
    let mut config = SimulatorConfig { profile: Profile::Small, seed, ..SimulatorConfig::default() };
    config.quirks.set(Quirk::EventfulDays, true);
    Simulator::new(config).unwrap()
}

fn events(diary: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    rows(&diary["days"]).iter().flat_map(|page| rows(&page["events"]).iter().map(move |event| (page, event)))
}

#[test]
fn two_weeks_hold_every_kind_of_event() {
    // a deleted test case comes back only when a new cycle happens to schedule it, and few rows change hands
    let by_chance = BTreeSet::from(["testcaseRestored", "executionReassigned"]);
    for seed in 1..=3 {
        let simulator = eventful(seed);
        simulator.advance_days(14).unwrap();
        let diary = simulator.diary().unwrap();
        assert_eq!(rows(&diary["days"]).len(), 15, "the start and fourteen days");
        for kind in KINDS.iter().filter(|kind| !by_chance.contains(*kind)) {
            assert!(diary["counts"][kind].as_u64().unwrap() > 0, "seed {seed} has no {kind}");
        }
        let mut turns: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (_, event) in events(&diary).filter(|(_, event)| event["kind"] == "cycleStatusChanged") {
            assert_ne!(event["before"], event["after"]);
            turns.entry(event["cycleId"].to_string()).or_default().push(event["after"].clone());
        }
        assert!(turns.values().any(|turns| turns.len() > 1), "seed {seed}: {turns:?}");
    }
}

#[test]
fn the_diary_is_the_same_whatever_the_steps() {
    let (leaping, walking) = (eventful(1), eventful(1));
    leaping.advance_days(14).unwrap();
    for _ in 0..14 {
        walking.advance_days(1).unwrap();
    }
    assert_eq!(leaping.diary().unwrap(), walking.diary().unwrap());
    assert_eq!(leaping.truth(), walking.truth());
    assert_ne!(leaping.diary().unwrap(), eventful(2).diary().unwrap());
    walking.advance_days(-14).unwrap();
    assert_eq!(rows(&walking.diary().unwrap()["days"]).len(), 1);
}

#[test]
fn a_page_counts_what_the_change_log_counts() {
    let simulator = eventful(2);
    for day in 1..=10 {
        simulator.advance_days(1).unwrap();
        let (diary, log) = (simulator.diary().unwrap(), simulator.change_log());
        let counts = &diary["days"][day]["counts"];
        for (kind, of_log) in [
            ("projectRenamed", "projectsRenamed"),
            ("userRenamed", "usersRenamed"),
            ("cycleCreated", "cyclesAdded"),
            ("cycleDeleted", "cyclesDeleted"),
            ("phaseDeleted", "phasesDeleted"),
            ("executionCreated", "executionsAdded"),
            ("executionDeleted", "executionsDeleted"),
            ("executionRerun", "executionsRerun"),
        ] {
            assert_eq!(counts[kind].as_u64().unwrap_or(0), log["counts"][of_log], "{kind} on day {day}");
        }
    }
}

#[test]
fn what_the_diary_says_is_what_the_api_shows() {
    let simulator = eventful(3);
    let cycles = |simulator: &Simulator| -> BTreeMap<i64, Value> {
        let releases = ask(simulator, "release");
        let listed = rows(&releases)
            .iter()
            .flat_map(|release| rows(&ask(simulator, &format!("cycle/release/{}", release["id"]))).clone());
        listed.map(|cycle| (cycle["id"].as_i64().unwrap(), cycle)).collect()
    };
    for day in 1..=14 {
        let before = cycles(&simulator);
        simulator.advance_days(1).unwrap();
        let after = cycles(&simulator);
        let diary = simulator.diary().unwrap();
        let told: BTreeSet<i64> = rows(&diary["days"][day]["events"])
            .iter()
            .filter(|event| event["kind"] == "cycleStatusChanged")
            .map(|event| event["cycleId"].as_i64().unwrap())
            .collect();
        // cycles of a closed project are not listed: they are told of, and not seen
        let seen: BTreeSet<i64> = before
            .iter()
            .filter(|(id, cycle)| after.get(id).is_some_and(|now| now["status"] != cycle["status"]))
            .map(|(&id, _)| id)
            .collect();
        assert!(seen.is_subset(&told), "day {day}: {seen:?}, {told:?}");
        assert!(told.iter().filter(|id| before.contains_key(id) && after.contains_key(id)).all(|id| seen.contains(id)));
    }
}

#[test]
fn admin_calls_that_close_a_project_are_on_the_page_of_their_day() {
    let simulator = Simulator::new(SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() }).unwrap();
    simulator.set_forbidden(1, true).unwrap();
    simulator.advance_days(2).unwrap();
    simulator.set_forbidden(1, false).unwrap();
    simulator.set_forbidden(1, false).unwrap();
    simulator.advance_days(1).unwrap();
    let diary = simulator.diary().unwrap();
    let told: Vec<(i64, &str)> = events(&diary)
        .filter(|(_, event)| event["projectId"] == 1)
        .filter_map(|(page, event)| Some((page["day"].as_i64()?, event["kind"].as_str()?)))
        .filter(|(_, kind)| ["projectForbidden", "projectAllowed"].contains(kind))
        .collect();
    assert_eq!(told, [(0, "projectForbidden"), (2, "projectAllowed")]);
    assert_eq!(diary["counts"]["cycleStatusChanged"], 0, "only eventful days change the status of a cycle");
}
