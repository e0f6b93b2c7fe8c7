//! The rate at which callers are served, and how a refusal says when to come back.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};

/// Calls per second that are answered, such as `20/s` or `300/min`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// Calls per second.
    pub per_s: f64,
}

impl FromStr for Allowance {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || format!("`{text}` is no rate\nhint: such as 20/s, 300/min or 5000/h");
        let (count, unit) = text.split_once('/').with_context(form)?;
        let count: f64 = count.parse().with_context(form)?;
        let unit_s = match unit {
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            _ => bail!(form()),
        };
        anyhow::ensure!(count > 0.0 && count.is_finite(), "{}", form());
        Ok(Self { per_s: count / unit_s })
    }
}

/// How `Retry-After` is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfterForm {
    /// As seconds.
    #[default]
    Seconds,
    /// As an HTTP date.
    Date,
    /// Not at all.
    Absent,
}

impl FromStr for RetryAfterForm {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "seconds" => Ok(Self::Seconds),
            "date" => Ok(Self::Date),
            "absent" => Ok(Self::Absent),
            _ => bail!("unknown form of Retry-After `{text}`\nhint: seconds, date or absent"),
        }
    }
}

impl RetryAfterForm {
    /// The header's value, if it is sent.
    pub fn value(self, seconds: u64) -> Option<String> {
        match self {
            Self::Seconds => Some(seconds.to_string()),
            Self::Date => {
                // dates have whole seconds, and one that is rounded down invites callers too early
                let span = SignedDuration::from_secs(i64::try_from(seconds).ok()? + 1);
                let then = Timestamp::now().checked_add(span).ok()?;
                Some(then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            Self::Absent => None,
        }
    }
}

struct Level {
    tokens: f64,
    at: Instant,
}

/// A bucket that fills at the allowed rate and gives a token to each call.
pub struct Bucket {
    per_s: f64,
    capacity: f64,
    level: Mutex<Level>,
}

impl Bucket {
    /// A full bucket; it holds what one second allows unless told otherwise.
    pub fn new(allowance: Allowance, burst: Option<u64>) -> Self {
        let capacity = burst.map_or(allowance.per_s, |burst| burst as f64).max(1.0);
        Self { per_s: allowance.per_s, capacity, level: Mutex::new(Level { tokens: capacity, at: Instant::now() }) }
    }

    /// Takes a token, or answers after how many whole seconds there will be one.
    pub fn take(&self) -> Result<(), u64> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), u64> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_s = now.saturating_duration_since(level.at).as_secs_f64();
        level.tokens = (level.tokens + passed_s * self.per_s).min(self.capacity);
        level.at = level.at.max(now);
        if level.tokens >= 1.0 {
            level.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - level.tokens) / self.per_s).ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_read() {
        assert_eq!("20/s".parse::<Allowance>().unwrap().per_s, 20.0);
        assert_eq!("300/min".parse::<Allowance>().unwrap().per_s, 5.0);
        for bad in ["20", "x/s", "0/s", "5/day"] {
            assert!(bad.parse::<Allowance>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(Allowance { per_s: 2.0 }, Some(3));
        let start = Instant::now();
        let taken = |after_ms: u64| bucket.take_at(start + Duration::from_millis(after_ms));
        assert_eq!([taken(0), taken(0), taken(0), taken(0)], [Ok(()), Ok(()), Ok(()), Err(1)]);
        assert_eq!([taken(600), taken(600)], [Ok(()), Err(1)]);
    }

    #[test]
    fn dates_are_those_of_http() {
        let date = RetryAfterForm::Date.value(5).unwrap();
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        assert_eq!(RetryAfterForm::Absent.value(5), None);
    }
}
