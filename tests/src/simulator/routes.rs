//! The API's paths.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{Method, StatusCode};

use super::executions::{self, Page};
use super::faults::Fault;
use super::json::Json;
use super::noise::{Kind, Noise};
use super::preferences;
use super::quirks::{Quirk, Quirks};
use super::reply::{Content, Reply};
use super::request::Query;
use super::requirements;
use super::rows::{self, ProjectForm};
use super::summary;
use super::testcases;
use super::world::World;

/// The server as one call sees it.
pub struct View {
    /// What the server holds.
    pub world: Arc<World>,
    /// The quirks in force.
    pub quirks: Quirks,
    /// The ids of projects that answer 403.
    pub forbidden: Arc<BTreeSet<i64>>,
    /// The fault that strikes this call.
    pub fault: Option<Fault>,
    /// The number of this call.
    pub call: u64,
}

impl View {
    /// Whether the owner of the token may not open a project, by its index.
    pub fn is_forbidden(&self, project: usize) -> bool {
        self.forbidden.contains(&self.world.projects[project].id)
    }

    /// Turns id lists on every call; zero where their order is stable.
    pub fn shuffle(&self) -> u64 {
        if self.quirks.has(Quirk::UnstableOrder) { self.call } else { 0 }
    }

    /// How many execution rows a release began with, by its index.
    pub fn release_rows(&self, release: usize) -> u64 {
        self.world.phases_of_release(release).iter().map(|&at| u64::from(self.world.phases[at].base_rows)).sum()
    }

    fn list(&self, rows: &[usize], write: impl Fn(&mut Json, &World, usize)) -> Reply {
        let mut json = Json::new(self.quirks, 64 + rows.len() * 800);
        json.open_list();
        for &at in rows {
            write(&mut json, &self.world, at);
        }
        json.close_list();
        Reply::json(json.into_bytes(), rows.len())
    }

    fn object(&self, at: usize, write: impl Fn(&mut Json, &World, usize)) -> Reply {
        let mut json = Json::new(self.quirks, 1_000);
        write(&mut json, &self.world, at);
        Reply::json(json.into_bytes(), 1)
    }
}

/// What every path of the API begins with.
pub const BASE: &str = "/flex/services/rest/";

/// The part of a path behind [`BASE`], if it has one.
pub fn below_base(path: &str) -> Option<&str> {
    path.strip_prefix(BASE)
}

/// Answers a call of the API; `path` is what follows the base.
pub fn answer(view: &View, method: &Method, path: &str, query: &Query) -> Reply {
    dispatch(view, method, path, query).unwrap_or_else(|refusal| refusal)
}

const PAGING: &[&str] = &["offset", "pagesize", "order", "isascorder"];

fn dispatch(view: &View, method: &Method, path: &str, query: &Query) -> Result<Reply, Reply> {
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    let mut segments: Vec<&str> = rest.strip_suffix('/').unwrap_or(rest).split('/').collect();
    if !view.quirks.has(Quirk::DoubledSlash) {
        segments.retain(|segment| !segment.is_empty());
    }
    let is_served = match version {
        "latest" | "v3" => true,
        "v4" => {
            segments.starts_with(&["admin", "preference", "all"])
                || matches!(segments.first(), Some(&("requirementtree" | "requirement" | "testcasetree" | "testcase")))
        }
        _ => false,
    };
    if !is_served {
        return Err(Reply::not_found(view.quirks));
    }
    let call = Call { view, query, is_read: method == Method::GET };
    match segments.as_slice() {
        ["user", "current"] => call.with(&["auditLog"], |view| Ok(view.object(0, rows::user))),
        ["user", "filter"] => call.with(&["includeDashboardUser"], |view| Ok(users(view, false))),
        ["user"] => call.with(&["hidedisabledusers"], |view| Ok(users(view, true))),
        ["user", id] => call.on(id, &["isLite"], |view, id| {
            known(view, view.world.index.user.get(&id), "user").map(|at| view.object(at, rows::user))
        }),
        ["admin", "preference"] => call.with(&["key"], |view| preferences::one(view, query)),
        ["admin", "preference", "all"] | ["admin", "preference", "all", "system"] => {
            call.with(&["name"], |view| Ok(preferences::all(view)))
        }
        ["project"] | ["project", "details" | "normal"] => {
            call.with(&["userId", "isLite"], |view| Ok(projects(view, ProjectForm::List)))
        }
        ["project", "lite"] => call.with(&[], |view| Ok(projects(view, ProjectForm::Lite))),
        ["project", id] => call.on(id, &["isLite"], project),
        ["release"] => call.with(&["projectid", "isaliasallowed"], |view| Ok(all_releases(view))),
        ["release", "project", id] => call.on(id, &[], releases),
        ["release", "paged", "project", id] => {
            call.on(id, &[PAGING, &["isVisible"]].concat(), |view, id| paged_releases(view, id, query))
        }
        ["release", id] => call.on(id, &[], |view, id| {
            let at = release(view, id)?;
            Ok(view.object(at, rows::release))
        }),
        ["cycle", "release", id] => call.on(id, &[], cycles),
        ["cycle", id] => call.on(id, &[], cycle),
        ["execution"] => {
            let own =
                ["cyclephaseid", "releaseid", "testerid", "parentid", "includeanyoneuser", "is_cfield", "dbsearch"];
            call.with(&[PAGING, &own].concat(), |view| executions::list(view, query))
        }
        ["execution", id] => call.on(id, &[], executions::one),
        ["summary", "release", id] => call.on(id, &["isHideCycleEnabled"], |view, id| {
            let at = release(view, id)?;
            Ok(summary::release(view, at))
        }),
        ["testcasetree", "projectrepository", id] => call.on(id, &[], testcases::repository),
        ["testcasetree", "phases", id] => call.on(id, &[], |view, id| {
            let at = release(view, id)?;
            Ok(testcases::release_tree(view, at))
        }),
        ["testcasetree", id] => call.on(id, &[], testcases::node),
        ["testcase", "tree", id] => {
            let own = ["dbsearch", "frozen", "is_cfield"];
            call.on(id, &[PAGING, &own].concat(), |view, id| testcases::list(view, id, query))
        }
        ["testcase", "count"] => call.with(&["tcrcatalogtreeid", "releaseid"], |view| testcases::count(view, query)),
        ["requirementtree"] => call.with(&["projectId", "releaseid"], |view| requirements::tree(view, query)),
        ["requirementtree", id] => call.on(id, &[], requirements::node),
        ["requirement"] => {
            let own = ["requirementtreeid", "releaseid"];
            call.with(&[PAGING, &own].concat(), |view| requirements::list(view, query))
        }
        ["requirement", id] => call.on(id, &[], requirements::one),
        ["system", "info", "servertime"] => call.with(&[], |view| {
            let now = view.world.clock_ms.to_string();
            Ok(Reply::new(StatusCode::OK, Content::Text, now))
        }),
        _ => Err(Reply::not_found(view.quirks)),
    }
}

/// A call of a known path.
struct Call<'a> {
    view: &'a View,
    query: &'a Query,
    is_read: bool,
}

impl Call<'_> {
    fn check(&self, parameters: &[&str]) -> Result<(), Reply> {
        if !self.is_read {
            return Err(Reply::wrong_verb());
        }
        if self.view.quirks.has(Quirk::UnknownParametersIgnored) {
            return Ok(());
        }
        match self.query.keys().find(|key| !parameters.contains(key)) {
            Some(key) => {
                let message = format!("unknown parameter {key}");
                Err(Reply::error(StatusCode::BAD_REQUEST, &message, "Bad Request"))
            }
            None => Ok(()),
        }
    }

    fn with(&self, parameters: &[&str], answer: impl FnOnce(&View) -> Result<Reply, Reply>) -> Result<Reply, Reply> {
        self.check(parameters)?;
        answer(self.view)
    }

    fn on(
        &self,
        id: &str,
        parameters: &[&str],
        answer: impl FnOnce(&View, i64) -> Result<Reply, Reply>,
    ) -> Result<Reply, Reply> {
        // a path that merely looks like an id is no path the server has
        let Ok(number) = id.parse() else {
            return Err(Reply::not_found(self.view.quirks));
        };
        self.check(parameters)?;
        answer(self.view, number)
    }
}

fn known(view: &View, found: Option<&usize>, entity: &str) -> Result<usize, Reply> {
    found.copied().ok_or_else(|| Reply::unknown_id(view.quirks, entity))
}

fn users(view: &View, with_hidden: bool) -> Reply {
    let rows: Vec<usize> =
        (0..view.world.users.len()).filter(|&at| with_hidden || !view.world.users[at].is_hidden).collect();
    view.list(&rows, rows::user)
}

fn projects(view: &View, form: ProjectForm) -> Reply {
    let world = &view.world;
    let mut rows: Vec<usize> = (0..world.projects.len()).collect();
    if world.projects.iter().all(|project| project.recorded.is_none()) {
        rows.sort_by_cached_key(|&at| (world.projects[at].name.to_lowercase(), at));
    }
    view.list(&rows, |json, world, at| rows::project(json, world, at, form))
}

fn project(view: &View, id: i64) -> Result<Reply, Reply> {
    let at = known(view, view.world.index.project.get(&id), "project")?;
    if view.is_forbidden(at) {
        return Err(Reply::forbidden());
    }
    Ok(view.object(at, |json, world, at| {
        rows::project(json, world, at, ProjectForm::Whole);
    }))
}

fn all_releases(view: &View) -> Reply {
    let world = &view.world;
    let mut rows: Vec<usize> = (0..world.releases.len())
        .filter(|&at| !view.is_forbidden(world.releases[at].project))
        .filter(|&at| view.quirks.has(Quirk::PseudoReleases) || !world.releases[at].is_pseudo)
        .collect();
    let is_recorded = world.releases.iter().any(|release| release.recorded.is_some());
    let turn = view.shuffle();
    if turn != 0 || !is_recorded {
        Noise::of(world.seed, Kind::Shuffle, turn as i64).shuffle(&mut rows);
    }
    rows.sort_by_key(|&at| world.releases[at].order_id);
    view.list(&rows, rows::release)
}

fn releases_of(view: &View, project_id: i64) -> Result<Vec<usize>, Reply> {
    let world = &view.world;
    let at = known(view, world.index.project.get(&project_id), "project")?;
    if view.is_forbidden(at) {
        return Err(Reply::forbidden());
    }
    let mut rows: Vec<usize> =
        world.index.releases_of_project[at].iter().copied().filter(|&at| !world.releases[at].is_pseudo).collect();
    rows.sort_by_key(|&at| world.releases[at].order_id);
    Ok(rows)
}

fn releases(view: &View, project_id: i64) -> Result<Reply, Reply> {
    let rows = releases_of(view, project_id)?;
    Ok(view.list(&rows, rows::release))
}

fn paged_releases(view: &View, project_id: i64, query: &Query) -> Result<Reply, Reply> {
    let rows = releases_of(view, project_id)?;
    let page = Page::of(view, query)?;
    let size = page.size.unwrap_or(u64::MAX) as usize;
    let mut json = Json::new(view.quirks, 1_000);
    page.open_envelope(view, &mut json, rows.len() as u64);
    let mut count = 0;
    for &at in rows.iter().skip(page.offset as usize).take(size) {
        rows::release(&mut json, &view.world, at);
        count += 1;
    }
    json.close_list();
    json.text("type", "release");
    json.close();
    Ok(Reply::json(json.into_bytes(), count))
}

fn release(view: &View, id: i64) -> Result<usize, Reply> {
    let at = known(view, view.world.index.release.get(&id), "release")?;
    if view.is_forbidden(view.world.releases[at].project) {
        return Err(Reply::forbidden());
    }
    Ok(at)
}

fn cycles(view: &View, release_id: i64) -> Result<Reply, Reply> {
    let at = release(view, release_id)?;
    let rows: Vec<usize> = view.world.index.cycles_of_release[at]
        .iter()
        .copied()
        .filter(|&cycle| !view.world.cycles[cycle].is_deleted)
        .collect();
    let mut reply = view.list(&rows, rows::cycle);
    reply.release_rows = view.release_rows(at) / 100;
    Ok(reply)
}

fn cycle(view: &View, id: i64) -> Result<Reply, Reply> {
    let world = &view.world;
    let at = known(view, world.index.cycle.get(&id), "cycle")?;
    if world.cycles[at].is_deleted {
        return Err(Reply::unknown_id(view.quirks, "cycle"));
    }
    if view.is_forbidden(world.releases[world.cycles[at].release].project) {
        return Err(Reply::forbidden());
    }
    Ok(view.object(at, rows::cycle))
}
