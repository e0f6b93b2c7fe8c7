//! `spectra-refine`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spectra_refine::main()
}
