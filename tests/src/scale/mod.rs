//! A simulated Zephyr Scale Cloud, version 2 of its API: what `examples/zephyr-scale` is tested and tried on.
//!
//! Listings of projects, folders, statuses, priorities, environments, test plans and test cycles by offset; of test
//! cases and executions by id ([`listing`]). The site is seeded ([`world`]); executions can be changed, added and
//! deleted, projects switched off. Answers are worded as in the vendor's published description of the API.

pub mod listing;
pub mod rows;
pub mod server;
pub mod world;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use self::listing::{Ask, Reply, seconds};
pub use self::server::Running;
use self::world::{EXECUTION_STATUSES, FOLDERS, OWN_STATUS, PLANS, PRIORITIES, STATUS_TYPES, World};
use crate::simulator::noise::mix;
use crate::simulator::request::Query;
use crate::simulator::request_log::{Entry, RequestLog};

/// How a site is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The seed of everything invented.
    pub seed: u64,
    /// Projects.
    pub projects: u64,
    /// Test cycles of all projects together.
    pub cycles: u64,
    /// Executions of all projects together.
    pub executions: u64,
    /// Most rows the server gives at a time, whatever is asked for.
    pub largest_page: u64,
    /// The token that is admitted.
    pub token: String,
    /// Every so many requests one is refused with 429; 0 for none.
    pub too_many_every: u64,
    /// What such a refusal asks for, in seconds.
    pub retry_after_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            projects: 3,
            cycles: 12,
            executions: 2_000,
            largest_page: 100,
            token: "simulator-token".to_owned(),
            too_many_every: 0,
            retry_after_s: 1,
        }
    }
}

/// What has happened to a site since it was invented.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Executions there ever were.
    pub executions: u64,
    /// How often an execution was changed, and when last.
    pub changed: BTreeMap<u64, (u32, Timestamp)>,
    /// Executions that are gone.
    pub deleted: BTreeSet<u64>,
    /// Projects the product is switched off in.
    pub disabled: BTreeSet<u64>,
    draws: u64,
}

impl Changes {
    /// How often an execution was changed, and when last.
    pub fn state(&self, world: &World, execution: u64) -> (u32, Timestamp) {
        self.changed.get(&execution).copied().unwrap_or_else(|| (0, seconds(world.execution_updated_s(execution))))
    }

    fn draw(&mut self, seed: u64, count: u64) -> Vec<u64> {
        let mut drawn = BTreeSet::new();
        let left = self.executions.saturating_sub(self.deleted.len() as u64);
        while (drawn.len() as u64) < count.min(left) {
            self.draws += 1;
            let execution = mix(seed ^ mix(self.draws)) % self.executions;
            if !self.deleted.contains(&execution) {
                drawn.insert(execution);
            }
        }
        drawn.into_iter().collect()
    }
}

/// A simulated site.
#[derive(Debug)]
pub struct Scale {
    config: Config,
    world: World,
    changes: RwLock<Changes>,
    log: RequestLog,
    calls: AtomicU64,
}

/// A request, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The verb.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The `Authorization` header.
    pub authorization: &'a str,
    /// What the caller calls the server: scheme, host and port.
    pub server: &'a str,
}

impl Scale {
    /// A site as the configuration wants it.
    pub fn new(config: Config) -> Self {
        let projects = config.projects.max(1);
        let world = World {
            seed: config.seed,
            projects,
            cycles: config.cycles,
            testcases: (config.executions / 8).max(projects),
        };
        let changes = RwLock::new(Changes { executions: config.executions, ..Changes::default() });
        Self { config, world, changes, log: RequestLog::default(), calls: AtomicU64::new(0) }
    }

    /// Answers a request of the API and writes it down.
    pub fn answer(&self, call: Call<'_>) -> Reply {
        let reply = self.judge(call);
        self.log.add(Entry {
            method: call.method.to_owned(),
            path: call.path.to_owned(),
            query: call.query.to_owned(),
            status: reply.status,
            duration_ms: 0.0,
            rows: reply.rows,
            fault: (reply.status == 429).then_some("429"),
        });
        reply
    }

    fn judge(&self, call: Call<'_>) -> Reply {
        let number = 1 + self.calls.fetch_add(1, Ordering::Relaxed);
        if self.config.too_many_every > 0 && number.is_multiple_of(self.config.too_many_every) {
            let retry_after_s = Some(self.config.retry_after_s);
            return Reply { retry_after_s, ..Reply::error(429, "Too many requests") };
        }
        let token = call.authorization.strip_prefix("Bearer ");
        if token.is_none_or(|token| token.trim() != self.config.token) {
            return Reply::error(401, "Unauthorized");
        }
        if call.method != "GET" {
            return Reply::error(405, "Method not allowed");
        }
        let Some(path) = call.path.strip_prefix("/v2") else { return Reply::error(403, "Forbidden") };
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        let (query, root) = (Query::parse(call.query), format!("{}/v2", call.server));
        let ask = Ask { scale: self, changes: &changes, path, query: &query, root: &root };
        ask.answer().unwrap_or_else(|refusal| refusal)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Changes) -> T) -> T {
        change(&mut self.changes.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the status of so many executions, now; their ids.
    pub fn change_executions(&self, count: u64) -> Vec<u64> {
        self.change(|changes| {
            let drawn = changes.draw(self.config.seed, count);
            for execution in &drawn {
                let revision = 1 + changes.state(&self.world, *execution).0;
                changes.changed.insert(*execution, (revision, Timestamp::now()));
            }
            drawn.into_iter().map(|execution| self.world.execution_id(execution)).collect()
        })
    }

    /// Adds so many executions, now; their ids.
    pub fn add_executions(&self, count: u64) -> Vec<u64> {
        self.change(|changes| {
            let added = changes.executions..changes.executions + count;
            changes.executions = added.end;
            changes.changed.extend(added.clone().map(|execution| (execution, (0, Timestamp::now()))));
            added.map(|execution| self.world.execution_id(execution)).collect()
        })
    }

    /// Deletes so many executions; their ids.
    pub fn delete_executions(&self, count: u64) -> Vec<u64> {
        self.change(|changes| {
            let drawn = changes.draw(self.config.seed, count);
            changes.deleted.extend(&drawn);
            drawn.into_iter().map(|execution| self.world.execution_id(execution)).collect()
        })
    }

    /// Switches the product on or off in a project: off, the project is still listed and everything in it is 404.
    pub fn set_enabled(&self, key: &str, is_enabled: bool) {
        if let Some(project) = self.world.project_of(key) {
            self.change(
                |changes| {
                    if is_enabled { changes.disabled.remove(&project) } else { changes.disabled.insert(project) }
                },
            );
        }
    }

    /// The requests of the API so far.
    pub fn requests(&self) -> Vec<Entry> {
        self.log.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.log.clear();
    }

    /// What a complete extraction must arrive at, switched-off projects included.
    pub fn truth(&self) -> Value {
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner).clone();
        let world = &self.world;
        let (mut by_project, mut by_status) = (BTreeMap::<String, u64>::new(), BTreeMap::<&str, u64>::new());
        let (mut executions, mut ad_hoc, mut id_sum, mut issues) = (0u64, 0u64, 0u64, 0u64);
        for execution in (0..changes.executions).filter(|execution| !changes.deleted.contains(execution)) {
            let placement = world.placement(execution);
            let (revision, updated) = changes.state(world, execution);
            let life = world.life(execution, revision, updated.as_second());
            let name = EXECUTION_STATUSES.get(life.status as usize).copied().unwrap_or(OWN_STATUS);
            *by_project.entry(world.project_key(placement.project)).or_default() += 1;
            *by_status.entry(name).or_default() += 1;
            executions += 1;
            ad_hoc += u64::from(placement.cycle.is_none());
            issues += u64::from(life.issue_id.is_some());
            id_sum += world.execution_id(execution);
        }
        let statuses =
            |kind: usize| (0..world.projects).map(|project| world.statuses(project, kind).len()).sum::<usize>();
        json!({
            "projects": world.projects,
            "folders": world.projects * FOLDERS.iter().sum::<u64>(),
            "executionStatuses": statuses(STATUS_TYPES.len() - 1),
            "otherStatuses": (0..STATUS_TYPES.len() - 1).map(statuses).sum::<usize>(),
            "priorities": world.projects * PRIORITIES.len() as u64,
            "environments": world.projects * world::ENVIRONMENTS.len() as u64,
            "testPlans": world.projects * PLANS,
            "testCycles": world.cycles,
            "testCases": world.testcases,
            "testExecutions": executions,
            "adHocExecutions": ad_hoc,
            "executionIssues": issues,
            "executionIdSum": id_sum,
            "executionsByProject": by_project,
            "executionsByStatus": by_status,
        })
    }
}
