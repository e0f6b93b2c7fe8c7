//! The walk as it is expected: which slices there are, what becomes of each, and what that costs.
//!
//! Slices are known from the last release, from a run that did not end, and from listings looked at now. What lies
//! below listings that nobody looked at is taken to be like what lies below the others.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use spectra_common::lake::Lake;
use spectra_common::release::Release;
use spectra_common::{log, session};

use super::level::{Expected, Fate, Level, Means, Slice, ids, is_notable, levels, looked, outermost};
use super::past::{Cost, Log};
use crate::fetch::Job;
use crate::page::Reader;
use crate::parents::Parents;
use crate::skip::{Decision, Lineage, decide};
use crate::slice::key as key_of;
use crate::spec::Spec;
use crate::tree::{self, Scope};
use crate::version::Version;
use crate::walk::{Before, Request};

/// Keys of the slices that a listing leads to, by level.
pub type Listed = BTreeMap<usize, HashSet<String>>;

/// The whole walk.
pub struct Forecast {
    spec: Arc<Spec>,
    scope: Arc<Scope>,
    now: Timestamp,
    /// Whether everything is asked for, whatever is known.
    is_full: bool,
    /// What walks were made.
    pub log: Log,
    /// By table, parents before children.
    pub levels: Vec<Level>,
}

impl Forecast {
    /// What is known without asking anybody.
    ///
    /// # Errors
    /// When the parents of an unfinished walk cannot be read.
    pub fn new(request: &Request, before: &Before, last: Option<&Release>, log: Log) -> Result<Self> {
        let spec = request.fetcher.spec.clone();
        let levels = levels(&spec, last);
        let now = request.fetcher.run.started_at;
        let mut forecast = Self { spec, scope: request.scope.clone(), now, is_full: request.is_full, log, levels };
        for index in 0..forecast.levels.len() {
            let mut slices = BTreeMap::new();
            for (key, version) in before.known.get(forecast.table(index)).into_iter().flatten() {
                if !is_gone(version) && forecast.is_inside(index, key) {
                    slices.insert(key.clone(), Slice { is_known: true, ..Slice::default() });
                }
            }
            forecast.levels[index].slices = slices;
        }
        for job in tree::roots(&forecast.spec.clone()) {
            forecast.insert(job?);
        }
        for ((table, key), walked) in &before.unfinished.walked {
            let Some(index) = forecast.level_of(table) else { continue };
            let Some(job) = forecast.job(index, key) else { continue };
            let slice = forecast.levels[index].slices.entry(key.clone()).or_default();
            slice.fate = Fate::Resumed;
            slice.looked = 1.0;
            forecast.descend(&job, Parents::of(walked.parents.clone()))?;
        }
        for ((table, key), half) in &before.unfinished.halves {
            let level = forecast.level_of(table);
            if let Some(slice) = level.and_then(|index| forecast.levels[index].slices.get_mut(key)) {
                slice.begun_rows = half.begun.row_count as f64;
            }
        }
        Ok(forecast)
    }

    /// The table of a level.
    pub fn table(&self, index: usize) -> &str {
        self.levels[index].resource.table.as_deref().unwrap_or_default()
    }

    fn level_of(&self, table: &str) -> Option<usize> {
        (0..self.levels.len()).find(|index| self.table(*index) == table)
    }

    fn is_inside(&self, index: usize, key: &str) -> bool {
        let is_below = self.spec.scope.as_ref().is_some_and(|scope| self.levels[index].keys.contains(scope));
        !is_below || self.scope.is_inside(&self.spec, key)
    }

    /// How a slice is asked for: as its parent's record says, or else by its key alone.
    pub fn job(&self, index: usize, key: &str) -> Option<Job> {
        let level = &self.levels[index];
        if let Some(job) = level.slices.get(key).and_then(|slice| slice.job.clone()) {
            return Some(job);
        }
        let ids = ids(level, key)?;
        Some(Job { resource: level.resource.clone(), ids, lineage: Lineage::default(), since: None, half: None })
    }

    /// Takes a slice that a listing leads to.
    fn insert(&mut self, job: Job) {
        let Some(index) = self.level_of(job.table()) else { return };
        let slice = self.levels[index].slices.entry(job.key()).or_default();
        if job.lineage.count == Some(0) && slice.fate == Fate::Asked && !self.is_full {
            slice.fate = Fate::Empty;
        }
        slice.job = Some(job);
    }

    /// Takes the slices below the records of a slice; returns their keys by level.
    fn descend(&mut self, job: &Job, parents: Parents) -> Result<Listed> {
        let mut listed = Listed::new();
        for below in tree::below(&self.spec.clone(), &self.scope.clone(), job, parents, self.now)? {
            let below = below?;
            if let Some(index) = self.level_of(below.table()) {
                listed.entry(index).or_default().insert(below.key());
            }
            self.insert(below);
        }
        Ok(listed)
    }

    /// Takes what a look at a slice showed: what it costs, and the slices below it. Returns their keys by level.
    ///
    /// # Errors
    /// When the parents cannot be read again.
    pub fn take_listing(
        &mut self,
        index: usize,
        job: &Job,
        cost: Cost,
        parents: Parents,
        share: Option<f64>,
    ) -> Result<Listed> {
        let level = &mut self.levels[index];
        level.look_count += 1;
        level.is_least |= share.is_none();
        let slice = level.slices.entry(job.key()).or_default();
        slice.cost = Some(cost);
        slice.looked = share.unwrap_or(1.0);
        self.descend(job, parents)
    }

    /// Takes that a slice is not to be seen.
    pub fn take_refusal(&mut self, index: usize, job: &Job, cost: Cost) {
        let level = &mut self.levels[index];
        level.look_count += 1;
        let slice = level.slices.entry(job.key()).or_default();
        slice.cost = Some(cost);
        slice.looked = 1.0;
    }

    /// After the listing of a slice was looked at as a whole: known slices below it that it does not lead to are gone.
    pub fn find_gone(&mut self, index: usize, key: &str, listed: &Listed) {
        for child in 0..self.levels.len() {
            if self.levels[child].parent != Some(index) {
                continue;
            }
            let mut slices = std::mem::take(&mut self.levels[child].slices);
            let is_listed = |below: &String| listed.get(&child).is_some_and(|keys| keys.contains(below));
            for (below, slice) in slices.iter_mut().filter(|(below, _)| !is_listed(below)) {
                if self.parent_key(child, below).as_deref() == Some(key) {
                    slice.fate = Fate::Gone;
                }
            }
            self.levels[child].slices = slices;
        }
    }

    fn parent_key(&self, index: usize, key: &str) -> Option<String> {
        let level = &self.levels[index];
        let depth = self.levels[level.parent?].keys.len();
        Some(key_of(&ids(level, key)?.into_iter().take(depth).collect()))
    }

    /// Reads from the lake what the records say by which it is decided whether something has ended.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn read_ends(&mut self, lake: &Lake, before: &Before, memory_bytes: u64) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            slice_key: String,
            run_id: String,
            payload: String,
        }
        for index in 0..self.levels.len() {
            let table = self.table(index).to_owned();
            let resource = self.levels[index].resource.clone();
            let (Some(known), true) = (before.known.get(&table), resource.closed.is_some()) else { continue };
            let Some(delta) = lake.open("source", &table, None).await? else { continue };
            let context = session::new(memory_bytes, 1)?;
            session::register_delta(&context, "source", &table, &delta).await?;
            let sql = format!("select \"sliceKey\", \"runId\", payload from source.\"{table}\"");
            let spec = self.spec.clone();
            let reader = Reader::new(&spec, &resource, None);
            for row in log::rows::<Row>(&context.sql(&sql).await?.collect().await?)? {
                let is_current = known
                    .get(&row.slice_key)
                    .is_some_and(|version| version.content_run_id.as_ref() == Some(&row.run_id));
                let Some(job) = self.job(index, &row.slice_key).filter(|_| is_current) else { continue };
                let Ok((record, _)) = reader.record(&job.ids, RawValue::from_string(row.payload)?) else { continue };
                let mut parents = Parents::default();
                if let Some(parent) = record.parent {
                    parents.push(parent)?;
                }
                for below in tree::below(&spec, &self.scope.clone(), &job, parents, self.now)? {
                    let below = below?;
                    let level = self.level_of(below.table());
                    if let Some(slice) = level.and_then(|level| self.levels[level].slices.get_mut(&below.key())) {
                        slice.job.get_or_insert(below);
                    }
                }
            }
        }
        Ok(())
    }

    /// Decides what becomes of each slice, as a walk would.
    pub fn settle(&mut self, request: &Request, before: &Before) {
        for index in 0..self.levels.len() {
            let parent =
                self.levels[index].parent.filter(|parent| self.levels[*parent].slices.values().any(is_notable));
            let mut slices = std::mem::take(&mut self.levels[index].slices);
            for (key, slice) in &mut slices {
                let above = parent.and_then(|parent| {
                    let key = self.parent_key(index, key)?;
                    self.levels[parent].slices.get(&key).map(|above| (above.fate, above.closed.clone()))
                });
                let (fate, closed) = above.unwrap_or_default();
                let mut lineage = slice.job.as_ref().map(|job| job.lineage.clone()).unwrap_or_default();
                lineage.closed = lineage.closed.or(closed);
                slice.closed.clone_from(&lineage.closed);
                if matches!(slice.fate, Fate::Resumed | Fate::Gone) {
                    continue;
                }
                slice.fate = match fate {
                    Fate::Gone | Fate::Closed | Fate::Same => fate,
                    _ => self.fate(index, key, lineage, request, before),
                };
            }
            self.levels[index].slices = slices;
        }
    }

    fn fate(&self, index: usize, key: &str, mut lineage: Lineage, request: &Request, before: &Before) -> Fate {
        let resource = &self.levels[index].resource;
        let known = before.known.get(self.table(index)).and_then(|known| known.get(key));
        if known.is_some_and(is_hidden) {
            return Fate::Hidden;
        }
        let is_complete = known.is_some_and(|version| version.status == "complete" && version.content_run_id.is_some());
        let is_settled = !self.is_full && is_complete;
        let past = match is_settled && !before.pasts.is_empty() {
            true => before.pasts.get(&(self.table(index).to_owned(), key.to_owned())),
            false => None,
        };
        if lineage.version.is_none() && resource.version_in_parent.is_some() {
            // Nobody looked at the parent: most things are as they were.
            lineage.version = past.and_then(|past| past.version.clone());
        }
        if resource.count_in_parent.is_some() {
            let was_empty = || self.log.whole(self.table(index), key).is_some_and(|cost| cost.rows == 0.0);
            lineage.count = match lineage.count {
                _ if self.is_full => None,
                None if is_complete && was_empty() => Some(0),
                count => count,
            };
        }
        match decide(resource, &lineage, past, self.now, request.recheck_closed) {
            Decision::Walk => Fate::Asked,
            Decision::Since(_) => Fate::Changes,
            Decision::Empty(_) => Fate::Empty,
            Decision::Skip(reason) => match &lineage.closed {
                Some(closed) if reason.starts_with(closed.as_str()) => Fate::Closed,
                _ => Fate::Same,
            },
        }
    }

    /// Whether a level has figures of any slice.
    pub fn has_figures(&self, index: usize) -> bool {
        let table = self.table(index);
        self.levels[index].slices.iter().any(|(key, slice)| self.cost(table, key, slice).is_some())
    }

    /// Known slices of a level that may be looked at: those that would tell something new.
    pub fn candidates(&self, index: usize, is_for_below: bool) -> Vec<String> {
        let table = self.table(index);
        let can = |key: &String, slice: &Slice| {
            let is_there = !matches!(slice.fate, Fate::Gone | Fate::Empty | Fate::Resumed | Fate::Hidden);
            let is_unseen = is_for_below || self.cost(table, key, slice).is_none();
            is_there && is_unseen && slice.looked == 0.0
        };
        self.levels[index].slices.iter().filter(|(key, slice)| can(key, slice)).map(|(key, _)| key.clone()).collect()
    }

    /// Whether slices below a level can only be counted by looking at its listings.
    pub fn leads_to_unknown(&self, index: usize) -> bool {
        self.levels.iter().any(|level| level.parent == Some(index) && level.is_unwalked)
    }

    fn cost(&self, table: &str, key: &str, slice: &Slice) -> Option<Cost> {
        slice.cost.or_else(|| self.log.whole(table, key))
    }

    /// What is expected of each level.
    pub fn expect(&self) -> Vec<Expected> {
        let mut expected: Vec<Expected> = Vec::new();
        for index in 0..self.levels.len() {
            let above = self.levels[index].parent.map(|parent| (parent, &expected[parent]));
            expected.push(self.expect_level(index, above));
        }
        expected
    }

    fn expect_level(&self, index: usize, above: Option<(usize, &Expected)>) -> Expected {
        let level = &self.levels[index];
        let table = self.table(index);
        let is_judged_by_others =
            |key: &String, slice: &Slice| slice.fate == Fate::Asked && self.cost(table, key, slice).is_none();
        let needs_ancestors = level.slices.iter().any(|(key, slice)| is_judged_by_others(key, slice));
        let means = Means::of(level.slices.iter().filter_map(|(key, slice)| {
            let cost = match slice.fate {
                Fate::Gone | Fate::Hidden => return None,
                Fate::Empty => Cost::default(),
                _ => self.cost(table, key, slice)?,
            };
            let ancestor = if needs_ancestors { outermost(level, key) } else { None };
            Some((ancestor, cost))
        }));
        let one = Cost { requests: 1.0, ms: means.request_ms(), ..Cost::default() };
        // What its parent called empty was never asked for, and now is.
        let was_spared = |cost: &Cost| self.is_full && level.resource.count_in_parent.is_some() && cost.requests == 0.0;
        let mut found = Expected::default();
        for (key, slice) in &level.slices {
            *found.fates.entry(slice.fate).or_default() += 1;
            let own = self.cost(table, key, slice);
            match slice.fate {
                Fate::Asked => {
                    found.asked += 1.0;
                    found.new += usize::from(!slice.is_known);
                    let own = own.map(|cost| if was_spared(&cost) { one } else { cost });
                    let cost = own.or_else(|| means.of_new(level, key, slice));
                    found.is_blind |= cost.is_none();
                    let cost = cost.unwrap_or_default();
                    let left = if cost.rows > 0.0 { (1.0 - slice.begun_rows / cost.rows).max(0.0) } else { 1.0 };
                    found.cost += cost * left;
                }
                Fate::Changes => {
                    found.asked += 1.0;
                    found.cost += self.log.partial(table, key).unwrap_or(one);
                }
                Fate::Closed | Fate::Same => found.saved += own.unwrap_or_default(),
                Fate::Resumed | Fate::Empty | Fate::Hidden | Fate::Gone => {}
            }
            found.slices += f64::from(u8::from(slice.fate != Fate::Gone));
        }
        let Some((parent, above)) = above else { return found };
        let looked: f64 = self.levels[parent].slices.values().map(|slice| looked(slice, level.is_unwalked)).sum();
        let unlooked = (above.slices - looked).max(0.0);
        if unlooked < 1e-6 {
            return found;
        }
        if looked == 0.0 {
            found.is_blind = true;
            return found;
        }
        let unlisted = unlooked * found.slices / looked;
        let share_asked = if found.slices > 0.0 { found.asked / found.slices } else { 0.0 };
        found.slices += unlisted;
        found.asked += unlisted * share_asked;
        found.is_blind |= unlisted > 0.0 && means.all.is_none();
        found.cost += means.all.unwrap_or_default() * unlisted;
        found
    }
}

/// Whether a slice was not asked for because of what it lies below.
pub fn is_hidden(version: &Version) -> bool {
    let reason = version.reason.as_deref().unwrap_or_default();
    version.status != "complete" && reason.starts_with("lies below")
}

fn is_gone(version: &Version) -> bool {
    version.status == "complete" && version.reason.is_some()
}
