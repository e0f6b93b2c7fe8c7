#![no_main]
//! The coverage-guided run of [`spectra_fuzz::spec`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| spectra_fuzz::spec(data));
