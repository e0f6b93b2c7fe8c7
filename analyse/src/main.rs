//! `spectra-analyse`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_analyse::main()
}
