//! What the API does wrong, and what source makes of it: an answer, a named failure of one slice, or a named end.

use serde_json::Value;
use spectra_tests::simulator::faults::Rule;
use spectra_tests::simulator::{Profile, Quirk, Quirks, SimulatorConfig};

use crate::support::{Lab, Ran};
use crate::walked::{spec_of, use_spec};

async fn with_fault(rule: &str) -> (Lab, Ran) {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault(rule.parse::<Rule>().unwrap());
    let ran = lab.run("source", &["--page-size", "10"]);
    (lab, ran)
}

/// The slices that are not complete, with the reason.
async fn broken(lab: &Lab) -> Vec<String> {
    lab.rows("select concat(resource, ' ', status, ' ', reason) as line from source.slice where status <> 'complete'")
        .await
        .iter()
        .map(|row| row["line"].as_str().unwrap().to_owned())
        .collect()
}

async fn all_rows_are_there(lab: &Lab) {
    let truth = lab.simulator.simulator.truth();
    let landed = lab.number("select count(*) from source.factExecution").await;
    assert_eq!(Value::from(landed), truth["visible"]["executions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    let kinds = [
        "429=0",
        "429=1",
        "500",
        "502-html",
        "503-html=1",
        "reset",
        "truncated",
        "truncated-clean",
        "empty",
        "html",
        "slow-first-byte=2500",
    ];
    for kind in kinds {
        let (lab, ran) = with_fault(&format!("/execution:2:{kind}")).await;
        ran.expect(0);
        all_rows_are_there(&lab).await;
        assert!(broken(&lab).await.is_empty(), "{kind}");
        let tries = lab.number("select max(requestCount - pageCount) from log.slice").await;
        assert_eq!(tries, 1, "{kind}: exactly one request more than pages");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_slice_fails_that_slice_by_name() {
    let cases = [
        ("/execution:1:wrong-owner", "belongs to cyclePhaseId"),
        ("/execution:1:missing-key", "has no `id`"),
        ("cyclephaseid=12&:1:truncated-clean:0", "not whole JSON"),
        ("cyclephaseid=12&:1:empty:0", "not whole JSON"),
        ("cyclephaseid=12&:1:html:0", "web page"),
        ("cyclephaseid=12&:1:total-lies:0", "the server declared"),
    ];
    for (rule, expected) in cases {
        let (lab, ran) = with_fault(rule).await;
        let ran = ran.expect(0);
        let broken = broken(&lab).await;
        assert_eq!(broken.len(), 1, "{rule}: {broken:?}");
        assert!(broken[0].starts_with("factExecution failed") && broken[0].contains(expected), "{rule}: {broken:?}");
        assert_eq!(ran.report["slices"]["failed"], 1);
        assert!(ran.report["warnings"][0].as_str().unwrap().contains("factExecution"), "{}", ran.report);
        // The slice that failed landed nothing, and the next run mends it.
        lab.simulator.simulator.clear_faults();
        lab.run("source", &["--page-size", "10"]).expect(0);
        all_rows_are_there(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_every_slice_publishes_nothing() {
    let (lab, ran) = with_fault("/execution:1:html:0").await;
    let ran = ran.expect(65);
    assert!(
        ran.text("message").contains("15 of 15 slices of factExecution failed, more than the 20 %"),
        "{}",
        ran.report
    );
    assert!(ran.text("message").contains("web page"), "{}", ran.report);
    assert!(!lab.lake_path().join("Tables/source/slice/_delta_log").exists());
    lab.simulator.simulator.clear_faults();
    let ran = lab.run("source", &["--page-size", "10"]).expect(0);
    assert!(ran.report["slices"]["resumed"].as_i64().unwrap() > 5, "{}", ran.report);
    all_rows_are_there(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_do_not_move_on_are_walked_again_and_end_the_slice() {
    // One row of the page before is asked for again: the second page of ten begins at row 9.
    for kind in ["ignored-offset", "duplicate-page"] {
        let (lab, ran) = with_fault(&format!("offset=9&:1:{kind}")).await;
        let ran = ran.expect(0);
        assert!(broken(&lab).await.is_empty(), "{kind}");
        assert!(ran.log.contains("walking the slice again"), "{kind}: {}", ran.log);
        let (lab, ran) = with_fault(&format!("releaseid=10&offset=9&:1:{kind}:0")).await;
        ran.expect(0);
        let broken = broken(&lab).await;
        assert_eq!(broken.len(), 2, "{kind}: both phases of the release: {broken:?}");
        let is_named = |line: &String| line.contains("ignored the offset") && line.ends_with("(3 walks)");
        assert!(broken.iter().all(is_named), "{kind}: {broken:?}");
    }
    let mut quirks = Quirks::default();
    quirks.set(Quirk::OffsetIgnored, true);
    let lab = Lab::with(SimulatorConfig { profile: Profile::Small, quirks, ..SimulatorConfig::default() }).await;
    // A server that always answers the first page must not end in an endless loop.
    let ran = lab.run("source", &["--page-size", "10"]).expect(65);
    assert!(ran.text("message").contains("ignored the offset"), "{}", ran.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lowers_the_page_size_still_gives_every_row() {
    let mut quirks = Quirks::default();
    quirks.set(Quirk::PageSizeCapped, true);
    let lab = Lab::with(SimulatorConfig {
        profile: Profile::ProdShape,
        executions: Some(3_000),
        quirks,
        ..SimulatorConfig::default()
    })
    .await;
    lab.run("source", &["--page-size", "500"]).expect(0);
    all_rows_are_there(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_and_lists_in_another_order_are_no_change() {
    let mut quirks = Quirks::default();
    quirks.set(Quirk::UnstableOrder, true);
    let lab = Lab::with(SimulatorConfig { profile: Profile::Small, quirks, ..SimulatorConfig::default() }).await;
    lab.run("source", &[]).expect(0);
    assert_eq!(lab.run("source", &[]).expect(0).text("status"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_question_tells_trouble_from_a_mistake() {
    let lab = Lab::new(Profile::Small).await;
    for (kind, code) in [
        ("401", 77),
        ("403", 77),
        ("404", 78),
        ("html", 78),
        ("content-type", 78),
        ("429", 69),
        ("500", 69),
        ("501", 69),
        ("503-html", 69),
        ("reset", 69),
        ("truncated", 69),
    ] {
        lab.simulator.simulator.add_fault_text(&format!("/user/current:1:{kind}:0")).unwrap();
        let ran = lab.run("source", &[]).expect(code);
        assert!(ran.text("message").contains("/user/current"), "{kind}: {}", ran.report);
        assert!(!ran.text("hint").is_empty(), "{kind}: {}", ran.report);
        lab.simulator.simulator.clear_faults();
    }
    assert_eq!(
        lab.simulator.simulator.requests().iter().filter(|call| !call.path.ends_with("/user/current")).count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_mean_nothing_are_not_passed_over() {
    let mut lab = Lab::new(Profile::Small).await;
    let ran = lab.run("source", &["--project", "1,99"]).expect(0);
    assert_eq!(ran.report["warnings"], serde_json::json!(["--project 99: nothing is listed below such a projectId"]));
    let ran = lab.run("source", &["--accept-empty", "dimProjects"]).expect(64);
    assert!(ran.text("message").contains("dimProjects") && ran.text("hint").contains("dimProject,"), "{}", ran.report);
    let spec = spec_of(&["project", "release"], &[("scope = \"projectId\"\n", "")]);
    use_spec(&mut lab, &spec);
    let ran = lab.run("source", &["--project", "1"]).expect(64);
    assert!(ran.text("message").contains("--project"), "{}", ran.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_ends_the_run_and_the_next_one_goes_on() {
    let lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.add_fault("/execution:6:503-html:0".parse::<Rule>().unwrap());
    let ran = lab.run("source", &["--checkpoint-seconds", "0"]).expect(69);
    assert!(ran.text("message").contains("503"), "{}", ran.report);
    assert!(!ran.text("hint").is_empty());
    lab.simulator.simulator.clear_faults();
    lab.simulator.simulator.clear_requests();
    let ran = lab.run("source", &["--checkpoint-seconds", "0"]).expect(0);
    assert!(ran.report["slices"]["resumed"].as_i64().unwrap() > 5, "{}", ran.report);
    all_rows_are_there(&lab).await;
    let asked: Vec<String> = lab.simulator.simulator.requests().into_iter().map(|request| request.path).collect();
    assert!(
        !asked.iter().any(|path| path.ends_with("/user/filter") || path.ends_with("/project/details")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_patience_than_we_have_is_not_given() {
    let (_, ran) = with_fault("/execution:2:429=3600").await;
    let ran = ran.expect(69);
    assert!(ran.text("message").contains("later than this run will wait"), "{}", ran.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_of_zero_says_nothing() {
    let (lab, ran) = with_fault("/execution:1:result-size-zero:0").await;
    ran.expect(0);
    all_rows_are_there(&lab).await;
    assert_eq!(lab.number("select count(declaredTotal) from log.slice where resource = 'factExecution'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_serves_as_well_as_a_token_and_neither_is_ever_written() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.variables.remove("SPECTRA_API_TOKEN");
    let file = lab.folder.path().join("password");
    std::fs::write(&file, "simulator\n").unwrap();
    let mut command = lab.command("source");
    command.env("SPECTRA_API_USER", "simulator").env("SPECTRA_API_PASSWORD_FILE", &file).env("RUST_LOG", "trace");
    let ran = crate::support::finish(command.spawn().unwrap(), std::time::Instant::now()).expect(0);
    let encoded = "c2ltdWxhdG9yOnNpbXVsYXRvcg";
    assert!(!ran.log.contains(encoded) && !ran.report.to_string().contains(encoded));
    for path in lab.table_files().keys() {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(encoded.len()).any(|window| window == encoded.as_bytes()), "{}", path.display());
    }
}
