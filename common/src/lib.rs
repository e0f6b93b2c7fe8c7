//! What two or more stages share: the lake, releases, models, and the life of a run.
//!
//! Read in this order:
//!
//! - [`settings`]: the flags and variables every binary understands
//! - [`lake`]: where tables are, and how one is opened at a version
//! - [`log`]: the tables `log.run`, `log.table`, `log.slice`
//! - [`release`]: which versions belong together, who may publish, in which order
//! - [`model`]: a query in a file, with a header the runner obeys
//! - [`stage`]: runs the models of one stage and publishes their tables
//! - [`run`]: one execution of one stage, recorded from its start, whatever its end
//! - [`command`]: what every stage can do besides a run
//! - [`upkeep`]: small files merged, releases let go of, files deleted that nothing names
//! - [`dictionary`]: what every table and column means
//!
//! and when needed: [`session`] (the SQL engine), [`functions`] (what SQL lacks), [`staging`] (files written
//! but not committed), [`verified`] (files read as they were written), [`schema`] (which types a table may have),
//! `memory` (how much there is), `pool` and `estimates` (who gets it), [`failure`] (errors with an exit code), [`logging`] and [`output`] (what a person or a collector sees).

pub mod command;
pub mod dictionary;
mod estimates;
pub mod failure;
pub mod functions;
pub mod lake;
pub mod log;
mod log_damage;
pub mod logging;
mod memory;
pub mod model;
pub mod output;
mod pool;
pub mod release;
pub mod run;
pub mod schema;
pub mod session;
pub mod settings;
pub mod stage;
pub mod staging;
pub mod upkeep;
pub mod verified;
