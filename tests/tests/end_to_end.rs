//! The one end-to-end test binary: the real binaries on the simulator.
//!
//! - [`pipeline`]: six stages, the figures against the simulator's own truth, the second run, the next day
//! - [`extraction`]: what the API does wrong, and what source makes of it
//! - [`faults`]: everything that can go wrong with one slice, under every policy
//! - [`cadence`]: less work on the next run, and walks that are not published
//! - [`canon`]: what records look like, against the contract and against what they looked like before
//! - [`credentials`]: every kind of them, and what happens when they end
//! - [`encryption`]: certificates are looked at always
//! - [`hostile`]: an API and files that mean harm
//! - [`drift`]: rows that move meanwhile, slices asked for at once, pages that are too heavy
//! - [`origins`]: recordings, files, a server that allows little, listings too long for one run
//! - [`fortnight`]: fourteen days, each with all six stages, against the simulator's diary
//! - [`planning`]: what a run expects of itself, against what it does
//! - [`doctor`]: what a run depends on, looked at without a run
//! - [`refusals`]: bad input gets a clear error, its exit code, and an unchanged lake
//! - [`releases`]: listed, shown, compared, gone back to, built again
//! - [`upkeep`]: what is kept, what is let go of, and when
//! - [`storms`]: everything that can happen to a lake, at every stage
//! - [`survival`]: killed, stopped, overtaken
//! - [`kills`]: a hundred kills, and what each costs
//! - [`quarantine`]: rows set aside, accepted, tried again
//! - [`recorded`]: bodies recorded from a real server, where they are at hand
//! - [`incremental`]: what is renewed part by part against what is built whole
//! - [`golden`]: hand-made rows per model
//! - [`dictionary`]: what is committed about tables and columns against what the models say
//! - [`takeaway`]: files to take away, opened again
//! - [`asking`]: questions to the lake
//! - [`report`]: the page in a real browser
//! - [`sealed`]: what nobody can pass, turn off or write
//! - [`scale`]: another API, by the example's spec and models

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod asking;
mod cadence;
mod canon;
mod credentials;
mod dictionary;
mod doctor;
mod drift;
mod encryption;
mod extraction;
mod faults;
mod fortnight;
mod golden;
mod hostile;
mod incremental;
mod kills;
mod memory;
mod origins;
mod pipeline;
mod planning;
mod quarantine;
mod recorded;
mod refusals;
mod releases;
mod report;
mod scale;
mod sealed;
mod storms;
mod support;
mod survival;
mod takeaway;
mod upkeep;
mod walked;
