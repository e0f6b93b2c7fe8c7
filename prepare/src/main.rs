//! `spectra-prepare`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_prepare::main()
}
