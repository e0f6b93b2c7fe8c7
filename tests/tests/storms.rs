//! Storms: everything that can happen to a lake, at every stage. Each ends in the documented exit code with a message
//! that names the file or table and what to do; what was published stays readable, nothing of the failed run is
//! published, and once the fault is mended the tables are those of a lake nobody disturbed, row for row.
//!
//! `tests/campaign` runs all of it and prints the matrix that is in `docs/faults.md`; a seeded part of it runs with the
//! other tests. `SPECTRA_TEST_SEED` chooses moments, tables and remedies, `SPECTRA_TEST_KILLS` the kills of each stage.

mod damage;
mod matrix;
mod scene;
mod site;
mod turmoil;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use jiff::Timestamp;
use spectra_tests::simulator::noise::{Kind, Noise};

use crate::support::STAGES;
use damage::{FAULTS, Fault};
use matrix::Matrix;
use site::Site;

/// Cells of the matrix that run with the other tests, and kills of each stage.
const CELLS: usize = 18;
const KILLS: u64 = 2;

fn seed() -> u64 {
    let given = std::env::var("SPECTRA_TEST_SEED").ok().map(|text| text.parse().unwrap());
    given.unwrap_or_else(|| Timestamp::now().as_second() as u64)
}

fn kills() -> Option<u64> {
    std::env::var("SPECTRA_TEST_KILLS").ok().map(|text| text.parse().unwrap())
}

/// Every fault at every stage where it makes sense.
fn cells() -> Vec<(&'static Fault, &'static str)> {
    FAULTS.iter().flat_map(|fault| fault.stages.iter().map(move |stage| (fault, *stage))).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the seed is what it takes to see a failure again")]
async fn a_few_faults_end_as_documented() {
    let seed = seed();
    eprintln!("SPECTRA_TEST_SEED={seed}");
    let mut site = Site::new(seed).await;
    let mut cells = cells();
    Noise::of(seed, Kind::Shuffle, 0).shuffle(&mut cells);
    // Every fault as often as any other.
    let mut met = BTreeSet::new();
    cells.retain(|(fault, _)| met.insert(fault.name));
    for (fault, stage) in cells.into_iter().take(CELLS) {
        site.strike(fault, stage).await;
    }
    for stage in STAGES {
        site.kill(stage, KILLS).await;
    }
    let stage = STAGES[usize::try_from(seed % 6).unwrap()];
    site.overlap(stage, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: tests/campaign runs it"]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the matrix is asked for")]
async fn campaign() {
    let (seed, kills) = (seed(), kills().unwrap_or(100));
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (only, only_stage) = (variable("SPECTRA_TEST_FAULT"), variable("SPECTRA_TEST_STAGE"));
    let mut site = Site::new(seed).await;
    let mut matrix = Matrix::default();
    let mut failed = Vec::new();
    let chosen = |(fault, stage): &(&Fault, &str)| fault.name.contains(&only) && stage.contains(&only_stage);
    for (fault, stage) in cells().into_iter().filter(chosen) {
        // One cell that is not as it should be does not hide the others.
        match AssertUnwindSafe(site.strike(fault, stage)).catch_unwind().await {
            Ok(outcome) => {
                eprintln!("{} / {stage}: {}", fault.name, outcome.told());
                matrix.note(fault, stage, outcome);
            }
            Err(_) => failed.push(format!("{} / {stage}", fault.name)),
        }
    }
    if only.is_empty() || "several runs at once".contains(&only) {
        let stages = STAGES.into_iter().filter(|stage| stage.contains(&only_stage));
        for (stage, count) in stages.flat_map(|stage| [(stage, 2), (stage, 3)]) {
            match AssertUnwindSafe(site.overlap(stage, count)).catch_unwind().await {
                Ok(codes) => {
                    eprintln!("{count} runs at once / {stage}: {codes:?}");
                    matrix.note_overlap(stage, count, codes);
                }
                Err(_) => failed.push(format!("{count} runs at once / {stage}")),
            }
        }
    }
    if only.is_empty() || "killed".contains(&only) {
        for stage in STAGES.into_iter().filter(|stage| stage.contains(&only_stage)) {
            match AssertUnwindSafe(site.kill(stage, kills)).catch_unwind().await {
                Ok(killed) => {
                    eprintln!("killed / {stage}: {killed:?}");
                    matrix.note_kills(stage, killed);
                }
                Err(_) => failed.push(format!("killed / {stage}")),
            }
        }
    }
    let page = matrix.markdown(seed, kills);
    match std::env::var_os("SPECTRA_TEST_PAGE") {
        Some(file) => std::fs::write(file, page).unwrap(),
        None => println!("{page}"),
    }
    assert!(failed.is_empty(), "seed {seed}: {failed:#?}");
}
