//! A declared budget: points in time at which requests may be sent.

use std::time::Duration;

use tokio::time::Instant;

use crate::spec::Rate;

/// Slots at equal distances, of which some may be taken early after a pause (GCRA). They are laid out in advance, so
/// that late timers delay a request and never the ones behind it.
pub(super) struct Slots {
    interval: Duration,
    /// How much earlier than its slot a request may be sent.
    head_start: Duration,
    next: Instant,
}

impl Slots {
    pub(super) fn of(rate: Rate, now: Instant) -> Self {
        let per_minute = rate.per_minute.max(1);
        // Rounded up, because a budget is not to be exceeded by a hair either.
        let interval = Duration::from_nanos(60_000_000_000_u64.div_ceil(u64::from(per_minute)));
        Self { interval, head_start: interval.saturating_mul(rate.burst.saturating_sub(1)), next: now }
    }

    /// When the next request may be sent.
    pub(super) fn ready(&self) -> Instant {
        self.next.checked_sub(self.head_start).unwrap_or(self.next)
    }

    /// Takes the next slot for a request that has wanted one since then.
    pub(super) fn take(&mut self, wanted: Instant) {
        self.next = self.next.max(wanted) + self.interval;
    }
}
