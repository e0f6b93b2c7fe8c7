//! Every input of the corpus and a fixed number of mutations of them, for machines without libFuzzer.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use spectra_fuzz::mutate::Mutator;
use spectra_fuzz::{TARGETS, Target};

/// Inputs of a target by name: those of the corpus, and every model for what reads models.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stages = ["prepare", "clean", "transform", "refine", "analyse"].iter().filter(|_| target == "header");
    let models = stages.map(|stage| here.join("../..").join(stage).join("models"));
    let mut inputs: Vec<(String, Vec<u8>)> = models
        .chain([here.join("corpus").join(target)])
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn give(name: &str, of: &str, target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        panic!("{name}, {of}: b\"{}\"", input.escape_ascii());
    }
}

fn smoke(name: &str) {
    let (_, target, count) = *TARGETS.iter().find(|(known, ..)| *known == name).unwrap();
    let count = std::env::var("SPECTRA_FUZZ_INPUTS").map_or(count, |count| count.parse().unwrap());
    let corpus = corpus(name);
    assert!(!corpus.is_empty());
    for (file, input) in &corpus {
        give(name, file, target, input);
    }
    let seeds: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(1);
    for number in 0..count {
        give(name, &format!("mutation {number}"), target, &mutator.mutate(&seeds));
    }
}

#[test]
fn specs() {
    smoke("spec");
}

#[test]
fn headers() {
    smoke("header");
}

#[test]
fn pages() {
    smoke("page");
}

#[test]
fn lists_of_values() {
    smoke("list_of_values");
}

#[test]
fn dates() {
    smoke("date");
}
