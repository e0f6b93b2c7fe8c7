//! Two weeks, day by day, all six stages each day: history, status transitions, scope changes, deletes and a project that was
//! closed for a while come out as the simulator's own diary says.
//!
//! The stages run under a shifted clock (`tests/clock/shift.c`), so that what they date by their own walks falls on the
//! simulated days.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;
use spectra_tests::simulator::{Profile, Quirk, SimulatorConfig};

use crate::support::{Lab, repository};

const DAYS: usize = 14;

/// Something that can be seen of a thing: what, and whose.
type Thing = (&'static str, i64, i64);

/// What is true of things, each with the project one must be let into to see it; 0 is always open.
type State = BTreeMap<Thing, (i64, Value)>;

/// A change as somebody sees it who looks once a day.
#[derive(Debug)]
struct Change {
    date: String,
    thing: Thing,
    before: Option<Value>,
    after: Option<Value>,
}

/// What the diary tells, and what of it can be seen.
#[derive(Default)]
struct Observer {
    truth: State,
    seen: State,
    closed: BTreeSet<i64>,
    changes: Vec<Change>,
}

impl Observer {
    /// Everything there is before the first day.
    fn of(lab: &Lab) -> Self {
        let world = lab.simulator.simulator.world();
        let mut truth = State::new();
        for project in &world.projects {
            truth.insert(("project", project.id, 0), (0, tidy(&project.name)));
        }
        let project_of = |release: usize| world.projects[world.releases[release].project].id;
        for (at, release) in world.releases.iter().enumerate().filter(|(_, release)| !release.is_pseudo) {
            truth.insert(("release", release.id, 0), (project_of(at), tidy(&release.name)));
        }
        for cycle in &world.cycles {
            let project = project_of(cycle.release);
            truth.insert(("cycle", cycle.id, 0), (project, tidy(&cycle.name)));
            truth.insert(("cycleStatus", cycle.id, 0), (project, cycle.status.into()));
        }
        for phase in &world.phases {
            let cycle = &world.cycles[phase.cycle];
            let project = project_of(cycle.release);
            for row in (0..phase.slots()).filter_map(|slot| world.row(phase, slot)) {
                let status = row.run.map_or(Value::Null, |run| run.status.into());
                truth.insert(("execution", row.id, 0), (project, status));
                let testcase = world.testcase_of(phase, row.slot);
                truth.insert(("member", cycle.id, testcase), (project, true.into()));
            }
        }
        for (at, project) in world.projects.iter().enumerate() {
            for testcase in project.first_testcase..project.first_testcase + i64::from(project.testcases) {
                for number in 0..world.link_count(testcase) {
                    let requirement = world.linked_requirement(at, testcase, number);
                    truth.insert(("link", testcase, requirement), (project.id, true.into()));
                }
            }
        }
        Self { seen: truth.clone(), truth, ..Self::default() }
    }

    /// Lives through a page of the diary, then looks.
    fn live_through(&mut self, page: &Value) {
        for event in page["events"].as_array().unwrap() {
            self.note(event);
        }
        let mut now = self.truth.clone();
        now.retain(|_, (project, _)| !self.closed.contains(project));
        // of what is closed, the last that was seen stays
        now.extend(
            self.seen.iter().filter(|(_, (project, _))| self.closed.contains(project)).map(|(t, v)| (*t, v.clone())),
        );
        let date = page["date"].as_str().unwrap();
        let things: BTreeSet<Thing> = self.seen.keys().chain(now.keys()).copied().collect();
        for thing in things {
            let value = |state: &State| state.get(&thing).map(|(_, value)| value.clone());
            let (before, after) = (value(&self.seen), value(&now));
            if before != after {
                self.changes.push(Change { date: date.to_owned(), thing, before, after });
            }
        }
        self.seen = now;
    }

    fn note(&mut self, event: &Value) {
        let id = |name: &str| event[name].as_i64().unwrap_or_else(|| panic!("no {name}: {event}"));
        let project = event["projectId"].as_i64().unwrap_or(0);
        let (thing, value) = match event["kind"].as_str().unwrap() {
            "projectForbidden" => {
                self.closed.insert(project);
                return;
            }
            "projectAllowed" => {
                self.closed.remove(&project);
                return;
            }
            // the list of projects shows closed ones as well
            "projectRenamed" => {
                self.truth.insert(("project", project, 0), (0, tidy(event["after"].as_str().unwrap())));
                return;
            }
            "releaseRenamed" => (("release", id("releaseId"), 0), Some(tidy(event["after"].as_str().unwrap()))),
            "cycleCreated" => {
                self.truth.insert(("cycleStatus", id("cycleId"), 0), (project, event["status"].clone()));
                (("cycle", id("cycleId"), 0), Some(tidy(event["after"].as_str().unwrap())))
            }
            "cycleRenamed" => (("cycle", id("cycleId"), 0), Some(tidy(event["after"].as_str().unwrap()))),
            "cycleStatusChanged" => (("cycleStatus", id("cycleId"), 0), Some(event["after"].clone())),
            "cycleDeleted" => {
                self.truth.remove(&("cycleStatus", id("cycleId"), 0));
                (("cycle", id("cycleId"), 0), None)
            }
            "executionCreated" => (("execution", id("executionId"), 0), Some(Value::Null)),
            "executionStatusChanged" => (("execution", id("executionId"), 0), Some(event["after"].clone())),
            "executionDeleted" => (("execution", id("executionId"), 0), None),
            "testcaseEnteredCycle" => (("member", id("cycleId"), id("testcaseId")), Some(true.into())),
            "testcaseLeftCycle" => (("member", id("cycleId"), id("testcaseId")), None),
            "requirementLinked" => (("link", id("testcaseId"), id("requirementId")), Some(true.into())),
            "requirementUnlinked" => (("link", id("testcaseId"), id("requirementId")), None),
            "testcaseRenamed" => self.once_more("testcase", id("testcaseId")),
            "requirementRenamed" => self.once_more("requirement", id("requirementId")),
            "testcaseDeleted" => (("testcaseGone", id("testcaseId"), 0), Some(true.into())),
            "testcaseRestored" => (("testcaseGone", id("testcaseId"), 0), None),
            _ => return,
        };
        match value {
            Some(value) => self.truth.insert(thing, (project, value)),
            None => self.truth.remove(&thing),
        };
    }

    fn once_more(&self, what: &'static str, id: i64) -> (Thing, Option<Value>) {
        let thing = (what, id, 0);
        let count = self.truth.get(&thing).and_then(|(_, count)| count.as_i64()).unwrap_or(0);
        (thing, Some((count + 1).into()))
    }

    fn seen(&self, what: &str) -> impl Iterator<Item = (i64, i64, &Value)> {
        self.seen.iter().filter(move |(thing, _)| thing.0 == what).map(|(thing, (_, value))| (thing.1, thing.2, value))
    }

    fn changes(&self, what: &str) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.thing.0 == what)
    }
}

/// Text as clean leaves it.
fn tidy(text: &str) -> Value {
    text.replace('\u{a0}', " ").trim_matches([' ', '\t', '\n', '\r']).into()
}

/// Makes the lab's runs think it is the simulator's time.
pub fn shift_clock(lab: &mut Lab) {
    let library = lab.folder.path().join("shift.so");
    if !library.exists() {
        let source = repository("tests/clock/shift.c");
        let made = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(made.unwrap().success(), "the clock that can be shifted does not compile");
        lab.variables.insert("LD_PRELOAD".to_owned(), library.display().to_string());
    }
    let shift = lab.simulator.simulator.world().clock_ms / 1_000 - Timestamp::now().as_second();
    lab.variables.insert("CLOCK_SHIFT_SECONDS".to_owned(), shift.to_string());
}

fn int(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("no whole number in {name}: {row}"))
}

async fn pairs(lab: &Lab, sql: &str) -> BTreeSet<(i64, i64)> {
    lab.rows(sql).await.iter().map(|row| (int(row, "left"), int(row, "right"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_weeks_come_out_as_the_diary_says() {
    let mut config = SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() };
    config.quirks.set(Quirk::EventfulDays, true);
    let mut lab = Lab::with(config).await;
    let mut observer = Observer::of(&lab);
    shift_clock(&mut lab);
    lab.run_all();
    let mut closed_days = 0;
    for day in 1..=DAYS {
        lab.advance(1);
        shift_clock(&mut lab);
        lab.run_all();
        let diary = lab.simulator.simulator.diary().unwrap();
        observer.live_through(&diary["days"][day]);
        closed_days += usize::from(!observer.closed.is_empty());
        assert_closed(&lab, &observer).await;
        assert_present(&lab, &observer).await;
    }
    assert!(closed_days > 1, "a project was closed for some days");
    assert_transitions(&lab, &observer).await;
    assert_names(&lab, &observer).await;
    assert_intervals(&lab).await;
    assert_scope(&lab, &observer).await;
    assert_removals(&lab, &observer).await;
    assert_links(&lab, &observer).await;
}

/// A closed project is stale, and nothing else is; what was seen of it stays.
async fn assert_closed(lab: &Lab, observer: &Observer) {
    let stale = "select projectId as left, projectId as right from transform.dimProject where isStale";
    let stale: BTreeSet<i64> = pairs(lab, stale).await.into_iter().map(|(project, _)| project).collect();
    assert_eq!(stale, observer.closed);
    let old = lab.number("select count(distinct projectId) from analyse.freshness where isStale").await;
    assert_eq!(old, observer.closed.len() as i64);
}

/// Cycles and executions that are there now, with their status.
async fn assert_present(lab: &Lab, observer: &Observer) {
    let found: BTreeMap<i64, i64> = lab
        .rows("select cycleId, cycleStatus from transform.dimCycle where cycleId is not null")
        .await
        .iter()
        .map(|row| (int(row, "cycleId"), int(row, "cycleStatus")))
        .collect();
    let told: BTreeMap<i64, i64> =
        observer.seen("cycleStatus").map(|(id, _, status)| (id, status.as_i64().unwrap())).collect();
    assert_eq!(found, told);
    let found: BTreeMap<i64, String> = lab
        .rows("select executionId, statusCode from refine.factExecution")
        .await
        .iter()
        .map(|row| (int(row, "executionId"), row["statusCode"].as_str().unwrap().to_owned()))
        .collect();
    let code = |status: &Value| status.as_i64().map_or_else(|| "absent".to_owned(), |code| code.to_string());
    let told: BTreeMap<i64, String> = observer.seen("execution").map(|(id, _, status)| (id, code(status))).collect();
    assert_eq!(found, told);
}

/// Every transition of a cycle's status, on the day it was seen.
async fn assert_transitions(lab: &Lab, observer: &Observer) {
    let sql = "select cycleId, transitionKind, fromStatusId, toStatusId, cast(transitionDate as string) as day
               from transform.factCycleStatusHistory order by cycleId, transitionDateTime";
    let mut found: BTreeMap<i64, Vec<(String, Value, Value, String)>> = BTreeMap::new();
    let mut first = BTreeSet::new();
    for row in lab.rows(sql).await {
        let kind = row["transitionKind"].as_str().unwrap().to_owned();
        if kind == "first" {
            assert!(first.insert((int(&row, "cycleId"), int(&row, "toStatusId"))));
            continue;
        }
        let turn =
            (kind, row["fromStatusId"].clone(), row["toStatusId"].clone(), row["day"].as_str().unwrap().to_owned());
        found.entry(int(&row, "cycleId")).or_default().push(turn);
    }
    let mut told: BTreeMap<i64, Vec<(String, Value, Value, String)>> = BTreeMap::new();
    let began = |status: Option<&Value>| status.and_then(Value::as_i64).unwrap();
    let mut told_first: BTreeMap<i64, i64> =
        observer.seen("cycleStatus").map(|(id, _, status)| (id, began(Some(status)))).collect();
    for change in observer.changes("cycleStatus").collect::<Vec<_>>().into_iter().rev() {
        let id = change.thing.1;
        match (&change.before, &change.after) {
            // its first status is the one it had before anything changed
            (None, after) => {
                told_first.insert(id, began(after.as_ref()));
                continue;
            }
            (before, _) => told_first.insert(id, began(before.as_ref())),
        };
        let kind = if change.after.is_some() { "status" } else { "deleted" };
        let value = |status: &Option<Value>| status.clone().unwrap_or(Value::Null);
        let turn = (kind.to_owned(), value(&change.before), value(&change.after), change.date.clone());
        told.entry(id).or_default().insert(0, turn);
    }
    let absent_as_null = |turns: BTreeMap<i64, Vec<(String, Value, Value, String)>>| -> Vec<String> {
        turns.into_iter().map(|(id, turns)| format!("{id}: {turns:?}")).collect()
    };
    assert_eq!(first, told_first.into_iter().collect());
    assert_eq!(absent_as_null(found), absent_as_null(told));
}

/// The names a record had, oldest first, each once as long as it lasts.
async fn names(lab: &Lab, table: &str, id: &str, name: &str) -> BTreeMap<i64, Vec<Value>> {
    let sql = format!(
        "select {id} as id, {name} as name from transform.{table} where {id} is not null order by {id}, versionSequence"
    );
    let mut names: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for row in lab.rows(&sql).await {
        let names = names.entry(int(&row, "id")).or_default();
        if names.last() != Some(&row["name"]) {
            names.push(row["name"].clone());
        }
    }
    names
}

/// Renames and deletes in the history tables.
async fn assert_names(lab: &Lab, observer: &Observer) {
    for (what, table, id, name) in [
        ("project", "dimProjectHistory", "projectId", "projectName"),
        ("release", "dimReleaseHistory", "releaseId", "releaseName"),
        ("cycle", "dimCycleHistory", "cycleId", "cycleName"),
    ] {
        let found = names(lab, table, id, name).await;
        for (id, _, value) in observer.seen(what) {
            assert_eq!(found[&id].last(), Some(value), "{what} {id} now");
        }
        let mut told: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for change in observer.changes(what) {
            let names = told.entry(change.thing.1).or_insert_with(|| change.before.iter().cloned().collect());
            names.extend(change.after.clone());
        }
        assert!(told.values().any(|names| names.len() > 1), "some {what} was renamed");
        for (id, names) in told {
            assert_eq!(found[&id], names, "{what} {id}");
        }
    }
    for (what, table, id, name) in [
        ("testcase", "dimTestcaseHistory", "testcaseId", "testcaseName"),
        ("requirement", "dimRequirementHistory", "requirementId", "requirementName"),
    ] {
        let found = names(lab, table, id, name).await;
        let mut renames: BTreeMap<i64, usize> = BTreeMap::new();
        for change in observer.changes(what) {
            *renames.entry(change.thing.1).or_default() += 1;
        }
        assert!(!renames.is_empty());
        for (id, names) in found {
            let distinct: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(distinct.len(), 1 + renames.get(&id).copied().unwrap_or(0), "{what} {id}: {names:?}");
        }
    }
    let gone = "select testcaseId as left, testcaseId as right from transform.dimTestcaseHistory
                where isDeleted and isCurrent";
    let told: BTreeSet<(i64, i64)> = observer.seen("testcaseGone").map(|(id, ..)| (id, id)).collect();
    assert!(!told.is_empty());
    assert_eq!(pairs(lab, gone).await, told);
    let gone = "select cycleId as left, cycleId as right from transform.dimCycleHistory where isDeleted and isCurrent";
    let deleted = observer.changes("cycle").filter(|change| change.after.is_none());
    let told: BTreeSet<(i64, i64)> = deleted.map(|change| (change.thing.1, change.thing.1)).collect();
    assert!(!told.is_empty());
    assert_eq!(pairs(lab, gone).await, told);
}

/// Versions follow one another without a gap and without an overlap, and the newest is open.
async fn assert_intervals(lab: &Lab) {
    for (table, key) in [
        ("dimProjectHistory", "projectKey"),
        ("dimReleaseHistory", "releaseKey"),
        ("dimCycleHistory", "cycleKey"),
        ("dimTestcaseHistory", "testcaseKey"),
        ("dimRequirementHistory", "requirementKey"),
    ] {
        let broken = format!(
            "select count(*) from (
               select isCurrent, effectiveTo,
                 lead(effectiveFrom) over (partition by {key} order by versionSequence) as nextFrom
               from transform.{table})
             where (nextFrom is null) <> isCurrent or (nextFrom is not null and nextFrom <> effectiveTo)"
        );
        assert_eq!(lab.number(&broken).await, 0, "{table}");
    }
}

/// Which test case stands in which cycle, which no longer does, and since when; the burn-down counts the same.
async fn assert_scope(lab: &Lab, observer: &Observer) {
    let living: BTreeSet<i64> = observer.seen("cycle").map(|(id, ..)| id).collect();
    let active = "select cycleId as left, testcaseId as right from transform.bridgeTestcaseCycle where isActive";
    let told: BTreeSet<(i64, i64)> = observer.seen("member").map(|(cycle, testcase, _)| (cycle, testcase)).collect();
    assert_eq!(pairs(lab, active).await, told);

    let sql = "select cycleId, testcaseId, cast(removedDate as string) as day
               from transform.bridgeTestcaseCycle where not isActive";
    let found: BTreeMap<(i64, i64), String> = lab
        .rows(sql)
        .await
        .iter()
        .map(|row| ((int(row, "cycleId"), int(row, "testcaseId")), row["day"].as_str().unwrap().to_owned()))
        .collect();
    let mut left: BTreeMap<(i64, i64), String> = BTreeMap::new();
    let (mut came, mut went) = (BTreeMap::<i64, i64>::new(), BTreeMap::<(i64, String), i64>::new());
    for change in observer.changes("member").filter(|change| living.contains(&change.thing.1)) {
        let (_, cycle, testcase) = change.thing;
        if change.after.is_some() {
            *came.entry(cycle).or_default() += 1;
            left.remove(&(cycle, testcase));
        } else {
            *went.entry((cycle, change.date.clone())).or_default() += 1;
            left.insert((cycle, testcase), change.date.clone());
        }
    }
    assert!(!came.is_empty() && !left.is_empty(), "{came:?} {left:?}");
    assert_eq!(found, left);

    let sql = "select cycle.cycleId, cast(activity.date as string) as day, activity.addedCount, activity.removedCount
               from refine.cycleActivity as activity
               join transform.dimCycle as cycle on activity.cycleKey = cycle.cycleKey";
    let (mut added, mut removed) = (BTreeMap::<i64, i64>::new(), BTreeMap::<(i64, String), i64>::new());
    for row in lab.rows(sql).await {
        *added.entry(int(&row, "cycleId")).or_default() += int(&row, "addedCount");
        if int(&row, "removedCount") > 0 {
            removed.insert((int(&row, "cycleId"), row["day"].as_str().unwrap().to_owned()), int(&row, "removedCount"));
        }
    }
    assert_eq!(removed, went);
    for cycle in living {
        let here = told.iter().filter(|(of, _)| *of == cycle).count() as i64;
        let gone: i64 = went.iter().filter(|((of, _), _)| *of == cycle).map(|(_, count)| count).sum();
        assert_eq!(added.get(&cycle).copied().unwrap_or(0), here + gone, "cycle {cycle}");
    }
}

/// Every execution that disappeared, on the day that was seen.
async fn assert_removals(lab: &Lab, observer: &Observer) {
    let sql = "select executionId, cast(removedDate as string) as day from transform.factExecutionRemoval";
    let found: BTreeSet<(i64, String)> = lab
        .rows(sql)
        .await
        .iter()
        .map(|row| (int(row, "executionId"), row["day"].as_str().unwrap().to_owned()))
        .collect();
    let gone = observer.changes("execution").filter(|change| change.after.is_none());
    let told: BTreeSet<(i64, String)> = gone.map(|change| (change.thing.1, change.date.clone())).collect();
    assert!(!told.is_empty());
    assert_eq!(found, told);
}

/// Links that are there, and links that were.
async fn assert_links(lab: &Lab, observer: &Observer) {
    let sql = |is_active: &str| {
        format!(
            "select testcaseId as left, requirementId as right from transform.bridgeTestcaseRequirement
             where {is_active}"
        )
    };
    let told: BTreeSet<(i64, i64)> = observer.seen("link").map(|(left, right, _)| (left, right)).collect();
    assert_eq!(pairs(lab, &sql("isActive")).await, told);
    let ever = observer.changes("link").filter(|change| change.after.is_none());
    let told: BTreeSet<(i64, i64)> =
        ever.map(|change| (change.thing.1, change.thing.2)).filter(|link| !told.contains(link)).collect();
    assert!(!told.is_empty());
    assert_eq!(pairs(lab, &sql("not isActive")).await, told);
}
