//! A look at a slice: its first pages, by which the rest is judged. Nothing of it is landed.

use std::time::Instant;

use anyhow::Result;

use crate::body::Body;
use crate::client::{Answer, Ask, Client, Cost as Spent, Fault, Patience, Refusal};
use crate::fetch::{Fetcher, Job, ask};
use crate::page::{Ids, Page, Reader, Record};
use crate::pager::Paging;
use crate::parents::{Parent, Parents};
use crate::plan::past::Cost;
use crate::spec::{Pager, PagerKind, Stop};

/// What a look at a slice showed.
pub struct Look {
    /// What the whole slice will cost.
    pub cost: Cost,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen of a slice.
pub enum Seen {
    /// Records.
    Listed {
        /// Those that slices hang below.
        parents: Parents,
        /// Part of all records that were read; none where there are more and nobody says how many.
        share: Option<f64>,
    },
    /// The credentials may not see it.
    Forbidden(String),
    /// It could not be read.
    Failed(String),
}

/// Reads up to `most_pages` pages of a slice; `each` sees the records.
///
/// # Errors
/// When a run could not go on either.
pub async fn look(
    fetcher: &Fetcher,
    client: &Client,
    job: &Job,
    most_pages: usize,
    each: &mut (dyn FnMut(&Record) + Send),
) -> Result<Look> {
    let clock = Instant::now();
    let mut spent = Spent::default();
    let mut parents = Parents::default();
    let listed = list(fetcher, client, job, most_pages, &mut spent, &mut parents, each).await;
    let mut cost = Cost {
        requests: spent.request_count as f64,
        bytes: spent.byte_count as f64,
        ms: clock.elapsed().as_secs_f64() * 1000.0,
        ..Cost::default()
    };
    let seen = match listed {
        Ok(listed) => {
            cost.rows = listed.rows;
            if listed.pages < listed.pages_in_all {
                cost = cost * (listed.pages_in_all / listed.pages);
                cost.rows = listed.total.unwrap_or(cost.rows);
            }
            let share = match listed.total {
                Some(total) if total > listed.rows && !listed.is_whole => Some(listed.rows / total),
                _ => listed.is_whole.then_some(1.0),
            };
            Seen::Listed { parents, share }
        }
        Err(Refusal::Empty) => Seen::Listed { parents: Parents::default(), share: Some(1.0) },
        Err(Refusal::Forbidden(reason)) => Seen::Forbidden(reason),
        Err(Refusal::Skip(reason) | Refusal::Again(Fault { reason, .. })) => Seen::Failed(reason),
        Err(Refusal::Run(error)) => return Err(error),
    };
    Ok(Look { cost, seen })
}

struct Listed {
    rows: f64,
    pages: f64,
    pages_in_all: f64,
    total: Option<f64>,
    is_whole: bool,
}

async fn list(
    fetcher: &Fetcher,
    client: &Client,
    job: &Job,
    most_pages: usize,
    spent: &mut Spent,
    parents: &mut Parents,
    each: &mut (dyn FnMut(&Record) + Send),
) -> Result<Listed, Refusal> {
    let resource = job.resource.as_ref();
    let pager = fetcher.spec.pager_of(resource)?;
    let reader = Reader::new(&fetcher.spec, resource, pager);
    let size = fetcher.page_size.unwrap_or(pager.map_or(usize::MAX, |pager| pager.default_size));
    let mut paging = Paging::new(pager, size);
    let mut rows = 0;
    loop {
        let (ask, page, found) = one_page(fetcher, client, job, &reader, &paging, spent, each).await?;
        let known = paging.check(&page).map_err(Refusal::Again)?;
        rows += page.ids.len() - known;
        for parent in found.into_iter().skip(known).flatten() {
            parents.push(parent)?;
        }
        let goes_on = paging.advance(&page, &ask.url).map_err(Refusal::Again)?;
        if goes_on && paging.number() < most_pages {
            continue;
        }
        let pages = paging.number().max(1) as f64;
        let total = paging.total().map(|total| total as f64);
        let pages_in_all = match (goes_on, pager, total) {
            (false, ..) => pages,
            // A full page shows how many rows the server gives.
            (true, Some(pager), Some(total)) => page_count(pager, page.ids.len(), total).max(pages),
            (true, ..) => pages + 1.0,
        };
        return Ok(Listed { rows: rows as f64, pages, pages_in_all, total, is_whole: !goes_on });
    }
}

/// Pages of a listing of `total` rows, `size` at a time.
fn page_count(pager: &Pager, size: usize, total: f64) -> f64 {
    let size = size.max(1) as f64;
    let fresh = (size - pager.overlap as f64).max(1.0);
    let pages = 1.0 + ((total - size) / fresh).ceil().max(0.0);
    let last_is_full = total >= size && (total - size) % fresh == 0.0;
    let says_itself = matches!(pager.kind, PagerKind::Next | PagerKind::Cursor)
        || pager.stop.iter().any(|stop| matches!(stop, Stop::Total | Stop::Flag(_) | Stop::FlagFalse(_)));
    let needs_another = !says_itself && (last_is_full || !pager.stop.contains(&Stop::ShortPage));
    if needs_another { pages + 1.0 } else { pages }
}

async fn one_page(
    fetcher: &Fetcher,
    client: &Client,
    job: &Job,
    reader: &Reader<'_>,
    paging: &Paging<'_>,
    spent: &mut Spent,
    each: &mut (dyn FnMut(&Record) + Send),
) -> Result<(Ask, Page, Vec<Option<Parent>>), Refusal> {
    let ask = ask(client, job, paging)?;
    let mut patience = Patience::new(&fetcher.spec, Some(&job.resource));
    loop {
        let fault = match client.once(&fetcher.run, &ask, spent).await? {
            Ok(answer) => match read(reader, &job.ids, &answer, each) {
                Ok((page, found)) => {
                    client.pace.exchange_ended(true);
                    return Ok((ask, page, found));
                }
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        patience.after(&fetcher.run, client, &ask, fault).await?;
    }
}

/// A page with what its records say as parents; the records themselves are let go one by one.
fn read(
    reader: &Reader<'_>,
    ids: &Ids,
    answer: &Answer,
    each: &mut (dyn FnMut(&Record) + Send),
) -> Result<(Page, Vec<Option<Parent>>), Fault> {
    let mut found = Vec::new();
    let mut take = |record: Record| {
        each(&record);
        found.push(record.parent);
        Ok(())
    };
    let mut page = match &answer.body {
        Body::Memory(_) => reader.read(ids, &answer.body, &mut take)?,
        Body::File(_) => tokio::task::block_in_place(|| reader.read(ids, &answer.body, &mut take))?,
    };
    page.link.clone_from(&answer.link);
    Ok((page, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(text: &str) -> Pager {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn pages_are_counted_as_the_pager_would_ask_for_them() {
        let short = pager("kind = 'offset'\nparameter = 'o'\nsize = 's'\nstop = ['short-page']");
        for (total, expected) in [(9.0, 1.0), (10.0, 2.0), (11.0, 2.0), (20.0, 3.0), (25.0, 3.0)] {
            assert_eq!(page_count(&short, 10, total), expected, "{total}");
        }
        let overlapping = pager("kind = 'offset'\nparameter = 'o'\nsize = 's'\nstop = ['short-page']\noverlap = 1");
        for (total, expected) in [(9.0, 1.0), (10.0, 2.0), (18.0, 2.0), (19.0, 3.0)] {
            assert_eq!(page_count(&overlapping, 10, total), expected, "{total}");
        }
        let flagged = pager("kind = 'offset'\nparameter = 'o'\nstop = [{ flag = 'isLast' }]");
        let empty = pager("kind = 'page'\nparameter = 'p'\nstop = ['empty-page']");
        assert_eq!((page_count(&flagged, 10, 20.0), page_count(&empty, 10, 25.0)), (2.0, 4.0));
    }
}
