//! Leaves a server alone that does not work.

use std::time::Duration;

use tokio::time::Instant;

const HOPELESS_PROBES: u32 = 2;

/// What the circuit says to the next request.
pub(super) enum Gate {
    /// Go on.
    Closed,
    /// Wait until then.
    Until(Instant),
    /// Wait for what is in flight.
    Change,
}

/// Opens after too many failures in a row; then lets one request through at a time, long after one another, until one
/// is answered.
pub(super) struct Circuit {
    most_failures: u32,
    wait: Duration,
    failures: u32,
    /// Set while it is open: when the next probe may be sent.
    probe_at: Option<Instant>,
    is_probing: bool,
    failed_probes: u32,
}

impl Circuit {
    pub(super) fn new(most_failures: u32, wait: Duration) -> Self {
        let most_failures = most_failures.max(1);
        Self { most_failures, wait, failures: 0, probe_at: None, is_probing: false, failed_probes: 0 }
    }

    pub(super) fn is_open(&self) -> bool {
        self.probe_at.is_some()
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.failed_probes >= HOPELESS_PROBES
    }

    pub(super) fn gate(&self, now: Instant, in_flight: usize) -> Gate {
        match self.probe_at {
            None => Gate::Closed,
            Some(at) if now < at => Gate::Until(at),
            // What is said of a request does not say of which: a probe flies alone.
            Some(_) if in_flight > 0 => Gate::Change,
            Some(_) => Gate::Closed,
        }
    }

    /// A request was sent.
    pub(super) fn sent(&mut self) {
        self.is_probing = self.is_open();
    }

    /// Nothing is in flight any more: a probe that was given up says nothing.
    pub(super) fn idle(&mut self) {
        self.is_probing = false;
    }

    /// A request was answered usefully.
    pub(super) fn answered(&mut self) {
        if self.is_open() {
            self.close();
        }
    }

    /// A request was not.
    pub(super) fn disappointed(&mut self, now: Instant) {
        if self.is_probing {
            self.is_probing = false;
            self.failed_probes += 1;
            self.probe_at = Some(now + self.wait);
        }
    }

    /// An exchange ended after all its tries.
    pub(super) fn exchange_ended(&mut self, now: Instant, is_good: bool) {
        if is_good {
            self.close();
        } else if self.is_open() {
            // Its last try failed before, unless it is the probe.
            self.disappointed(now);
        } else {
            self.failures += 1;
            if self.failures >= self.most_failures {
                self.probe_at = Some(now + self.wait);
            }
        }
    }

    fn close(&mut self) {
        self.failures = 0;
        self.failed_probes = 0;
        self.is_probing = false;
        self.probe_at = None;
    }
}
