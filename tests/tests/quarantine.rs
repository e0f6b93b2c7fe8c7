//! Rows set aside: let through with a reason, tried again, counted from page to mart.

use std::path::PathBuf;

use spectra_tests::simulator::{Profile, Quirk};

use crate::support::{Lab, Ran, STAGES, repository};

const RULE: &str = "statusCategory is not null";
const HEADER: &str = "stage,tableName,rowKey,expectation,reason,acceptedBy\n";

/// A folder with reference files of the lab's own.
fn references(lab: &mut Lab) -> PathBuf {
    let folder = lab.folder.path().join("reference");
    std::fs::create_dir_all(&folder).unwrap();
    lab.variables.insert("SPECTRA_REFERENCE".to_owned(), folder.display().to_string());
    folder
}

/// A lab with executions whose status nobody knows, all six stages run.
async fn lab_with_rows_set_aside() -> (Lab, PathBuf) {
    let mut lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.set_quirk(Quirk::UnlistedStatus, true).unwrap();
    let folder = references(&mut lab);
    lab.run_all();
    (lab, folder)
}

async fn set_aside(lab: &Lab) -> i64 {
    lab.number("select count(*) from quarantine.cleanFactExecution").await
}

fn built(ran: &Ran) -> Vec<&str> {
    let tables = ran.report["tables"].as_array().unwrap();
    let built = tables.iter().filter(|table| table["action"] != "unchanged");
    built.map(|table| table["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_row_passes_and_only_that_and_no_longer_than_it_is_accepted() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.set_quirk(Quirk::TwinDatesDiffer, true).unwrap();
    let folder = references(&mut lab);
    lab.run_all();
    let aside = "select count(*) from quarantine.cleanDimCycle";
    let before = lab.number(aside).await;
    let one = lab
        .rows(r#"select cycleId as id, quarantineReasons as rules from quarantine.cleanDimCycle order by cycleId limit 1"#)
        .await;
    let (id, rules) = (one[0]["id"].as_i64().unwrap(), one[0]["rules"].as_str().unwrap().to_owned());
    let came = lab.number("select count(*) from prepare.dimCycle").await;

    let mut lines = HEADER.to_owned();
    for rule in rules.split("; ") {
        let rule = rule.replace('"', "\"\"");
        lines.push_str(&format!("clean,dimCycle,cycleId={id},\"{rule}\",agreed with the team,a lead\n"));
        lines.push_str(&format!("clean,dimCycle,cycleId=-5,\"{rule}\",a slip,a lead\n"));
    }
    std::fs::write(folder.join("acceptances.csv"), lines).unwrap();
    let prepared = lab.run("prepare", &[]).expect(0);
    assert_eq!(built(&prepared), ["acceptances"], "{}", prepared.report);
    let cleaned = lab.run("clean", &[]).expect(0);
    assert!(cleaned.log.contains("were let through, as accepted"), "{}", cleaned.log);
    assert!(cleaned.log.contains("cycleId=-5 may break"), "{}", cleaned.log);
    let own = built(&cleaned);
    assert!(own.contains(&"dimCycle") && !own.contains(&"dimProject") && !own.contains(&"dimTestcase"), "{own:?}");
    assert_eq!(lab.number(aside).await, before - 1);
    let passed = format!("select count(*) from clean.dimCycle where cycleId = {id}");
    assert_eq!(lab.number(&passed).await, 1);
    for stage in &STAGES[3..] {
        lab.run(stage, &[]).expect(0);
    }
    let told = "select sum(brokenCount) from log.expectation where otherwise = 'accept' and tableName = 'dimCycle'";
    assert_eq!(lab.number(told).await, rules.split("; ").count() as i64);
    let whole = "select cleanCount + cleanSetAsideCount from analyse.conservation where entity = 'dimCycle'";
    assert_eq!(lab.number(whole).await, came);
    for stage in &STAGES[1..] {
        assert_eq!(lab.run(stage, &[]).expect(0).report["noop"], true, "{stage}");
    }

    std::fs::write(folder.join("acceptances.csv"), HEADER).unwrap();
    lab.run("prepare", &[]).expect(0);
    lab.run("clean", &[]).expect(0);
    assert_eq!(lab.number(aside).await, before);
    assert_eq!(lab.number(&passed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_for_a_late_stage_gets_there_though_nobody_between_reads_it() {
    let (lab, folder) = lab_with_rows_set_aside().await;
    let line = format!("{HEADER}analyse,kpi,level=all levelKey=0,no rule,to see it arrive,\n");
    std::fs::write(folder.join("acceptances.csv"), line).unwrap();
    for stage in &STAGES[1..5] {
        let ran = lab.run(stage, &[]).expect(0);
        let own = built(&ran);
        assert_eq!(own, if *stage == "prepare" { vec!["acceptances"] } else { vec![] }, "{stage}");
    }
    let ran = lab.run("analyse", &[]).expect(0);
    assert!(ran.log.contains("lets no row of analyse.kpi through"), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_says_what_a_mended_reference_row_lets_back_in() {
    let (lab, folder) = lab_with_rows_set_aside().await;
    let before = set_aside(&lab).await;
    let files = lab.table_files();
    let again = lab.run("clean", &["replay"]).expect(0);
    assert_eq!(again.report["noop"], true, "{}", again.report);
    assert!(again.log.contains(&format!("{before} rows were set aside, {before} are now")), "{}", again.log);
    assert_eq!(lab.table_files(), files, "nothing came out otherwise, so nothing is left behind");

    let codes = lab
        .rows("select distinct statusCode as code from quarantine.cleanFactExecution where statusCategory is null")
        .await;
    let mut text = std::fs::read_to_string(repository("prepare/reference/statusOverride.csv")).unwrap();
    for code in &codes {
        text.push_str(&format!("{},Failure,Mended,now known\n", code["code"].as_str().unwrap()));
    }
    std::fs::write(folder.join("statusOverride.csv"), text).unwrap();
    lab.run("prepare", &[]).expect(0);
    let ran = lab.run("clean", &["replay", "--table", "factExecution"]).expect(0);
    assert_eq!(ran.text("status"), "published");
    assert!(ran.log.contains(&format!("{before} rows were set aside, 0 are now")), "{}", ran.log);
    assert!(ran.log.contains(&format!("by `{RULE}` {before}, now 0")), "{}", ran.log);
    assert_eq!(set_aside(&lab).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_rows_set_aside_are_told_and_bad_wishes_refused() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.simulator.simulator.set_quirk(Quirk::UnlistedStatus, true).unwrap();
    let folder = references(&mut lab);
    let controls = std::fs::read_to_string(repository("prepare/reference/controls.csv")).unwrap();
    let strict = controls.replace("quarantineRateAlert,0.10,", "quarantineRateAlert,0.000001,");
    assert_ne!(controls, strict);
    std::fs::write(folder.join("controls.csv"), strict).unwrap();
    lab.run("source", &[]).expect(0);
    lab.run("prepare", &[]).expect(0);
    let ran = lab.run("clean", &[]).expect(0);
    let warning = ran.report["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains("clean.factExecution were set aside"), "{}", ran.report);

    let refused = lab.run("source", &["replay"]).expect(64);
    assert!(refused.text("message").contains("nothing to replay"), "{}", refused.report);
    let refused = lab.run("clean", &["replay", "--table", "nothing"]).expect(64);
    assert!(refused.text("hint").contains("factExecution"), "{}", refused.report);
    let line = format!("{HEADER}clean,factExecution,executionId=5,{RULE},,a lead\n");
    std::fs::write(folder.join("acceptances.csv"), line).unwrap();
    let files = lab.table_files();
    let refused = lab.run("prepare", &[]).expect(78);
    assert!(refused.text("message").contains("acceptances.csv: row 1 has no reason"), "{}", refused.report);
    assert_eq!(lab.table_files(), files);
}
