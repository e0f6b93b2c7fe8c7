//! Tables of a walk that is planned: how their slices hang together, and what they cost on average.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use spectra_common::release::Release;

use super::past::Cost;
use crate::fetch::Job;
use crate::page::Ids;
use crate::spec::{Resource, Spec};

/// What becomes of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is asked for.
    #[default]
    Asked,
    /// Only what changed is asked for.
    Changes,
    /// An unfinished run has walked it.
    Resumed,
    /// Its parent says that it is empty.
    Empty,
    /// It lies below something that has ended.
    Closed,
    /// Its parent says that it is as it was.
    Same,
    /// It lies below what is forbidden or failed.
    Hidden,
    /// Nothing leads to it any more.
    Gone,
}

/// A slice that is known.
#[derive(Default)]
pub struct Slice {
    /// How it is asked for, where its parent's record was seen.
    pub job: Option<Job>,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether a release knows it.
    pub is_known: bool,
    /// What a look at it showed it to cost.
    pub cost: Option<Cost>,
    /// Part of its records below which all slices are known, by a look or an unfinished walk.
    pub looked: f64,
    /// Rows of it that an unfinished run has already.
    pub begun_rows: f64,
    /// The ancestor that has ended.
    pub closed: Option<String>,
}

/// The slices of one table.
pub struct Level {
    /// What they list.
    pub resource: Arc<Resource>,
    /// The level of the listings that lead to them.
    pub parent: Option<usize>,
    /// Names of the ids in their keys.
    pub keys: Vec<String>,
    /// Whether no release says what there is.
    pub is_unwalked: bool,
    /// Those that are known.
    pub slices: BTreeMap<String, Slice>,
    /// Slices looked at now.
    pub look_count: usize,
    /// Whether there are more rows than anybody says.
    pub is_least: bool,
}

/// What is expected of one level.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Slices that are asked for.
    pub asked: f64,
    /// What they cost.
    pub cost: Cost,
    /// What the slices cost that are left alone because something has ended.
    pub saved: Cost,
    /// Slices by what becomes of them.
    pub fates: BTreeMap<Fate, usize>,
    /// Slices asked for that no release knows, as far as they are listed.
    pub new: usize,
    /// Slices of this level, listed or not.
    pub slices: f64,
    /// Whether there is nothing to judge it by.
    pub is_blind: bool,
}

/// Averages of a level's slices.
pub struct Means {
    /// Of all, those that are empty included.
    pub all: Option<Cost>,
    /// Of those that were asked for.
    asked: Option<Cost>,
    /// Of all below one outermost ancestor, where there are enough.
    below: HashMap<String, Cost>,
}

impl Means {
    /// Of costs, each with the outermost ancestor of its slice.
    pub fn of(costs: impl Iterator<Item = (Option<String>, Cost)>) -> Self {
        let (mut all, mut asked) = ((0.0, Cost::default()), (0.0, Cost::default()));
        let mut below: HashMap<String, (f64, Cost)> = HashMap::new();
        for (ancestor, cost) in costs {
            all = (all.0 + 1.0, all.1 + cost);
            if cost.requests > 0.0 || cost.rows > 0.0 {
                asked = (asked.0 + 1.0, asked.1 + cost);
            }
            if let Some(ancestor) = ancestor {
                let sum = below.entry(ancestor).or_default();
                *sum = (sum.0 + 1.0, sum.1 + cost);
            }
        }
        let mean = |(count, sum): (f64, Cost)| (count > 0.0).then(|| sum * (1.0 / count));
        let below = below.into_iter().filter(|(_, (count, _))| *count >= 3.0);
        Self {
            all: mean(all),
            asked: mean(asked),
            below: below.map(|(ancestor, (count, sum))| (ancestor, sum * (1.0 / count))).collect(),
        }
    }

    /// What a slice costs of which nothing is known but its parent.
    pub fn of_new(&self, level: &Level, key: &str, slice: &Slice) -> Option<Cost> {
        if let Some(count) = slice.job.as_ref().and_then(|job| job.lineage.count) {
            let cost = self.asked?;
            let rows = count as f64;
            let growth = if cost.rows > 0.0 { rows / cost.rows } else { 1.0 };
            return Some(Cost { rows, bytes: cost.bytes * growth, ..cost });
        }
        outermost(level, key).and_then(|ancestor| self.below.get(&ancestor).copied()).or(self.all)
    }

    /// Time of one request.
    pub fn request_ms(&self) -> f64 {
        self.asked.map_or(0.0, |cost| cost.ms / cost.requests.max(1.0))
    }
}

/// The tables of a spec, parents before children; `last` says which were walked.
pub fn levels(spec: &Spec, last: Option<&Release>) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    let mut rest: Vec<&Arc<Resource>> = spec.resource.iter().filter(|resource| resource.table.is_some()).collect();
    while !rest.is_empty() {
        let count = rest.len();
        rest.retain(|resource| {
            let chain = chain(spec, resource);
            let asked = chain.iter().rev().find(|ancestor| ancestor.table.is_some());
            let parent = asked.and_then(|asked| levels.iter().position(|level| level.resource.name == asked.name));
            if asked.is_some() && parent.is_none() {
                return true;
            }
            let root = chain.first().unwrap_or(resource);
            let keys = root.each.keys().cloned().chain(chain.iter().filter_map(|ancestor| ancestor.key.clone()));
            let name = format!("source.{}", resource.table.as_deref().unwrap_or_default());
            levels.push(Level {
                resource: Arc::clone(resource),
                parent,
                keys: keys.collect(),
                is_unwalked: last.is_none_or(|last| !last.tables.contains_key(&name)),
                slices: BTreeMap::new(),
                look_count: 0,
                is_least: false,
            });
            false
        });
        if rest.len() == count {
            break;
        }
    }
    levels
}

/// Ancestors of a resource, outermost first.
fn chain<'a>(spec: &'a Spec, resource: &Resource) -> Vec<&'a Arc<Resource>> {
    let mut chain = Vec::new();
    let mut name = resource.parent.as_deref();
    while let Some(ancestor) = name.and_then(|name| spec.resource.iter().find(|other| other.name == name)) {
        chain.insert(0, ancestor);
        name = ancestor.parent.as_deref();
    }
    chain
}

/// The outermost ancestor of a slice.
pub fn outermost(level: &Level, key: &str) -> Option<String> {
    Some(ids(level, key)?.first()?.1.to_string())
}

/// The ids in a slice's key, in walking order.
pub fn ids(level: &Level, key: &str) -> Option<Ids> {
    let mut fields: serde_json::Map<String, Value> = serde_json::from_str(key).ok()?;
    level.keys.iter().map(|name| Some((name.clone(), fields.remove(name)?))).collect()
}

/// Whether a slice decides what becomes of those below it.
pub fn is_notable(slice: &Slice) -> bool {
    slice.closed.is_some() || matches!(slice.fate, Fate::Gone | Fate::Closed | Fate::Same)
}

/// Part of a slice's records below which all slices are known.
pub fn looked(slice: &Slice, is_unwalked: bool) -> f64 {
    match slice.fate {
        Fate::Gone => 0.0,
        Fate::Empty => 1.0,
        _ if slice.is_known && !is_unwalked => 1.0,
        _ => slice.looked,
    }
}
