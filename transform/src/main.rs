//! `spectra-transform`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_transform::main()
}
