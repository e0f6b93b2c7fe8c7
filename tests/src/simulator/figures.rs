//! Counts of what was asked and answered, for benchmarks and gates.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

#[derive(Default)]
struct Counts {
    requests: u64,
    per_status: BTreeMap<u16, u64>,
    bytes: u64,
    rows: u64,
    in_flight: u64,
    most_in_flight: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// The counts since the start, or since they were last cleared.
#[derive(Default)]
pub struct Figures {
    counts: Mutex<Counts>,
}

impl Figures {
    /// Notes that a call came in; it is in flight until what is answered is dropped.
    pub fn begin(&self) -> InFlight<'_> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        counts.requests += 1;
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        counts.first.get_or_insert(now);
        counts.last = Some(now);
        InFlight { figures: self }
    }

    /// Notes an answer; status zero is a reset connection.
    pub fn end(&self, status: u16, bytes: u64, rows: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.per_status.entry(status).or_default() += 1;
        counts.bytes += bytes;
        counts.rows += rows;
    }

    /// Begins anew; calls in flight stay in flight.
    pub fn clear(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts = Counts { in_flight: counts.in_flight, ..Counts::default() };
    }

    /// The counts as JSON.
    pub fn to_json(&self) -> Value {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let since_first_s = counts.first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let between_s = match (counts.first, counts.last) {
            (Some(first), Some(last)) => (last - first).as_secs_f64(),
            _ => 0.0,
        };
        let statuses: serde_json::Map<_, _> =
            counts.per_status.iter().map(|(status, count)| (status.to_string(), Value::from(*count))).collect();
        json!({
            "requests": counts.requests,
            "statuses": statuses,
            "bytes": counts.bytes,
            "rows": counts.rows,
            "mostInFlight": counts.most_in_flight,
            "secondsSinceFirst": since_first_s,
            "secondsFirstToLast": between_s,
        })
    }
}

/// A call that is being answered.
pub struct InFlight<'a> {
    figures: &'a Figures,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut counts = self.figures.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_flight = counts.in_flight.saturating_sub(1);
    }
}
