//! What must be true of an error that a person reads.

use spectra_common::failure::{Exit, exit_of, hint_of, one_line};

/// Asserts that an error of a file's content names the file and a line it has, on one line, with a hint.
///
/// # Panics
/// When it does not.
pub fn is_told(error: &anyhow::Error, file: &str, text: &str) {
    let told = one_line(error);
    assert_eq!(exit_of(error), Exit::Configuration, "{told}");
    assert!(!told.contains(['\n', '\r']), "more than a line: {told:?}");
    assert!(hint_of(error).is_some_and(|hint| !hint.is_empty()), "no hint: {told}");
    let rest = told.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let Some(rest) = rest else { panic!("the file is not named: {told}") };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() && rest[digits.len()..].starts_with(':') {
        let line: usize = digits.parse().expect("a line number");
        let lines = text.split('\n').count();
        assert!((1..=lines).contains(&line), "line {line} of {lines}: {told}");
    }
    // Debug output of our own types and of Rust's, where the text itself has none.
    for mark in ["Some(", "Err(", "Error {", "Span {", "kind:"] {
        assert!(text.contains(mark) || !told.contains(mark), "debug output: {told}");
    }
}
