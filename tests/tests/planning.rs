//! What `--plan` and a run's own expectation say, against what a run then does; and that planning writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as Segment, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use spectra_tests::simulator::faults::Rule;
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::{Lab, Ran};

/// Every file and folder of the lake, with sizes.
pub fn everything(lab: &Lab) -> BTreeMap<PathBuf, u64> {
    fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, u64>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let size = if path.is_dir() { 0 } else { path.metadata().unwrap().len() };
            found.insert(path.clone(), size);
            collect(&path, found);
        }
    }
    let mut found = BTreeMap::new();
    collect(&lab.lake_path(), &mut found);
    found
}

/// Plans, and fails the test if that left anything behind.
#[track_caller]
fn plan(lab: &Lab, flags: &[&str]) -> Ran {
    let before = everything(lab);
    let flags = [flags, &["--plan"]].concat();
    let ran = lab.run("source", &flags).expect(0);
    assert_eq!(ran.text("status"), "planned");
    assert_eq!(everything(lab), before, "a plan wrote to the lake");
    ran
}

fn planned(ran: &Ran) -> f64 {
    ran.report["planned"]["requestCount"].as_f64().unwrap_or_else(|| panic!("no plan: {}", ran.report))
}

fn made(ran: &Ran) -> f64 {
    ran.report["requestCount"].as_f64().unwrap()
}

fn slices(ran: &Ran, fate: &str) -> i64 {
    ran.report["slices"][fate].as_i64().unwrap_or(0)
}

#[track_caller]
fn near(planned: f64, made: f64, percent: f64) {
    assert!((made / planned - 1.0).abs() * 100.0 <= percent, "planned {planned}, made {made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_is_planned_by_samples_and_the_next_ones_by_what_was_walked() {
    let config = SimulatorConfig { profile: Profile::ProdShape, executions: Some(4_000), ..SimulatorConfig::default() };
    let mut lab = Lab::with(config).await;
    let first = plan(&lab, &[]);
    assert!(!lab.lake_path().exists(), "planning must not make a lake");
    let ran = lab.run("source", &[]).expect(0);
    near(planned(&first), made(&ran), 20.0);
    assert!(made(&first) < 0.15 * made(&ran), "{} requests to plan {}", made(&first), made(&ran));
    assert_eq!(ran.report["planned"], Value::Null, "nobody knew anything before the first run");
    lab.advance(1);
    let second = plan(&lab, &[]);
    assert!(made(&second) < 5.0, "known slices need no samples: {}", second.report);
    let ran = lab.run("source", &[]).expect(0);
    near(planned(&second), made(&ran), 20.0);
    near(planned(&ran), made(&ran), 20.0);
    assert!(ran.log.contains("planned "), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_exact_where_nothing_changed() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    // What is closed is left alone, what is out of scope too; and everything is asked for on request.
    let flags: [&[&str]; 5] = [
        &[],
        &["--recheck-closed", "7d"],
        &["--recheck-closed", "7d", "--full"],
        &["--project", "1"],
        &["--page-size", "500"],
    ];
    for flags in flags {
        let plan = plan(&lab, flags);
        let ran = lab.run("source", flags).expect(0);
        assert_eq!(planned(&plan), made(&ran), "{flags:?}");
        assert_eq!(planned(&ran), made(&ran), "{flags:?}");
        assert_eq!(plan.report["planned"]["rowCount"], ran.report["planned"]["rowCount"], "{flags:?}");
        assert_eq!(slices(&plan, "closed"), slices(&ran, "skipped"), "{flags:?}");
    }
    let slow = plan(&lab, &["--rate", "600/min"]);
    let seconds = slow.report["planned"]["seconds"].as_f64().unwrap();
    assert!(seconds >= planned(&slow) / 10.0, "{}", slow.report);
    assert!(slow.log.contains("600 requests a minute are declared"), "{}", slow.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_is_named_and_what_lies_below_is_not_asked_for() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    lab.simulator.simulator.set_forbidden(1, true).unwrap();
    lab.run("source", &[]).expect(0);
    let plan = plan(&lab, &[]);
    assert_eq!(slices(&plan, "forbidden"), 3, "{}", plan.report);
    assert!(slices(&plan, "hidden") > 3, "{}", plan.report);
    assert!(plan.report["warnings"][0].as_str().unwrap().contains("is forbidden since 2"), "{}", plan.report);
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(planned(&plan), made(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unfinished_run_walked_is_not_planned_again() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault("/execution:6:503-html:0".parse::<Rule>().unwrap());
    lab.run("source", &["--checkpoint-seconds", "0"]).expect(69);
    lab.simulator.simulator.clear_faults();
    let begun = plan(&lab, &[]);
    let anew = plan(&lab, &["--full"]);
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(slices(&begun, "resumed"), slices(&ran, "resumed"), "{}", begun.report);
    near(planned(&begun), made(&ran), 20.0);
    assert!(planned(&anew) > planned(&begun) + 10.0, "{} {}", planned(&anew), planned(&begun));
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_that_were_never_walked_are_new() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &["--project", "1"]).expect(0);
    let plan = plan(&lab, &[]);
    assert!(slices(&plan, "new") > 6, "{}", plan.report);
    assert!(plan.log.contains("new: dimRelease {"), "{}", plan.log);
    let ran = lab.run("source", &[]).expect(0);
    near(planned(&plan), made(&ran), 20.0);
}

const TINY: &str = r#"
name = "tiny"
base_path = ""

[pager.rows]
kind = "offset"
parameter = "from"
size = "count"
default_size = 10
stop = ["short-page"]
total = "total"

[[resource]]
name = "project"
table = "dimProject"
path = "/projects"
record_id = "id"
key = "projectId"

[[resource]]
name = "thing"
table = "dimThing"
parent = "project"
path = "/projects/{projectId}/things"
pager = "rows"
records = "things"
record_id = "id"
"#;

/// A server whose projects have ten times their number of things.
async fn tiny_server(projects: Arc<Mutex<Vec<i64>>>) -> String {
    let answer = |body: Value| ([(CONTENT_TYPE, "application/json")], body.to_string());
    let list = async move |State(projects): State<Arc<Mutex<Vec<i64>>>>| {
        answer(projects.lock().unwrap().iter().map(|id| json!({"id": id})).collect()).into_response()
    };
    let things = async move |Segment(id): Segment<i64>, Query(query): Query<BTreeMap<String, i64>>| {
        let (from, count) = (query["from"], query["count"]);
        let things: Vec<Value> = (from..(from + count).min(id * 10)).map(|at| json!({"id": id * 1_000 + at})).collect();
        answer(json!({"total": id * 10, "things": things})).into_response()
    };
    let router = Router::new().route("/projects", get(list)).route("/projects/{id}/things", get(things));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router.with_state(projects)).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_no_more_is_gone_and_pages_are_counted() {
    let mut lab = Lab::new(Profile::Small).await;
    let projects = Arc::new(Mutex::new(vec![1, 2, 3]));
    lab.variables.insert("SPECTRA_API_URL".into(), tiny_server(projects.clone()).await);
    std::fs::write(&lab.variables["SPECTRA_SPEC"], TINY).unwrap();
    let first = plan(&lab, &[]);
    // One request lists the projects, and after a last page that is full there is another: 2 + 3 + 4.
    assert_eq!(planned(&first), 10.0, "{}", first.report);
    assert_eq!(first.report["planned"]["rowCount"], 63);
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(made(&ran), 10.0);
    *projects.lock().unwrap() = vec![2, 3, 4];
    let second = plan(&lab, &[]);
    assert_eq!((slices(&second, "gone"), slices(&second, "new")), (1, 1), "{}", second.report);
    assert!(second.log.contains(r#"gone, so empty from now on: dimThing {\"projectId\":1}"#), "{}", second.log);
    assert!(second.log.contains(r#"new: dimThing {\"projectId\":4}"#), "{}", second.log);
    let ran = lab.run("source", &[]).expect(0);
    assert_eq!(planned(&second), made(&ran));
    let third = plan(&lab, &[]);
    assert_eq!(slices(&third, "gone"), 0, "what was gone before is no news: {}", third.report);
    assert_eq!(planned(&third), made(&lab.run("source", &[]).expect(0)));
}
