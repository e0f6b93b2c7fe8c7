//! Going back: what newest readers see, what a run makes of it, and what happens when it is cut short or refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spectra_common::session;

use super::{Published, answer, contents, published, read, release};
use crate::support::{Lab, finish};

/// What readers see who open the newest version of every table of a release.
async fn newest(lab: &Lab, like: &Published) -> BTreeMap<String, Vec<String>> {
    let context = session::new(512 << 20, 2).unwrap();
    let mut newest = BTreeMap::new();
    for table in like.tables.keys() {
        newest.insert(table.clone(), read(&context, lab, table, None).await);
    }
    newest
}

fn data_files(lab: &Lab) -> Vec<PathBuf> {
    let files = lab.table_files().into_keys();
    files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

/// The first of three releases, of some stages.
pub async fn published_again(lab: &Lab) {
    for stage in ["prepare", "clean", "analyse"] {
        let told = published(lab, stage).await;
        let (first, last) = (contents(lab, &told[0]).await, contents(lab, &told[2]).await);
        let files = data_files(lab);
        let planned = release(lab, stage, &["revert", "1", "--plan"]);
        assert_eq!((planned.code, &planned.report["status"]), (0, &"planned".into()));
        assert_eq!(published(lab, stage).await.len(), 3);

        let reverted = release(lab, stage, &["revert", "1"]);
        assert_eq!(reverted.code, 0, "{}", reverted.report);
        assert_eq!((&reverted.report["status"], &reverted.report["release"]), (&"published".into(), &4.into()));
        assert_eq!(reverted.output.lines().count(), 1, "a run's report is the only line: {}", reverted.output);
        assert_eq!(reverted.report["warnings"], serde_json::Value::Null, "{}", reverted.report);
        assert_eq!(data_files(lab), files, "no row is written");
        assert!(newest(lab, &told[0]).await == first, "{stage}");
        let told = published(lab, stage).await;
        assert_eq!(told[3].inputs, told[0].inputs);
        assert!(contents(lab, &told[3]).await == first && contents(lab, &told[2]).await == last, "{stage}");
        let [shown, old] = ["4", "1"].map(|number| answer(lab, stage, &["show", number]));
        assert_eq!(shown["note"], "release 1 again");
        assert_eq!((&shown["asOf"], &shown["fingerprint"]), (&old["asOf"], &old["fingerprint"]));
        let diff = answer(lab, stage, &["diff", "1", "4"]);
        let differing: Vec<_> = diff["tables"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|table| !table["what"].as_str().unwrap().starts_with("same"))
            .collect();
        assert!(differing.is_empty(), "{differing:?}");

        // Once is enough.
        let again = release(lab, stage, &["revert", "1"]);
        assert_eq!((again.code, &again.report["status"]), (0, &"unchanged".into()), "{}", again.report);
        assert_eq!(published(lab, stage).await.len(), 4);
    }
    // What is pinned stays; an ordinary run builds the newest again.
    let pinned = lab.run("clean", &["--from-release", "1", "--as-of", "2026-01-05"]).expect(0);
    assert_eq!(pinned.text("status"), "unchanged", "{}", pinned.report);
    let told = published(lab, "clean").await;
    let last = contents(lab, &told[2]).await;
    lab.run("prepare", &[]).expect(0);
    lab.run("clean", &[]).expect(0);
    assert!(newest(lab, &told[2]).await == last);
    lab.run("transform", &[]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_goes_back_with_its_tables() {
    let mut lab = Lab::new(spectra_tests::simulator::Profile::Small).await;
    let path = lab.lake_path().join("Files/analyse/report.html");
    lab.run_all();
    let first = std::fs::read(&path).unwrap();
    lab.advance(1);
    lab.run_all();
    let second = std::fs::read(&path).unwrap();
    assert_ne!(first, second);
    assert_eq!(release(&lab, "analyse", &["revert", "1"]).code, 0);
    assert!(std::fs::read(&path).unwrap() == first);
    lab.run("analyse", &[]).expect(0);
    assert!(std::fs::read(&path).unwrap() != first);
}

/// One that is killed leaves a release that can be read.
pub async fn killed(lab: &Lab) {
    let told = published(lab, "clean").await;
    let all = [contents(lab, &told[0]).await, contents(lab, &told[2]).await];
    let undisturbed = Instant::now();
    assert_eq!(release(lab, "clean", &["revert", "1"]).code, 0);
    let undisturbed = undisturbed.elapsed();
    lab.run("clean", &[]).expect(0);
    let mut unpublished = 0;
    for percent in [30, 50, 60, 70, 80, 90] {
        let before = published(lab, "clean").await.len();
        let mut child = lab.command("clean").args(["release", "revert", "1"]).spawn().unwrap();
        std::thread::sleep(undisturbed * percent / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        let told = published(lab, "clean").await;
        let is_published = told.len() > before;
        unpublished += i32::from(!is_published);
        // Whichever release is the newest now, all of it is there.
        let expected = if is_published { &all[0] } else { &all[1] };
        assert!(contents(lab, told.last().unwrap()).await == *expected, "at {percent} %");
        assert_eq!(answer(lab, "clean", &["list", "--limit", "1"])[0]["isReadable"], true);
        // What a killed one left behind is put right by the next, be it a revert or a run.
        if percent % 20 == 0 {
            assert_eq!(release(lab, "clean", &["revert", "1"]).code, 0);
            assert!(newest(lab, told.last().unwrap()).await == all[0], "at {percent} %");
        }
        lab.run("clean", &[]).expect(0);
        assert!(newest(lab, told.last().unwrap()).await == all[1], "at {percent} %");
    }
    assert!(unpublished > 0, "every kill came too late");
}

/// Of several at once one is published.
pub async fn two_at_once(lab: &Lab) {
    let first = contents(lab, &published(lab, "transform").await[0]).await;
    let before = published(lab, "transform").await.len();
    let begun = Instant::now();
    let children: Vec<_> =
        (0..3).map(|_| lab.command("transform").args(["release", "revert", "1"]).spawn().unwrap()).collect();
    let ends: Vec<_> = children.into_iter().map(|child| finish(child, begun)).collect();
    for ran in &ends {
        assert!([Some(0), Some(73)].contains(&ran.code), "{}", ran.report);
    }
    assert_eq!(ends.iter().filter(|ran| ran.text("status") == "published").count(), 1);
    let told = published(lab, "transform").await;
    assert_eq!(told.len(), before + 1);
    let last = &told[before];
    assert!(newest(lab, last).await == first && contents(lab, last).await == first);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// What was deleted cannot be gone back to.
pub async fn deleted(lab: &Lab) {
    let told = published(lab, "clean").await;
    let lake = spectra_common::lake::Lake::new(&lab.variables["SPECTRA_LAKE"]).unwrap();
    let table = "clean.factExecution";
    let open = |release: usize| lake.open("clean", "factExecution", Some(told[release].tables[table]));
    let (old, new) = (open(0).await.unwrap().unwrap(), open(2).await.unwrap().unwrap());
    let new: Vec<String> = new.get_file_uris().unwrap().collect();
    let old: Vec<String> = old.get_file_uris().unwrap().collect();
    let only_old = old.iter().find(|file| !new.contains(file)).unwrap();
    let path = lab.lake_path().join("Tables/clean/factExecution").join(only_old.rsplit('/').next().unwrap());
    std::fs::remove_file(&path).unwrap();
    let before = lab.table_files();
    let name = path.file_name().unwrap().to_str().unwrap();
    for words in [["revert", "1"].as_slice(), &["diff", "1", "3"]] {
        let refused = release(lab, "clean", words);
        assert_eq!(refused.code, 66, "{}", refused.report);
        let message = refused.report["message"].as_str().unwrap();
        assert!(message.contains("release 1 of clean can no longer be read") && message.contains(name), "{message}");
    }
    assert_eq!(lab.table_files(), before);
    let list = answer(lab, "clean", &["list", "--limit", "100"]);
    let oldest = list.as_array().unwrap().last().unwrap();
    assert_eq!((&list[0]["isReadable"], &oldest["isReadable"]), (&true.into(), &false.into()));
    assert!(oldest["missing"].as_str().unwrap().contains(name));
    assert_eq!(release(lab, "clean", &["revert", "2"]).code, 0);
    assert_eq!(release(lab, "clean", &["revert", "99"]).code, 66);
}
