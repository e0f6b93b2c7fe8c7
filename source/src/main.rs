//! `spectra-source`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_source::main()
}
