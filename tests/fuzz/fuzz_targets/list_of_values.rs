#![no_main]
//! The coverage-guided run of [`spectra_fuzz::list_of_values`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| spectra_fuzz::list_of_values(data));
