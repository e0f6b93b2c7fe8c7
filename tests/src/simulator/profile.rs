//! The shapes a world can have: how many releases, cycles and phases, and how unequal they are.

use std::str::FromStr;

use anyhow::{Result, bail};

use super::noise::Noise;

/// How large and how skewed the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Three projects and a few hundred executions.
    Small,
    /// The counts and the skew of the recorded server: 38 projects, 80 releases, 84 cycles, 33,000 executions.
    ProdShape,
    /// As many executions as asked for, computed while they are served.
    Big,
}

impl FromStr for Profile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "small" => Ok(Self::Small),
            "prod-shape" => Ok(Self::ProdShape),
            "big" => Ok(Self::Big),
            _ => bail!("unknown profile `{text}`\nhint: small, prod-shape or big"),
        }
    }
}

impl Profile {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::ProdShape => "prod-shape",
            Self::Big => "big",
        }
    }

    /// How many releases in a hundred still run when the clock starts: those without an end, and those with one to come. The
    /// longer the history, the smaller the share of it that people still work in.
    pub fn running_percent(self) -> (u64, u64) {
        match self {
            Self::Small | Self::ProdShape => (24, 22),
            Self::Big => (4, 4),
        }
    }

    /// How many executions a world of this profile has unless told otherwise.
    pub fn default_executions(self) -> u64 {
        match self {
            Self::Small => 360,
            Self::ProdShape => 33_000,
            Self::Big => 1_000_000,
        }
    }
}

/// How many cycles a release has and how many phases each of them has.
pub type CyclePlan = Vec<usize>;

/// The shape of one project.
#[derive(Clone, Debug, Default)]
pub struct ProjectPlan {
    /// Whether it has a pseudo release.
    pub has_pseudo: bool,
    /// Its real releases.
    pub releases: Vec<CyclePlan>,
    /// True for the one project that holds the largest release.
    pub is_largest: bool,
}

/// The shape of a world of a profile.
pub fn plan(profile: Profile, executions: u64, phase_rows: u64, noise: &mut Noise) -> Vec<ProjectPlan> {
    match profile {
        Profile::Small => small(),
        Profile::ProdShape => prod_shape(noise),
        Profile::Big => big(executions, phase_rows),
    }
}

fn small() -> Vec<ProjectPlan> {
    let project = |releases: &[&[usize]], is_largest| ProjectPlan {
        has_pseudo: true,
        releases: releases.iter().map(|cycles| cycles.to_vec()).collect(),
        is_largest,
    };
    vec![project(&[&[3, 2, 3], &[]], true), project(&[&[2], &[1, 2]], false), project(&[&[2]], false)]
}

/// The cycles of the recorded server's non-empty releases: how many releases have how many cycles.
pub const CYCLE_SKEW: &[(usize, usize)] = &[(13, 2), (8, 1), (3, 4), (3, 3), (2, 5), (1, 7)];

/// The cycles of the largest release.
pub const LARGEST_RELEASE: usize = 12;

/// The phases of `count` cycles of an ordinary release.
pub fn ordinary_cycles(count: usize, noise: &mut Noise) -> CyclePlan {
    (0..count).map(|_| if noise.chance(60) { 0 } else { noise.between(1, 5) as usize }).collect()
}

/// The cycles of the largest release with their phases.
pub fn largest_release(noise: &mut Noise) -> CyclePlan {
    (0..LARGEST_RELEASE).map(|_| noise.between(5, 7) as usize).collect()
}

/// The cycles of every ordinary non-empty release, shuffled, and empty plans up to `releases`.
pub fn ordinary_releases(releases: usize, noise: &mut Noise) -> Vec<CyclePlan> {
    let mut plans = Vec::with_capacity(releases);
    for &(count, cycles) in CYCLE_SKEW {
        for _ in 0..count {
            plans.push(ordinary_cycles(cycles, noise));
        }
    }
    plans.resize(releases, CyclePlan::new());
    noise.shuffle(&mut plans);
    plans
}

fn prod_shape(noise: &mut Noise) -> Vec<ProjectPlan> {
    // real releases per project: 27 × 1, 5 × 2, 1 × 4, 1 × 5, and four projects without any row
    let mut counts = [vec![1; 27], vec![2; 5], vec![4, 5], vec![0; 4]].concat();
    noise.shuffle(&mut counts);
    let mut plans = ordinary_releases(45, noise).into_iter();
    counts
        .into_iter()
        .map(|count| {
            let is_largest = count == 5;
            let mut releases = Vec::with_capacity(count);
            for position in 0..count {
                if is_largest && position == 2 {
                    releases.push(largest_release(noise));
                } else {
                    releases.push(plans.next().unwrap_or_default());
                }
            }
            ProjectPlan { has_pseudo: count > 0, releases, is_largest }
        })
        .collect()
}

/// Rows per phase the big profile aims at unless told otherwise: with the spread of sizes no phase exceeds two thousand.
pub const BIG_PHASE_ROWS: u64 = 1_200;

fn big(executions: u64, phase_rows: u64) -> Vec<ProjectPlan> {
    let mut phases_left = executions.div_ceil(phase_rows.max(1)).max(1) as usize;
    let mut plans = vec![ProjectPlan { has_pseudo: true, ..ProjectPlan::default() }; 38];
    plans[0].is_largest = true;
    let mut at = 0;
    while phases_left > 0 {
        let mut cycles = CyclePlan::new();
        // the first project's releases are three times as large as the others'
        let wanted = if at == 0 { 6 } else { 2 };
        while cycles.len() < wanted && phases_left > 0 {
            let phases = phases_left.min(5);
            cycles.push(phases);
            phases_left -= phases;
        }
        plans[at].releases.push(cycles);
        at = (at + 1) % plans.len();
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::super::noise::Kind;
    use super::*;

    #[test]
    fn prod_shape_has_the_recorded_counts() {
        let mut noise = Noise::of(1, Kind::World, 0);
        let plans = plan(Profile::ProdShape, 33_000, BIG_PHASE_ROWS, &mut noise);
        assert_eq!(plans.len(), 38);
        assert_eq!(plans.iter().filter(|project| project.has_pseudo).count(), 34);
        let releases: Vec<_> = plans.iter().flat_map(|project| &project.releases).collect();
        assert_eq!(releases.len(), 46);
        assert_eq!(releases.iter().filter(|cycles| cycles.is_empty()).count(), 15);
        assert_eq!(releases.iter().map(|cycles| cycles.len()).sum::<usize>(), 84);
    }

    #[test]
    fn big_has_phases_enough() {
        let mut noise = Noise::of(1, Kind::World, 0);
        let phases: usize = plan(Profile::Big, 1_000_000, BIG_PHASE_ROWS, &mut noise)
            .iter()
            .flat_map(|project| &project.releases)
            .flatten()
            .sum();
        assert_eq!(phases, 834);
    }
}
