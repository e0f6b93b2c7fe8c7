//! The walk: depth first through the resource tree, one slice after the other, one page after the other.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use deltalake::kernel::Add;
use futures::future::BoxFuture;
use indicatif::ProgressBar;
use jiff::Timestamp;
use spectra_common::failure::{Exit, failure, one_line};
use spectra_common::log::{Appender, SliceRow};
use spectra_common::run::{Run, stopped};
use spectra_common::staging::{RowGroup, Writer};
use tracing::warn;

use crate::client::{Client, Cost, Refusal};
use crate::journal::{self, Parent, Unfinished, Walked};
use crate::page::{self, Ids};
use crate::slice::{self, Landed, Landing, record_columns};
use crate::spec::{self, Resource, Spec, fill, id_text};
use crate::version::{Known, Versions};

/// Rows held back for all slices together before they are kept.
const LARGEST_PENDING_ROWS: i64 = 64 * 1024;

/// What a walk is asked to do.
pub struct Request {
    /// The API.
    pub spec: Arc<Spec>,
    /// The conversation with it.
    pub client: Client,
    /// Rows per page, where not the pager's own default.
    pub page_size: Option<usize>,
    /// Ids of the scope to walk; empty for all.
    pub scope: HashSet<String>,
    /// Longest time between two points a killed run can be gone on from.
    pub checkpoint: Duration,
    /// What must be the same for an unfinished walk to be gone on with.
    pub fingerprint: String,
}

/// A walk under way.
pub struct Walk {
    run: Arc<Run>,
    request: Request,
    unfinished: Unfinished,
    /// Versions of slices, old and new.
    pub versions: Versions,
    writers: BTreeMap<String, Writer>,
    pending_rows: i64,
    fresh: BTreeMap<String, Vec<Add>>,
    fresh_rows: Vec<SliceRow>,
    fresh_walked: Vec<Walked>,
    kept_at: Instant,
    journal: Appender,
    /// Files of every slice that changed, by table.
    pub staged: BTreeMap<String, Vec<Add>>,
    touched: HashSet<(String, String)>,
    /// Walks by outcome.
    pub outcomes: BTreeMap<String, i64>,
    /// Requests sent.
    pub request_count: i64,
    /// Slices that could not be read, named.
    pub warnings: Vec<String>,
    bar: ProgressBar,
}

/// How one slice ended.
enum End {
    Complete(Walked, &'static str),
    Forbidden,
    Failed(String),
}

impl Walk {
    /// Ready to begin, or to go on where another run stopped.
    pub fn new(run: Arc<Run>, request: Request, known: Known, unfinished: Unfinished, release: i64) -> Self {
        let bar = run.progress.bar("source", None);
        let journal = Appender::new(&run.lake, "slice");
        Self {
            versions: Versions::new(known, release, &run.id),
            staged: unfinished.staged.clone(),
            unfinished,
            run,
            request,
            writers: BTreeMap::new(),
            pending_rows: 0,
            fresh: BTreeMap::new(),
            fresh_rows: Vec::new(),
            fresh_walked: Vec::new(),
            kept_at: Instant::now(),
            journal,
            touched: HashSet::new(),
            outcomes: BTreeMap::new(),
            request_count: 0,
            warnings: Vec::new(),
            bar,
        }
    }

    /// Walks everything. What is complete is kept, whatever the end.
    ///
    /// # Errors
    /// When the API is unavailable, refuses the credentials, or the run is asked to stop.
    pub async fn go(&mut self) -> Result<()> {
        let result = self.roots().await;
        self.bar.finish_and_clear();
        if result.is_ok() {
            self.find_gone();
        }
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

    async fn roots(&mut self) -> Result<()> {
        self.probe().await?;
        let spec = self.request.spec.clone();
        for resource in spec.roots() {
            self.slice(resource, Ids::new()).await?;
        }
        Ok(())
    }

    async fn probe(&mut self) -> Result<()> {
        let Some(path) = self.request.spec.probe.clone() else { return Ok(()) };
        let url = self.request.client.url(&path, &[]);
        let mut cost = Cost::default();
        let answer = self.request.client.get(&self.run, &url, &mut cost).await;
        self.request_count += cost.request_count;
        let hint = format!("check --api-url: it must be the root of a {} server", self.request.spec.name);
        match answer {
            Ok(answer) if serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok() => Ok(()),
            Ok(_) => Err(failure(
                Exit::Configuration,
                format!("asking {url}: the answer is not JSON but a web page or empty"),
                hint,
            )),
            Err(Refusal::Run(error)) => Err(error),
            Err(Refusal::Forbidden) => Err(failure(
                Exit::NotAuthorised,
                format!("asking {url}: 403, the credentials are not allowed to use this API"),
                "check the rights of the user the token belongs to",
            )),
            Err(Refusal::Slice(message)) => Err(failure(Exit::Configuration, message, hint)),
        }
    }

    fn slice<'a>(&'a mut self, resource: &'a Resource, ids: Ids) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.run.stop.is_cancelled() {
                return Err(stopped());
            }
            let table = resource.table.clone().context("a resource without a table was walked")?;
            let key = slice::key(&ids);
            self.bar.inc(1);
            self.bar.set_message(format!("{table} {key}"));
            self.touched.insert((table.clone(), key.clone()));
            let end = match self.unfinished.walked.remove(&(table.clone(), key.clone())) {
                Some(walked) => {
                    self.log(SliceRow {
                        resource: table.clone(),
                        slice_key: key.clone(),
                        outcome: "resumed".to_owned(),
                        row_count: walked.row_count,
                        content_hash: Some(walked.content_hash.clone()),
                        message: Some(format!("walked by run {}", walked.run_id)),
                        walked_at: walked.walked_at.to_string(),
                        ..SliceRow::default()
                    });
                    End::Complete(walked, "resumed")
                }
                None => self.walk(resource, &table, &key, &ids).await?,
            };
            match end {
                End::Complete(walked, outcome) => {
                    self.versions.complete(&walked);
                    let parents = walked.parents.clone();
                    if outcome != "resumed" {
                        self.fresh_walked.push(walked);
                    }
                    self.keep_if_due().await?;
                    self.children(resource, &ids, parents).await
                }
                End::Forbidden => self.unseen(resource, &table, &key, "forbidden", "403: the token may not see it"),
                End::Failed(reason) => self.unseen(resource, &table, &key, "failed", &reason),
            }
        })
    }

    async fn children(&mut self, resource: &Resource, ids: &Ids, parents: Vec<Parent>) -> Result<()> {
        let spec = self.request.spec.clone();
        let Some(key) = &resource.key else { return Ok(()) };
        for parent in parents {
            if spec.scope.as_ref() == Some(key)
                && !self.request.scope.is_empty()
                && !self.request.scope.contains(&id_text(&parent.id))
            {
                continue;
            }
            let mut below = ids.clone();
            below.push((key.clone(), parent.id));
            for child in spec.children(&resource.name) {
                if child.inside.is_none() {
                    self.slice(child, below.clone()).await?;
                    continue;
                }
                let Some(child_key) = &child.key else { continue };
                let inside = parent.inside.iter().find(|(name, _)| name == &child.name);
                for id in inside.iter().flat_map(|(_, list)| list) {
                    let mut deeper = below.clone();
                    deeper.push((child_key.clone(), id.clone()));
                    for grandchild in spec.children(&child.name) {
                        self.slice(grandchild, deeper.clone()).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A slice that cannot be seen keeps its rows and its age, and so does all that lies below it.
    fn unseen(&mut self, resource: &Resource, table: &str, key: &str, status: &str, reason: &str) -> Result<()> {
        let is_root = resource.parent.is_none() && self.request.spec.children(&resource.name).next().is_some();
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
        let below: Vec<(String, String)> = self
            .request
            .spec
            .tables_below(&resource.name)
            .into_iter()
            .flat_map(|table| self.versions.below(&table, key).into_iter().map(move |key| (table.clone(), key)))
            .collect();
        for (table, below) in below {
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

    /// Slices known from before that nothing leads to any more are empty now.
    fn find_gone(&mut self) {
        let tables: Vec<String> = self.request.spec.tables().map(ToOwned::to_owned).collect();
        for table in tables {
            for key in self.versions.below(&table, "") {
                let is_outside = !self.request.scope.is_empty() && !self.in_scope(&key);
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

    fn in_scope(&self, key: &str) -> bool {
        let ids: Option<serde_json::Value> = serde_json::from_str(key).ok();
        let scope = self.request.spec.scope.as_deref().unwrap_or_default();
        ids.and_then(|ids| ids.get(scope).map(id_text)).is_some_and(|id| self.request.scope.contains(&id))
    }

    /// Walks one slice, page after page.
    async fn walk(&mut self, resource: &Resource, table: &str, key: &str, ids: &Ids) -> Result<End> {
        let clock = Instant::now();
        let walked_at = Timestamp::now();
        let mut landing = Landing::new(&self.run.lake, table, key.to_owned(), &self.run.id)?;
        let mut tally = Tally::default();
        let result = self.pages(resource, ids, &mut landing, &mut tally).await;
        self.request_count += tally.cost.request_count;
        let content_hash = landing.content_hash();
        let row_count = landing.row_count;
        let mut row = SliceRow {
            run_id: String::new(),
            resource: table.to_owned(),
            slice_key: key.to_owned(),
            outcome: String::new(),
            request_count: tally.cost.request_count,
            page_count: tally.page_count,
            row_count,
            byte_count: tally.cost.byte_count,
            content_hash: None,
            declared_total: tally.total,
            duration_ms: i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX),
            http_status: tally.cost.status.map(i32::from),
            message: None,
            walked_at: walked_at.to_string(),
        };
        let end = match result {
            Ok(parents) => {
                let outcome = if self.versions.is_same(table, key, &content_hash) { "unchanged" } else { "complete" };
                row.outcome = outcome.to_owned();
                row.content_hash = Some(content_hash.clone());
                if outcome == "complete" {
                    self.land(table, landing).await?;
                } else {
                    landing.drop_rows().await?;
                }
                let run_id = self.run.id.clone();
                let resource = table.to_owned();
                End::Complete(
                    Walked { resource, slice_key: key.to_owned(), run_id, content_hash, row_count, walked_at, parents },
                    outcome,
                )
            }
            Err(Refusal::Forbidden) => {
                landing.drop_rows().await?;
                row.outcome = "forbidden".to_owned();
                End::Forbidden
            }
            Err(Refusal::Slice(reason)) => {
                landing.drop_rows().await?;
                row.outcome = "failed".to_owned();
                row.message = Some(reason.clone());
                End::Failed(reason)
            }
            Err(Refusal::Run(error)) => {
                landing.drop_rows().await?;
                return Err(error);
            }
        };
        self.log(row);
        Ok(end)
    }

    async fn pages(
        &mut self,
        resource: &Resource,
        ids: &Ids,
        landing: &mut Landing,
        tally: &mut Tally,
    ) -> std::result::Result<Vec<Parent>, Refusal> {
        let spec = self.request.spec.clone();
        let pager = spec.pager_of(resource)?;
        let path = fill(resource.path.as_deref().unwrap_or_default(), ids, spec::segment);
        let is_parent = spec.children(&resource.name).next().is_some();
        let size = pager.map_or(usize::MAX, |pager| self.request.page_size.unwrap_or(pager.default_size));
        let mut parents = Vec::new();
        let mut offset = 0;
        let mut first_before: Option<serde_json::Value> = None;
        for number in 0.. {
            let mut query: Vec<(String, String)> =
                resource.query.iter().map(|(name, text)| (name.clone(), fill(text, ids, str::to_owned))).collect();
            if let Some(pager) = pager {
                query.push((pager.offset.clone(), offset.to_string()));
                query.push((pager.size.clone(), size.to_string()));
            }
            let url = self.request.client.url(&path, &query);
            let answer = self.request.client.get(&self.run, &url, &mut tally.cost).await?;
            let named = |reason: String| Refusal::Slice(format!("asking {url}: {reason}"));
            let page = page::read(&spec, resource, pager, ids, offset, &answer).map_err(named)?;
            tally.page_count += 1;
            tally.total = page.total.or(tally.total);
            let first = page.records.first().map(|record| record.id.clone());
            if first.is_some() && first == first_before {
                return Err(named(format!(
                    "the server ignored the offset: the page at row {offset} begins like the one before"
                )));
            }
            first_before = first;
            let at = Timestamp::now();
            if let Some(id) = landing.take(number, &page.records, at).await? {
                return Err(named(format!("record {id} came twice: rows moved while they were being listed")));
            }
            if is_parent {
                parents.extend(
                    page.records.iter().map(|record| Parent { id: record.id.clone(), inside: record.inside.clone() }),
                );
            }
            let count = page.records.len();
            // A server that lowered the page size says so, or its full pages would look like the last one.
            if count == 0 || count < page.size.unwrap_or(size).min(size) {
                break;
            }
            offset += count;
            if self.run.stop.is_cancelled() {
                return Err(Refusal::Run(stopped()));
            }
        }
        match tally.total {
            Some(total) if pager.is_some() && total != landing.row_count => {
                Err(Refusal::Slice(format!("the server declared {total} rows and sent {}", landing.row_count)))
            }
            _ => Ok(parents),
        }
    }

    /// Writes the rows of a changed slice.
    async fn land(&mut self, table: &str, landing: Landing) -> Result<()> {
        let row_count = landing.row_count;
        match landing.keep().await? {
            Landed::Spilled(adds) => self.fresh.entry(table.to_owned()).or_default().extend(adds),
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

    fn log(&mut self, mut row: SliceRow) {
        row.run_id.clone_from(&self.run.id);
        *self.outcomes.entry(row.outcome.clone()).or_default() += 1;
        self.fresh_rows.push(row);
    }

    async fn keep_if_due(&mut self) -> Result<()> {
        if self.kept_at.elapsed() < self.request.checkpoint && self.pending_rows < LARGEST_PENDING_ROWS {
            return Ok(());
        }
        self.keep().await
    }

    /// Closes the files in hand and records them with the slices they hold.
    async fn keep(&mut self) -> Result<()> {
        for (table, writer) in std::mem::take(&mut self.writers) {
            let adds = writer.close().await?;
            self.fresh.entry(table).or_default().extend(adds);
        }
        self.pending_rows = 0;
        self.kept_at = Instant::now();
        let rows = std::mem::take(&mut self.fresh_rows);
        let walked = std::mem::take(&mut self.fresh_walked);
        let fresh = std::mem::take(&mut self.fresh);
        for (table, adds) in &fresh {
            self.staged.entry(table.clone()).or_default().extend(adds.iter().cloned());
        }
        if rows.is_empty() {
            return Ok(());
        }
        journal::keep(&mut self.journal, &self.run.id, &self.request.fingerprint, &rows, walked, &fresh).await
    }
}

#[derive(Default)]
struct Tally {
    cost: Cost,
    page_count: i64,
    total: Option<i64>,
}
