//! What the tests, the demonstration and the benchmark of SPECTRA stand on: a simulated test-management server.

pub mod simulator;
