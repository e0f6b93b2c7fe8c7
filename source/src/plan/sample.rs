//! Asks a little, to judge the rest by it: root listings that everything hangs below, and samples of what nobody knows.

use anyhow::Result;
use indicatif::ProgressBar;
use spectra_common::failure::{Exit, failure};

use super::forecast::Forecast;
use super::landing::Trial;
use super::level::Fate;
use super::look::{Look, Seen, look};
use super::past::Cost;
use crate::client::Client;
use crate::fetch::Job;
use crate::walk::{Before, Request};

/// Listings of one resource that are asked for to learn what lies below them. Parents are few and very unequal: a few
/// samples of them would be off by a factor.
const MOST_PARENTS: usize = 60;

/// Fewest and most samples of a resource that nothing hangs below, and how many slices there must be for one more.
const LEAVES: (usize, usize, usize) = (3, 12, 20);

/// Slices looked at that are new, where others of their resource are known.
const NEW_SLICES: usize = 3;

/// Pages of a listing below which others hang, unless it is a root.
const PARENT_PAGES: usize = 20;

/// What looks showed that is worth saying by itself.
#[derive(Default)]
pub struct Found {
    /// Slices that the credentials may not see, with the reason.
    pub forbidden: Vec<String>,
    /// Slices that could not be read, with the reason.
    pub failed: Vec<String>,
}

/// Asks for samples of a walk.
pub struct Sampler<'a> {
    /// The walk that is planned.
    pub request: &'a Request,
    /// What is known before it.
    pub before: &'a Before,
    /// Asks.
    pub client: &'a Client,
    /// Shows that something goes on.
    pub bar: ProgressBar,
    /// What it found.
    pub found: Found,
    /// Records to see how long it takes to land them.
    pub trial: Trial,
}

impl Sampler<'_> {
    /// Looks at whatever makes the forecast better.
    ///
    /// # Errors
    /// When a run could not go on either.
    pub async fn sample(&mut self, forecast: &mut Forecast) -> Result<()> {
        for index in 0..forecast.levels.len() {
            if forecast.levels[index].parent.is_none() && is_parent(forecast, index) {
                self.list_root(forecast, index).await?;
            }
        }
        forecast.settle(self.request, self.before);
        for index in 0..forecast.levels.len() {
            let is_parent = is_parent(forecast, index);
            let is_for_below = forecast.leads_to_unknown(index);
            let candidates = forecast.candidates(index, is_for_below);
            let wanted = match (is_parent, is_for_below || !forecast.has_figures(index)) {
                (_, false) => NEW_SLICES,
                (true, true) => MOST_PARENTS,
                (false, true) => {
                    let (least, most, every) = LEAVES;
                    (candidates.len() / every).clamp(least, most)
                }
            };
            let most_pages = if is_parent { PARENT_PAGES } else { 1 };
            for key in spread(&candidates, wanted) {
                if let Some(job) = forecast.job(index, key) {
                    let look = self.look(&job, most_pages).await?;
                    self.take(forecast, index, &job, look)?;
                }
            }
        }
        forecast.settle(self.request, self.before);
        Ok(())
    }

    /// Everything hangs below a root: it is asked for as a whole.
    async fn list_root(&mut self, forecast: &mut Forecast, index: usize) -> Result<()> {
        let keys: Vec<String> = forecast.levels[index].slices.keys().cloned().collect();
        for key in keys {
            let is_resumed = forecast.levels[index].slices.get(&key).is_some_and(|slice| slice.fate == Fate::Resumed);
            let Some(job) = forecast.job(index, &key).filter(|_| !is_resumed) else { continue };
            let Look { cost, seen } = self.look(&job, usize::MAX).await?;
            match seen {
                Seen::Listed { parents, share } => {
                    let listed = forecast.take_listing(index, &job, cost, parents, share)?;
                    forecast.find_gone(index, &key, &listed);
                }
                Seen::Forbidden(reason) | Seen::Failed(reason) => {
                    return Err(failure(
                        Exit::NotAuthorised,
                        format!("{} cannot be listed and everything else hangs below it: {reason}", job.table()),
                        "a run would end here as well: see why the API refuses this listing",
                    ));
                }
            }
        }
        Ok(())
    }

    async fn look(&mut self, job: &Job, most_pages: usize) -> Result<Look> {
        self.bar.inc(1);
        self.bar.set_message(format!("{} {}", job.table(), job.key()));
        self.trial.next_slice();
        let trial = &mut self.trial;
        look(&self.request.fetcher, self.client, job, most_pages, &mut |record| trial.take(record)).await
    }

    fn take(&mut self, forecast: &mut Forecast, index: usize, job: &Job, look: Look) -> Result<()> {
        let sentence = |status: &str, reason: &str| format!("{} {} is {status}: {reason}", job.table(), job.key());
        match look.seen {
            Seen::Listed { parents, share } => {
                forecast.take_listing(index, job, look.cost, parents, share)?;
                return Ok(());
            }
            Seen::Forbidden(reason) => self.found.forbidden.push(sentence("forbidden", &reason)),
            Seen::Failed(reason) => self.found.failed.push(sentence("failed", &reason)),
        }
        let cost = Cost { rows: 0.0, ..look.cost };
        forecast.take_refusal(index, job, cost);
        Ok(())
    }
}

fn is_parent(forecast: &Forecast, index: usize) -> bool {
    forecast.levels.iter().any(|level| level.parent == Some(index))
}

/// Up to `count` of a list, spread evenly over it.
pub fn spread<T>(list: &[T], count: usize) -> impl Iterator<Item = &T> {
    let count = count.min(list.len());
    (0..count).filter_map(move |number| list.get((2 * number + 1) * list.len() / (2 * count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_over_the_whole_list() {
        let list: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let taken = |count| spread(&list, count).map(String::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(taken(3), "1 5 8");
        assert_eq!(taken(99), "0 1 2 3 4 5 6 7 8 9");
        assert_eq!(spread::<String>(&[], 3).count(), 0);
    }
}
