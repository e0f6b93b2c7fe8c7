//! How many requests are in flight at once.

use std::collections::VecDeque;
use std::time::Duration;

/// Answers that make a window, at least.
const WINDOW: usize = 8;
/// Windows whose medians are remembered; the lowest of them is what latency is compared with.
const WINDOWS: usize = 20;
/// Latency rises by less than this for many reasons that are not ours.
const NOTICEABLE: Duration = Duration::from_millis(200);
/// Failures in a row that look like overload and not like one bad request.
const FAILURES: u32 = 3;

/// Places in flight: fewer when answers take much longer than they did or do not come in time, one more after each
/// window without such trouble.
pub(super) struct Flight {
    most: usize,
    places: usize,
    latencies: Vec<Duration>,
    /// Most requests in flight while the window was heard.
    peak: usize,
    medians: VecDeque<Duration>,
    is_suspicious: bool,
    trial: Option<Trial>,
    /// Answers still to come of requests sent before places were taken away.
    stale: usize,
    failures: u32,
    cuts: u32,
}

/// Places were taken away because of latency; whether that helps is not known yet.
struct Trial {
    places: usize,
    median: Duration,
}

impl Flight {
    /// At most `most` places, beginning with the `learned` ones unless that is 0.
    pub(super) fn new(most: usize, learned: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            places: if learned == 0 { most } else { learned.min(most) },
            latencies: Vec::new(),
            peak: 0,
            medians: VecDeque::new(),
            is_suspicious: false,
            trial: None,
            stale: 0,
            failures: 0,
            cuts: 0,
        }
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Places the server bears; 0 where it bears as many as wanted.
    pub(super) fn learned(&self) -> usize {
        if self.places < self.most { self.places } else { 0 }
    }

    pub(super) fn sentence(&self) -> Option<String> {
        (self.places < self.most).then(|| {
            let reason = match self.cuts {
                0 => "as an earlier run learned",
                _ => "because answers were slow or did not come",
            };
            format!("at most {} of {} requests at once, {reason}", self.places, self.most)
        })
    }

    pub(super) fn good(&mut self, latency: Duration, in_flight: usize) {
        self.failures = 0;
        if self.is_stale() {
            return;
        }
        self.peak = self.peak.max(in_flight);
        self.latencies.push(latency);
        if self.latencies.len() < WINDOW.max(self.places * 2) {
            return;
        }
        self.latencies.sort_unstable();
        let median = self.latencies[self.latencies.len() / 2];
        let peak = self.peak;
        self.latencies.clear();
        self.peak = 0;
        self.judge(median, peak, in_flight);
    }

    pub(super) fn slow(&mut self, in_flight: usize) {
        if !self.is_stale() {
            self.cut(in_flight, in_flight);
            self.trial = None;
        }
    }

    pub(super) fn failed(&mut self, in_flight: usize) {
        self.failures += 1;
        if !self.is_stale() && self.failures >= FAILURES {
            self.failures = 0;
            self.cut(in_flight, in_flight);
            self.trial = None;
        }
    }

    fn judge(&mut self, median: Duration, peak: usize, in_flight: usize) {
        if let Some(trial) = self.trial.take()
            && median.as_secs_f64() > trial.median.as_secs_f64() * 0.85
        {
            // Fewer at once did not make it faster, so it is slow by itself: what is asked for now is heavier.
            self.places = self.places.max(trial.places);
            self.medians.clear();
        }
        if peak <= 1 {
            // Nobody was in anybody's way: this is what an answer takes.
            self.medians.clear();
        }
        let usual = self.medians.iter().min().copied().unwrap_or(median);
        if peak > 1 && median >= usual * 2 && median >= usual + NOTICEABLE {
            // The first such window may hold answers from before, and one slow moment passes.
            if std::mem::replace(&mut self.is_suspicious, true) {
                self.is_suspicious = false;
                let trial = Trial { places: self.places, median };
                self.cut(peak, in_flight);
                self.trial = Some(trial);
            }
            return;
        }
        self.is_suspicious = false;
        self.medians.push_back(median);
        if self.medians.len() > WINDOWS {
            self.medians.pop_front();
        }
        if median < usual.mul_f64(1.5) || median < usual + NOTICEABLE / 2 {
            self.places = (self.places + 1).min(self.most);
        }
    }

    fn cut(&mut self, peak: usize, in_flight: usize) {
        // One request at a time is not too many.
        if self.places == 1 || peak <= 1 {
            return;
        }
        self.cuts += 1;
        // Where fewer were in flight than could have been, it is those that are halved.
        self.places = self.places.min(peak).div_ceil(2);
        self.stale = in_flight.saturating_sub(1);
        self.latencies.clear();
        self.peak = 0;
    }

    fn is_stale(&mut self) -> bool {
        let is_stale = self.stale > 0;
        self.stale = self.stale.saturating_sub(1);
        is_stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_millis(100);

    /// A server of so many workers that needs 100 ms for an answer.
    fn answer(flight: &mut Flight, workers: usize, count: usize) {
        for _ in 0..count {
            let in_flight = flight.places();
            flight.good(USUAL * in_flight.max(workers) as u32 / workers as u32, in_flight);
        }
    }

    #[test]
    fn a_slower_server_is_asked_less_at_once_until_it_is_well() {
        let mut flight = Flight::new(8, 0);
        answer(&mut flight, 8, 100);
        assert_eq!((flight.places(), flight.learned(), flight.sentence()), (8, 0, None));
        answer(&mut flight, 2, 200);
        assert!((3..=6).contains(&flight.places()), "{}", flight.places());
        assert!(flight.sentence().unwrap().contains("of 8 requests at once, because answers were slow"));
        assert_eq!(flight.learned(), flight.places());
        answer(&mut flight, 8, 200);
        assert_eq!(flight.places(), 8);
    }

    #[test]
    fn requests_that_are_slow_by_themselves_keep_their_places() {
        let mut flight = Flight::new(8, 0);
        answer(&mut flight, 8, 100);
        let mut fewest = 8;
        for _ in 0..100 {
            flight.good(USUAL * 30, flight.places());
            fewest = fewest.min(flight.places());
        }
        assert_eq!((fewest, flight.places()), (4, 8));
    }

    #[test]
    fn little_latency_more_is_nothing_and_single_outliers_are_nothing() {
        let mut flight = Flight::new(4, 0);
        for number in 0..400 {
            let ms = if number % 7 == 0 { 9_000 } else { 20 + number / 2 };
            flight.good(Duration::from_millis(ms), 4);
        }
        assert_eq!(flight.places(), 4);
    }

    #[test]
    fn one_at_a_time_is_never_too_many() {
        let mut flight = Flight::new(8, 0);
        for ms in [100, 100, 5_000, 5_000] {
            for _ in 0..16 {
                flight.good(Duration::from_millis(ms), 1);
            }
        }
        flight.slow(1);
        assert_eq!(flight.places(), 8);
    }

    #[test]
    fn timeouts_halve_once_for_those_in_flight_and_one_place_comes_back_at_a_time() {
        let mut flight = Flight::new(8, 0);
        for _ in 0..8 {
            flight.slow(8);
        }
        assert_eq!(flight.places(), 4);
        flight.slow(4);
        assert_eq!(flight.places(), 2);
        let mut seen = Vec::new();
        for _ in 0..80 {
            flight.good(USUAL, 2);
            seen.push(flight.places());
        }
        seen.dedup();
        assert_eq!(seen, [2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn failures_count_where_they_follow_one_another() {
        let mut flight = Flight::new(8, 0);
        for _ in 0..10 {
            flight.failed(8);
            flight.failed(8);
            flight.good(USUAL, 8);
        }
        assert_eq!(flight.places(), 8);
        (0..3).for_each(|_| flight.failed(8));
        assert_eq!(flight.places(), 4);
    }

    #[test]
    fn what_was_learned_is_begun_with_and_no_more_than_wanted() {
        assert_eq!(Flight::new(8, 3).places(), 3);
        assert_eq!(Flight::new(2, 3).places(), 2);
        assert_eq!(Flight::new(0, 0).places(), 1);
        assert_eq!(Flight::new(8, 3).sentence().unwrap(), "at most 3 of 8 requests at once, as an earlier run learned");
    }
}
