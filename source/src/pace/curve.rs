//! How a rate changes over time, from one refusal to the next.

use std::time::Duration;

/// How far below the ceiling a climb begins, as a part of it.
const DEPTH: f64 = 0.03;
/// Time to the ceiling where it is news, and the longest where refusals cost nothing but themselves.
const SHORT_CLIMB_S: f64 = 10.0;
const LONG_CLIMB_S: f64 = 40.0;
/// The same in requests: refusals are to be rare among slow requests too.
const SHORT_CLIMB_REQUESTS: f64 = 50.0;
const LONG_CLIMB_REQUESTS: f64 = 100.0;
/// How many times longer than the pause after a refusal a climb is, at least.
const CLIMB_PER_PAUSE: f64 = 20.0;
/// Most buckets hold what is allowed in a second, or less.
pub(super) const BUCKET_S: f64 = 1.0;
/// Time in which a search doubles the rate.
const SEARCH_S: f64 = 10.0;
const SEARCH_REQUESTS: f64 = 12.0;
/// A rate that was found to be so much higher than thought is still not known: after a search, and after a climb.
const SEARCHED_NEWS: f64 = 1.05;
const CLIMBED_NEWS: f64 = 1.25;

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// From the ceiling upwards at once, because it may be much too low.
    Search,
    /// From a little below the ceiling, staying near it for a while, and then further, faster and faster (CUBIC, RFC
    /// 9438).
    Climb { time_s: f64 },
}

/// The rate over the time during which it was what held requests back: a rate that nobody used was not tried.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    ceiling: f64,
    shape: Shape,
    tried_s: f64,
}

impl Curve {
    /// For a ceiling that was guessed.
    pub(super) fn search(ceiling: f64) -> Self {
        Self { ceiling, shape: Shape::Search, tried_s: 0.0 }
    }

    /// For a ceiling that was known once.
    pub(super) fn known(ceiling: f64) -> Self {
        Self::climb(ceiling, short_climb_s(ceiling))
    }

    fn climb(ceiling: f64, time_s: f64) -> Self {
        Self { ceiling, shape: Shape::Climb { time_s }, tried_s: 0.0 }
    }

    /// Requests per second that are sent now.
    pub(super) fn per_second(&self) -> f64 {
        self.ceiling * (1.0 + self.excess())
    }

    /// Requests per second that the server is thought to allow.
    pub(super) fn allowed(&self) -> f64 {
        // Far above the ceiling without a refusal, the ceiling is history.
        self.ceiling.max(self.per_second() * 0.9)
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second()).unwrap_or(Duration::MAX)
    }

    /// The rate held a request back for so long.
    pub(super) fn tried(&mut self, time: Duration) {
        self.tried_s += time.as_secs_f64();
    }

    /// The curve after a refusal on this one: so many per second were served since the last refusal, in all, and the
    /// server wants a pause.
    pub(super) fn refused(&self, measured: f64, pause: Duration) -> Self {
        let sent = self.per_second();
        let (found, climb_s, news) = match self.shape {
            Shape::Search => (measured.max(self.borne()), 2.0 * SHORT_CLIMB_S, SEARCHED_NEWS),
            Shape::Climb { time_s } if self.tried_s > time_s => {
                (measured.max(self.borne()), time_s * 2.0, CLIMBED_NEWS)
            }
            Shape::Climb { .. } => (measured, 0.0, CLIMBED_NEWS),
        };
        let ceiling = found.clamp(sent * 0.5, sent * 0.98);
        if ceiling > self.ceiling * news {
            return Self::search(ceiling);
        }
        let longest_s = LONG_CLIMB_S.max(LONG_CLIMB_REQUESTS / ceiling);
        let time_s = climb_s.clamp(short_climb_s(ceiling), longest_s);
        Self::climb(ceiling, time_s.max(pause.as_secs_f64() * CLIMB_PER_PAUSE))
    }

    /// What the server must allow to have served all that was sent lately. A bucket that was full for a while served
    /// less than it could have, so that the time since the last refusal says too little.
    fn borne(&self) -> f64 {
        let sent = |time_s: f64| self.sent(self.tried_s) - self.sent(self.tried_s - time_s);
        let borne = |time_s: f64| sent(time_s) / (time_s + BUCKET_S);
        [0.5, 0.25, 0.125].map(|part| borne(self.tried_s * part)).into_iter().fold(0.0, f64::max)
    }

    /// Requests sent in the time so far.
    fn sent(&self, time_s: f64) -> f64 {
        let above = match self.shape {
            Shape::Search => time_s.powi(3) / 3.0 / self.search_s().powi(2),
            Shape::Climb { time_s: climb_s } => DEPTH * climb_s / 4.0 * ((time_s - climb_s) / climb_s).powi(4),
        };
        self.ceiling * (time_s + above)
    }

    /// The curve where no more than that was allowed over a long time.
    pub(super) fn at_most(&self, per_second: f64) -> Self {
        let ceiling = self.ceiling.min(per_second);
        Self::climb(ceiling, short_climb_s(ceiling))
    }

    fn search_s(&self) -> f64 {
        SEARCH_S.max(SEARCH_REQUESTS / self.ceiling)
    }

    /// How far above the ceiling it is, as a part of it.
    fn excess(&self) -> f64 {
        match self.shape {
            Shape::Search => (self.tried_s / self.search_s()).powi(2),
            Shape::Climb { time_s } => DEPTH * ((self.tried_s - time_s) / time_s).powi(3),
        }
    }
}

fn short_climb_s(ceiling: f64) -> f64 {
    SHORT_CLIMB_S.max(SHORT_CLIMB_REQUESTS / ceiling)
}
