//! What the tests, the demonstration and the benchmark of SPECTRA stand on: simulated test-management servers.

pub mod scale;
pub mod simulator;
