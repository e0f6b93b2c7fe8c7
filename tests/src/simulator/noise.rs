//! Seeded noise: every value the simulator invents is a pure function of the seed, the kind of thing and its id.
//!
//! A generator written here, and not one from a crate, because the bytes served for a seed must outlive upgrades.

/// The kinds of things noise is drawn for; each kind has its own stream, so that adding a draw to one leaves the others alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A project row.
    Project = 1,
    /// A release row.
    Release,
    /// A cycle row.
    Cycle,
    /// A cycle phase row.
    Phase,
    /// An execution row and its whole life.
    Execution,
    /// The visible text of an execution row.
    ExecutionText,
    /// A logical test case.
    Testcase,
    /// A user.
    User,
    /// What changes on one day.
    Day,
    /// The shape of the whole world.
    World,
    /// The order of ties in one answer.
    Shuffle,
    /// The delay of one answer.
    Latency,
    /// Whether a fault strikes a call.
    Fault,
    /// A requirement or a node of its tree.
    Requirement,
    /// A folder of test cases.
    Folder,
}

/// Scrambles 64 bits so that neighbouring inputs have unrelated outputs.
pub fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A stream of draws for one thing.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
}

impl Noise {
    /// The stream of the thing `id` of a kind under a seed.
    pub fn of(seed: u64, kind: Kind, id: i64) -> Self {
        let start = mix(seed ^ mix(kind as u64));
        Self { state: mix(start ^ (id as u64)) }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from zero up to, not including, `bound`; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        low + self.below((high - low) as u64 + 1) as i64
    }

    /// True in `permille` of a thousand draws.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of the members of a list that is not empty.
    pub fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let index = self.below(list.len() as u64) as usize;
        list.get(index).copied().unwrap_or("")
    }

    /// Puts a list into an order drawn from this stream.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            list.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_kind_and_id_only() {
        let first = Noise::of(7, Kind::Execution, 12).bits();
        assert_eq!(first, Noise::of(7, Kind::Execution, 12).bits());
        assert_ne!(first, Noise::of(8, Kind::Execution, 12).bits());
        assert_ne!(first, Noise::of(7, Kind::Phase, 12).bits());
        assert_ne!(first, Noise::of(7, Kind::Execution, 13).bits());
    }

    #[test]
    fn bounds_hold() {
        let mut noise = Noise::of(1, Kind::World, 1);
        for _ in 0..1000 {
            assert!(noise.below(3) < 3);
            assert!((4..=6).contains(&noise.between(4, 6)));
        }
        assert_eq!(noise.below(0), 0);
    }
}
