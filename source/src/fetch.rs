//! One slice, asked for page after page until it is whole: nothing here knows of other slices, so that several can be
//! under way at once.

mod ask;
mod from_files;
mod probe;

pub(crate) use ask::ask;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use spectra_common::run::{Run, stopped};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{info, warn};

use crate::body::Body;
use crate::client::{Answer, Ask, Client, Cost, Fault, Patience, Refusal, refuse};
use crate::files::Files;
use crate::journal::Half;
use crate::page::{Ids, Page, Reader, Record};
use crate::pager::{Paging, Position};
use crate::parents::Parents;
use crate::skip::Lineage;
use crate::slice::{Landing, key};
use crate::spec::{Incident, Resource, Spec, Then};

/// Records of a large page landed at a time.
const RECORDS_AT_A_TIME: usize = 1_000;

/// And so many bytes of them, unless one alone has more.
const BYTES_AT_A_TIME: usize = 4 << 20;

/// Fewest rows asked for, however slow the server.
const LEAST_PAGE_SIZE: usize = 10;

/// Good pages after which a page size that was lowered is doubled again.
const GOOD_PAGES_TO_GROW: usize = 5;

/// A slice to be asked for.
#[derive(Clone)]
pub struct Job {
    /// What kind of thing it lists.
    pub resource: Arc<Resource>,
    /// Under whom.
    pub ids: Ids,
    /// What its ancestors' records say about it.
    pub lineage: Lineage,
    /// Only what changed since then.
    pub since: Option<Timestamp>,
    /// What another run has of it.
    pub half: Option<Half>,
}

impl Job {
    /// The table it lands in.
    pub fn table(&self) -> &str {
        self.resource.table.as_deref().unwrap_or_default()
    }

    /// Its key.
    pub fn key(&self) -> String {
        key(&self.ids)
    }
}

/// Where answers come from.
pub enum Origin {
    /// An API, or a recording of one.
    Api(Box<Client>),
    /// Files.
    Files(Files),
}

/// Asks for slices.
pub struct Fetcher {
    /// The run it asks for.
    pub run: Arc<Run>,
    /// The API.
    pub spec: Arc<Spec>,
    /// Where answers come from.
    pub origin: Origin,
    /// Rows per page, where not the pager's own default.
    pub page_size: Option<usize>,
    /// Bytes of one slice held in memory before they go to a file.
    pub largest_held_bytes: usize,
    /// Bytes of all slices held in memory.
    pub all_held: Arc<AtomicUsize>,
    /// Longest time between two points a killed run can be gone on from.
    pub checkpoint: Duration,
    /// Takes slices that are not whole yet, to be kept.
    pub halves: UnboundedSender<Half>,
    /// Page sizes lowered because pages were too heavy, by resource, with the good pages since.
    pub sizes: Mutex<HashMap<String, (usize, usize)>>,
}

/// What became of a slice.
pub struct Fetched {
    /// When the walk began.
    pub walked_at: Timestamp,
    /// How long it took.
    pub duration_ms: i64,
    /// What it cost.
    pub tally: Tally,
    /// How it ended.
    pub end: End,
}

/// How the walk of a slice ended.
pub enum End {
    /// Whole.
    Complete(Box<Landing>, Parents),
    /// Not to be seen.
    Forbidden(String),
    /// Not to be had.
    Failed(String),
}

/// Counts of a slice's walk.
#[derive(Default)]
pub struct Tally {
    /// Of its requests.
    pub cost: Cost,
    /// Pages received.
    pub page_count: i64,
    /// Rows the server declared.
    pub total: Option<i64>,
}

impl Fetcher {
    /// Walks one slice, and again where rows moved meanwhile.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub async fn fetch(self: Arc<Self>, job: Job) -> Result<Fetched> {
        let clock = Instant::now();
        let mut walked_at = Timestamp::now();
        let mut tally = Tally::default();
        // What another run began may no longer fit, which is no walk of this one.
        let mut walk = if job.half.is_some() { 0 } else { 1 };
        let mut half = job.half.clone();
        let end = loop {
            let mut landing = self.landing(&job)?;
            let mut position = None;
            if let Some(half) = half.take() {
                landing = landing.resume(&half.begun, self.run.settings.memory).await?;
                position = Some(half.position);
            }
            let mut parents = Parents::default();
            let result = match &self.origin {
                Origin::Api(client) => self.pages(client, &job, position, &mut landing, &mut parents, &mut tally).await,
                Origin::Files(files) => self.files(files, &job, &mut landing, &mut parents, &mut tally).await,
            };
            let refusal = match result {
                Ok(()) => {
                    walked_at = landing.begun_at();
                    break End::Complete(Box::new(landing), parents);
                }
                Err(Refusal::Run(error)) => {
                    landing.leave().await;
                    return Err(error);
                }
                Err(refusal) => refusal,
            };
            landing.drop_rows().await?;
            let refusal = match refusal {
                Refusal::Again(fault) if walk < self.spec.retry.walks => {
                    warn!(resource = job.table(), slice = job.key(), "{}: walking the slice again", fault.reason);
                    walk += 1;
                    let longest = self.spec.retry.first_wait_ms;
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest))) => continue,
                        () = self.run.stop.cancelled() => return Err(stopped()),
                    }
                }
                Refusal::Again(fault) => {
                    let rule = self.spec.rule_for(Some(&job.resource), fault.incident, &fault.reason);
                    let walks = if walk > 1 { format!(" ({walk} walks)") } else { String::new() };
                    refuse(rule.at_last(), &fault, format!("{}{walks}", fault.reason))
                }
                other => other,
            };
            match refusal {
                Refusal::Forbidden(reason) => break End::Forbidden(reason),
                Refusal::Skip(reason) => break End::Failed(reason),
                Refusal::Again(fault) => break End::Failed(fault.reason),
                Refusal::Run(error) => return Err(error),
                // The policy takes what went wrong as an empty listing.
                Refusal::Empty => {
                    break End::Complete(Box::new(self.landing(&job)?), Parents::default());
                }
            }
        };
        let duration_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(Fetched { walked_at, duration_ms, tally, end })
    }

    fn landing(&self, job: &Job) -> Result<Landing> {
        Landing::new(&self.run.lake, job.table(), job.key(), &self.run.id, self.largest_held_bytes, &self.all_held)
    }

    async fn pages(
        &self,
        client: &Client,
        job: &Job,
        position: Option<Position>,
        landing: &mut Landing,
        parents: &mut Parents,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        let resource = job.resource.as_ref();
        let pager = self.spec.pager_of(resource)?;
        let reader = Reader::new(&self.spec, resource, pager);
        let default_size = pager.map_or(usize::MAX, |pager| pager.default_size);
        let mut paging = match position {
            Some(position) => Paging::resume(pager, position),
            None => Paging::new(pager, self.page_size_of(resource, default_size)),
        };
        let mut kept_at = Instant::now();
        loop {
            let (ask, page, body, records) = match self.page(client, job, &reader, &mut paging, tally).await {
                // Rows that came before are not all there are, only because the next page is called empty.
                Err(Refusal::Empty) if landing.row_count > 0 => {
                    let reason = format!("page {} is called empty after others that were not", paging.number());
                    return Err(Refusal::Skip(reason));
                }
                result => result?,
            };
            let spoiled = |fault: Fault| self.spoiled(resource, &ask, fault);
            let known = paging.check(&page).map_err(spoiled)?;
            tally.page_count += 1;
            tally.total = paging.total();
            let number = i32::try_from(paging.number()).context("a listing has more pages than can be counted")?;
            let mut sink = Sink { landing: &mut *landing, parents: &mut *parents, page: number, ordinal: 0 };
            let moved = match records {
                Some(records) => sink.take(records.into_iter().skip(known).collect()).await?,
                None => take_from_disk(&reader, &job.ids, &body, known, sink)?,
            };
            if let Some(id) = moved {
                let reason = format!("rows moved while they were being listed: record {id} came twice");
                return Err(spoiled(Fault::new(Incident::MovedRows, reason)));
            }
            if !paging.advance(&page, &ask.url).map_err(spoiled)? {
                return paging.finish(landing.row_count).map_err(spoiled);
            }
            if let Some(size) = self.grown(resource, &paging) {
                paging.resize(size);
            }
            // Parents are not in the files, so a listing of parents is asked for from its beginning.
            let may_be_kept = resource.key.is_none() && job.since.is_none();
            if may_be_kept
                && kept_at.elapsed() >= self.checkpoint
                && let Some(begun) = landing.begun().await?
            {
                kept_at = Instant::now();
                let (resource, slice_key) = (job.table().to_owned(), job.key());
                let half = Half { resource, slice_key, begun, position: paging.position().clone() };
                // Nobody takes it only where the walk has ended.
                let _ = self.halves.send(half);
            }
            if self.run.stop.is_cancelled() {
                return Err(Refusal::Run(stopped()));
            }
        }
    }

    /// One page, tried until it is there. Records of a large body stay on disk.
    async fn page(
        &self,
        client: &Client,
        job: &Job,
        reader: &Reader<'_>,
        paging: &mut Paging<'_>,
        tally: &mut Tally,
    ) -> Result<(Ask, Page, Body, Option<Vec<Record>>), Refusal> {
        let mut patience = Patience::new(&self.spec, Some(&job.resource));
        loop {
            let ask = ask(client, job, paging)?;
            let fault = match client.once(&self.run, &ask, &mut tally.cost).await? {
                Ok(answer) => match read(reader, &job.ids, answer) {
                    Ok((page, body, records)) => {
                        client.pace.exchange_ended(true);
                        return Ok((ask, page, body, records));
                    }
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            let is_heavy = matches!(fault.incident, Incident::Timeout | Incident::TooLarge | Incident::Status(504));
            if is_heavy {
                self.shrink(&job.resource, paging);
            }
            patience.after(&self.run, client, &ask, fault).await?;
        }
    }

    fn spoiled(&self, resource: &Resource, ask: &Ask, fault: Fault) -> Refusal {
        let fault = Fault { reason: format!("asking {}: {}", ask.url, fault.reason), ..fault };
        match self.spec.rule_for(Some(resource), fault.incident, &fault.reason).then {
            Then::Retry => Refusal::Again(fault),
            then => refuse(then, &fault, fault.reason.clone()),
        }
    }

    fn page_size_of(&self, resource: &Resource, default_size: usize) -> usize {
        let wanted = self.page_size.unwrap_or(default_size);
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(&resource.name).map_or(wanted, |(size, _)| wanted.min(*size))
    }

    fn shrink(&self, resource: &Resource, paging: &mut Paging<'_>) {
        let size = (paging.size() / 2).max(LEAST_PAGE_SIZE);
        if size < paging.size() && paging.resize(size) {
            info!(resource = resource.name, "a page was too heavy: asking for {size} rows at a time");
            let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
            sizes.insert(resource.name.clone(), (size, 0));
        }
    }

    /// The size to go on with after enough good pages, where it is another.
    fn grown(&self, resource: &Resource, paging: &Paging<'_>) -> Option<usize> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, good_pages) = sizes.get_mut(&resource.name)?;
        *good_pages += 1;
        if *good_pages < GOOD_PAGES_TO_GROW {
            return (*size != paging.size()).then_some(*size);
        }
        *size = size.saturating_mul(2);
        *good_pages = 0;
        let wanted = self.page_size.or_else(|| {
            let pager = self.spec.pager_of(resource).ok().flatten()?;
            Some(pager.default_size)
        })?;
        let size = (*size).min(wanted);
        if size == wanted {
            sizes.remove(&resource.name);
        }
        Some(size)
    }
}

/// Where the records of a page go.
struct Sink<'a> {
    landing: &'a mut Landing,
    parents: &'a mut Parents,
    page: i32,
    ordinal: usize,
}

impl Sink<'_> {
    /// Takes records; says which one came before, if any did.
    async fn take(&mut self, mut records: Vec<Record>) -> Result<Option<String>> {
        let twice = self.landing.take(self.page, self.ordinal, &records, Timestamp::now()).await?;
        self.ordinal += records.len();
        for record in &mut records {
            if let Some(parent) = record.parent.take() {
                self.parents.push(parent)?;
            }
        }
        Ok(twice)
    }
}

fn read(reader: &Reader<'_>, ids: &Ids, answer: Answer) -> Result<(Page, Body, Option<Vec<Record>>), Fault> {
    let Answer { body, link } = answer;
    let (mut page, records) = match &body {
        Body::Memory(_) => {
            let mut records = Vec::new();
            let page = reader.read(ids, &body, &mut |record| {
                records.push(record);
                Ok(())
            })?;
            (page, Some(records))
        }
        // Read to the end before anything is landed: what cannot be whole must leave nothing behind.
        Body::File(_) => (tokio::task::block_in_place(|| reader.read(ids, &body, &mut |_| Ok(())))?, None),
    };
    page.link = link;
    Ok((page, body, records))
}

fn take_from_disk(
    reader: &Reader<'_>,
    ids: &Ids,
    body: &Body,
    known: usize,
    mut sink: Sink<'_>,
) -> Result<Option<String>> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut twice = None;
        let mut failed = None;
        let mut left = known;
        let mut records = Vec::with_capacity(RECORDS_AT_A_TIME);
        let mut bytes = 0;
        let mut land = |records: Vec<Record>| match runtime.block_on(sink.take(records)) {
            Ok(None) => Ok(()),
            Ok(Some(id)) => {
                twice = Some(id);
                Err(Fault::new(Incident::MovedRows, ""))
            }
            Err(error) => {
                failed = Some(error);
                Err(Fault::new(Incident::MovedRows, ""))
            }
        };
        let read = reader.read(ids, body, &mut |record| {
            if left > 0 {
                left -= 1;
                return Ok(());
            }
            bytes += record.payload.get().len();
            records.push(record);
            if records.len() < RECORDS_AT_A_TIME && bytes < BYTES_AT_A_TIME {
                return Ok(());
            }
            bytes = 0;
            land(std::mem::replace(&mut records, Vec::with_capacity(RECORDS_AT_A_TIME)))
        });
        let landed = read.and_then(|_| land(records));
        match (failed, twice, landed) {
            (Some(error), ..) => Err(error),
            (None, Some(id), _) => Ok(Some(id)),
            (None, None, Ok(())) => Ok(None),
            (None, None, Err(fault)) => Err(anyhow::anyhow!("reading a page again from disk: {}", fault.reason)),
        }
    })
}
