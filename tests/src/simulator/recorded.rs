//! A world whose projects, releases and first cycles were recorded from a real server; what lies below is generated.
//!
//! Recorded rows are served byte for byte. The folder is read when the simulator starts and never compiled in.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::calendar::{Day, calendar};
use super::generate::{Builder, Shape};
use super::profile::{largest_release, ordinary_releases};
use super::world::{Cycle, Phase, Project, Release, Requirements, World};

/// How many executions a recorded world gets unless told otherwise.
pub const RECORDED_EXECUTIONS: u64 = 5_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProjectRow {
    id: i64,
    version: i64,
    name: String,
    #[serde(default)]
    description: String,
    start_date: i64,
    end_date: Option<i64>,
    created_on: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseRow {
    id: i64,
    name: String,
    description: Option<String>,
    start_date: Option<i64>,
    end_date: Option<i64>,
    created_date: i64,
    status: Option<i64>,
    project_id: i64,
    order_id: i64,
    project_release: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CycleRow {
    id: i64,
    name: String,
    environment: Option<String>,
    build: Option<String>,
    start_date: i64,
    end_date: i64,
    status: Option<i64>,
    revision: i64,
    release_id: i64,
    created_on: i64,
    cycle_phases: Vec<PhaseRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhaseRow {
    id: i64,
    name: String,
    tcr_catalog_tree_id: i64,
    free_form: bool,
    has_child: bool,
    start_date: i64,
    end_date: i64,
    created_on: i64,
}

/// Builds a world on the bodies in a folder: `project-details.json`, `release.json` and any `cycle-release-{id}.json`.
pub fn load(folder: &Path, shape: Shape) -> Result<World> {
    let mut builder = Builder::new(shape);
    add_projects(&mut builder, folder)?;
    add_releases(&mut builder, folder)?;
    builder.world.reindex();
    let recorded = add_cycles(&mut builder, folder)?;
    let others: Vec<usize> = (0..builder.world.releases.len())
        .filter(|&at| !builder.world.releases[at].is_pseudo && !recorded.contains(&at))
        .collect();
    let mut plans = ordinary_releases(others.len().saturating_sub(1), &mut builder.noise);
    // the recorded cycles stand for one of the releases with a single cycle
    if !recorded.is_empty()
        && let Some(single) = plans.iter_mut().find(|plan| plan.len() == 1)
    {
        single.clear();
    }
    let largest =
        others.iter().position(|&at| builder.world.releases[at].end.is_none_or(|end| end > shape.epoch)).unwrap_or(0);
    let plan = largest_release(&mut builder.noise);
    plans.insert(largest.min(plans.len()), plan);
    for (&release, plan) in others.iter().zip(&plans) {
        builder.add_cycles(release, plan, plan.len() >= 12);
    }
    Ok(builder.finish(shape))
}

fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<(T, std::sync::Arc<str>)>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read the recorded body `{}`", path.display()))?;
    let describe = || format!("`{}` is not a list of rows as the server sends them", path.display());
    let records: Vec<&RawValue> = serde_json::from_str(&text).with_context(describe)?;
    records
        .into_iter()
        .map(|record| Ok((serde_json::from_str(record.get()).with_context(describe)?, record.get().into())))
        .collect()
}

fn day(instant_ms: i64) -> Day {
    calendar().day_of(instant_ms)
}

fn add_projects(builder: &mut Builder, folder: &Path) -> Result<()> {
    for (row, recorded) in rows::<ProjectRow>(&folder.join("project-details.json"))? {
        builder.world.projects.push(Project {
            id: row.id,
            version: row.version,
            name: row.name,
            description: row.description,
            start: day(row.start_date),
            end: row.end_date.map(day),
            created_ms: row.created_on,
            team: Vec::new(),
            first_testcase: 0,
            testcases: 0,
            requirements: Requirements::default(),
            recorded: Some(recorded),
        });
        builder.add_team(false);
    }
    Ok(())
}

fn add_releases(builder: &mut Builder, folder: &Path) -> Result<()> {
    let path = folder.join("release.json");
    for (row, recorded) in rows::<ReleaseRow>(&path)? {
        let project =
            builder.world.projects.iter().position(|project| project.id == row.project_id).with_context(|| {
                format!(
                    "release {} in `{}` belongs to project {}, which was not recorded",
                    row.id,
                    path.display(),
                    row.project_id
                )
            })?;
        let position = builder.world.releases.iter().filter(|release| release.project == project).count();
        builder.world.releases.push(Release {
            id: row.id,
            project,
            name: row.name,
            description: row.description,
            start: row.start_date.map(day),
            end: row.end_date.map(day),
            created_ms: row.created_date,
            created_by_program: false,
            status: row.status,
            order_id: row.order_id,
            is_pseudo: row.project_release,
            first_tree: 0,
            position,
            recorded: Some(recorded),
        });
    }
    Ok(())
}

/// Adds the recorded cycles and answers which releases they belong to.
fn add_cycles(builder: &mut Builder, folder: &Path) -> Result<Vec<usize>> {
    let mut releases = Vec::new();
    for release in 0..builder.world.releases.len() {
        let id = builder.world.releases[release].id;
        let path = folder.join(format!("cycle-release-{id}.json"));
        if !path.exists() {
            continue;
        }
        releases.push(release);
        for (row, recorded) in rows::<CycleRow>(&path)? {
            anyhow::ensure!(row.release_id == id, "`{}` holds a cycle of release {}", path.display(), row.release_id);
            builder.last_cycle = builder.last_cycle.max(Some(row.id));
            builder.world.cycles.push(Cycle {
                id: row.id,
                release,
                name: row.name,
                environment: row.environment,
                build: row.build,
                start: day(row.start_date),
                end: day(row.end_date),
                status: row.status,
                revision: row.revision,
                created_ms: row.created_on,
                is_deleted: false,
                recorded: Some(recorded),
            });
            for phase in row.cycle_phases {
                add_phase(builder, phase);
            }
        }
    }
    Ok(releases)
}

fn add_phase(builder: &mut Builder, row: PhaseRow) {
    builder.last_phase = builder.last_phase.max(Some(row.id));
    let phase = Phase {
        id: row.id,
        cycle: builder.world.cycles.len() - 1,
        name: row.name,
        tree_id: row.tcr_catalog_tree_id,
        is_free_form: row.free_form,
        has_child: row.has_child,
        start: day(row.start_date),
        end: day(row.end_date),
        created_ms: row.created_on,
        opened: 0,
        is_added: false,
        first_execution: 0,
        base_rows: 0,
        later_rows: 0,
        pool_offset: 0,
        executed_permille: 0,
        is_deleted: false,
    };
    builder.adopt_phase(phase, false);
}
