//! The listings: what a request asks for, which rows match, and the two pagers.
//!
//! - by offset: `startAt` and `maxResults`, answered with `next` (a whole URL or null), `startAt`, `maxResults` (which
//!   the server may have lowered), `total`, `isLast`, `values`
//! - by id, where a path ends in `/nextgen`: `limit` and `startAtId` (the first id that may come), answered with `next`,
//!   `nextStartAtId` (null at the end), `limit`, `values`

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rows::Rows;
use super::world::{ENVIRONMENTS, FOLDER_TYPES, FOLDERS, PLANS, PRIORITIES, STATUS_TYPES};
use super::{Changes, Scale};
use crate::simulator::request::Query;

/// Rows given where nobody says how many.
const DEFAULT_ROWS: u64 = 10;
/// Rows that may be asked for by id.
const MOST_ROWS: u64 = 1_000;
/// Highest offset.
const LAST_START: u64 = 1_000_000;

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// Rows in the body.
    pub rows: u64,
    /// Seconds of a `Retry-After` header.
    pub retry_after_s: Option<u64>,
}

impl Reply {
    /// An error as the API words it.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        let body = json!({ "errorCode": status, "message": message.into() });
        Self { status, body, rows: 0, retry_after_s: None }
    }

    fn page(body: Value, rows: usize) -> Self {
        Self { status: 200, body, rows: rows as u64, retry_after_s: None }
    }
}

/// A request for a listing.
pub struct Ask<'a> {
    /// The site.
    pub scale: &'a Scale,
    /// What has happened to it.
    pub changes: &'a Changes,
    /// Path below `/v2`.
    pub path: &'a str,
    /// What the request asks for.
    pub query: &'a Query,
    /// What links begin with.
    pub root: &'a str,
}

type Asked<T> = Result<T, Reply>;

impl Ask<'_> {
    /// The listing asked for.
    ///
    /// # Errors
    /// The refusal, as the API words it.
    pub fn answer(&self) -> Asked<Reply> {
        let world = &self.scale.world;
        let rows = Rows { world, root: self.root };
        match self.path {
            "/projects" => {
                let all = (0..world.projects).collect();
                self.by_offset(all, |project| rows.project(project, !self.changes.disabled.contains(&project)))
            }
            "/folders" => {
                let of_type = self.kind("folderType", &FOLDER_TYPES)?;
                let starts = [0, FOLDERS[0], FOLDERS[0] + FOLDERS[1], FOLDERS.iter().sum()];
                let places = of_type.map_or(0..starts[3], |kind| starts[kind]..starts[kind + 1]);
                self.by_project(places.collect(), |project, place| rows.folder(project, place))
            }
            "/statuses" => {
                let of_type = self.kind("statusType", &STATUS_TYPES)?;
                let kinds: Vec<usize> =
                    (0..STATUS_TYPES.len()).filter(|kind| of_type.is_none_or(|of| of == *kind)).collect();
                let mut all = Vec::new();
                for project in self.projects()? {
                    for kind in &kinds {
                        all.extend(
                            (0..world.statuses(project, *kind).len() as u64).map(|place| (project, *kind, place)),
                        );
                    }
                }
                self.by_offset(all, |(project, kind, place)| rows.status(project, kind, place))
            }
            "/priorities" => {
                self.by_project((0..PRIORITIES.len() as u64).collect(), |project, place| rows.priority(project, place))
            }
            "/environments" => {
                let places = (0..ENVIRONMENTS.len() as u64).collect();
                self.by_project(places, |project, place| rows.environment(project, place))
            }
            "/testplans" => self.by_project((0..PLANS).collect(), |project, place| rows.plan(project, place)),
            "/testcycles" => {
                let projects = self.projects()?;
                let all =
                    (0..world.cycles).filter(|cycle| projects.contains(&world.project_of_cycle(*cycle))).collect();
                self.by_offset(all, |cycle| rows.cycle(cycle))
            }
            "/testcases/nextgen" => self.testcases(&rows),
            "/testexecutions/nextgen" => self.executions(&rows),
            // A gateway stands before the API and knows no such route.
            _ => Err(Reply::error(403, "Forbidden")),
        }
    }

    fn testcases(&self, rows: &Rows<'_>) -> Asked<Reply> {
        let world = &self.scale.world;
        let (projects, after) = (self.projects()?, self.instant("updatedAfter")?);
        let found = (world.testcase_from(self.number("startAtId", 0, 0, u64::MAX)?)..world.testcases)
            .filter(|testcase| projects.contains(&world.project_of_testcase(*testcase)))
            .filter(|testcase| after.is_none_or(|after| seconds(world.testcase_created_s(*testcase)) > after));
        self.by_id(found, |testcase| world.testcase_id(testcase), |testcase| rows.testcase(testcase))
    }

    fn executions(&self, rows: &Rows<'_>) -> Asked<Reply> {
        let world = &self.scale.world;
        let projects = self.projects()?;
        let after = self.instant("updatedAfter")?;
        let cycle = match self.query.get("testCycle") {
            None => None,
            Some(key) => Some(world.cycle_of(key).ok_or_else(|| {
                Reply::error(404, format!("Test cycle '{key}' does not exist or you do not have access to it"))
            })?),
        };
        let from = world.execution_from(self.number("startAtId", 0, 0, u64::MAX)?);
        let found = (from..self.changes.executions).filter(|execution| {
            if self.changes.deleted.contains(execution) {
                return false;
            }
            if let Some(after) = after
                && self.changes.state(world, *execution).1 <= after
            {
                return false;
            }
            let placement = world.placement(*execution);
            projects.contains(&placement.project) && (cycle.is_none() || placement.cycle == cycle)
        });
        self.by_id(
            found,
            |execution| world.execution_id(execution),
            |execution| {
                let (revision, updated) = self.changes.state(world, execution);
                rows.execution(execution, revision, updated.as_second())
            },
        )
    }

    fn by_project(&self, places: Vec<u64>, build: impl Fn(u64, u64) -> Value) -> Asked<Reply> {
        let mut all = Vec::new();
        for project in self.projects()? {
            all.extend(places.iter().map(|place| (project, *place)));
        }
        self.by_offset(all, |(project, place)| build(project, place))
    }

    fn by_offset<T: Copy>(&self, all: Vec<T>, build: impl Fn(T) -> Value) -> Asked<Reply> {
        let start = self.number("startAt", 0, 0, LAST_START)?;
        let size = self.number("maxResults", DEFAULT_ROWS, 1, u64::MAX)?.min(self.scale.config.largest_page);
        let values: Vec<Value> =
            all.iter().skip(start as usize).take(size as usize).map(|place| build(*place)).collect();
        let end = start.saturating_add(size);
        let is_last = end >= all.len() as u64;
        let next = (!is_last).then(|| self.next(&[("maxResults", size), ("startAt", end)]));
        let count = values.len();
        let body = json!({
            "next": next,
            "startAt": start,
            "maxResults": size,
            "total": all.len(),
            "isLast": is_last,
            "values": values,
        });
        Ok(Reply::page(body, count))
    }

    fn by_id(
        &self,
        found: impl Iterator<Item = u64>,
        id: impl Fn(u64) -> u64,
        build: impl Fn(u64) -> Value,
    ) -> Asked<Reply> {
        let limit = self.number("limit", DEFAULT_ROWS, 1, MOST_ROWS)?.min(self.scale.config.largest_page);
        let mut places: Vec<u64> = found.take(limit as usize + 1).collect();
        let following = (places.len() as u64 > limit).then(|| places.pop()).flatten().map(id);
        let next = following.map(|id| self.next(&[("limit", limit), ("startAtId", id)]));
        let values: Vec<Value> = places.into_iter().map(build).collect();
        let count = values.len();
        let body = json!({ "next": next, "nextStartAtId": following, "limit": limit, "values": values });
        Ok(Reply::page(body, count))
    }

    /// The URL of the next page: the same request with other page parameters.
    fn next(&self, changed: &[(&str, u64)]) -> String {
        let kept = self.query.keys().filter(|key| !changed.iter().any(|(name, _)| name == key));
        let mut pairs: Vec<String> = changed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for key in kept {
            let value = self.query.get(key).unwrap_or_default();
            pairs.push(format!("{key}={}", value.replace('%', "%25").replace('&', "%26").replace('+', "%2B")));
        }
        format!("{}{}?{}", self.root, self.path, pairs.join("&"))
    }

    /// The projects a listing is about: the one asked for, or all that are switched on.
    fn projects(&self) -> Asked<Vec<u64>> {
        let is_on = |project: &u64| !self.changes.disabled.contains(project);
        let Some(key) = self.query.get("projectKey") else {
            return Ok((0..self.scale.world.projects).filter(is_on).collect());
        };
        let is_key = key.len() > 1
            && key.starts_with(|first: char| first.is_ascii_uppercase())
            && key.chars().all(|each| each.is_ascii_uppercase() || each.is_ascii_digit() || each == '_');
        if !is_key {
            return Err(Reply::error(400, "projectKey: should match pattern [A-Z][A-Z_0-9]+"));
        }
        match self.scale.world.project_of(key).filter(is_on) {
            Some(project) => Ok(vec![project]),
            None => Err(Reply::error(404, format!("Project '{key}' does not exist or you do not have access to it"))),
        }
    }

    fn kind(&self, name: &str, known: &[&str]) -> Asked<Option<usize>> {
        let Some(wanted) = self.query.get(name) else { return Ok(None) };
        match known.iter().position(|kind| *kind == wanted) {
            Some(place) => Ok(Some(place)),
            None => Err(Reply::error(400, format!("{name}: should be one of {}", known.join(", ")))),
        }
    }

    fn number(&self, name: &str, default: u64, least: u64, most: u64) -> Asked<u64> {
        let Some(text) = self.query.get(name) else { return Ok(default) };
        let number: u64 = text.parse().map_err(|_| Reply::error(400, format!("{name}: '{text}' is not a number")))?;
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(Reply::error(400, format!("{name}: should be between {least} and {most}")))
        }
    }

    /// An instant in the one form the API documents: whole seconds, and `Z`.
    fn instant(&self, name: &str) -> Asked<Option<Timestamp>> {
        let Some(text) = self.query.get(name) else { return Ok(None) };
        let is_shaped = text.len() == 20 && text.ends_with('Z');
        match text.parse().ok().filter(|_| is_shaped) {
            Some(instant) => Ok(Some(instant)),
            None => Err(Reply::error(400, format!("{name}: '{text}' is not of the format yyyy-MM-dd'T'HH:mm:ss'Z'"))),
        }
    }
}

/// A second as an instant.
pub fn seconds(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
