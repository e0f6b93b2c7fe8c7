//! What the log says of walks that were made: what each slice cost, and what a whole run took besides.

use std::collections::HashMap;
use std::ops::{Add, AddAssign, Mul};

use anyhow::Result;
use serde::Deserialize;
use spectra_common::lake::Lake;
use spectra_common::{log, session};

/// What commits and the way from slice to slice take, where no run has shown it.
const LOCAL_COMMIT_MS: f64 = 30.0;
const REMOTE_COMMIT_MS: f64 = 200.0;
const SLICE_MS: f64 = 1.0;

/// What slices cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Requests.
    pub requests: f64,
    /// Rows received.
    pub rows: f64,
    /// Bytes received.
    pub bytes: f64,
    /// Time from the first request to the last byte.
    pub ms: f64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            ms: self.ms + other.ms,
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            requests: self.requests * factor,
            rows: self.rows * factor,
            bytes: self.bytes * factor,
            ms: self.ms * factor,
        }
    }
}

/// The last walks of all slices.
#[derive(Default)]
pub struct Log {
    whole: HashMap<String, HashMap<String, Cost>>,
    partial: HashMap<String, HashMap<String, Cost>>,
    /// What the last run took besides.
    pub besides: Option<Besides>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Walk {
    run_id: String,
    resource: String,
    slice_key: String,
    is_partial: bool,
    request_count: i64,
    row_count: i64,
    byte_count: i64,
    duration_ms: i64,
    began_ms: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastRun {
    run_id: String,
    duration_ms: Option<i64>,
}

impl Log {
    /// Reads it.
    ///
    /// # Errors
    /// When `log.slice` or `log.run` cannot be read.
    pub async fn read(lake: &Lake, memory_bytes: u64) -> Result<Self> {
        let mut found = Self::default();
        let Some(slices) = lake.open("log", "slice", None).await? else { return Ok(found) };
        let Some(runs) = lake.open("log", "run", None).await? else { return Ok(found) };
        let context = session::new(memory_bytes, 1)?;
        session::register_delta(&context, "log", "slice", &slices).await?;
        session::register_delta(&context, "log", "run", &runs).await?;
        let sql = "select \"runId\", \"durationMs\" from log.run
            where stage = 'source' and status in ('published', 'unchanged') order by \"recordedAt\" desc limit 1";
        let last: Option<LastRun> = log::rows(&context.sql(sql).await?.collect().await?)?.into_iter().next();
        let sql = "with walk as (
                select *, outcome = 'partial' as \"isPartial\", arrow_cast(\"walkedAt\", 'Int64') / 1000.0 as \"beganMs\",
                    row_number() over (
                        partition by resource, \"sliceKey\", outcome = 'partial'
                        order by \"walkedAt\" desc, \"runId\" desc) as age
                from log.slice where outcome in ('complete', 'unchanged', 'partial', 'forbidden', 'failed'))
            select \"runId\", resource, \"sliceKey\", \"isPartial\", \"requestCount\", \"rowCount\", \"byteCount\",
                \"durationMs\", \"beganMs\"
            from walk where age = 1";
        let mut span = Span::default();
        for walk in log::rows::<Walk>(&context.sql(sql).await?.collect().await?)? {
            if last.as_ref().is_some_and(|last| last.run_id == walk.run_id) {
                span.add(walk.began_ms, walk.duration_ms as f64);
            }
            let walks = if walk.is_partial { &mut found.partial } else { &mut found.whole };
            let cost = Cost {
                requests: walk.request_count as f64,
                rows: walk.row_count as f64,
                bytes: walk.byte_count as f64,
                ms: walk.duration_ms as f64,
            };
            walks.entry(walk.resource).or_default().insert(walk.slice_key, cost);
        }
        found.besides = last.and_then(|last| Besides::of(last.duration_ms? as f64, &span));
        Ok(found)
    }

    /// What the last whole walk of a slice cost.
    pub fn whole(&self, table: &str, key: &str) -> Option<Cost> {
        self.whole.get(table)?.get(key).copied()
    }

    /// What the last walk of a slice cost that asked only for what changed.
    pub fn partial(&self, table: &str, key: &str) -> Option<Cost> {
        self.partial.get(table)?.get(key).copied()
    }

    /// Whether nothing was ever walked.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.partial.is_empty()
    }
}

/// The time in which the slices of a run were walked.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    begin_ms: Option<f64>,
    end_ms: Option<f64>,
    slices_ms: f64,
    count: f64,
}

impl Span {
    fn add(&mut self, began_ms: f64, took_ms: f64) {
        self.begin_ms = Some(self.begin_ms.map_or(began_ms, |begin| begin.min(began_ms)));
        let ended_ms = began_ms + took_ms;
        self.end_ms = Some(self.end_ms.map_or(ended_ms, |end| end.max(ended_ms)));
        self.slices_ms += took_ms;
        self.count += 1.0;
    }
}

/// Days since which slices are forbidden or failed, by table and key.
///
/// # Errors
/// When `source.slice` cannot be read.
pub async fn out_of_sight(lake: &Lake, memory_bytes: u64) -> Result<HashMap<(String, String), String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        resource: String,
        slice_key: String,
        day: String,
    }
    let Some(table) = lake.open("source", "slice", None).await? else { return Ok(HashMap::new()) };
    let context = session::new(memory_bytes, 1)?;
    session::register_delta(&context, "source", "slice", &table).await?;
    // A slice that stays out of sight gets no further version.
    let sql = "select resource, \"sliceKey\", cast(cast(max(\"walkedAt\") as date) as string) as day
        from source.slice where status in ('forbidden', 'failed') group by resource, \"sliceKey\"";
    let rows: Vec<Row> = log::rows(&context.sql(sql).await?.collect().await?)?;
    Ok(rows.into_iter().map(|row| ((row.resource, row.slice_key), row.day)).collect())
}

/// What a run takes besides asking for slices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Besides {
    /// Before the first slice and after the last.
    pub fixed_ms: f64,
    /// From one slice to the next.
    pub slice_ms: f64,
    /// To land a byte, where that is not in the time of the slices.
    pub byte_ms: f64,
    /// Slices under way at once, on average.
    pub parallel: f64,
}

impl Besides {
    fn of(total_ms: f64, span: &Span) -> Option<Self> {
        let span_ms = span.end_ms? - span.begin_ms?;
        Some(Self {
            fixed_ms: (total_ms - span_ms).max(0.0),
            slice_ms: (span_ms - span.slices_ms).max(0.0) / span.count.max(1.0),
            byte_ms: 0.0,
            parallel: if span_ms > 0.0 { (span.slices_ms / span_ms).max(1.0) } else { 1.0 },
        })
    }

    /// Where no run has shown it: what this one took so far, a commit for each table, and the time to land a byte.
    pub fn guess(so_far_ms: f64, table_count: usize, lake: &Lake, byte_ms: f64) -> Self {
        let commit_ms = if lake.root().scheme() == "file" { LOCAL_COMMIT_MS } else { REMOTE_COMMIT_MS };
        let fixed_ms = so_far_ms + commit_ms * table_count as f64;
        Self { fixed_ms, slice_ms: SLICE_MS, byte_ms, parallel: 1.0 }
    }

    /// The time of a run in seconds.
    pub fn seconds(&self, total: &Cost, slice_count: f64, concurrency: usize, per_minute: Option<f64>) -> f64 {
        let at_once = match concurrency {
            0 | 1 => 1.0,
            // What was reached is a better guess than what is allowed.
            many if self.parallel > 1.05 => self.parallel.min(many as f64),
            many => many as f64,
        };
        let asking_ms = total.ms / at_once + self.slice_ms * slice_count + self.byte_ms * total.bytes;
        let allowed_ms = per_minute.filter(|rate| *rate > 0.0).map_or(0.0, |rate| total.requests * 60_000.0 / rate);
        (self.fixed_ms + asking_ms.max(allowed_ms)) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn besides(total_ms: f64, slices_ms: f64, span_ms: f64) -> Besides {
        let mut span = Span { slices_ms, count: 100.0, ..Span::default() };
        (span.begin_ms, span.end_ms) = (Some(5.0), Some(5.0 + span_ms));
        Besides::of(total_ms, &span).unwrap()
    }

    #[test]
    fn a_run_like_the_last_one_takes_as_long_as_the_last_one() {
        let cost = Cost { requests: 100.0, ms: 8_000.0, ..Cost::default() };
        let seconds = besides(10_000.0, 8_000.0, 9_000.0).seconds(&cost, 100.0, 1, None);
        assert!((seconds - 10.0).abs() < 0.01, "{seconds}");
        let parallel = besides(3_000.0, 8_000.0, 2_000.0);
        assert!((parallel.seconds(&cost, 100.0, 8, None) - 3.0).abs() < 0.01);
        assert!((parallel.seconds(&cost, 100.0, 2, None) - 5.0).abs() < 0.01, "no more at once than allowed");
    }

    #[test]
    fn no_run_is_faster_than_the_limit() {
        let cost = Cost { requests: 600.0, ms: 1_000.0, ..Cost::default() };
        let seconds = besides(2_000.0, 1_000.0, 1_000.0).seconds(&cost, 100.0, 4, Some(60.0));
        assert!((seconds - 601.0).abs() < 0.01, "{seconds}");
    }
}
