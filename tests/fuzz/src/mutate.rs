//! A small mutator for runs without libFuzzer: the same seed gives the same inputs on every machine.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Longest input.
const LONGEST: usize = 4096;

/// Pieces that matter to one of the targets.
const PIECES: [&str; 24] = [
    "9223372036854775807",
    "-9223372036854775808",
    "253402300799999",
    "253402300800000",
    "-62135596800001",
    "18446744073709551616",
    "1e400",
    "-0.0",
    "null",
    "\\ud83d",
    "\\u0000",
    "\u{a0}",
    "{\"id\":1}",
    "[[[[[[",
    "}]}",
    ",",
    "\"",
    "\n",
    "\r",
    "=",
    ";",
    "-- key: ",
    ", else quarantine",
    "{projectId}",
];

/// Makes inputs out of others.
pub struct Mutator(StdRng);

impl Mutator {
    /// That begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `end`; 0 where there is none.
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// A part of an input, often short.
    fn part(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(input.len() + 1);
        let longest = if self.below(2) == 0 { 8 } else { input.len() };
        start..(start + self.below(longest + 1)).min(input.len())
    }

    /// One of the seeds, changed in one to five places.
    pub fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(5) {
            self.change(&mut input, seeds);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let part = self.part(input);
        match self.below(7) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 => drop(input.drain(part)),
            2 => {
                let twice = input[part.clone()].to_vec();
                input.splice(part.end..part.end, twice);
            }
            3 => {
                let other = &seeds[self.below(seeds.len())];
                let piece = other[self.part(other)].to_vec();
                input.splice(part, piece);
            }
            4 => {
                let digits: Vec<usize> = (0..input.len()).filter(|at| input[*at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    let at = digits[self.below(digits.len())];
                    input[at] = b'0' + self.below(10) as u8;
                }
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                let end = if self.below(2) == 0 { part.start } else { part.end };
                input.splice(part.start..end, piece.bytes());
            }
        }
    }
}
