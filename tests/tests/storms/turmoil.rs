//! What happens to a run rather than to a lake: it is killed, or others run at the same time.

use std::time::{Duration, Instant};

use spectra_tests::simulator::noise::{Kind, Noise};

use super::matrix::Killed;
use super::site::{Site, content, newest};
use crate::support::{STAGES, finish};

/// Kills in a row before a run is left alone.
const MOST_IN_A_ROW: u64 = 6;

impl Site {
    /// Kills a stage at so many random moments. Whatever was published before each stays readable, the next run is not
    /// troubled by what the killed ones left, and in the end the tables are those of an undisturbed lake.
    pub async fn kill(&mut self, stage: &'static str, kills: u64) -> Killed {
        let mut noise = Noise::of(self.seed, Kind::Shuffle, place(stage) + 100);
        // Longer than a run takes, so that the moments reach its end when the machine is busy.
        let longest_ms = i64::try_from(self.took[stage].as_millis()).unwrap() * 13 / 10;
        let mut killed = Killed::default();
        while killed.kills < kills {
            let lake = self.fresh(stage);
            let what = format!("seed {}: {stage} killed {} times", self.seed, killed.kills);
            let (first, count) = newest(&lake, stage).await;
            for _ in 0..MOST_IN_A_ROW.min(kills - killed.kills) {
                let alive = Duration::from_millis(u64::try_from(noise.between(0, longest_ms)).unwrap());
                let mut child = self.lab.command(stage).spawn().unwrap();
                tokio::time::sleep(alive).await;
                child.kill().unwrap();
                let status = child.wait().unwrap();
                killed.kills += u64::from(status.code().is_none());
                killed.ended += u64::from(status.code().is_some());
                // All of it can be read, whether that is the release before or the new one, and there is no third.
                content(&lake, stage, &std::collections::BTreeSet::new()).await;
                let (_, now) = newest(&lake, stage).await;
                assert!(now <= count + 1, "{what}: published {} releases of one day", now - count);
                let logs = std::fs::read_dir(lake.join("Tables/log/run/_delta_log")).unwrap().count();
                killed.in_publishing += u64::from(now == count && logs > 0 && claimed(&lake, stage, first).await);
                if status.code().is_some() {
                    break;
                }
            }
            let ran = self.run(stage, &[]);
            assert_eq!(ran.code, Some(0), "{what}: {}\n{}", ran.report, ran.log);
            self.assert_undisturbed(&what, &lake, stage).await;
            self.assert_readable(&lake, stage, &std::collections::BTreeSet::new()).await;
            killed.rounds += 1;
        }
        killed
    }

    /// Starts a stage several times at once: at least one publishes, the others say that they lost or found nothing to do.
    pub async fn overlap(&mut self, stage: &'static str, count: usize) -> Vec<i32> {
        let what = format!("seed {}: {count} runs of {stage} at once", self.seed);
        let lake = self.fresh(stage);
        let (_, before) = newest(&lake, stage).await;
        let mut noise = Noise::of(self.seed, Kind::Latency, place(stage) * 10 + i64::try_from(count).unwrap());
        let begun = Instant::now();
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(self.lab.command(stage).spawn().unwrap());
            tokio::time::sleep(Duration::from_millis(noise.below(80))).await;
        }
        let ended =
            tokio::task::block_in_place(|| children.into_iter().map(|child| finish(child, begun)).collect::<Vec<_>>());
        let mut published = 0;
        for ran in &ended {
            let told = format!("{what}: {}\n{}", ran.report, ran.log);
            assert!(ran.code == Some(0) || ran.code == Some(73), "{told}");
            assert_eq!(ran.code == Some(73), !ran.text("hint").is_empty(), "{told}");
            published += usize::from(ran.text("status") == "published");
        }
        let (_, after) = newest(&lake, stage).await;
        assert!(
            published > 0 && after - before == published,
            "{what}: {published} published, {} released",
            after - before
        );
        self.assert_undisturbed(&what, &lake, stage).await;
        self.assert_readable(&lake, stage, &std::collections::BTreeSet::new()).await;
        let mut codes: Vec<i32> = ended.iter().map(|ran| ran.code.unwrap()).collect();
        codes.sort_unstable();
        codes
    }
}

fn place(stage: &str) -> i64 {
    STAGES.iter().position(|each| *each == stage).and_then(|place| i64::try_from(place).ok()).unwrap()
}

/// Whether a number above the newest release's is claimed: the kill came while a run published.
async fn claimed(lake: &std::path::Path, stage: &str, first: i64) -> bool {
    let lake = spectra_common::lake::Lake::new(lake.to_str().unwrap()).unwrap();
    let history = spectra_common::release::History::load(&lake).await.unwrap();
    history.next_number(stage).await.unwrap() > first + 1
}
