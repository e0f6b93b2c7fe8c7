//! How often and how many at once an API is asked.
//!
//! A request waits for four things: a closed circuit, a place in flight, the declared budget, and the rate that the
//! server was found to allow. Requests are served in the order they came.

mod circuit;
mod curve;
mod flight;
mod limit;
#[cfg(all(test, feature = "paused-time"))]
mod simulation;
mod slots;
mod tally;
#[cfg(all(test, feature = "paused-time"))]
mod tests;
mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::spec::{Rate, Retry};
use circuit::{Circuit, Gate};
use flight::Flight;
use limit::{Limit, Ready};
use slots::Slots;
use tally::Tally;

pub use written::parse_rate;

/// Timers and busy threads wake late by so much; a request that is late for no reason of its own keeps its slot. What is
/// made up for then is a quarter of what the rate allows in a second, at most.
const LATENESS: Duration = Duration::from_millis(250);

/// Time that [`Pace::per_second`] looks back.
const RECENT: Duration = Duration::from_secs(10);

/// What was found out about a host, kept between runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Learned {
    /// Requests per minute it allows, where it refused more.
    pub per_minute: Option<f64>,
    /// Requests in flight it bears; 0 where nothing was found against as many as the run wanted.
    pub in_flight: usize,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was answered as hoped.
    Good {
        /// Time from sending it to the end of its answer.
        latency: Duration,
    },
    /// It was refused because there are too many: 429, or 503 with a time to come back.
    Limited {
        /// Time the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nothing came for too long.
    Slow,
    /// The server is in trouble, or not there: 5xx or no answer.
    Failed,
    /// Any other answer.
    Other,
}

/// Paces the requests to one host. Clones are the same pace.
#[derive(Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

/// Leave to send one request; its place in flight is free again when this is dropped.
#[must_use = "the place is free again at once"]
pub struct Permit {
    shared: Arc<Shared>,
    episode: u64,
}

struct Shared {
    state: Mutex<State>,
    /// Held by the request that is served next; tokio's mutex hands it on in the order of asking.
    turn: tokio::sync::Mutex<()>,
    /// Something changed that the request served next may wait for.
    changed: Notify,
}

struct State {
    budget: Option<Slots>,
    limit: Limit,
    flight: Flight,
    circuit: Circuit,
    /// Permits given and not dropped.
    in_flight: usize,
    /// When a place was last freed while all were taken.
    place_freed: Instant,
    sent: Tally,
    /// Requests that wait for a permit.
    waiting: u32,
    /// Since when the first of them, and so all of them, wait for the budget or the limit; counted until then.
    held_since: Option<Instant>,
    waited: Duration,
}

/// What the request served next does.
enum Step {
    /// It is sent; the episode of limiting it belongs to.
    Send(u64),
    /// It waits until then.
    Until { at: Instant, is_for_rate: bool },
    /// It waits until something changes.
    Change,
}

impl Pace {
    /// A pace within a declared budget and with at most `concurrency` requests in flight, which goes on from what an
    /// earlier run learned.
    pub fn new(budget: Option<Rate>, concurrency: usize, retry: &Retry, learned: Option<Learned>) -> Self {
        let now = Instant::now();
        let per_second = learned.and_then(|learned| learned.per_minute).map(|per_minute| per_minute / 60.0);
        let state = State {
            budget: budget.map(|rate| Slots::of(rate, now)),
            limit: Limit::new(now, Duration::from_millis(retry.longest_retry_after_ms), per_second),
            flight: Flight::new(concurrency, learned.map_or(0, |learned| learned.in_flight)),
            circuit: Circuit::new(retry.breaker_failures, Duration::from_millis(retry.breaker_wait_ms)),
            in_flight: 0,
            place_freed: now,
            sent: Tally::new(now, RECENT),
            waiting: 0,
            held_since: None,
            waited: Duration::ZERO,
        };
        let turn = tokio::sync::Mutex::new(());
        Self { shared: Arc::new(Shared { state: Mutex::new(state), turn, changed: Notify::new() }) }
    }

    /// Waits for a closed circuit, a place in flight, the budget and the limit, first come, first served. Dropping the
    /// future costs others nothing.
    pub async fn permit(&self) -> Permit {
        let arrived = Instant::now();
        let mut waiting = Waiting::new(&self.shared);
        let _turn = self.shared.turn.lock().await;
        loop {
            let step = self.state().step(Instant::now(), arrived);
            match step {
                Step::Send(episode) => return Permit { shared: Arc::clone(&self.shared), episode },
                Step::Until { at, is_for_rate } => {
                    waiting.is_held(is_for_rate);
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.shared.changed.notified() => {}
                    }
                }
                Step::Change => {
                    waiting.is_held(false);
                    self.shared.changed.notified().await;
                }
            }
        }
    }

    /// Takes note of what became of a request; called before its permit is dropped.
    pub fn heard(&self, what: Heard) {
        let now = Instant::now();
        let mut state = self.state();
        let in_flight = state.in_flight;
        match what {
            Heard::Good { latency } => state.flight.good(latency, in_flight),
            Heard::Slow => state.flight.slow(in_flight),
            Heard::Failed => state.flight.failed(in_flight),
            Heard::Limited { .. } | Heard::Other => {}
        }
        match what {
            Heard::Limited { retry_after } => state.limit.refused(now, retry_after, in_flight),
            _ => state.limit.served(now),
        }
        match what {
            Heard::Good { .. } | Heard::Other => state.circuit.answered(),
            Heard::Limited { .. } | Heard::Slow | Heard::Failed => state.circuit.disappointed(now),
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Takes note of the end of an exchange, which is a request with all its tries.
    pub fn exchange_ended(&self, is_good: bool) {
        self.state().circuit.exchange_ended(Instant::now(), is_good);
        self.shared.changed.notify_one();
    }

    /// Whether the server is being left alone, because too many exchanges in a row failed.
    pub fn is_open(&self) -> bool {
        self.state().circuit.is_open()
    }

    /// Whether it still failed when it was asked again, twice: time to end the run.
    pub fn is_hopeless(&self) -> bool {
        self.state().circuit.is_hopeless()
    }

    /// Time that requests waited for the budget or the limit, summed over requests; not that for a place in flight.
    pub fn waited(&self) -> Duration {
        let mut state = self.state();
        state.count_waiting(Instant::now());
        state.waited
    }

    /// What a later run should begin with; none where the server was never found to limit anything.
    pub fn learned(&self) -> Option<Learned> {
        let state = self.state();
        let per_minute = state.limit.learned_per_second().map(|per_second| per_second * 60.0);
        let in_flight = state.flight.learned();
        (per_minute.is_some() || in_flight > 0).then_some(Learned { per_minute, in_flight })
    }

    /// How it differs from what was asked for, in words; none where it does not.
    pub fn sentence(&self) -> Option<String> {
        let state = self.state();
        let parts: Vec<String> = [state.limit.sentence(), state.flight.sentence()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Requests sent per second, of late.
    pub fn per_second(&self) -> f64 {
        let now = Instant::now();
        self.state().sent.per_second(now.checked_sub(RECENT).unwrap_or(now), now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for a permit, until it has one or is given up.
struct Waiting<'a> {
    shared: &'a Shared,
    is_held: bool,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut state = shared.state();
        state.count_waiting(Instant::now());
        state.waiting += 1;
        Self { shared, is_held: false }
    }

    /// Whether it is the budget or the limit that it waits for now. Said only of the first in the queue.
    fn is_held(&mut self, is_held: bool) {
        let now = Instant::now();
        let mut state = self.shared.state();
        state.count_waiting(now);
        state.held_since = is_held.then_some(now);
        self.is_held = is_held;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.count_waiting(Instant::now());
        state.waiting -= 1;
        if self.is_held {
            state.held_since = None;
        }
    }
}

impl State {
    fn count_waiting(&mut self, now: Instant) {
        if let Some(since) = &mut self.held_since {
            self.waited += now.saturating_duration_since(*since) * self.waiting;
            *since = now;
        }
    }

    fn step(&mut self, now: Instant, arrived: Instant) -> Step {
        match self.circuit.gate(now, self.in_flight) {
            Gate::Closed => {}
            Gate::Until(at) => return Step::Until { at, is_for_rate: false },
            Gate::Change => return Step::Change,
        }
        if self.in_flight >= self.flight.places() {
            return Step::Change;
        }
        // Since when it could have been sent but for the rate. Slots that nobody wanted are lost; those that passed
        // because we woke late are not, or every request would come a little later than the rate allows.
        let wanted = arrived.max(self.place_freed).max(now.checked_sub(LATENESS).unwrap_or(now));
        let Ready::At(ready) = self.limit.ready(now, self.in_flight) else { return Step::Change };
        let budgeted = self.budget.as_ref().map_or(ready, Slots::ready);
        let ready = ready.max(budgeted);
        if ready > now {
            return Step::Until { at: ready, is_for_rate: true };
        }
        if let Some(budget) = &mut self.budget {
            budget.take(wanted);
        }
        // A limit above the budget holds nothing back, so nothing is learned about it.
        self.limit.take(wanted.max(budgeted));
        self.circuit.sent();
        self.sent.add(now);
        self.in_flight += 1;
        Step::Send(self.limit.episode())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.in_flight >= state.flight.places() {
            state.place_freed = Instant::now();
        }
        state.in_flight -= 1;
        state.limit.returned(self.episode);
        if state.in_flight == 0 {
            state.circuit.idle();
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}
