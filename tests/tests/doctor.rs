//! `spectra-source doctor`: what it finds, how it ends, and what it leaves behind.

use serde_json::Value;
use spectra_tests::simulator::faults::Rule;
use spectra_tests::simulator::{Credentials, Profile, SimulatorConfig};

use crate::planning::everything;
use crate::support::{Lab, Ran};

const CANARY: &str = "canary-7f3a19c4";

/// Lets the doctor look; it must leave the lake as it was.
#[track_caller]
fn doctor(lab: &Lab, flags: &[&str], code: i32) -> Ran {
    let before = everything(lab);
    let ran = lab.run("source", &[flags, &["doctor"]].concat()).expect(code);
    assert_eq!(everything(lab), before, "the doctor left something behind");
    assert_eq!(ran.text("status"), "inspected");
    ran
}

/// What was found of one thing: the verdict and the words.
#[track_caller]
fn check(ran: &Ran, name: &str) -> (String, String) {
    let checks = ran.report["checks"].as_array().unwrap_or_else(|| panic!("no checks: {}", ran.report));
    let found = checks.iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("nothing about {name}: {}", ran.report));
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    assert!(found["seconds"].is_number());
    (text("verdict"), text("message"))
}

#[track_caller]
fn found(ran: &Ran, name: &str, verdict: &str, words: &str) {
    let (said, message) = check(ran, name);
    assert!(
        said == verdict && message.contains(words),
        "{name}: expected {verdict}, `{words}`; found {said}: {message}"
    );
}

fn verdicts(ran: &Ran) -> Vec<&str> {
    let checks = ran.report["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    checks.iter().filter_map(|check| check["verdict"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_before_and_after_the_first_run() {
    let credentials = Credentials { token: CANARY.to_owned(), ..Credentials::default() };
    let config = SimulatorConfig { profile: Profile::Small, credentials, ..SimulatorConfig::default() };
    let mut lab = Lab::with(config).await;
    lab.variables.insert("SPECTRA_API_TOKEN".into(), CANARY.into());
    lab.variables.insert("RUST_LOG".into(), "trace".into());
    let ran = doctor(&lab, &[], 0);
    assert!(!lab.lake_path().exists());
    found(&ran, "lake", "ok", "is not there yet and can be made");
    found(&ran, "second writer", "skipped", "no lake");
    found(&ran, "api", "ok", "answers JSON in");
    found(&ran, "credentials", "ok", "bearer: accepted; the user is ");
    found(&ran, "clock", "ok", "within");
    found(&ran, "time zone", "ok", "begin at midnight in Europe/London");
    for table in ["dimProject", "dimRelease", "dimCycle", "factExecution", "dimTestcase", "dimRequirement", "dimTester"]
    {
        found(&ran, table, "ok", "readable, ");
    }
    assert!(!check(&ran, "credentials").1.contains('@'), "{}", ran.report);
    for text in [&ran.log, &ran.report.to_string()] {
        assert!(!text.contains(CANARY), "{text}");
    }
    lab.variables.remove("RUST_LOG");
    lab.run("source", &[]).expect(0);
    let ran = doctor(&lab, &[], 0);
    found(&ran, "lake", "ok", "with release 1 of source as of 2026-01-05");
    found(&ran, "second writer", "ok", "refuses a second");
    assert!(verdicts(&ran).iter().all(|verdict| *verdict == "ok"), "{}", ran.report);
    assert!(!ran.log.contains("\"level\":\"WARN\""), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_or_missing() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.variables.insert("SPECTRA_API_TOKEN".into(), CANARY.into());
    let ran = doctor(&lab, &[], 77);
    found(&ran, "credentials", "failed", "401 Unauthorized");
    found(&ran, "api", "ok", "answers");
    found(&ran, "lake", "ok", "can be made");
    assert!(ran.text("message").contains("401"), "{}", ran.report);
    assert!(!ran.log.contains(CANARY) && !ran.report.to_string().contains(CANARY), "{}", ran.log);
    lab.variables.remove("SPECTRA_API_TOKEN");
    found(&doctor(&lab, &[], 77), "credentials", "failed", "SPECTRA_API_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_none() {
    let mut lab = Lab::new(Profile::Small).await;
    found(&doctor(&lab, &["--api-url", "http://127.0.0.1:1"], 69), "api", "failed", "no answer");
    found(&doctor(&lab, &["--api-url", "tenant.example"], 78), "api", "failed", "not the URL of a server");
    lab.simulator.simulator.add_fault("/user/current:1:html:0".parse::<Rule>().unwrap());
    let ran = doctor(&lab, &[], 78);
    found(&ran, "api", "failed", "web page");
    found(&ran, "credentials", "skipped", "bearer");
    lab.simulator.simulator.clear_faults();
    lab.simulator.simulator.add_fault("/project/details:1:html:0".parse::<Rule>().unwrap());
    found(&doctor(&lab, &[], 69), "dimProject", "failed", "web page");
    lab.variables.remove("SPECTRA_API_URL");
    found(&doctor(&lab, &[], 64), "api", "failed", "--api-url");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_would_survive_is_a_warning() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.set_forbidden(2, true).unwrap();
    let ran = doctor(&lab, &[], 0);
    found(&ran, "dimRelease", "warning", r#"{"projectId":2} is forbidden: "#);
    found(&ran, "factExecution", "ok", "readable");
    lab.simulator.simulator.set_forbidden(2, false).unwrap();
    let ran = doctor(&lab, &["--time-zone", "America/New_York"], 0);
    found(&ran, "time zone", "warning", "give --time-zone Europe/London");
    lab.simulator.simulator.add_fault("/user/filter:1:html:0".parse::<Rule>().unwrap());
    found(&doctor(&lab, &[], 0), "dimTester", "warning", "web page");
}

#[tokio::test(flavor = "multi_thread")]
async fn lakes_that_cannot_be_written() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    // Not by rights: they do not bind the user who runs tests in a container.
    std::fs::write(lab.lake_path().join("Files"), "no folder").unwrap();
    let ran = doctor(&lab, &[], 74);
    found(&ran, "second writer", "failed", "Files/source/doctor-");
    found(&ran, "lake", "ok", "release 1");
    let nowhere = lab.lake_path().join("Files/lake").display().to_string();
    lab.variables.insert("SPECTRA_LAKE".into(), nowhere);
    let ran = doctor(&lab, &[], 74);
    found(&ran, "lake", "failed", "cannot be made");
    assert_eq!(ran.report["exitCode"], Value::from(74));
}
