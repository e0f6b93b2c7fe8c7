//! What records look like, against the contract and against what they looked like before.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spectra_tests::simulator::Profile;
use spectra_tests::simulator::quirks::Quirk;

use crate::support::{Lab, repository};

fn text<'row>(row: &'row Value, column: &str) -> &'row str {
    row[column].as_str().unwrap_or_default()
}

/// `resource path kind` of every difference from the contract, or from what was landed before.
async fn differences(lab: &Lab, compared_with: &str) -> Vec<String> {
    let sql = format!(
        "select resource, path, kind from prepare.drift where comparedWith = '{compared_with}'
         and kind in ('new', 'vanished', 'retyped') order by resource, path, kind"
    );
    let rows = lab.rows(&sql).await;
    rows.iter().map(|row| format!("{} {} {}", text(row, "resource"), text(row, "path"), text(row, "kind"))).collect()
}

/// The repository's reference tables with the lake's patch applied to the contract.
fn patched(lab: &Lab) -> String {
    let folder = lab.folder.path().join("patched");
    let reference = folder.join("prepare/reference");
    std::fs::create_dir_all(&reference).unwrap();
    for file in std::fs::read_dir(repository("prepare/reference")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), reference.join(file.file_name())).unwrap();
    }
    let patch = lab.lake_path().join("Files/prepare/contract.patch");
    let whole = lab.lake_path().join("Files/prepare/contract.csv");
    match Command::new("git").arg("apply").arg(patch).current_dir(&folder).output() {
        Ok(applied) => {
            assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
            assert_eq!(content(&reference.join("contract.csv")), content(&whole));
        }
        Err(error) => {
            println!("the patch itself is not tried, for git cannot be run: {error}");
            std::fs::copy(whole, reference.join("contract.csv")).unwrap();
        }
    }
    reference.display().to_string()
}

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_changes_its_records_is_found_out() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    lab.run("prepare", &["--drift", "freeze"]).expect(0);
    assert!(differences(&lab, "contract").await.is_empty(), "{:?}", differences(&lab, "contract").await);
    let first = lab.rows("select * from prepare.fieldObservation order by resource, path").await;
    assert_eq!(content(&lab.lake_path().join("Files/prepare/contract.patch")), "");
    let executions = lab.number("select count(*) as n from prepare.factExecution").await;

    lab.simulator.simulator.set_quirk(Quirk::ExtraFields, true).unwrap();
    lab.simulator.simulator.set_quirk(Quirk::StatusAsNumber, true).unwrap();
    lab.run("source", &["--full"]).expect(0);
    let before = lab.table_files();
    let refused = lab.run("prepare", &["--drift", "freeze"]).expect(65);
    assert!(refused.text("message").starts_with("the contract is frozen and "), "{}", refused.text("message"));
    assert!(refused.log.contains("factExecution status is integer and was text"), "{}", refused.log);
    assert!(refused.text("hint").contains("--drift evolve"), "{}", refused.text("hint"));
    assert_eq!(lab.table_files(), before);

    lab.run("prepare", &[]).expect(0);
    let found = differences(&lab, "contract").await;
    assert_eq!(found, differences(&lab, "previous").await);
    for difference in ["factExecution status retyped", "factExecution lastTestResult.executionStatus retyped"] {
        assert!(found.iter().any(|each| each == difference), "{difference} of {found:?}");
    }
    assert!(found.iter().any(|each| each.starts_with("factExecution ") && each.ends_with(" new")), "{found:?}");
    assert!(!found.iter().any(|each| each.ends_with(" vanished")), "{found:?}");
    let sql = "select touchedColumns from prepare.drift
        where resource = 'factExecution' and path = 'status' and kind = 'retyped' and comparedWith = 'contract'";
    let touched = text(&lab.rows(sql).await[0], "touchedColumns").to_owned();
    assert!(touched.contains("prepare.factExecution.statusCode"), "{touched}");
    assert!(touched.contains("refine.factExecution."), "{touched}");

    // What the first run landed was not read again, and stands as it stood.
    let run = text(&first[0], "runId");
    let sql = format!("select * from prepare.fieldObservation where runId = '{run}' order by resource, path");
    assert_eq!(lab.rows(&sql).await, first);

    let set_aside = lab.run("prepare", &["--drift", "quarantine"]).expect(0);
    let aside = |resource: &str| {
        format!(
            "select count(*) as n from quarantine.prepareDriftedRecord as q
             join prepare.sliceContent as c on q.resource = c.resource and q.sliceKey = c.sliceKey
               and q.runId = c.runId where q.resource = '{resource}'"
        )
    };
    let drifted = lab.number(&aside("factExecution")).await;
    assert!(drifted > 0, "{}", set_aside.log);
    assert_eq!(lab.number("select count(*) as n from prepare.factExecution").await, executions - drifted);
    assert_eq!(lab.run("prepare", &["--drift", "quarantine"]).expect(0).text("status"), "unchanged");

    let reference = patched(&lab);
    lab.run("prepare", &["--drift", "freeze", "--reference", &reference]).expect(0);
    assert_eq!(lab.number("select count(*) as n from prepare.factExecution").await, executions);
    assert!(differences(&lab, "contract").await.is_empty());

    lab.simulator.simulator.set_quirk(Quirk::BareTestcases, true).unwrap();
    lab.run("source", &["--full"]).expect(0);
    let refused = lab.run("prepare", &["--drift", "freeze", "--reference", &reference]).expect(65);
    assert!(refused.text("message").contains("tcrTreeTestcase.testcase has vanished"), "{}", refused.text("message"));
}

#[test]
fn the_contract_is_sorted_so_that_patches_fit() {
    let text = content(&repository("prepare/reference/contract.csv"));
    let keys: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.splitn(3, ',').take(2).collect()).collect();
    assert!(keys.len() > 400);
    assert!(keys.is_sorted());
}
