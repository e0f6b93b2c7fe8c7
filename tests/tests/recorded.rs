//! Bodies recorded from a real server, where they are at hand: `SPECTRA_SAMPLES`, or `../shared/samples` beside the
//! repository.

use std::path::PathBuf;

use spectra_tests::simulator::{Quirk, SimulatorConfig};

use crate::support::{Lab, repository};

fn samples() -> Option<PathBuf> {
    let folder = std::env::var_os("SPECTRA_SAMPLES").map_or_else(|| repository("../shared/samples"), PathBuf::from);
    if folder.join("release.json").exists() {
        return Some(folder);
    }
    println!("skipped: there are no recorded bodies in {}", folder.display());
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn real_releases_and_real_dates_come_through() {
    let Some(folder) = samples() else { return };
    let lab = Lab::with(SimulatorConfig { recorded: Some(folder), ..SimulatorConfig::default() }).await;
    lab.run_all();
    let releases = |kind: &str| format!("select count(*) from transform.dimRelease where releaseKey <> -1 and {kind}");
    assert_eq!(lab.number(&releases("not isPseudoRelease")).await, 46);
    assert_eq!(lab.number(&releases("isPseudoRelease")).await, 34);
    assert_eq!(lab.number("select count(*) from clean.dimProject").await, 38);
    for table in ["dimProject", "dimRelease", "dimCycle", "dimCyclePhase"] {
        let quarantine = format!("quarantine.clean{}{}", table[..1].to_uppercase(), &table[1..]);
        assert_eq!(
            lab.number(&format!("select count(*) from {quarantine}")).await,
            0,
            "every date agrees with its twin"
        );
    }
    let pairs = "select count(releaseStartDate) + count(releaseEndDate) from clean.dimRelease";
    assert_eq!(lab.number(pairs).await, 82, "the dates of real releases");

    let executions = lab.number("select count(*) from refine.factExecution").await;
    lab.simulator.simulator.set_quirk(Quirk::ForbiddenProjects, true).unwrap();
    lab.run_all();
    assert_eq!(lab.number("select count(*) from transform.dimProject where isStale").await, 3);
    assert_eq!(lab.number(&releases("not isPseudoRelease")).await, 46, "rows of forbidden projects stay");
    assert_eq!(lab.number(&releases("isPseudoRelease")).await, 34, "pseudo releases of forbidden projects stay");
    assert_eq!(lab.number("select count(*) from refine.factExecution").await, executions);
    assert!(lab.number("select count(*) from analyse.freshness where isStale").await > 3);
}
