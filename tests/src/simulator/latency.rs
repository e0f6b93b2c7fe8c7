//! The delays of the real server: a median of 44 ms, 120 ms at the 95th percentile, seconds on the largest release.

use std::time::Duration;

use super::noise::{Kind, Noise};
use super::quirks::{Quirk, Quirks};

/// What a call on the largest release cost on top, with the rows that release had.
const LARGEST_RELEASE_MS: f64 = 5_500.0;
const LARGEST_RELEASE_ROWS: f64 = 15_000.0;

/// How long the real server would have taken, times a factor.
pub fn delay(factor: f64, quirks: Quirks, seed: u64, call: u64, release_rows: u64) -> Duration {
    let mut noise = Noise::of(seed, Kind::Latency, call as i64);
    let base_ms = match noise.below(100) {
        0..50 => noise.between(20, 44),
        50..95 => noise.between(44, 120),
        _ => noise.between(120, 440),
    } as f64;
    let release_ms = if quirks.has(Quirk::SlowLargeReleases) {
        LARGEST_RELEASE_MS * release_rows as f64 / LARGEST_RELEASE_ROWS
    } else {
        0.0
    };
    Duration::try_from_secs_f64((base_ms + release_ms.min(LARGEST_RELEASE_MS)) * factor / 1000.0).unwrap_or_default()
}
