//! `spectra-clean`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_clean::main()
}
