//! The plan as a person reads it: a table, then what is worth a sentence.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use spectra_common::run::Planned;
use tracing::{info, warn};

use super::Limit;
use super::forecast::{Forecast, is_hidden};
use super::level::{Expected, Fate, Level};
use super::sample::Found;
use crate::progress::words;
use crate::version::Version;
use crate::walk::{Before, Request};

/// Slices that a sentence names.
const MOST_NAMED: usize = 5;

/// Everything there is to say.
pub struct Story<'a> {
    /// The walk that is planned.
    pub request: &'a Request,
    /// What is known before it.
    pub before: &'a Before,
    /// What is expected, by slice.
    pub forecast: &'a Forecast,
    /// What is expected, by level.
    pub expected: &'a [Expected],
    /// What samples showed.
    pub found: &'a Found,
    /// Days since which slices are out of sight, by table and key.
    pub since: &'a HashMap<(String, String), String>,
}

impl Story<'_> {
    /// Says it.
    pub fn print(&self, planned: &Planned, limit: &Limit, request_count: i64) {
        info!("{}", line("", ["slices", "requests", "rows", "time"], "judged by"));
        for (level, expected) in self.in_order() {
            let table = level.resource.table.as_deref().unwrap_or_default();
            let seconds = expected.cost.ms / 1000.0;
            let least = if level.is_least { "≥ " } else { "" };
            let cells = [
                number(expected.asked),
                format!("{least}{}", number(expected.cost.requests)),
                format!("{least}{}", number(expected.cost.rows)),
                time(seconds),
            ];
            info!(
                resource = table,
                slices = expected.asked.round(),
                requests = expected.cost.requests.round(),
                rows = expected.cost.rows.round(),
                seconds,
                "{}",
                line(table, cells.each_ref().map(String::as_str), &self.judged_by(level, expected))
            );
        }
        let asked: f64 = self.expected.iter().map(|expected| expected.asked).sum();
        let is_least = self.forecast.levels.iter().any(|level| level.is_least);
        let cells = [
            number(asked),
            number(planned.request_count as f64),
            number(planned.row_count as f64),
            time(planned.seconds),
        ];
        info!(
            slices = asked.round(),
            requests = planned.request_count,
            rows = planned.row_count,
            seconds = planned.seconds,
            "{}",
            line(
                if is_least { "in all, at least" } else { "in all, about" },
                cells.each_ref().map(String::as_str),
                &format!("{request_count} requests made now")
            )
        );
        for sentence in self.sentences() {
            info!("{sentence}");
        }
        for sentence in self.warnings() {
            warn!("{sentence}");
        }
        self.say_limit(planned, limit);
    }

    /// Levels in the order of the spec.
    fn in_order(&self) -> impl Iterator<Item = (&Level, &Expected)> {
        let all = || self.forecast.levels.iter().zip(self.expected);
        let spec = &self.request.fetcher.spec;
        spec.resource.iter().filter_map(move |resource| all().find(|(level, _)| level.resource.name == resource.name))
    }

    fn judged_by(&self, level: &Level, expected: &Expected) -> String {
        let mut parts = Vec::new();
        if level.look_count > 0 && level.look_count as f64 + 0.5 < expected.asked {
            parts.push(format!("{} samples", level.look_count));
        } else if level.look_count > 0 {
            parts.push("looked at now".to_owned());
        }
        if level.slices.values().any(|slice| slice.is_known) {
            parts.push("last walks".to_owned());
        } else if expected.fates.contains_key(&Fate::Resumed) {
            parts.push("the unfinished walk".to_owned());
        }
        if expected.is_blind {
            parts.push("nothing".to_owned());
        }
        parts.join(", ")
    }

    fn fate(&self, fate: Fate) -> usize {
        self.expected.iter().filter_map(|expected| expected.fates.get(&fate)).sum()
    }

    /// Names of slices, the few first; `is_wanted` chooses.
    fn named(&self, is_wanted: impl Fn(usize, &str) -> bool) -> (usize, String) {
        let mut names = Vec::new();
        let mut count = 0;
        for (index, level) in self.forecast.levels.iter().enumerate() {
            for key in level.slices.keys().filter(|key| is_wanted(index, key)) {
                count += 1;
                if names.len() < MOST_NAMED {
                    names.push(format!("{} {key}", self.forecast.table(index)));
                }
            }
        }
        (count, few(names, count))
    }

    fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let levels = &self.forecast.levels;
        let (new, names) = self.named(|index, key| {
            let slice = levels[index].slices.get(key);
            !levels[index].is_unwalked && slice.is_some_and(|slice| !slice.is_known && slice.fate == Fate::Asked)
        });
        if new > 0 {
            sentences.push(format!("new: {names}"));
        }
        let is_gone =
            |index: usize, key: &str| levels[index].slices.get(key).is_some_and(|slice| slice.fate == Fate::Gone);
        let (gone, names) = self.named(is_gone);
        if gone > 0 {
            sentences.push(format!("gone, so empty from now on: {names}"));
        }
        let closed = self.fate(Fate::Closed);
        if closed > 0 {
            let saved: f64 = self.expected.iter().map(|expected| expected.saved.requests).sum();
            sentences.push(format!(
                "closed: {} slices lie below what has ended and were walked lately: {} requests less (--full asks for all)",
                number(closed as f64),
                number(saved)
            ));
        }
        let others = [
            (Fate::Same, "slices are as they were, as their parents say"),
            (Fate::Empty, "slices are empty, as their parents say: nothing is asked"),
            (Fate::Changes, "slices are asked only for what changed"),
            (Fate::Resumed, "slices were walked by a run that did not end: nothing is asked (--full asks for all)"),
        ];
        for (fate, words) in others {
            let count = self.fate(fate);
            if count > 0 {
                sentences.push(format!("{} {words}", number(count as f64)));
            }
        }
        sentences
    }

    /// What is forbidden or failed, and since when.
    pub fn warnings(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (status, seen) in [("forbidden", &self.found.forbidden), ("failed", &self.found.failed)] {
            let mut lines = seen.clone();
            for (index, key, version) in self.out_of_sight(status) {
                let slice = (self.forecast.table(index).to_owned(), key.clone());
                let since = self.since.get(&slice).map_or("some time", String::as_str);
                let reason = version.reason.as_deref().unwrap_or_default();
                lines.push(format!("{} {key} is {status} since {since}: {reason}", self.forecast.table(index)));
            }
            let more = lines.len().saturating_sub(MOST_NAMED);
            lines.truncate(MOST_NAMED);
            sentences.extend(lines);
            if more > 0 {
                sentences.push(format!("and {} more are {status}, see source.slice", number(more as f64)));
            }
        }
        let hidden = self.fate(Fate::Hidden);
        if hidden > 0 {
            sentences.push(format!("{} slices lie below those and are not asked for", number(hidden as f64)));
        }
        sentences
    }

    /// Slices that were asked for and not seen the last time.
    fn out_of_sight(&self, status: &'static str) -> impl Iterator<Item = (usize, &String, &Version)> {
        let levels = self.forecast.levels.iter().enumerate();
        levels.flat_map(move |(index, level)| {
            let known = self.before.known.get(self.forecast.table(index)).into_iter().flatten();
            known.filter_map(move |(key, version)| {
                let is_there = level.slices.get(key).is_some_and(|slice| slice.fate != Fate::Gone);
                (is_there && version.status == status && !is_hidden(version)).then_some((index, key, version))
            })
        })
    }

    fn say_limit(&self, planned: &Planned, limit: &Limit) {
        let Some(per_minute) = limit.per_minute() else {
            info!("no limit is declared or known: the pace follows the answers");
            return;
        };
        let least = planned.request_count as f64 / per_minute * 60.0;
        let whose = match (limit.declared, limit.learned) {
            (Some(declared), Some(learned)) if learned < declared => {
                format!(
                    "{} requests a minute are declared, but the server was found to allow {}",
                    number(declared),
                    number(learned)
                )
            }
            (Some(declared), _) => format!("{} requests a minute are declared", number(declared)),
            (None, _) => format!("the server was found to allow {} requests a minute", number(per_minute)),
        };
        info!(per_minute, "{whose}: no faster than {}", time(least));
    }

    /// Slices, counted by what becomes of them.
    pub fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        let asked: f64 = self.expected.iter().map(|expected| expected.asked).sum();
        counts.insert("asked".to_owned(), asked.round() as i64);
        let walked = self.in_order().filter(|(level, _)| !level.is_unwalked);
        let new: usize = walked.map(|(_, expected)| expected.new).sum();
        let names = [
            (new, "new"),
            (self.fate(Fate::Changes), "changes"),
            (self.fate(Fate::Resumed), "resumed"),
            (self.fate(Fate::Empty), "empty"),
            (self.fate(Fate::Closed), "closed"),
            (self.fate(Fate::Same), "same"),
            (self.fate(Fate::Hidden), "hidden"),
            (self.fate(Fate::Gone), "gone"),
            (self.found.forbidden.len() + self.out_of_sight("forbidden").count(), "forbidden"),
            (self.found.failed.len() + self.out_of_sight("failed").count(), "failed"),
        ];
        for (count, name) in names.into_iter().filter(|(count, _)| *count > 0) {
            counts.insert(name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX));
        }
        counts
    }
}

fn few(names: Vec<String>, count: usize) -> String {
    let more = count.saturating_sub(names.len());
    let mut text = names.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {} more", number(more as f64)));
    }
    text
}

/// A line of the table.
pub fn line(name: &str, cells: [&str; 4], remark: &str) -> String {
    let [slices, requests, rows, time] = cells;
    format!("{name:<22} {slices:>9} {requests:>9} {rows:>12} {time:>9}  {remark}").trim_end().to_owned()
}

/// A number with its thousands apart.
pub fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0).round());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as a person says it.
pub fn time(seconds: f64) -> String {
    match seconds.max(0.0) {
        short if short < 0.9995 => format!("{:.0} ms", short * 1000.0),
        short if short < 9.95 => format!("{short:.1} s"),
        short if short < 119.5 => format!("{short:.0} s"),
        long => words(Duration::from_secs_f64(long.round())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_easy_to_read() {
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!((number(0.2), number(999.0), number(1_000.0)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(
            (time(0.04), time(1.26), time(61.2), time(150.0)),
            ("40 ms".into(), "1.3 s".into(), "61 s".into(), "3 min".into())
        );
    }
}
