//! The rate that a server was found to allow.
//!
//! Servers refuse by a bucket that fills at the allowed rate, by a count for each minute, or in their own way. At a
//! refusal a bucket is empty, so that what was served between two refusals is what the server allows, whatever the
//! bucket holds. Nothing is held back before the first refusal.

use std::time::Duration;

use tokio::time::Instant;

use super::curve::{BUCKET_S, Curve};
use super::tally::Tally;

/// Pause after a refusal where no limit is known yet and the server names no time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Shortest and longest pause after others, which lasts for some requests.
const SHORTEST_PAUSE_S: f64 = 0.25;
const LONGEST_PAUSE_S: f64 = 2.0;
const PAUSE_REQUESTS: f64 = 4.0;
/// Longest pause while the server goes on refusing.
const LONGEST_DOUBLED_PAUSE: Duration = Duration::from_secs(15);

/// Requests per second below which nothing was learned but that a server was broken.
const SLOWEST: f64 = 1e-4;
/// Answers before the first refusal that something can be guessed from.
const GUESSED_FROM: u64 = 20;
/// Time before the first refusal that a guess looks back to.
const RECENT: Duration = Duration::from_secs(10);
/// A server that refuses everything for longer than this counts per minute or so.
const LONG_REFUSAL: Duration = Duration::from_secs(5);
/// How long after a pause answers to requests sent before it are waited for.
const STRAGGLING: Duration = Duration::from_secs(1);

/// When the next request may be sent.
pub(super) enum Ready {
    At(Instant),
    /// When there is an answer to what is in flight.
    Change,
}

/// Holds requests back once the server refused some.
pub(super) struct Limit {
    start: Instant,
    longest_asked: Duration,
    curve: Option<Curve>,
    /// The slot of the next request.
    next: Instant,
    resume_at: Instant,
    pause: Duration,
    /// The refusal that began this pause, while its meaning is not settled: answers may still come.
    refused_at: Option<Instant>,
    /// The refusal after which nothing more was served.
    shut_since: Instant,
    /// Whether one request is to find out if the server still refuses everything.
    is_knocking: bool,
    resumed: Resumed,
    /// Answers other than refusals.
    served: u64,
    served_lately: Tally,
    /// Time in which requests could have been sent and none was wanted.
    idle: Duration,
    refusals: u64,
    episode: u64,
    /// Requests in flight that were sent before the refusal.
    stragglers: usize,
}

/// What was when requests were sent again after a pause.
struct Resumed {
    at: Instant,
    /// Seconds before that in which the server's bucket filled.
    filled_s: f64,
    served: u64,
    idle: Duration,
}

impl Limit {
    /// None yet, or one that was learned. No pause is longer than `longest_asked`, whatever a server asks.
    pub(super) fn new(now: Instant, longest_asked: Duration, learned_per_second: Option<f64>) -> Self {
        let learned = learned_per_second.filter(|rate| rate.is_finite() && *rate > SLOWEST);
        Self {
            start: now,
            longest_asked,
            curve: learned.map(Curve::known),
            next: now,
            resume_at: now,
            pause: FIRST_PAUSE,
            refused_at: None,
            shut_since: now,
            is_knocking: false,
            resumed: Resumed { at: now, filled_s: BUCKET_S, served: 0, idle: Duration::ZERO },
            served: 0,
            served_lately: Tally::new(now, longest_asked + RECENT),
            idle: Duration::ZERO,
            refusals: 0,
            episode: 0,
            stragglers: 0,
        }
    }

    /// The episode that a request sent now belongs to; a new one begins with each refusal that is news.
    pub(super) fn episode(&self) -> u64 {
        self.episode
    }

    /// When the next request may be sent, where so many are in flight.
    pub(super) fn ready(&mut self, now: Instant, in_flight: usize) -> Ready {
        if let Some(refused_at) = self.refused_at {
            let heard_at = self.resume_at + STRAGGLING;
            if now < self.resume_at {
                return Ready::At(self.resume_at);
            }
            if self.stragglers > 0 && now < heard_at {
                return Ready::At(heard_at);
            }
            self.refused_at = None;
            // Nobody may have asked for long, which is not the server's pause.
            self.settle(now.min(heard_at), refused_at);
        }
        if self.is_knocking && in_flight > 0 {
            return Ready::Change;
        }
        Ready::At(if self.curve.is_some() { self.next.max(self.resume_at) } else { self.resume_at })
    }

    /// A request is sent that has wanted to be since then.
    pub(super) fn take(&mut self, wanted: Instant) {
        let Some(curve) = &mut self.curve else { return };
        let ready = self.next.max(self.resume_at);
        let interval = curve.interval();
        if wanted > ready {
            self.idle += wanted - ready;
        } else {
            curve.tried(interval);
        }
        self.next = ready.max(wanted).checked_add(interval).unwrap_or(ready);
    }

    /// The place of a request sent in that episode is free.
    pub(super) fn returned(&mut self, episode: u64) {
        if episode < self.episode {
            self.stragglers = self.stragglers.saturating_sub(1);
        }
    }

    /// A request was answered, or lost, but not refused.
    pub(super) fn served(&mut self, now: Instant) {
        self.served += 1;
        self.served_lately.add(now);
        if std::mem::take(&mut self.is_knocking) && now > self.shut_since + LONG_REFUSAL {
            self.count_per_time(now);
        }
    }

    /// A request was refused, while so many were in flight.
    pub(super) fn refused(&mut self, now: Instant, retry_after: Option<Duration>, in_flight: usize) {
        self.refusals += 1;
        let asked = retry_after.unwrap_or_default().min(self.longest_asked);
        // Those sent before the pause say again what is known, but may ask for more time.
        let is_known = self.refused_at.is_some() || (self.stragglers > 0 && now < self.resumed.at + STRAGGLING);
        if is_known {
            self.resume_at = self.resume_at.max(now + asked);
            return;
        }
        self.episode += 1;
        self.stragglers = in_flight;
        self.refused_at = Some(now);
        let pause = match &self.curve {
            None => FIRST_PAUSE,
            Some(curve) => {
                let some_requests_s = PAUSE_REQUESTS / curve.per_second();
                Duration::from_secs_f64(some_requests_s.clamp(SHORTEST_PAUSE_S, LONGEST_PAUSE_S))
            }
        };
        self.resume_at = now + pause.max(asked);
    }

    /// What a refusal meant, when everything sent before it is answered and the pause is over.
    fn settle(&mut self, now: Instant, refused_at: Instant) {
        let served = self.served - self.resumed.served;
        let is_first = self.episode == 1 && self.curve.is_none();
        let is_shut = served == 0;
        let mut resume_at = now;
        if is_shut && !is_first {
            self.pause = (self.pause * 2).min(LONGEST_DOUBLED_PAUSE);
            resume_at = now.max(refused_at + self.pause);
        } else {
            self.pause = FIRST_PAUSE;
            self.shut_since = refused_at;
            if !is_first || served >= GUESSED_FROM {
                self.learn(now, refused_at, served);
            }
        }
        self.is_knocking = is_shut;
        self.resume_at = resume_at;
        self.resumed = Resumed {
            at: resume_at,
            filled_s: (resume_at - refused_at).as_secs_f64().min(BUCKET_S),
            served: self.served,
            idle: self.idle,
        };
    }

    fn learn(&mut self, now: Instant, refused_at: Instant, served: u64) {
        let paused = now - refused_at;
        if self.curve.is_none() && paused > LONG_REFUSAL {
            return self.count_per_time(now);
        }
        let idle = self.idle - self.resumed.idle;
        let time = refused_at.saturating_duration_since(self.resumed.at).saturating_sub(idle);
        // Half a request more, because what was refused came a moment too early.
        let measured = (served as f64 + 0.5) / (time.as_secs_f64() + self.resumed.filled_s).max(1e-3);
        self.curve = Some(match &self.curve {
            Some(curve) => curve.refused(measured, paused),
            None if time > RECENT => {
                let from = refused_at.checked_sub(RECENT).unwrap_or(self.start);
                Curve::search(self.served_lately.per_second(from, refused_at))
            }
            None => Curve::search(measured),
        });
    }

    /// A server that counts per minute or so served all it had and then nothing: both times make the rate.
    fn count_per_time(&mut self, now: Instant) {
        let shut = now - self.shut_since;
        let from = self.shut_since.checked_sub(shut.max(RECENT)).unwrap_or(self.start).max(self.start);
        let (count, time) = self.served_lately.since(from, now);
        if u64::from(count) >= GUESSED_FROM {
            let per_second = f64::from(count) / time.as_secs_f64().max(1e-3);
            self.curve = Some(match &self.curve {
                Some(curve) => curve.at_most(per_second),
                None => Curve::search(per_second),
            });
        }
    }

    /// Requests per second that a later run should begin with.
    pub(super) fn learned_per_second(&self) -> Option<f64> {
        self.curve.as_ref().map(Curve::allowed)
    }

    pub(super) fn sentence(&self) -> Option<String> {
        let rate = self.curve.as_ref().map(|curve| rounded(curve.per_second() * 60.0));
        let answers = if self.refusals == 1 { "answer" } else { "answers" };
        match (rate, self.refusals) {
            (None, 0) => None,
            (None, count) => Some(format!("paused after {count} {answers} of 429")),
            (Some(rate), 0) => Some(format!("held to {rate} requests/min, as an earlier run learned")),
            (Some(rate), count) => Some(format!("slowed down to {rate} requests/min after {count} {answers} of 429")),
        }
    }
}

/// No more than three digits are worth reading.
fn rounded(number: f64) -> String {
    let digits = number.abs().max(1.0).log10().floor() as i32;
    let unit = 10_f64.powi(digits - 2);
    let rounded = (number / unit).round() * unit;
    if digits >= 2 { format!("{rounded:.0}") } else { format!("{rounded:.1}") }
}
