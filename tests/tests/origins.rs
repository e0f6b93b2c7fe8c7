//! Where answers come from: a recording, files, a server that allows little, a listing too long for one run.

use std::io::Write;
use std::path::Path;

use serde_json::Value;
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::Lab;
use crate::walked::content;

const CANARY: &str = "canary-7f3a";

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_gives_the_same_rows_with_the_network_off() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.rotate(CANARY);
    lab.variables.insert("SPECTRA_API_TOKEN".to_owned(), CANARY.to_owned());
    // What had to be tried again is part of it.
    lab.simulator.simulator.add_fault_text("/execution:3:503").unwrap();
    lab.simulator.simulator.add_fault_text("/cycle/release:1:truncated").unwrap();
    let tape = lab.folder.path().join("tape");
    let folder = tape.display().to_string();
    let flags = ["--record", &folder, "--record-mask", "lastName,email", "--page-size", "10"];
    let ran = lab.run("source", &flags).expect(0);
    let recorded = content(&lab).await;
    assert!(!recorded.rows.is_empty());
    for path in std::fs::read_dir(&tape).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => unpacked(&path),
            _ => String::from_utf8(bytes).unwrap(),
        };
        assert!(!text.contains(CANARY), "{} holds the token", path.display());
        assert!(!text.contains("@example.test"), "{} holds what was to be masked", path.display());
    }
    let again = lab.run("source", &flags).expect(78);
    assert!(again.text("message").contains("tape"), "{}", again.report);

    lab.variables.insert("SPECTRA_LAKE".to_owned(), lab.folder.path().join("replayed").display().to_string());
    lab.variables.remove("SPECTRA_API_TOKEN");
    lab.variables.remove("SPECTRA_API_URL");
    lab.simulator.simulator.clear_requests();
    let replayed = lab.run("source", &["--replay", &folder, "--page-size", "10"]).expect(0);
    assert_eq!(replayed.report["requestCount"], ran.report["requestCount"]);
    assert!(lab.simulator.simulator.requests().is_empty(), "a replay asks nobody");
    let found = content(&lab).await;
    // Masked in the recording, and only there.
    let plain =
        |rows: &[crate::walked::Row]| rows.iter().filter(|row| row.0 != "dimTester").cloned().collect::<Vec<_>>();
    assert_eq!(plain(&found.rows), plain(&recorded.rows));
    assert_eq!(found.slices.keys().collect::<Vec<_>>(), recorded.slices.keys().collect::<Vec<_>>());
    let masked = lab.number("select count(*) from source.dimTester where payload like '%\"lastName\":\"***\"%'").await;
    assert!(masked > 0);

    let other = lab.run("source", &["--replay", &folder, "--page-size", "7"]).expect(66);
    assert!(other.text("message").contains("pagesize=7"), "{}", other.report);
}

fn unpacked(path: &Path) -> String {
    let output = std::process::Command::new("zcat").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

const FILES: &str = r#"
name = "dump"
base_path = ""
scope = "projectId"

[[resource]]
name = "project"
table = "dimProject"
files = "projects.json"
records = "data.projects"
record_id = "id"
key = "projectId"

[[resource]]
name = "execution"
table = "factExecution"
parent = "project"
files = "executions/{projectId}/*.ndjson"
record_id = "id"
owner = { projectId = "projectId" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn files_give_the_same_slices_as_an_api() {
    let mut lab = Lab::new(Profile::Small).await;
    let dump = lab.folder.path().join("dump");
    for project in [1, 2] {
        std::fs::create_dir_all(dump.join(format!("executions/{project}"))).unwrap();
    }
    std::fs::write(dump.join("projects.json"), r#"{"data":{"projects":[{"id":1},{"id":2},{"id":3}]}}"#).unwrap();
    let write = |name: &str, ids: std::ops::Range<i64>, project: i64| {
        let mut file = std::fs::File::create(dump.join(name)).unwrap();
        for id in ids {
            writeln!(file, "{{\"id\":{id},\"projectId\":{project}}}").unwrap();
        }
    };
    write("executions/1/a.ndjson", 0..5_000, 1);
    write("executions/1/b.ndjson", 5_000..5_003, 1);
    write("executions/2/a.ndjson", 10_000..10_010, 2);
    let spec = lab.folder.path().join("files.toml");
    std::fs::write(&spec, FILES).unwrap();
    lab.variables.insert("SPECTRA_SPEC".to_owned(), spec.display().to_string());
    lab.variables.insert("SPECTRA_API_URL".to_owned(), dump.display().to_string());
    lab.variables.remove("SPECTRA_API_TOKEN");
    lab.run("source", &[]).expect(0);
    assert_eq!(lab.number("select count(*) from source.factExecution").await, 5_013);
    let slices =
        lab.rows("select sliceKey, rowCount from source.slice where resource = 'factExecution' order by 1").await;
    assert_eq!(slices.len(), 3);
    assert_eq!(slices[2]["rowCount"], 0, "no file, no row");
    let last = lab.rows("select page, ordinal from source.factExecution where recordId = '5002'").await;
    assert_eq!((last[0]["page"].as_i64(), last[0]["ordinal"].as_i64()), (Some(1), Some(2)));
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged");

    // A file that is broken costs its slice, by name and line, and no row.
    std::fs::write(dump.join("executions/2/b.ndjson"), "{\"id\":10010,\"projectId\":2}\n{\"id\":").unwrap();
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(ran.report["slices"]["failed"], 1, "{}", ran.report);
    let warning = ran.report["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("b.ndjson") && warning.contains("line 2"), "{warning}");
    // Another project's row as well.
    write("executions/2/b.ndjson", 10_010..10_011, 1);
    let ran = lab.run("source", &[]).expect(0);
    assert!(ran.report["warnings"][0].as_str().unwrap().contains("belongs to projectId 1, not to 2"), "{}", ran.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_listing_is_gone_on_with_in_its_middle() {
    let config = SimulatorConfig {
        profile: Profile::Big,
        executions: Some(30_000),
        phase_rows: Some(30_000),
        latency_ms: 30,
        ..SimulatorConfig::default()
    };
    let mut lab = Lab::with(config).await;
    // What comes after the executions would take longer than they do.
    let spec = std::fs::read_to_string(&lab.variables["SPECTRA_SPEC"]).unwrap();
    let path = lab.folder.path().join("executions.toml");
    std::fs::write(&path, spec.split("# What the server itself counts").next().unwrap()).unwrap();
    lab.variables.insert("SPECTRA_SPEC".to_owned(), path.display().to_string());
    // Little memory, so that rows go to files early.
    let flags = ["--checkpoint-seconds", "1", "--memory", "64MiB", "--project", "1", "--page-size", "100"];
    let mut children = 0;
    loop {
        lab.simulator.simulator.clear_requests();
        let mut child = lab.command("source").args(flags).spawn().unwrap();
        while pages(&lab).len() < 100 && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        children += 1;
        if children == 3 {
            crate::support::finish(child, std::time::Instant::now()).expect(0);
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let first = pages(&lab).into_iter().min().unwrap();
    assert!(first > 2_000, "the third run begins where the second stopped, not at row {first}");
    let runs = "select count(distinct runId) from source.factExecution";
    assert_eq!(lab.number(runs).await, 1, "one slice, one run's rows");
    assert_eq!(lab.number("select count(distinct recordId) from source.factExecution").await, 30_000);
    assert_eq!(lab.number("select count(*) from source.factExecution").await, 30_000);
    assert_eq!(lab.run("source", &flags).expect(0).text("status"), "unchanged");
}

/// Offsets asked for of the execution listing.
fn pages(lab: &Lab) -> Vec<i64> {
    let requests = lab.simulator.simulator.requests().into_iter();
    requests
        .filter(|request| request.path.ends_with("/execution"))
        .filter_map(|request| request.query.split('&').find_map(|each| each.strip_prefix("offset=")?.parse().ok()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_found_obeyed_and_remembered() {
    let config = SimulatorConfig {
        profile: Profile::Small,
        allow: Some("40/s".parse().unwrap()),
        allow_burst: Some(5),
        ..SimulatorConfig::default()
    };
    let lab = Lab::with(config).await;
    let ran = lab.run("source", &["--concurrency", "4"]).expect(0);
    assert!(ran.log.contains("429"), "it says that it slowed down: {}", ran.log);
    let truth = lab.simulator.simulator.truth();
    assert_eq!(
        Value::from(lab.number("select count(*) from source.factExecution").await),
        truth["visible"]["executions"]
    );
    lab.simulator.simulator.clear_figures();
    let again = lab.run("source", &["--concurrency", "4"]).expect(0);
    assert_eq!(again.text("status"), "unchanged");
    assert!(again.log.contains("learned"), "it says what it remembers: {}", again.log);
    let refused = lab.simulator.simulator.figures()["statuses"]["429"].as_i64().unwrap_or(0);
    assert!(refused <= 3, "{refused} refusals although the limit is known");

    // A declared budget is kept from the first request on.
    lab.simulator.simulator.clear_figures();
    let ran = lab.run("source", &["--rate", "30/s", "--concurrency", "4", "--full"]).expect(0);
    let figures = lab.simulator.simulator.figures();
    assert_eq!(figures["statuses"]["429"].as_i64().unwrap_or(0), 0, "{figures}");
    assert!(ran.report["waitedSeconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_forty_megabytes_passes_with_little_memory() {
    let config = SimulatorConfig {
        profile: Profile::Big,
        executions: Some(4_000),
        phase_rows: Some(4_000),
        ..SimulatorConfig::default()
    };
    let lab = Lab::with(config).await;
    lab.simulator.simulator.add_fault_text("/execution:1:huge-page=40000000").unwrap();
    let ran = lab.run("source", &["--project", "1", "--page-size", "5000", "--memory", "128MB"]).expect(0);
    assert_eq!(lab.number("select count(*) from source.factExecution").await, 4_000);
    let peak = ran.report["peakMemoryBytes"].as_u64().unwrap();
    assert!(peak < 256 << 20, "{peak} bytes");
    // And the same rows in the same places as from a page that is held in memory.
    assert_eq!(lab.run("source", &["--project", "1", "--page-size", "5000"]).expect(0).text("status"), "unchanged");
    assert_eq!(lab.number("select max(ordinal) from source.factExecution").await, 3_999);
}
