//! Bad input gets a clear error, its own exit code, and an unchanged lake.

use spectra_tests::simulator::Profile;
use spectra_tests::simulator::faults::Rule;

use crate::support::{Lab, Ran, repository};

/// The run must fail with `code`, say `words`, give a hint, and leave every data table as it was. Of a walk that failed
/// the rows stay in files that no table names, so that the next one goes on from there.
fn refused(lab: &Lab, stage: &str, flags: &[&str], code: i32, words: &str) -> Ran {
    let files = || {
        let mut files = lab.table_files();
        files.retain(|path, _| stage != "source" || path.components().any(|part| part.as_os_str() == "_delta_log"));
        files
    };
    let before = files();
    let ran = lab.run(stage, flags).expect(code);
    assert!(ran.text("message").contains(words), "expected `{words}`: {}", ran.report);
    assert!(!ran.text("hint").is_empty(), "no hint: {}", ran.report);
    assert_eq!(ran.report["exitCode"], code);
    let after = files();
    let appeared: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert_eq!(after, before, "{words}: {appeared:?}");
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_make_no_sense() {
    let mut lab = Lab::new(Profile::Small).await;
    refused(&lab, "clean", &["--colour"], 64, "--colour");
    refused(&lab, "clean", &["--memory", "lots"], 64, "lots");
    refused(&lab, "clean", &["--time-zone", "Mars/Olympus"], 64, "Mars/Olympus");
    refused(&lab, "clean", &["--engine", "ballista://host:1"], 78, "ballista://host:1");
    refused(&lab, "prepare", &[], 66, "there is no lake");
    assert!(!lab.lake_path().exists(), "asking for what is not there must not make it");
    lab.run("source", &[]).expect(0);
    refused(&lab, "clean", &[], 66, "no release of prepare");
    refused(&lab, "prepare", &["--from-release", "7"], 66, "no release 7 of source");
    lab.variables.insert("SPECTRA_LAKE".into(), "ftp://host/lake".into());
    refused(&lab, "clean", &[], 78, "ftp://");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_none() {
    let mut lab = Lab::new(Profile::Small).await;
    refused(&lab, "source", &["--api-url", "tenant.example"], 78, "not the URL of a server");
    refused(&lab, "source", &["--api-url", "http://me:secret@127.0.0.1"], 78, "holds credentials");
    refused(&lab, "source", &["--api-url", "http://127.0.0.1:1"], 69, "no answer");
    lab.simulator.simulator.add_fault("/user/current:1:html".parse::<Rule>().unwrap());
    refused(&lab, "source", &[], 78, "web page");
    lab.simulator.simulator.add_fault("/project/details:1:html:0".parse::<Rule>().unwrap());
    refused(&lab, "source", &[], 65, "web page");
    lab.simulator.simulator.clear_faults();
    lab.variables.insert("SPECTRA_API_TOKEN".into(), "wrong-token".into());
    let ran = refused(&lab, "source", &[], 77, "401 Unauthorized");
    assert!(!ran.log.contains("wrong-token"));
    lab.variables.remove("SPECTRA_API_TOKEN");
    refused(&lab, "source", &[], 77, "no credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_cannot_be_written() {
    let mut lab = Lab::new(Profile::Small).await;
    let file = lab.folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    lab.variables.insert("SPECTRA_LAKE".into(), file.join("lake").display().to_string());
    refused(&lab, "source", &[], 74, "recording the run in the lake");
}

#[tokio::test(flavor = "multi_thread")]
async fn specs_that_cannot_be_walked() {
    let mut lab = Lab::new(Profile::Small).await;
    let text = std::fs::read_to_string(repository("source/zephyr.toml")).unwrap();
    let spec = lab.folder.path().join("broken.toml");
    lab.variables.remove("SPECTRA_SPEC");
    let cases = [
        (
            text.replace("table = \"dimProject\"", "table = \"dimProject\"\nparent = \"cycle\""),
            "is below itself: project → cycle → release → project",
        ),
        (text.replace("cyclephaseid = \"{cyclePhaseId}\"", "cyclephaseid = \"{sprintId}\""), "`{sprintId}`"),
        (text.replace("[retry]", "[retry"), "broken.toml"),
        (text.replace("tries = 5", "tries = 5\ncolour = 1"), "colour"),
    ];
    for (broken, words) in cases {
        std::fs::write(&spec, broken).unwrap();
        refused(&lab, "source", &["--spec", spec.to_str().unwrap()], 78, words);
    }
    refused(&lab, "source", &["--spec", "/no/such/file"], 78, "/no/such/file");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_cannot_be_obeyed() {
    let lab = Lab::new(Profile::Small).await;
    lab.run("source", &[]).expect(0);
    lab.run("prepare", &[]).expect(0);
    lab.run("clean", &[]).expect(0);
    let folder = lab.copied("clean/models");
    let model = folder.join("dimCycle.sql");
    let good = std::fs::read_to_string(&model).unwrap();
    let cases = [
        (good.replace("-- key: cycleId", "-- kye: cycleId"), "dimCycle.sql:1: the header names no key"),
        (good.replace("-- key: cycleId", "-- key: cycleId\n-- expect: cycleId > 0"), "the expectation does not end in"),
        (good.replace("-- key: cycleId", "-- key: cycleNumber"), "column `cycleNumber`"),
        (good.replace("-- key: cycleId", "-- key: cycleId\n-- expect: noSuchColumn > 0, else warn"), "noSuchColumn"),
        (good.replace("from prepare.dimCycle", "from prepare.dimSprint"), "there is no table prepare.dimSprint"),
        (good.replace("from prepare.dimCycle", "fron prepare.dimCycle"), "does not parse"),
    ];
    for (broken, words) in cases {
        assert_ne!(broken, good, "{words}: the model no longer has what this case spoils");
        std::fs::write(&model, broken).unwrap();
        refused(&lab, "clean", &["--force", "--models", folder.to_str().unwrap()], 78, words);
    }
    refused(&lab, "clean", &["--models", "/no/such/folder"], 78, "/no/such/folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_says_fail_fails_the_stage() {
    let lab = Lab::new(Profile::Small).await;
    for stage in ["source", "prepare", "clean"] {
        lab.run(stage, &[]).expect(0);
    }
    let folder = lab.copied("clean/models");
    let model = folder.join("dimCyclePhase.sql");
    let text = std::fs::read_to_string(&model).unwrap();
    std::fs::write(
        &model,
        text.replacen("-- key: cyclePhaseId", "-- key: cyclePhaseId\n-- expect: cyclePhaseId < 0, else fail", 1),
    )
    .unwrap();
    let ran = refused(
        &lab,
        "clean",
        &["--models", folder.to_str().unwrap()],
        65,
        "clean.dimCyclePhase breaks the expectation `cyclePhaseId < 0`",
    );
    let named = ran.text("message").matches("cyclePhaseId=").count();
    assert_eq!(named, 3, "{}", ran.report);
    // What was published before is still what everybody reads, and the next good run goes on from it.
    lab.run("transform", &[]).expect(0);
    assert_eq!(lab.run("clean", &[]).expect(0).text("status"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_references_are_checked_before_anybody_sees_a_row() {
    let lab = Lab::new(Profile::Small).await;
    for stage in ["source", "prepare", "clean", "transform"] {
        lab.run(stage, &[]).expect(0);
    }
    let folder = lab.copied("transform/models");
    let model = folder.join("dimCyclePhase.sql");
    let good = std::fs::read_to_string(&model).unwrap();
    let flags = ["--models", folder.to_str().unwrap()];
    let doubled = good.replace("select * from final", "select * from final union all select * from final");
    assert_ne!(doubled, good);
    std::fs::write(&model, doubled).unwrap();
    refused(&lab, "transform", &flags, 65, "is unique");
    let orphaned = good.replace("select * from final", "select * from final where cyclePhaseKey = -1");
    std::fs::write(&model, orphaned).unwrap();
    refused(&lab, "transform", &flags, 65, "in transform.dimCyclePhase.cyclePhaseKey");
    let folder = lab.copied("clean/models");
    let model = folder.join("dimCyclePhase.sql");
    let good = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, good.replace("select * from final", "select * from final limit 3")).unwrap();
    refused(
        &lab,
        "clean",
        &["--models", folder.to_str().unwrap()],
        65,
        "rows of prepare.dimCyclePhase = rows out + quarantined",
    );
}
