//! The data dictionary: is what is committed what the models say?
//!
//! With `SPECTRA_TEST_RENEW=1` it is written anew in place of being compared.

mod convention;
mod fixed;
mod generate;
mod lineage;
mod markdown;

use std::collections::BTreeMap;
use std::sync::Arc;

use spectra_common::dictionary::{Dictionary, Table};
use spectra_common::model;
use spectra_source::spec::Spec;

use crate::support::repository;
use generate::{Everything, dictionary};

const STAGES: [&str; 5] = ["prepare", "clean", "transform", "refine", "analyse"];
const RENEW: &str =
    "SPECTRA_TEST_RENEW=1 cargo test --locked --workspace --no-default-features --test end_to_end dictionary";

/// What the models say now.
async fn made() -> Dictionary {
    let records = spectra_source::slice::record_columns().unwrap().arrow;
    let spec = Spec::load(None).unwrap();
    let mut source: BTreeMap<_, _> = spec.tables().map(|table| (table.to_owned(), Arc::clone(&records))).collect();
    source.insert("slice".to_owned(), spectra_source::version::columns().unwrap().arrow);
    let mut references = BTreeMap::new();
    for entry in std::fs::read_dir(repository("prepare/reference")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let text = std::fs::read_to_string(&path).unwrap();
            let columns = text.lines().next().unwrap().split(',').map(|name| name.trim().to_owned()).collect();
            references.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), columns);
        }
    }
    let stages = STAGES.map(|stage| {
        let models = std::fs::read_dir(repository(&format!("{stage}/models"))).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let table = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            model::parse(&table, &path.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"))
        });
        (stage.to_owned(), models.collect())
    });
    dictionary(Everything { source, references, stages: stages.into() })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// One line a column, so that a change reads as one.
fn as_json(dictionary: &Dictionary) -> String {
    let tables: Vec<String> = dictionary
        .tables
        .iter()
        .map(|table| {
            let head = serde_json::to_string(&Table { columns: Vec::new(), ..table.clone() }).unwrap();
            let columns: Vec<String> =
                table.columns.iter().map(|column| serde_json::to_string(column).unwrap()).collect();
            let head = head.strip_suffix("\"columns\":[]}").unwrap();
            format!("{head}\"columns\":[\n{}\n]}}", columns.join(",\n"))
        })
        .collect();
    format!("[\n{}\n]\n", tables.join(",\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_dictionary_is_what_the_models_say() {
    let dictionary = made().await;
    let mut pages = markdown::pages(&dictionary);
    pages.insert("dictionary.json".to_owned(), as_json(&dictionary));
    if std::env::var_os("SPECTRA_TEST_RENEW").is_some() {
        std::fs::create_dir_all(repository("docs/dictionary")).unwrap();
        for (path, page) in &pages {
            std::fs::write(repository("docs").join(path), page).unwrap();
        }
        let columns =
            dictionary.tables.iter().flat_map(|table| table.columns.iter().map(move |column| (table, column)));
        for (table, column) in columns.filter(|(_, column)| column.meaning.is_none()) {
            println!("{}.{} has no meaning", table.name(), column.name);
        }
        return;
    }
    for (path, page) in &pages {
        let committed = std::fs::read_to_string(repository("docs").join(path)).unwrap_or_default();
        let differs = committed.lines().zip(page.lines()).find(|(is, should)| is != should);
        let (is, should) = differs.unwrap_or(("its end", "more or less lines"));
        assert!(
            committed == *page,
            "docs/{path} is not what the models say; renew it with\n  {RENEW}\nit says:     {is}\nthe models: {should}"
        );
    }
}
