//! The walk: depth first through the resource tree. Slices may be under way at once, but they are taken in one order,
//! the order of a walk that asks for one after the other, so that rows, files and hashes are the same.

mod keeping;
mod order;
mod sight;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use deltalake::kernel::Add;
use jiff::{SignedDuration, Timestamp};
use spectra_common::failure::one_line;
use spectra_common::log::{Appender, SliceRow};
use spectra_common::run::{Run, stopped};
use spectra_common::staging::Writer;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::warn;

use crate::current::Current;
use keeping::row;
use order::{Asking, Begun, Frame};
use sight::Share;

use crate::fetch::{Fetcher, Origin};
use crate::journal::{Half, Kept, Unfinished, Walked};
use crate::parents::Parents;
use crate::progress::Progress;
use crate::skip::Pasts;
use crate::slice::ContentHash;
use crate::spec::Spec;
use crate::tree::{self, Scope};
use crate::version::{Known, Versions};

/// Slices of one level that may be begun and not taken, for each that may be asked for at once: the ones behind a long
/// one go on meanwhile.
const SLICES_AHEAD: usize = 16;

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
    /// Slices of one level that may be begun and not taken.
    ahead: usize,
    asking: Asking,
    writers: BTreeMap<String, Writer>,
    pending_rows: i64,
    fresh: Kept,
    kept_at: Instant,
    journal: Appender,
    /// Files of every slice that changed, by table.
    pub staged: BTreeMap<String, Vec<Add>>,
    /// Takes the rows of `source.slice`, which nobody sees before the release.
    found: Option<Writer>,
    found_rows: usize,
    /// Files of such rows that are closed.
    found_files: Vec<Add>,
    touched: HashSet<(String, String)>,
    /// Walks by outcome.
    pub outcomes: BTreeMap<String, i64>,
    /// Ids of the scope that were come across.
    met: HashSet<String>,
    /// How much of each table failed; what lies below something that failed was not asked for and does not count.
    shares: BTreeMap<String, Share>,
    /// Slices that could not be read, named.
    pub warnings: Vec<String>,
    progress: Progress,
}

impl Walk {
    /// Ready to begin, or to go on where another run stopped.
    pub fn new(run: Arc<Run>, request: Request, before: Before, release: i64) -> Self {
        let spec = request.fetcher.spec.clone();
        let progress = Progress::new(&run.progress, &spec, &before.known);
        let journal = Appender::new(&run.lake, "slice");
        let ahead = request.concurrency * SLICES_AHEAD;
        Self {
            versions: Versions::new(before.known, release, &run.id),
            staged: before.unfinished.staged.clone(),
            unfinished: before.unfinished,
            pasts: before.pasts,
            current: before.current,
            frames: Vec::new(),
            ahead,
            asking: Asking::default(),
            run,
            spec,
            request,
            writers: BTreeMap::new(),
            pending_rows: 0,
            fresh: Kept::default(),
            kept_at: Instant::now(),
            journal,
            found: None,
            found_rows: 0,
            found_files: Vec::new(),
            touched: HashSet::new(),
            outcomes: BTreeMap::new(),
            met: HashSet::new(),
            shares: BTreeMap::new(),
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
            self.find_missed();
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
        self.touch(&walked.resource, &walked.slice_key);
        self.shares.entry(walked.resource.clone()).or_default().walked += 1;
        self.versions.complete(&walked);
        self.keep_if_due().await?;
        let rest = tree::below(&self.spec, &self.request.scope, &job, parents, self.run.started_at)?;
        self.frames.push(Frame { begun: VecDeque::new(), rest });
        Ok(())
    }
}
