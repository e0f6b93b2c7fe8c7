//! Slices that are not asked for, cannot be seen, or are gone; and walks with too many of them.

use anyhow::Result;
use jiff::Timestamp;
use spectra_common::failure::{Exit, failure};
use spectra_common::log::SliceRow;
use tracing::warn;

use super::Walk;
use super::keeping::row;
use crate::fetch::Job;
use crate::spec::Resource;

/// Slices of a table that were asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    pub(super) walked: i64,
    pub(super) failed: i64,
}

impl Walk {
    /// A slice that is not asked for stays as it is, and so does all that lies below it.
    pub(super) fn skip(&mut self, job: &Job, reason: &str) {
        self.log(SliceRow { message: Some(reason.to_owned()), ..row(job, "skipped") });
        let (table, key) = (job.table().to_owned(), job.key());
        for (table, below) in self.below(&job.resource, &key) {
            self.log(SliceRow {
                resource: table.clone(),
                slice_key: below.clone(),
                message: Some(format!("lies below {key}: {reason}")),
                ..row(job, "skipped")
            });
            self.touch(&table, &below);
        }
        self.touch(&table, &key);
    }

    /// A slice that cannot be seen keeps its rows and its age, and so does all that lies below it.
    pub(super) fn unseen(
        &mut self,
        resource: &Resource,
        table: &str,
        key: &str,
        status: &str,
        reason: &str,
    ) -> Result<()> {
        self.touch(table, key);
        let share = self.shares.entry(table.to_owned()).or_default();
        share.walked += 1;
        share.failed += i64::from(status == "failed");
        let is_root = resource.parent.is_none() && self.spec.children(&resource.name).next().is_some();
        if is_root {
            let exit = if status == "forbidden" { Exit::NotAuthorised } else { Exit::DataRefused };
            return Err(failure(
                exit,
                format!("{table} could not be listed and everything else hangs below it: {reason}"),
                "nothing was published: see why the API refuses this listing",
            ));
        }
        let sentence = format!("{table} {key} is {status}: {reason}");
        warn!(resource = table, slice = key, "{sentence}");
        self.warnings.push(sentence);
        self.versions.unseen(table, key, status, reason);
        for (table, below) in self.below(resource, key) {
            self.versions.unseen(&table, &below, status, &format!("lies below {key}, which is {status}"));
            self.log(SliceRow {
                resource: table.clone(),
                slice_key: below.clone(),
                outcome: status.to_owned(),
                message: Some(format!("not asked for: lies below {key}, which is {status}")),
                walked_at: Timestamp::now().to_string(),
                ..SliceRow::default()
            });
            self.touch(&table, &below);
        }
        Ok(())
    }

    /// Notes that something leads to a slice; of those that were not there before nobody will ask.
    pub(super) fn touch(&mut self, table: &str, key: &str) {
        if self.versions.knows(table, key) {
            self.touched.insert((table.to_owned(), key.to_owned()));
        }
    }

    /// Known slices below one.
    pub(super) fn below(&self, resource: &Resource, key: &str) -> Vec<(String, String)> {
        let tables = self.spec.tables_below(&resource.name).into_iter();
        tables
            .flat_map(|table| self.versions.below(&table, key).into_iter().map(move |key| (table.clone(), key)))
            .collect()
    }

    /// Names what was asked to be walked and does not exist, or not for this user.
    pub(super) fn find_missed(&mut self) {
        let mut missed: Vec<&String> = self.request.scope.0.difference(&self.met).collect();
        missed.sort();
        let key = self.spec.scope.as_deref().unwrap_or_default();
        for id in missed {
            let sentence = format!("--project {id}: nothing is listed below such a {key}");
            warn!("{sentence}");
            self.warnings.push(sentence);
        }
    }

    /// Slices known from before that nothing leads to any more are empty now.
    pub(super) fn find_gone(&mut self) {
        let tables: Vec<String> = self.spec.tables().map(ToOwned::to_owned).collect();
        for table in tables {
            for key in self.versions.below(&table, "") {
                let is_outside = !self.request.scope.is_inside(&self.spec, &key);
                if is_outside || self.touched.contains(&(table.clone(), key.clone())) {
                    continue;
                }
                if self.versions.gone(&table, &key) {
                    self.log(SliceRow {
                        resource: table.clone(),
                        slice_key: key,
                        outcome: "gone".to_owned(),
                        message: Some("its parent is no longer listed".to_owned()),
                        walked_at: Timestamp::now().to_string(),
                        ..SliceRow::default()
                    });
                }
            }
        }
    }

    /// Refuses to publish a walk that is too full of holes to be true: in all, or where all that hangs below one kind of
    /// request is missing.
    pub(super) fn gate(&mut self) -> Result<()> {
        let kept = "nothing was published; what was walked is kept for the next run";
        let all = self.shares.values().fold(Share::default(), |all, share| Share {
            walked: all.walked + share.walked,
            failed: all.failed + share.failed,
        });
        let each = self.shares.iter().map(|(table, share)| (format!(" of {table}"), format!("{table} "), *share));
        let gate = self.spec.gate;
        for (of_what, beginning, Share { walked, failed }) in each.chain([(String::new(), String::new(), all)]) {
            if failed <= i64::from(gate.failed_least) || failed * 100 <= walked * i64::from(gate.failed_percent) {
                continue;
            }
            let is_first = |warning: &&String| warning.starts_with(&beginning) && warning.contains(" is failed");
            let first = self.warnings.iter().find(is_first).cloned().unwrap_or_default();
            return Err(failure(
                Exit::DataRefused,
                format!(
                    "{failed} of {walked} slices{of_what} failed, more than the {} % that may; the first: {first}",
                    gate.failed_percent
                ),
                format!("{kept}; see log.slice, and [gate] of the spec"),
            ));
        }
        let mut emptied = self.versions.emptied();
        emptied.retain(|table| !self.request.may_be_empty.contains(table));
        if let Some(table) = emptied.first() {
            // Or the next run would believe it.
            self.fresh.doubted.clone_from(&emptied);
            return Err(failure(
                Exit::DataRefused,
                format!("nothing came for {}, where there was something before", emptied.join(" and ")),
                format!("{kept}; if it is true, run again with --accept-empty {table}"),
            ));
        }
        Ok(())
    }
}
