//! Which slice is next: several are begun ahead, the nearest first, and all are taken in one order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Walk;
use crate::fetch::{Fetched, Job};
use crate::journal::Walked;
use crate::skip::{Decision, decide};
use crate::tree::Jobs;

/// Slices below one parent, or the roots.
pub(super) struct Frame {
    /// Begun, in order.
    pub(super) begun: VecDeque<Begun>,
    /// Not begun.
    pub(super) rest: Jobs,
}

/// A slice that has been begun.
pub(super) enum Begun {
    /// Walked by a run that did not end well.
    Resumed(Job, Walked),
    /// Not asked for, for a reason.
    Skipped(Job, String),
    /// Known to be empty, for a reason.
    Empty(Job, String),
    /// Being asked for.
    Asked(Job, Task),
    /// It could not be begun.
    Broken(anyhow::Error),
}

/// A slice being asked for, which is given up with the walk.
pub(super) struct Task(pub(super) JoinHandle<Result<Fetched>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How many slices are being asked for.
#[derive(Default)]
pub(super) struct Asking(Arc<(AtomicUsize, Notify)>);

impl Asking {
    pub(super) fn count(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Counts one until what is returned is dropped.
    pub(super) fn one_more(&self) -> AskingOne {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        AskingOne(self.0.clone())
    }

    /// Waits until there are fewer.
    pub(super) async fn fewer(&self) {
        self.0.1.notified().await;
    }
}

pub(super) struct AskingOne(Arc<(AtomicUsize, Notify)>);

impl Drop for AskingOne {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
        self.0.1.notify_one();
    }
}

impl Walk {
    /// The next slice in order.
    pub(super) fn next(&mut self) -> Option<Begun> {
        if self.request.concurrency > 1 {
            self.begin_more();
        }
        loop {
            let frame = self.frames.last_mut()?;
            if let Some(begun) = frame.begun.pop_front() {
                return Some(begun);
            }
            // The next one in order never waits for others that were begun ahead of it.
            match frame.rest.next() {
                Some(job) => return Some(self.begin(job)),
                None => {
                    self.frames.pop();
                }
            }
        }
    }

    /// Begins as many slices as may be asked for at once, the nearest first. Those that wait to be taken are
    /// counted for each level: however many wait further up, the next ones here are never held back.
    pub(super) fn begin_more(&mut self) {
        // Twice as many as may be in flight: the others stand in line, so that requests go on while rows are landed.
        let most_asking = self.request.concurrency * 2;
        let most_held = usize::try_from(self.run.settings.memory / 4).unwrap_or(usize::MAX);
        let is_room = |asking: &Asking, held: &AtomicUsize| {
            asking.count() < most_asking && held.load(Ordering::Relaxed) < most_held
        };
        for at in (0..self.frames.len()).rev() {
            while is_room(&self.asking, &self.request.fetcher.all_held) && self.frames[at].begun.len() < self.ahead {
                let Some(job) = self.frames[at].rest.next() else { break };
                let begun = self.begin(job);
                self.frames[at].begun.push_back(begun);
            }
        }
    }

    pub(super) fn begin(&mut self, job: Result<Job>) -> Begun {
        let mut job = match job {
            Ok(job) => job,
            Err(error) => return Begun::Broken(error),
        };
        self.met.extend(self.request.scope.chosen(&self.spec, &job.ids));
        let slice = (job.table().to_owned(), job.key());
        if let Some(walked) = self.unfinished.walked.remove(&slice) {
            return Begun::Resumed(job, walked);
        }
        // Only a content that is there and in sight may stay as it is.
        let is_settled = !self.request.is_full && self.versions.settled(&slice.0, &slice.1).is_some();
        let past = self.pasts.get(&slice).filter(|_| is_settled);
        if self.request.is_full {
            job.lineage.count = None;
        }
        match decide(&job.resource, &job.lineage, past, self.run.started_at, self.request.recheck_closed) {
            Decision::Walk => {}
            Decision::Since(since) => job.since = Some(since),
            Decision::Skip(reason) => return Begun::Skipped(job, reason),
            Decision::Empty(reason) => return Begun::Empty(job, reason),
        }
        if job.since.is_none() {
            job.half = self.unfinished.halves.remove(&slice);
        }
        let (fetcher, asked, asking) = (self.request.fetcher.clone(), job.clone(), self.asking.one_more());
        let task = tokio::spawn(async move {
            let fetched = fetcher.fetch(asked).await;
            drop(asking);
            fetched
        });
        Begun::Asked(job, Task(task))
    }

    /// Waits for a slice, however long it takes, and meanwhile keeps what was walked before it and what slices that are
    /// not whole yet have so far.
    pub(super) async fn fetched(&mut self, mut task: Task) -> Result<Fetched> {
        loop {
            let due = tokio::time::Instant::from_std(self.kept_at + self.request.fetcher.checkpoint);
            tokio::select! {
                ended = &mut task.0 => return ended.context("a slice was given up")?,
                Some(half) = self.request.halves.recv() => {
                    self.fresh.halves.push(half);
                    self.keep().await?;
                }
                () = self.asking.fewer(), if self.request.concurrency > 1 => self.begin_more(),
                () = tokio::time::sleep_until(due), if !self.fresh.rows.is_empty() => self.keep().await?,
            }
        }
    }
}
