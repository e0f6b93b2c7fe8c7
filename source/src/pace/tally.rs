//! Counts of the last while, second by second.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How often something happened, in each of the last seconds.
pub(super) struct Tally {
    start: Instant,
    span_s: u64,
    /// Seconds since the start, and what was counted in each; those without any are left out.
    counts: VecDeque<(u64, u32)>,
}

impl Tally {
    /// An empty one that remembers `span`.
    pub(super) fn new(start: Instant, span: Duration) -> Self {
        Self { start, span_s: span.as_secs(), counts: VecDeque::new() }
    }

    pub(super) fn add(&mut self, now: Instant) {
        let second = self.second(now);
        match self.counts.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.counts.push_back((second, 1)),
        }
        while self.counts.front().is_some_and(|(first, _)| first + self.span_s + 1 < second) {
            self.counts.pop_front();
        }
    }

    /// What was counted since the beginning of the second that holds `from`, and the time from there to `now`.
    pub(super) fn since(&self, from: Instant, now: Instant) -> (u32, Duration) {
        let oldest = self.second(now).saturating_sub(self.span_s);
        let first = self.second(from).max(oldest);
        let count = self.counts.iter().filter(|(second, _)| *second >= first).map(|(_, count)| count).sum();
        (count, now.saturating_duration_since(self.start + Duration::from_secs(first)))
    }

    /// Likewise as a rate; over a second where less time has passed.
    pub(super) fn per_second(&self, from: Instant, now: Instant) -> f64 {
        let (count, time) = self.since(from, now);
        f64::from(count) / time.as_secs_f64().max(1.0)
    }

    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_counts_are_forgotten() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut tally = Tally::new(start, Duration::from_secs(10));
        for tenth in 0..100 {
            tally.add(at(tenth * 100));
        }
        assert!((tally.per_second(start, at(10_000)) - 10.0).abs() < 1e-9);
        assert_eq!(tally.since(at(7_300), at(10_000)), (30, Duration::from_secs(3)));
        tally.add(at(60_000));
        assert_eq!(tally.counts.len(), 1);
        assert_eq!(tally.per_second(at(50_000), at(60_000)), 0.1);
    }
}
