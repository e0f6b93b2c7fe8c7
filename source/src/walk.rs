//! The walk: depth first through the resource tree. Slices may be under way at once, but they are taken in one order,
//! the order of a walk that asks for one after the other, so that rows, files and hashes are the same.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use deltalake::kernel::Add;
use jiff::{SignedDuration, Timestamp};
use spectra_common::failure::{Exit, failure, one_line};
use spectra_common::log::{Appender, SliceRow};
use spectra_common::run::{Run, stopped};
use spectra_common::staging::{RowGroup, Writer};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::current::Current;
use crate::fetch::{End, Fetched, Fetcher, Job, Origin};
use crate::journal::{self, Half, Kept, Unfinished, Walked};
use crate::parents::Parents;
use crate::progress::Progress;
use crate::skip::{Decision, Pasts, decide};
use crate::slice::{ContentHash, Landed, Landing, record_columns};
use crate::spec::{Resource, Spec};
use crate::tree::{self, Jobs, Scope};
use crate::version::{Known, Versions};

/// Rows held back for all slices together before they are kept.
const LARGEST_PENDING_ROWS: i64 = 64 * 1024;

/// Slices that may be under way or waiting to be taken, for each that may be asked for at once: the ones behind a long
/// one go on meanwhile.
const SLICES_AHEAD: usize = 4;

/// What a walk is asked to do.
pub struct Request {
    /// Asks for slices.
    pub fetcher: Arc<Fetcher>,
    /// Slices to ask for at once.
    pub concurrency: usize,
    /// What to walk of the tree.
    pub scope: Arc<Scope>,
    /// Slices that are not whole yet, to be kept.
    pub halves: UnboundedReceiver<Half>,
    /// What must be the same for an unfinished walk to be gone on with.
    pub fingerprint: String,
    /// Whether everything is asked for, whatever is known.
    pub is_full: bool,
    /// How long slices below what has ended are left alone.
    pub recheck_closed: Option<SignedDuration>,
    /// Tables that may become empty.
    pub may_be_empty: HashSet<String>,
}

/// What is known before a walk.
pub struct Before {
    /// Versions of slices.
    pub known: Known,
    /// What an unfinished walk left.
    pub unfinished: Unfinished,
    /// The last good walks.
    pub pasts: Pasts,
    /// What the lake holds.
    pub current: Current,
}

/// A walk under way.
pub struct Walk {
    run: Arc<Run>,
    spec: Arc<Spec>,
    request: Request,
    unfinished: Unfinished,
    pasts: Pasts,
    current: Current,
    /// Versions of slices, old and new.
    pub versions: Versions,
    frames: Vec<Frame>,
    ahead: usize,
    writers: BTreeMap<String, Writer>,
    pending_rows: i64,
    fresh: Kept,
    kept_at: Instant,
    journal: Appender,
    /// Files of every slice that changed, by table.
    pub staged: BTreeMap<String, Vec<Add>>,
    touched: HashSet<(String, String)>,
    /// Walks by outcome.
    pub outcomes: BTreeMap<String, i64>,
    /// Those of them that were not asked for, because what they lie below could not be seen.
    hidden: BTreeMap<String, i64>,
    /// Slices that could not be read, named.
    pub warnings: Vec<String>,
    progress: Progress,
}

/// Slices below one parent, or the roots.
struct Frame {
    /// Begun, in order.
    begun: VecDeque<Begun>,
    /// Not begun.
    rest: Jobs,
}

/// A slice that has been begun.
enum Begun {
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
struct Task(JoinHandle<Result<Fetched>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Walk {
    /// Ready to begin, or to go on where another run stopped.
    pub fn new(run: Arc<Run>, request: Request, before: Before, release: i64) -> Self {
        let spec = request.fetcher.spec.clone();
        let progress = Progress::new(&run.progress, &spec, &before.known);
        let journal = Appender::new(&run.lake, "slice");
        let ahead = if request.concurrency > 1 { request.concurrency * SLICES_AHEAD } else { 1 };
        Self {
            versions: Versions::new(before.known, release, &run.id),
            staged: before.unfinished.staged.clone(),
            unfinished: before.unfinished,
            pasts: before.pasts,
            current: before.current,
            frames: Vec::new(),
            ahead,
            run,
            spec,
            request,
            writers: BTreeMap::new(),
            pending_rows: 0,
            fresh: Kept::default(),
            kept_at: Instant::now(),
            journal,
            touched: HashSet::new(),
            outcomes: BTreeMap::new(),
            hidden: BTreeMap::new(),
            warnings: Vec::new(),
            progress,
        }
    }

    /// Requests sent so far.
    pub fn request_count(&self) -> i64 {
        match &self.request.fetcher.origin {
            Origin::Api(client) => client.request_count(),
            Origin::Files(_) => 0,
        }
    }

    /// Walks everything. What is complete is kept, whatever the end.
    ///
    /// # Errors
    /// When the API is unavailable, refuses the credentials, the run is asked to stop, or the walk has too many holes
    /// to be published.
    pub async fn go(&mut self) -> Result<()> {
        let result = self.all().await;
        // Those ahead are given up before anything is said about them.
        self.frames.clear();
        self.fresh.halves.extend(std::iter::from_fn(|| self.request.halves.try_recv().ok()));
        self.progress.finish();
        let result = result.and_then(|()| {
            self.find_gone();
            self.gate()
        });
        let kept = self.keep().await;
        match (result, kept) {
            (Err(error), Err(lost)) => {
                warn!("the walk so far could not be kept: {}", one_line(&lost));
                Err(error)
            }
            (Err(error), Ok(())) => Err(error),
            (Ok(()), kept) => kept,
        }
    }

    async fn all(&mut self) -> Result<()> {
        self.frames.push(Frame { begun: VecDeque::new(), rest: tree::roots(&self.spec) });
        while let Some(begun) = self.next() {
            if self.run.stop.is_cancelled() {
                return Err(stopped());
            }
            self.take(begun).await?;
        }
        Ok(())
    }

    /// The next slice in order, once as many as allowed have been begun.
    fn next(&mut self) -> Option<Begun> {
        loop {
            let mut under_way: usize = self.frames.iter().map(|frame| frame.begun.len()).sum();
            for at in (0..self.frames.len()).rev() {
                while under_way < self.ahead {
                    let Some(job) = self.frames[at].rest.next() else { break };
                    let begun = self.begin(job);
                    self.frames[at].begun.push_back(begun);
                    under_way += 1;
                }
            }
            let frame = self.frames.last_mut()?;
            match frame.begun.pop_front() {
                Some(begun) => return Some(begun),
                None => {
                    self.frames.pop();
                }
            }
        }
    }

    fn begin(&mut self, job: Result<Job>) -> Begun {
        let mut job = match job {
            Ok(job) => job,
            Err(error) => return Begun::Broken(error),
        };
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
        let task = tokio::spawn(self.request.fetcher.clone().fetch(job.clone()));
        Begun::Asked(job, Task(task))
    }

    async fn take(&mut self, begun: Begun) -> Result<()> {
        let (job, walked, parents) = match begun {
            Begun::Broken(error) => return Err(error),
            Begun::Resumed(job, mut walked) => {
                self.log(SliceRow {
                    row_count: walked.row_count,
                    content_hash: Some(walked.content_hash.clone()),
                    message: Some(format!("walked by run {}", walked.run_id)),
                    walked_at: walked.walked_at.to_string(),
                    ..row(&job, "resumed")
                });
                let parents = Parents::of(std::mem::take(&mut walked.parents));
                (job, walked, parents)
            }
            Begun::Skipped(job, reason) => {
                self.skip(&job, &reason);
                return Ok(());
            }
            Begun::Empty(job, reason) => {
                let walked = Walked {
                    resource: job.table().to_owned(),
                    slice_key: job.key(),
                    run_id: self.run.id.clone(),
                    content_hash: ContentHash::default().text(),
                    row_count: 0,
                    walked_at: Timestamp::now(),
                    is_partial: false,
                    parents: Vec::new(),
                };
                let is_same = self.versions.is_same(&walked.resource, &walked.slice_key, &walked.content_hash);
                let outcome = if is_same { "unchanged" } else { "complete" };
                let content_hash = Some(walked.content_hash.clone());
                self.log(SliceRow { content_hash, message: Some(reason), ..row(&job, outcome) });
                self.fresh.walked.push(walked.clone());
                (job, walked, Parents::default())
            }
            Begun::Asked(job, task) => {
                let fetched = self.fetched(task).await?;
                match self.land(&job, fetched).await? {
                    Some((walked, parents)) => (job, walked, parents),
                    None => return Ok(()),
                }
            }
        };
        self.touched.insert((walked.resource.clone(), walked.slice_key.clone()));
        self.versions.complete(&walked);
        self.keep_if_due().await?;
        let rest = tree::below(&self.spec, &self.request.scope, &job, parents, self.run.started_at)?;
        self.frames.push(Frame { begun: VecDeque::new(), rest });
        Ok(())
    }

    /// Waits for a slice, however long it takes, and meanwhile keeps what was walked before it and what slices that are
    /// not whole yet have so far.
    async fn fetched(&mut self, mut task: Task) -> Result<Fetched> {
        loop {
            let due = tokio::time::Instant::from_std(self.kept_at + self.request.fetcher.checkpoint);
            tokio::select! {
                ended = &mut task.0 => return ended.context("a slice was given up")?,
                Some(half) = self.request.halves.recv() => {
                    self.fresh.halves.push(half);
                    self.keep().await?;
                }
                () = tokio::time::sleep_until(due), if !self.fresh.rows.is_empty() => self.keep().await?,
            }
        }
    }

    /// Lands what became of a slice; says what lies below it, if it is complete.
    async fn land(&mut self, job: &Job, fetched: Fetched) -> Result<Option<(Walked, Parents)>> {
        let Fetched { walked_at, duration_ms, tally, end } = fetched;
        let table = job.table().to_owned();
        let slice_key = job.key();
        let mut row = SliceRow {
            request_count: tally.cost.request_count,
            page_count: tally.page_count,
            byte_count: tally.cost.byte_count,
            declared_total: tally.total,
            duration_ms,
            http_status: tally.cost.status.map(i32::from),
            walked_at: walked_at.to_string(),
            ..row(job, "complete")
        };
        let (landing, parents) = match end {
            End::Complete(landing, parents) => (landing, parents),
            End::Forbidden(reason) => {
                self.log(SliceRow { outcome: "forbidden".to_owned(), message: Some(reason.clone()), ..row });
                self.unseen(&job.resource, &table, &slice_key, "forbidden", &reason)?;
                return Ok(None);
            }
            End::Failed(reason) => {
                self.log(SliceRow { outcome: "failed".to_owned(), message: Some(reason.clone()), ..row });
                self.unseen(&job.resource, &table, &slice_key, "failed", &reason)?;
                return Ok(None);
            }
        };
        let content_hash = landing.content_hash();
        let run_id = landing.run_id().to_owned();
        let row_count = landing.row_count;
        let is_partial = job.since.is_some();
        let is_same = match (is_partial, landing.held()) {
            (false, _) => self.versions.is_same(&table, &slice_key, &content_hash),
            (true, Some(records)) if row_count > 0 => self.current.holds(&table, &slice_key, records).await?,
            (true, _) => row_count == 0,
        };
        // What is there already is no news, however often the overlap brings it.
        let row_count = if is_partial && is_same { 0 } else { row_count };
        if is_partial {
            row.message = job.since.map(|since| format!("only what changed since {since}"));
        }
        row.row_count = landing.row_count;
        row.content_hash = (!is_partial).then(|| content_hash.clone());
        row.outcome = match (is_partial, is_same) {
            (true, _) => "partial",
            (false, true) => "unchanged",
            (false, false) => "complete",
        }
        .to_owned();
        if is_same {
            landing.drop_rows().await?;
        } else {
            self.write(&table, landing).await?;
        }
        self.log(row);
        let few = parents.few().map(<[_]>::to_vec);
        let is_resumable = few.is_some();
        let mut walked = Walked {
            resource: table,
            slice_key,
            run_id,
            content_hash,
            row_count,
            walked_at,
            is_partial,
            parents: few.unwrap_or_default(),
        };
        if is_resumable {
            self.fresh.walked.push(walked.clone());
        }
        walked.parents.clear();
        Ok(Some((walked, parents)))
    }

    /// Writes the rows of a changed slice.
    async fn write(&mut self, table: &str, landing: Landing) -> Result<()> {
        let row_count = landing.row_count;
        match landing.keep().await? {
            Landed::Spilled(adds) => self.fresh.staged.entry(table.to_owned()).or_default().extend(adds),
            Landed::Held(batches) => {
                if !self.writers.contains_key(table) {
                    let store = self.run.lake.log_store("source", table)?;
                    self.writers.insert(table.to_owned(), Writer::new(&store, &record_columns()?, RowGroup::Wide));
                }
                let writer = self.writers.get_mut(table).context("a writer has gone")?;
                for batch in &batches {
                    writer.write(batch).await?;
                }
                self.pending_rows += row_count;
            }
        }
        Ok(())
    }

    /// A slice that is not asked for stays as it is, and so does all that lies below it.
    fn skip(&mut self, job: &Job, reason: &str) {
        self.log(SliceRow { message: Some(reason.to_owned()), ..row(job, "skipped") });
        let (table, key) = (job.table().to_owned(), job.key());
        for (table, below) in self.below(&job.resource, &key) {
            self.log(SliceRow {
                resource: table.clone(),
                slice_key: below.clone(),
                message: Some(format!("lies below {key}: {reason}")),
                ..row(job, "skipped")
            });
            self.touched.insert((table, below));
        }
        self.touched.insert((table, key));
    }

    /// A slice that cannot be seen keeps its rows and its age, and so does all that lies below it.
    fn unseen(&mut self, resource: &Resource, table: &str, key: &str, status: &str, reason: &str) -> Result<()> {
        self.touched.insert((table.to_owned(), key.to_owned()));
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
            *self.hidden.entry(status.to_owned()).or_default() += 1;
            self.versions.unseen(&table, &below, status, &format!("lies below {key}, which is {status}"));
            self.log(SliceRow {
                resource: table.clone(),
                slice_key: below.clone(),
                outcome: status.to_owned(),
                message: Some(format!("not asked for: lies below {key}, which is {status}")),
                walked_at: Timestamp::now().to_string(),
                ..SliceRow::default()
            });
            self.touched.insert((table, below));
        }
        Ok(())
    }

    /// Known slices below one.
    fn below(&self, resource: &Resource, key: &str) -> Vec<(String, String)> {
        let tables = self.spec.tables_below(&resource.name).into_iter();
        tables
            .flat_map(|table| self.versions.below(&table, key).into_iter().map(move |key| (table.clone(), key)))
            .collect()
    }

    /// Slices known from before that nothing leads to any more are empty now.
    fn find_gone(&mut self) {
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

    /// Refuses to publish a walk that is too full of holes to be true.
    fn gate(&mut self) -> Result<()> {
        let kept = "nothing was published; what was walked is kept for the next run";
        let count = |outcome: &str| self.outcomes.get(outcome).copied().unwrap_or(0);
        let failed = count("failed") - self.hidden.get("failed").copied().unwrap_or(0);
        let all: i64 = self.outcomes.values().sum();
        let walked = all - self.hidden.values().sum::<i64>() - count("gone") - count("skipped");
        let gate = self.spec.gate;
        if failed > i64::from(gate.failed_least) && failed * 100 > walked * i64::from(gate.failed_percent) {
            let first =
                self.warnings.iter().find(|warning| warning.contains(" is failed")).cloned().unwrap_or_default();
            return Err(failure(
                Exit::DataRefused,
                format!(
                    "{failed} of {walked} slices failed, more than the {} % that may; the first: {first}",
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

    fn log(&mut self, mut row: SliceRow) {
        row.run_id.clone_from(&self.run.id);
        self.progress.slice(&row, &self.request.fetcher.origin);
        *self.outcomes.entry(row.outcome.clone()).or_default() += 1;
        self.fresh.rows.push(row);
    }

    async fn keep_if_due(&mut self) -> Result<()> {
        if self.kept_at.elapsed() < self.request.fetcher.checkpoint && self.pending_rows < LARGEST_PENDING_ROWS {
            return Ok(());
        }
        self.keep().await
    }

    /// Closes the files in hand and records them with the slices they hold.
    async fn keep(&mut self) -> Result<()> {
        for (table, writer) in std::mem::take(&mut self.writers) {
            let adds = writer.close().await?;
            self.fresh.staged.entry(table).or_default().extend(adds);
        }
        self.pending_rows = 0;
        self.kept_at = Instant::now();
        let mut kept = std::mem::take(&mut self.fresh);
        for (table, adds) in &kept.staged {
            self.staged.entry(table.clone()).or_default().extend(adds.iter().cloned());
        }
        if kept.rows.is_empty() && kept.halves.is_empty() && kept.doubted.is_empty() {
            return Ok(());
        }
        kept.learned = self.learned();
        journal::keep(&mut self.journal, &self.run.id, &self.request.fingerprint, kept).await
    }

    /// What is known about how often servers may be asked: of this one what was found out now, of others as before.
    fn learned(&self) -> BTreeMap<String, crate::pace::Learned> {
        let mut learned = self.unfinished.learned.clone();
        if let Origin::Api(client) = &self.request.fetcher.origin
            && let Some(now) = client.pace.learned()
        {
            learned.insert(tree::host(client.base()), now);
        }
        learned
    }
}

/// A row of `log.slice` about a slice, with nothing in it yet.
fn row(job: &Job, outcome: &str) -> SliceRow {
    SliceRow {
        resource: job.table().to_owned(),
        slice_key: job.key(),
        outcome: outcome.to_owned(),
        parent_version: job.lineage.version.clone(),
        walked_at: Timestamp::now().to_string(),
        ..SliceRow::default()
    }
}
