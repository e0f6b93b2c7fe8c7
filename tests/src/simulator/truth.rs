//! What the simulator knows to be true, for tests to compare with what arrived.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::execution_row::{ExecutionWriter, status_sent};
use super::json::Json;
use super::lifecycle::Row;
use super::quirks::Quirks;
use super::world::World;

/// Up to this many ids of a kind are listed; counts are always exact.
const LISTED_IDS: usize = 20_000;

/// Worlds with more rows are not compared byte by byte; `phasesRewritten` is null for them.
const COMPARED_ROWS: u64 = 200_000;

/// Everything counted, for what the owner of the token may see and for everything there is.
pub fn truth(world: &World, forbidden: &BTreeSet<i64>, quirks: Quirks, profile: &str) -> Value {
    json!({
        "clock": instant_text(world.clock_ms),
        "seed": world.seed,
        "profile": profile,
        "days": world.days,
        "visible": counts(world, forbidden, quirks),
        "all": counts(world, &BTreeSet::new(), quirks),
        "forbiddenProjects": forbidden,
    })
}

fn counts(world: &World, forbidden: &BTreeSet<i64>, quirks: Quirks) -> Value {
    let is_open = |project: usize| !forbidden.contains(&world.projects[project].id);
    let (mut real, mut pseudo, mut cycles, mut phases, mut executions) = (0, 0, 0, 0, 0);
    let mut testcases = HashSet::new();
    let mut per_phase = Map::new();
    let mut per_status: BTreeMap<String, u64> = BTreeMap::new();
    let mut designed = Designed::default();
    for (at, project) in world.projects.iter().enumerate() {
        if is_open(at) {
            let id = project.id.to_string();
            // a project without a repository has an empty one
            designed.add("repositoryFolders", "foldersPerRepository", &id, 0);
            designed.add("repositoryPlacements", "placementsPerRepository", &id, 0);
            designed.add("requirementNodes", "requirementNodesPerProject", &id, u64::from(project.requirements.nodes));
            designed.add("requirements", "requirementsPerProject", &id, u64::from(project.requirements.count));
        }
    }
    for (at, release) in world.releases.iter().enumerate() {
        if !is_open(release.project) {
            continue;
        }
        if release.is_pseudo {
            pseudo += 1;
        } else {
            real += 1;
        }
        let tree = world.tree(at);
        let (nodes, placements) = (tree.node_count() as u64, tree.total());
        if release.is_pseudo {
            let id = world.projects[release.project].id.to_string();
            designed.add("repositoryFolders", "foldersPerRepository", &id, nodes);
            designed.add("repositoryPlacements", "placementsPerRepository", &id, placements);
        } else {
            let id = release.id.to_string();
            designed.add("folders", "foldersPerRelease", &id, nodes);
            designed.add("placements", "placementsPerRelease", &id, placements);
        }
        cycles += world.living_cycles(at).count();
        for phase in world.phases_of_release(at) {
            let phase = &world.phases[phase];
            let mut rows = 0u64;
            for slot in 0..phase.slots() {
                if let Some(row) = world.row(phase, slot) {
                    rows += 1;
                    testcases.insert(world.testcase_of(phase, slot));
                    *per_status.entry(status_text(quirks, &row)).or_default() += 1;
                }
            }
            phases += 1;
            executions += rows;
            per_phase.insert(phase.id.to_string(), rows.into());
        }
    }
    let mut counts = json!({
        "projects": world.projects.len(),
        "releases": real + pseudo,
        "releasesReal": real,
        "releasesPseudo": pseudo,
        "cycles": cycles,
        "cyclePhases": phases,
        "executions": executions,
        "testcases": testcases.len(),
        "users": world.users.iter().filter(|user| !user.is_hidden).count(),
        "usersAll": world.users.len(),
        "executionsPerPhase": per_phase,
        "executionsPerStatus": per_status,
    });
    if let Some(counts) = counts.as_object_mut() {
        counts.extend(designed.counts);
    }
    counts
}

/// Counts of folders, placements and requirements: the sum of each kind, and each parent's share.
#[derive(Default)]
struct Designed {
    counts: Map<String, Value>,
}

impl Designed {
    fn add(&mut self, sum: &str, shares: &str, parent: &str, count: u64) {
        let so_far = self.counts.get(sum).and_then(Value::as_u64).unwrap_or(0);
        self.counts.insert(sum.to_owned(), (so_far + count).into());
        let shares = self.counts.entry(shares).or_insert_with(|| Value::Object(Map::new()));
        if let Some(shares) = shares.as_object_mut() {
            shares.insert(parent.to_owned(), count.into());
        }
    }
}

/// The status as the row carries it; `absent` when it never was executed.
fn status_text(quirks: Quirks, row: &Row) -> String {
    status_sent(quirks, row).map_or_else(|| "absent".to_owned(), |code| code.to_string())
}

/// An instant as ISO text.
pub fn instant_text(instant_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(instant_ms).map_or_else(|_| instant_ms.to_string(), |instant| instant.to_string())
}

/// Ids of one kind of change.
#[derive(Default)]
struct Changes {
    kinds: BTreeMap<&'static str, Vec<i64>>,
}

impl Changes {
    fn add(&mut self, kind: &'static str, id: i64) {
        self.kinds.entry(kind).or_default().push(id);
    }
}

/// Every kind of change, so that a kind without any is seen to be empty.
const KINDS: &[&str] = &[
    "projectsRenamed",
    "usersRenamed",
    "cyclesAdded",
    "cyclesDeleted",
    "cyclesRenamed",
    "phasesAdded",
    "phasesDeleted",
    "phasesChanged",
    "phasesRewritten",
    "executionsAdded",
    "executionsDeleted",
    "executionsRun",
    "executionsRerun",
    "executionsStatusChanged",
    "executionsReassigned",
];

/// What differs between two instants of a world.
pub fn changes(before: &World, after: &World) -> Value {
    let mut changes = Changes::default();
    for kind in KINDS {
        changes.kinds.insert(kind, Vec::new());
    }
    for (old, new) in before.projects.iter().zip(&after.projects) {
        if old.name != new.name {
            changes.add("projectsRenamed", new.id);
        }
    }
    for (old, new) in before.users.iter().zip(&after.users) {
        if old.full_name != new.full_name {
            changes.add("usersRenamed", new.id);
        }
    }
    for (at, new) in after.cycles.iter().enumerate() {
        match before.cycles.get(at) {
            None if !new.is_deleted => changes.add("cyclesAdded", new.id),
            None => {}
            Some(old) if old.is_deleted => {}
            Some(_) if new.is_deleted => changes.add("cyclesDeleted", new.id),
            Some(old) if old.name != new.name => changes.add("cyclesRenamed", new.id),
            Some(_) => {}
        }
    }
    let slots: u64 = after.phases.iter().map(|phase| u64::from(phase.slots())).sum();
    let compares_bytes = slots <= COMPARED_ROWS;
    for (at, phase) in after.phases.iter().enumerate() {
        let old = before.phases.get(at).filter(|phase| before.is_living(phase));
        let was_living = old.is_some();
        let is_living = after.is_living(phase);
        match (was_living, is_living) {
            (false, true) => changes.add("phasesAdded", phase.id),
            (true, false) => changes.add("phasesDeleted", phase.id),
            (false, false) => continue,
            (true, true) => {}
        }
        let mut is_changed = false;
        for slot in 0..phase.slots() {
            let old = if was_living { before.row(phase, slot) } else { None };
            let new = if is_living { after.row(phase, slot) } else { None };
            if old != new {
                is_changed = true;
                note_row(&mut changes, old, new);
            }
        }
        if is_changed && was_living && is_living {
            changes.add("phasesChanged", phase.id);
        }
        if compares_bytes && was_living && is_living && body(before, at) != body(after, at) {
            changes.add("phasesRewritten", phase.id);
        }
    }
    let mut value = Map::new();
    let mut counts = Map::new();
    for (kind, mut ids) in changes.kinds {
        counts.insert(kind.to_owned(), ids.len().into());
        ids.truncate(LISTED_IDS);
        value.insert(kind.to_owned(), ids.into());
    }
    if !compares_bytes {
        value.insert("phasesRewritten".to_owned(), Value::Null);
        counts.insert("phasesRewritten".to_owned(), Value::Null);
    }
    value.insert("counts".to_owned(), Value::Object(counts));
    value.insert("from".to_owned(), instant_text(before.clock_ms).into());
    value.insert("until".to_owned(), instant_text(after.clock_ms).into());
    Value::Object(value)
}

/// The rows of a phase as they are sent, which a renamed tester changes as well.
fn body(world: &World, at: usize) -> Vec<u8> {
    let phase = &world.phases[at];
    let mut json = Json::new(Quirks::default(), phase.slots() as usize * 1_000);
    let mut writer = ExecutionWriter::new(world, 0);
    for slot in 0..phase.slots() {
        if let Some(row) = world.row(phase, slot) {
            writer.write(&mut json, phase, &row);
        }
    }
    json.into_bytes()
}

fn note_row(changes: &mut Changes, old: Option<Row>, new: Option<Row>) {
    let (old, new) = match (old, new) {
        (None, Some(new)) => return changes.add("executionsAdded", new.id),
        (Some(old), None) => return changes.add("executionsDeleted", old.id),
        (Some(old), Some(new)) => (old, new),
        (None, None) => return,
    };
    match (old.run, new.run) {
        (None, Some(_)) => changes.add("executionsRun", new.id),
        (Some(before), Some(after)) if before.number != after.number => {
            changes.add("executionsRerun", new.id);
            if before.status != after.status {
                changes.add("executionsStatusChanged", new.id);
            }
        }
        _ => {}
    }
    if old.tester != new.tester || old.assigned != new.assigned {
        changes.add("executionsReassigned", new.id);
    }
}
