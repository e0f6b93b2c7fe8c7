//! What the credentials may read: each listing nobody leads to, and a few samples of each that others lead to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use spectra_common::failure::{Exit, exit_of};

use super::Findings;
use super::zone::Stamps;
use crate::client::Client;
use crate::fetch::{Fetcher, Job};
use crate::plan::look::{Look, Seen, look};
use crate::plan::{number, spread};
use crate::spec::{Resource, Spec};
use crate::tree::{self, Scope};

/// Slices of a resource that are looked at: fewest where others hang below it, and most until they lead somewhere.
const PARENTS: (usize, usize) = (3, 8);
/// Slices of another resource that are looked at until one can be read.
const LEAVES: usize = 3;

/// What became of the samples of one resource.
#[derive(Default)]
struct Sampled {
    looked: usize,
    /// The first that was read, with its rows.
    read: Option<(String, f64)>,
    forbidden: Option<String>,
    failed: Option<String>,
}

/// Looks at samples of every resource.
///
/// # Errors
/// When the run is asked to stop.
pub async fn check(
    findings: &mut Findings,
    fetcher: &Fetcher,
    client: &Client,
    scope: Arc<Scope>,
    stamps: &mut Stamps,
) -> Result<()> {
    let spec = &fetcher.spec;
    let mut pools: HashMap<String, Vec<Job>> = HashMap::new();
    for job in tree::roots(spec) {
        let job = job?;
        pools.entry(job.resource.name.clone()).or_default().push(job);
    }
    let mut rest: Vec<&Arc<Resource>> = spec.resource.iter().filter(|resource| resource.table.is_some()).collect();
    // Listings that lead to others come first.
    while let Some(at) = rest.iter().position(|resource| !rest.iter().any(|other| leads_to(spec, other, resource))) {
        let resource = rest.remove(at);
        let clock = Instant::now();
        let pool = pools.remove(&resource.name).unwrap_or_default();
        let below = rest.iter().filter(|other| leads_to(spec, resource, other)).map(|other| other.name.as_str());
        let below: Vec<&str> = below.collect();
        let (least, most) = if below.is_empty() { (1, LEAVES) } else { PARENTS };
        let mut sampled = Sampled::default();
        for job in spread(&pool, most) {
            let is_enough = sampled.read.is_some() && below.iter().all(|name| pools.contains_key(*name));
            if sampled.looked >= least && is_enough {
                break;
            }
            let Look { cost, seen } = match look(fetcher, client, job, 1, &mut |record| stamps.take(job, record)).await
            {
                Ok(look) => look,
                Err(error) if exit_of(&error) == Exit::Stopped => return Err(error),
                Err(error) => {
                    findings.wrong(job.table(), clock, &error);
                    return Ok(());
                }
            };
            sampled.looked += 1;
            match seen {
                Seen::Listed { parents, .. } => {
                    sampled.read.get_or_insert((job.key(), cost.rows));
                    for below in tree::below(spec, &scope, job, parents, fetcher.run.started_at)? {
                        let below = below?;
                        // A walk would not ask for what is empty either.
                        if below.lineage.count == Some(0) {
                            continue;
                        }
                        pools.entry(below.resource.name.clone()).or_default().push(below);
                    }
                }
                Seen::Forbidden(reason) => {
                    sampled.forbidden.get_or_insert(format!("{} is forbidden: {reason}", job.key()));
                }
                Seen::Failed(reason) => {
                    sampled.failed.get_or_insert(format!("{} failed: {reason}", job.key()));
                }
            }
        }
        tell(findings, clock, resource, &sampled, !below.is_empty());
    }
    Ok(())
}

/// Whether the listings of `resource` name the slices of `other`.
fn leads_to(spec: &Spec, resource: &Resource, other: &Resource) -> bool {
    let mut name = other.parent.as_deref();
    while let Some(parent) = name.and_then(|name| spec.resource.iter().find(|resource| resource.name == name)) {
        if parent.inside.is_none() {
            return parent.name == resource.name;
        }
        name = parent.parent.as_deref();
    }
    false
}

fn tell(findings: &mut Findings, clock: Instant, resource: &Resource, sampled: &Sampled, is_parent: bool) {
    let table = resource.table.as_deref().unwrap_or_default();
    let is_root = resource.parent.is_none();
    if sampled.looked == 0 {
        return findings.skipped(table, clock, "nothing that was looked at leads to it");
    }
    let mut words = Vec::new();
    if let Some((key, rows)) = &sampled.read {
        let of = match (sampled.looked, key.as_str()) {
            (1, "{}") => String::new(),
            (1, key) => format!(" for {key}"),
            (count, key) => format!(" for {key}; {count} slices were looked at"),
        };
        let unit = if *rows == 1.0 { "row" } else { "rows" };
        words.push(format!("readable, {} {unit}{of}", number(*rows)));
    }
    words.extend(sampled.forbidden.iter().chain(&sampled.failed).cloned());
    let message = words.join("; ");
    match (&sampled.read, &sampled.forbidden, &sampled.failed) {
        (Some(_), None, None) => findings.ok(table, clock, message),
        (None, Some(_), _) if is_root && is_parent => findings.failed(table, clock, Exit::NotAuthorised, message),
        (None, None, Some(_)) if is_root && is_parent => findings.failed(table, clock, Exit::ApiUnavailable, message),
        _ => findings.warning(table, clock, message),
    }
}
