//! Which releases are kept: a number of them, some days of them, and all that those were built from.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::release::Release;

/// How long a release is kept: it is, if either says so.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The newest of each stage; the newest one is always kept.
    pub releases: usize,
    /// Those younger than this.
    pub days: u32,
}

/// The releases to keep, by stage and number.
pub fn kept(releases: &[Release], policy: Policy, now: Timestamp) -> BTreeSet<(&str, i64)> {
    let youngest = now - SignedDuration::from_hours(i64::from(policy.days) * 24);
    let mut kept = BTreeSet::new();
    for release in releases {
        let newer = releases.iter().filter(|other| other.stage == release.stage && other.number > release.number);
        if newer.count() < policy.releases.max(1) || release.published_at >= youngest {
            kept.insert((release.stage.as_str(), release.number));
            // These name everything back to source, not only the stage before.
            kept.extend(release.inputs.iter().map(|(stage, number)| (stage.as_str(), *number)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn release(stage: &str, number: i64, day: i64, inputs: &[(&str, i64)]) -> Release {
        Release {
            number,
            stage: stage.to_owned(),
            run_id: String::new(),
            as_of: None,
            fingerprint: String::new(),
            inputs: inputs.iter().map(|(stage, number)| ((*stage).to_owned(), *number)).collect(),
            tables: BTreeMap::new(),
            published_at: Timestamp::from_second(day * 86_400).unwrap(),
            row_count: 0,
            note: None,
        }
    }

    fn kept_at(releases: &[Release], count: usize, days: u32, day: i64) -> Vec<(&str, i64)> {
        let policy = Policy { releases: count, days };
        kept(releases, policy, Timestamp::from_second(day * 86_400).unwrap()).into_iter().collect()
    }

    #[test]
    fn a_release_is_kept_for_its_number_for_its_age_or_for_what_was_built_from_it() {
        let releases = [
            release("source", 1, 1, &[]),
            release("source", 2, 2, &[]),
            release("source", 3, 9, &[]),
            release("source", 4, 10, &[]),
            release("clean", 1, 3, &[("source", 2)]),
        ];
        assert_eq!(kept_at(&releases, 1, 0, 20), [("clean", 1), ("source", 2), ("source", 4)]);
        assert_eq!(kept_at(&releases, 0, 0, 20), kept_at(&releases, 1, 0, 20), "the newest is always kept");
        assert_eq!(kept_at(&releases, 1, 11, 20), [("clean", 1), ("source", 2), ("source", 3), ("source", 4)]);
        assert_eq!(kept_at(&releases, 9, 0, 20).len(), 5);
    }
}
