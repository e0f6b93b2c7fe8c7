//! What comes from outside, as bytes nobody foresaw: one function for each kind of input, which gives it to the code of
//! the product and asserts what must be true of the result, whatever the bytes.
//!
//! They are driven by libFuzzer (`fuzz_targets/`) and, without it, by mutations of the corpus (`tests/smoke.rs`).

// An invariant that does not hold ends the process: that is how a fuzzer learns of it.
#![allow(clippy::expect_used, clippy::panic)]

mod date;
mod header;
mod json;
mod list_of_values;
pub mod mutate;
mod page;
mod spec;
mod sql;
mod told;

pub use date::date;
pub use header::header;
pub use list_of_values::list_of_values;
pub use page::page;
pub use spec::spec;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its binary and of its folder in the corpus, and how many inputs a second
/// or two are enough for in a debug build.
pub const TARGETS: [(&str, Target, usize); 5] = [
    ("spec", spec, 300),
    ("header", header, 3_000),
    ("page", page, 3_000),
    ("list_of_values", list_of_values, 150),
    ("date", date, 100),
];
