//! Whether days begin when `--time-zone` says: a day that is stored as an instant is midnight where it was entered.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::Value;
use spectra_common::run::Verdict;

use crate::fetch::Job;
use crate::page::Record;

/// Instants that are looked at per field.
const MOST_STAMPS: usize = 1_000;

/// Instants before this, in 1973, are more likely no instants in milliseconds.
const LEAST_MS: i64 = 100_000_000_000;

/// Zones that a tenant may well be in.
const CANDIDATES: [&str; 14] = [
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
];

/// Instants of records, by table and field.
#[derive(Default)]
pub struct Stamps(BTreeMap<String, Vec<Timestamp>>);

impl Stamps {
    /// Takes the numbers in a record's fields that end in `Date`.
    pub fn take(&mut self, job: &Job, record: &Record) {
        let Ok(Value::Object(fields)) = serde_json::from_str(record.payload.get()) else { return };
        for (name, value) in fields.iter().filter(|(name, _)| name.ends_with("Date")) {
            let stamp = value.as_i64().filter(|ms| *ms >= LEAST_MS).and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let Some(stamp) = stamp else { continue };
            let stamps = self.0.entry(format!("{}.{name}", job.table())).or_default();
            if stamps.len() < MOST_STAMPS {
                stamps.push(stamp);
            }
        }
    }

    /// Says whether the days among them begin in `zone`, or else where.
    ///
    /// # Errors
    /// When a zone is not known.
    pub fn judge(&self, zone: &str) -> Result<(Verdict, String)> {
        let mut zones: Vec<(&str, TimeZone)> = vec![(zone, TimeZone::get(zone)?)];
        for name in CANDIDATES.into_iter().filter(|name| *name != zone) {
            zones.push((name, TimeZone::get(name)?));
        }
        let mut agreeing = vec![0; zones.len()];
        let mut fields = Vec::new();
        let mut total = 0;
        for (field, stamps) in &self.0 {
            let counts: Vec<usize> = zones.iter().map(|(_, zone)| midnights(stamps, zone)).collect();
            // Other instants end in the same word: a creation date has a time of day.
            if counts.iter().max().is_none_or(|best| best * 5 < stamps.len() * 4) {
                continue;
            }
            fields.push(field.as_str());
            total += stamps.len();
            agreeing.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        if total == 0 {
            return Ok((Verdict::Skipped, "no field was seen that holds days as instants".to_owned()));
        }
        let given = agreeing.first().copied().unwrap_or(0);
        let best = agreeing.iter().zip(&zones).rev().max_by_key(|(count, _)| **count);
        let (best, name) = best.map_or((0, ""), |(count, (name, _))| (*count, *name));
        let which = fields.join(", ");
        if given * 20 >= best * 19 {
            return Ok((Verdict::Ok, format!("{given} of {total} days begin at midnight in {zone} ({which})")));
        }
        Ok((
            Verdict::Warning,
            format!(
                "{given} of {total} days begin at midnight in {zone}, but {best} in {name} ({which}): give --time-zone {name} \
                 if that is where the tenant is"
            ),
        ))
    }
}

fn midnights(stamps: &[Timestamp], zone: &TimeZone) -> usize {
    stamps.iter().filter(|stamp| zone.to_datetime(**stamp).time() == Time::midnight()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(field: &str, instants: &[&str]) -> Stamps {
        let instants = instants.iter().map(|instant| instant.parse().unwrap()).collect();
        Stamps(BTreeMap::from([(field.to_owned(), instants)]))
    }

    #[test]
    fn a_zone_that_does_not_fit_is_named_with_one_that_does() {
        let london =
            stamps("dimCycle.startDate", &["2026-01-05T00:00:00Z", "2026-06-30T23:00:00Z", "2026-07-31T23:00:00Z"]);
        assert_eq!(london.judge("Europe/London").unwrap().0, Verdict::Ok);
        let (verdict, message) = london.judge("America/New_York").unwrap();
        assert_eq!(verdict, Verdict::Warning);
        assert!(message.contains("give --time-zone Europe/London"), "{message}");
        let (verdict, message) = london.judge("UTC").unwrap();
        assert_eq!(verdict, Verdict::Warning, "{message}");
        assert!(message.starts_with("1 of 3"), "{message}");
    }

    #[test]
    fn instants_with_a_time_of_day_say_nothing() {
        let created = stamps("dimCycle.createdDate", &["2026-01-05T09:12:33Z", "2026-06-30T17:00:01Z"]);
        assert_eq!(created.judge("Europe/London").unwrap().0, Verdict::Skipped);
    }
}
