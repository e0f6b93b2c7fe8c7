//! The order of a walk: which slices hang below which records, one after the other and never all at once.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::fetch::Job;
use crate::page::Ids;
use crate::parents::{Parent, Parents};
use crate::skip::Lineage;
use crate::spec::{Resource, Spec, id_text};

/// Slices to be asked for, in order.
pub type Jobs = Box<dyn Iterator<Item = Result<Job>> + Send>;

/// What to walk of the tree: everything, or what lies below these ids of the spec's scope.
#[derive(Debug, Default)]
pub struct Scope(pub HashSet<String>);

impl Scope {
    /// Whether a record is to be walked.
    fn admits(&self, spec: &Spec, key: &str, id: &Value) -> bool {
        self.0.is_empty() || spec.scope.as_deref() != Some(key) || self.0.contains(&id_text(id))
    }

    /// Which of its ids a slice below these lies under.
    pub fn chosen(&self, spec: &Spec, ids: &Ids) -> Option<String> {
        let (_, id) = ids.iter().find(|(key, _)| !self.0.is_empty() && spec.scope.as_ref() == Some(key))?;
        Some(id_text(id))
    }

    /// Whether a slice lies in it.
    pub fn is_inside(&self, spec: &Spec, slice_key: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let ids: Option<Value> = serde_json::from_str(slice_key).ok();
        let scope = spec.scope.as_deref().unwrap_or_default();
        ids.and_then(|ids| ids.get(scope).map(id_text)).is_some_and(|id| self.0.contains(&id))
    }
}

/// The slices nothing leads to.
pub fn roots(spec: &Spec) -> Jobs {
    let roots: Vec<Arc<Resource>> = spec.roots().cloned().collect();
    Box::new(roots.into_iter().flat_map(|resource| {
        let mut all: Vec<Ids> = vec![Ids::new()];
        for (key, values) in &resource.each {
            all = all
                .into_iter()
                .flat_map(|ids| {
                    values.iter().map(move |value| {
                        let mut ids = ids.clone();
                        ids.push((key.clone(), Value::from(value.as_str())));
                        ids
                    })
                })
                .collect();
        }
        all.into_iter().map(move |ids| {
            Ok(Job { resource: resource.clone(), ids, lineage: Lineage::default(), since: None, half: None })
        })
    }))
}

/// The slices below the records of a slice.
///
/// # Errors
/// When the parents cannot be read again.
pub fn below(spec: &Arc<Spec>, scope: &Arc<Scope>, job: &Job, parents: Parents, now: Timestamp) -> Result<Jobs> {
    let resource = job.resource.clone();
    let Some(key) = resource.key.clone() else { return Ok(Box::new(std::iter::empty())) };
    let (spec, scope, ids, lineage) = (spec.clone(), scope.clone(), job.ids.clone(), job.lineage.clone());
    Ok(Box::new(parents.one_by_one()?.flat_map(move |parent| match parent {
        Err(error) => vec![Err(error)],
        Ok(parent) if !scope.admits(&spec, &key, &parent.id) => Vec::new(),
        Ok(parent) => below_one(&spec, &resource, &key, &ids, &lineage, parent, now).into_iter().map(Ok).collect(),
    })))
}

fn below_one(
    spec: &Spec,
    resource: &Resource,
    key: &str,
    ids: &Ids,
    lineage: &Lineage,
    parent: Parent,
    now: Timestamp,
) -> Vec<Job> {
    let mut below = ids.clone();
    below.push((key.to_owned(), parent.id.clone()));
    let mut jobs = Vec::new();
    for child in spec.children(&resource.name) {
        let own = lineage.below(resource, &parent.id, &parent.facts, child, now);
        if child.inside.is_none() {
            jobs.push(Job { resource: child.clone(), ids: below.clone(), lineage: own, since: None, half: None });
            continue;
        }
        let Some(child_key) = &child.key else { continue };
        let inside = parent.inside.iter().filter(|(name, _)| name == &child.name);
        for id in inside.flat_map(|(_, list)| list) {
            let mut deeper = below.clone();
            deeper.push((child_key.clone(), id.clone()));
            for grandchild in spec.children(&child.name) {
                let lineage = Lineage { closed: own.closed.clone(), ..Lineage::default() };
                jobs.push(Job { resource: grandchild.clone(), ids: deeper.clone(), lineage, since: None, half: None });
            }
        }
    }
    jobs
}

/// A server's name with its port, by which it is remembered.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_may_be_asked_for_one_value_after_the_other() {
        let spec = Spec::load(None).unwrap();
        let keys: Vec<String> =
            roots(&spec).map(|job| job.unwrap()).map(|job| format!("{} {}", job.table(), job.key())).collect();
        assert!(
            keys.contains(&r#"dimListOfValues {"listName":"testcase.testcasePriority.LOV"}"#.to_owned()),
            "{keys:?}"
        );
        assert!(keys.contains(&"dimProject {}".to_owned()));
    }

    #[test]
    fn slices_come_in_the_order_of_their_parents() {
        let spec = Arc::new(Spec::load(None).unwrap());
        let cycle = spec.resource_of("dimCycle").unwrap().clone();
        let job = Job {
            resource: cycle,
            ids: vec![("projectId".into(), 1.into())],
            lineage: Lineage::default(),
            since: None,
            half: None,
        };
        let parent = |id: i64, phases: &[i64]| Parent {
            id: id.into(),
            facts: [("endDate".to_owned(), Value::from(1_000))].into(),
            inside: vec![("cyclePhase".into(), phases.iter().map(|id| Value::from(*id)).collect())],
            nested: Vec::new(),
        };
        let parents = Parents::of(vec![parent(7, &[71, 72]), parent(8, &[]), parent(9, &[91])]);
        let jobs: Vec<Job> =
            below(&spec, &Arc::default(), &job, parents, Timestamp::now()).unwrap().map(|job| job.unwrap()).collect();
        let keys: Vec<String> = jobs.iter().map(Job::key).collect();
        assert_eq!(keys[0], r#"{"projectId":1,"cycleId":7,"cyclePhaseId":71}"#);
        assert_eq!(keys.len(), 3);
        assert!(jobs[0].lineage.closed.as_ref().unwrap().contains("cycle 7 ended on 1970-01-01"));
    }

    #[test]
    fn a_scope_admits_what_lies_below_its_ids() {
        let spec = Spec::load(None).unwrap();
        let scope = Scope(["4".to_owned()].into());
        assert!(scope.is_inside(&spec, r#"{"projectId":4,"releaseId":1}"#));
        assert!(!scope.is_inside(&spec, r#"{"projectId":44}"#));
        assert!(!scope.is_inside(&spec, "{}"));
        assert!(Scope::default().is_inside(&spec, "{}"));
    }
}
