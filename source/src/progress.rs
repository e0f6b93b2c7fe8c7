//! What a person sees of a walk: a bar per level of the hierarchy, and how fast it goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use spectra_common::log::SliceRow;
use spectra_common::logging;

use crate::fetch::Origin;
use crate::spec::Spec;
use crate::version::Known;

/// Shortest time between two sentences about the speed.
const REFRESH: Duration = Duration::from_millis(200);

/// The bars of a walk.
pub struct Progress {
    bars: BTreeMap<String, ProgressBar>,
    speed: ProgressBar,
    /// Slices known from before, which is the best guess of how many there are.
    known_count: usize,
    done_count: usize,
    row_count: i64,
    started: Instant,
    said_at: Instant,
}

impl Progress {
    /// Bars for the tables of a spec.
    pub fn new(progress: &logging::Progress, spec: &Spec, known: &Known) -> Self {
        let count = |table: &str| known.get(table).map_or(0, BTreeMap::len);
        let bar = |table: &str| {
            let length = u64::try_from(count(table)).ok().filter(|length| *length > 0);
            (table.to_owned(), progress.bar(table, length))
        };
        Self {
            bars: spec.tables().map(bar).collect(),
            speed: progress.bar("source", None),
            known_count: spec.tables().map(count).sum(),
            done_count: 0,
            row_count: 0,
            started: Instant::now(),
            said_at: Instant::now(),
        }
    }

    /// A slice is done.
    pub fn slice(&mut self, row: &SliceRow, origin: &Origin) {
        self.done_count += 1;
        self.row_count += row.row_count;
        if let Some(bar) = self.bars.get(&row.resource) {
            bar.inc(1);
            // More than last time is no reason to stand at the end.
            if bar.length().is_some_and(|length| bar.position() > length) {
                bar.set_length(bar.position());
            }
            bar.set_message(row.slice_key.clone());
        }
        if self.said_at.elapsed() < REFRESH {
            return;
        }
        self.said_at = Instant::now();
        let mut sentence = format!("{} rows", self.row_count);
        if let Origin::Api(client) = origin {
            sentence.push_str(&format!(", {} requests, {:.1}/s", client.request_count(), client.pace.per_second()));
            let waited = client.pace.waited().as_secs();
            if waited > 0 {
                sentence.push_str(&format!(", waited {waited} s for the limit"));
            }
        }
        if let Some(left) = self.left() {
            sentence.push_str(&format!(", about {} left", words(left)));
        }
        self.speed.set_message(sentence);
        self.speed.tick();
    }

    fn left(&self) -> Option<Duration> {
        let left = self.known_count.checked_sub(self.done_count).filter(|left| *left > 0)?;
        (self.done_count > 0).then(|| self.started.elapsed().mul_f64(left as f64 / self.done_count as f64))
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        for bar in self.bars.values().chain([&self.speed]) {
            bar.finish_and_clear();
        }
    }
}

/// A time as a person says it.
pub fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_one_or_two_units() {
        assert_eq!(words(Duration::from_secs(59)), "59 s");
        assert_eq!(words(Duration::from_secs(61)), "2 min");
        assert_eq!(words(Duration::from_secs(7_260)), "2 h 1 min");
    }
}
