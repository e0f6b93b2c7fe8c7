#![no_main]
//! The coverage-guided run of [`spectra_fuzz::page`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| spectra_fuzz::page(data));
