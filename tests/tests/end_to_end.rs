//! The one end-to-end test binary: the real binaries on the simulator.
//!
//! - [`pipeline`]: six stages, the figures against the simulator's own truth, the second run, the next day
//! - [`extraction`]: what the API does wrong, and what source makes of it
//! - [`refusals`]: bad input gets a clear error, its exit code, and an unchanged lake
//! - [`survival`]: killed, stopped, overtaken
//! - [`recorded`]: bodies recorded from a real server, where they are at hand
//! - [`golden`]: hand-made rows per model

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod extraction;
mod golden;
mod pipeline;
mod recorded;
mod refusals;
mod support;
mod survival;
