//! What walks left in a lake, and specs made from the built-in one: for tests of source.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Lab, repository};

/// A slice: its table and its key.
pub type Slice = (String, String);

/// A record without run and time: its table, slice, id and hash.
pub type Row = (String, String, String, String);

/// What a reader of the source tables sees.
#[derive(Default)]
pub struct Content {
    /// Current rows, sorted.
    pub rows: Vec<Row>,
    /// Rows of all runs.
    pub landed_count: usize,
    /// The newest version of every slice.
    pub slices: BTreeMap<Slice, Version>,
}

/// The newest version of a slice.
pub struct Version {
    /// complete, forbidden or failed.
    pub status: String,
    /// Why it is not complete.
    pub reason: String,
    content_run_id: String,
}

impl Content {
    /// The slices that are not complete, with their reasons.
    pub fn broken(&self) -> Vec<(&Slice, &Version)> {
        self.slices.iter().filter(|(_, version)| version.status != "complete").collect()
    }
}

/// Reads the source tables.
pub async fn content(lab: &Lab) -> Content {
    let folder = lab.lake_path().join("Tables/source");
    if !folder.join("slice/_delta_log").exists() {
        return Content::default();
    }
    let mut content = Content::default();
    let sql = "select resource, sliceKey, status, reason, contentRunId from source.slice order by release";
    for row in lab.rows(sql).await {
        let version = Version {
            status: text(&row, "status"),
            reason: text(&row, "reason"),
            content_run_id: text(&row, "contentRunId"),
        };
        content.slices.insert((text(&row, "resource"), text(&row, "sliceKey")), version);
    }
    let tables: BTreeSet<&String> = content.slices.keys().map(|(table, _)| table).collect();
    let select = |table: &String| {
        format!("select '{table}' as name, sliceKey, runId, recordId, payloadHash from source.{table}")
    };
    let selects: Vec<String> =
        tables.into_iter().filter(|table| folder.join(table).join("_delta_log").exists()).map(select).collect();
    for row in lab.rows(&selects.join(" union all ")).await {
        content.landed_count += 1;
        let slice = (text(&row, "name"), text(&row, "sliceKey"));
        if content.slices.get(&slice).is_some_and(|version| version.content_run_id == text(&row, "runId")) {
            content.rows.push((slice.0, slice.1, text(&row, "recordId"), text(&row, "payloadHash")));
        }
    }
    content.rows.sort();
    content
}

/// A text of a row; an absent one is empty.
pub fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

/// The built-in spec with some of its resources, all if none is named, and with texts replaced.
pub fn spec_of(resources: &[&str], edits: &[(&str, &str)]) -> String {
    let whole = std::fs::read_to_string(repository("source/zephyr.toml")).unwrap();
    let mut blocks = whole.split("[[resource]]");
    let mut spec = blocks.next().unwrap().to_owned();
    for block in blocks {
        let is_wanted = |name: &&str| block.contains(&format!("name = \"{name}\"\n"));
        if resources.is_empty() || resources.iter().any(is_wanted) {
            spec.push_str(&format!("[[resource]]{block}"));
        }
    }
    for (from, to) in edits {
        assert!(spec.contains(from), "the built-in spec no longer has `{from}`");
        spec = spec.replace(from, to);
    }
    spec
}

/// Waits that suit a test.
pub const HASTY: [(&str, &str); 3] = [
    ("first_wait_ms = 500", "first_wait_ms = 5"),
    ("longest_wait_ms = 30_000", "longest_wait_ms = 20"),
    ("longest_retry_after_ms = 120_000", "longest_retry_after_ms = 2_000"),
];

/// Makes a lab's source go by this spec from now on.
pub fn use_spec(lab: &mut Lab, spec: &str) {
    let path: PathBuf = lab.folder.path().join("own.toml");
    std::fs::write(&path, spec).unwrap();
    lab.variables.insert("SPECTRA_SPEC".to_owned(), path.display().to_string());
}

/// Calls the simulator had, as path and query, with the status of each.
pub fn asked(lab: &Lab) -> Vec<(String, u16)> {
    let requests = lab.simulator.simulator.requests().into_iter();
    requests.map(|request| (format!("{}?{}", request.path, request.query), request.status)).collect()
}

/// The value of a parameter of a call.
pub fn parameter<'a>(call: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = call.split_once('?')?;
    query.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}

/// Takes the first execution of a phase away.
pub fn delete_execution(lab: &Lab, phase: &str) {
    let filter = format!("cyclephaseid={phase}&includeanyoneuser=true&order=id&offset=0&pagesize=1");
    lab.simulator.simulator.add_fault_text(&format!("{filter}:1:row-deleted-while-paging")).unwrap();
    let url = lab.simulator.url();
    let mut stream = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let target = format!("/flex/services/rest/v3/execution?{filter}");
    let head = "Host: simulator\r\nAuthorization: Bearer simulator-token\r\nConnection: close";
    write!(stream, "GET {target} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    lab.simulator.simulator.clear_faults();
}
