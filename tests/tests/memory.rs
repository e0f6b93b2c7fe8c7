//! `--memory`: what does not fit is built in another way, and the table is the same to the row.

use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::releases::answer;
use crate::support::{Lab, STAGES};

/// Too little for one table of this world as a whole, and plenty for a share of it.
const LITTLE: &str = "128MiB";

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_in_memory_is_built_otherwise_and_comes_out_the_same() {
    let config = SimulatorConfig { profile: Profile::Big, executions: Some(60_000), ..SimulatorConfig::default() };
    let lab = Lab::with(config).await;
    for stage in STAGES {
        lab.run(stage, &[]).expect(0);
    }
    let mut ways = String::new();
    for stage in &STAGES[1..5] {
        let ran = lab.run(stage, &["--force", "--memory", LITTLE, "--threads", "2"]).expect(0);
        let again = ran.log.lines().filter(|line| line.contains("it does not fit in memory"));
        again.for_each(|line| ways.extend([line, "\n"]));
        let diff = answer(&lab, stage, &["diff", "1", "2"]);
        for table in diff["tables"].as_array().unwrap() {
            assert_ne!(table["what"], "different", "{stage}: {table}\n{ways}");
        }
    }
    assert!(ways.contains("in 4 shares"), "everything fits, so nothing was tried: {ways}");
}
