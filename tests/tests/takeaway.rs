//! Files to take away: what is chosen is written, typed, harmless, and the same for the same tables.

use std::collections::BTreeMap;
use std::io::Read;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use flate2::read::DeflateDecoder;
use spectra_tests::simulator::Profile;

use crate::support::Lab;

/// Models that make names a spreadsheet would take for formulas out of those there are.
fn wicked_models(lab: &Lab) -> String {
    let models = lab.copied("analyse/models");
    let model = "-- One row per wicked name.\n-- label: a name as somebody typed it.\n-- key: number\n\
        with names as (select * from (values (1, '=1+1'), (2, '+1'), (3, '-1'), (4, '@A1'), (5, chr(9) || '=1'), \
        (6, 'plain, with \"quotes\" & <tags> _x0041_ ' || chr(1)), (7, repeat('é', 40000)), (8, cast(null as string))) as n(number, label))\n\
        select number, label, -number as below, number / 10.0e0 as someRate, date '2026-01-05' as day from names";
    std::fs::write(models.join("wicked.sql"), model).unwrap();
    models.display().to_string()
}

/// Marts about the log, which knows of one run more each time.
const LOGGED: [&str; 4] = ["apiHealth", "dataQuality", "freshness", "operationsHealth"];

fn files(lab: &Lab) -> BTreeMap<String, Vec<u8>> {
    let folder = lab.lake_path().join("Files/analyse/export");
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
        })
        .collect()
}

/// The parts of a ZIP archive, by its directory.
fn unzip(archive: &[u8]) -> BTreeMap<String, String> {
    let short = |at: usize| usize::from(u16::from_le_bytes(archive[at..at + 2].try_into().unwrap()));
    let long = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let end = archive.len() - 22;
    assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
    let mut at = long(end + 16);
    let mut parts = BTreeMap::new();
    for _ in 0..short(end + 10) {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let (packed, size, name_length, offset) = (long(at + 20), long(at + 24), short(at + 28), long(at + 42));
        let name = String::from_utf8(archive[at + 46..at + 46 + name_length].to_vec()).unwrap();
        let begin = offset + 30 + short(offset + 26) + short(offset + 28);
        let mut content = String::new();
        DeflateDecoder::new(&archive[begin..begin + packed]).read_to_string(&mut content).unwrap();
        assert_eq!(content.len(), size, "{name}");
        parts.insert(name, content);
        at += 46 + name_length + short(at + 30) + short(at + 32);
    }
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_chosen_is_written_and_harmless() {
    let lab = Lab::new(Profile::Small).await;
    for stage in ["source", "prepare", "clean", "transform", "refine"] {
        lab.run(stage, &[]).expect(0);
    }
    let models = wicked_models(&lab);
    lab.run("analyse", &["--models", &models]).expect(0);
    assert!(files(&lab).is_empty(), "nothing is written that nobody asked for");

    let all = ["--models", models.as_str(), "--export", "csv,parquet,xlsx"];
    let ran = lab.run("analyse", &all).expect(0);
    assert!(
        ran.report["files"].as_array().unwrap().iter().any(|file| file.as_str().unwrap().ends_with("spectra.xlsx"))
    );
    let first = files(&lab);
    let marts: Vec<String> = std::fs::read_dir(&models)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(first.len(), 2 * marts.len() + 1);

    let csv = String::from_utf8(first["wicked.csv"].clone()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "number,label,below,someRate,day");
    assert_eq!(lines[1], "1,'=1+1,-1,0.1,2026-01-05");
    assert_eq!(lines[3], "3,'-1,-3,0.3,2026-01-05");
    assert!(lines[5].starts_with("5,'\t=1,"), "{}", lines[5]);
    assert!(lines[6].contains("\"plain, with \"\"quotes\"\""), "{}", lines[6]);
    assert!(lines[8].starts_with("8,,-8,"), "{}", lines[8]);

    let parts = unzip(&first["spectra.xlsx"]);
    let book = &parts["xl/workbook.xml"];
    let sheet = |name: &str| {
        let number = book.split("<sheet ").position(|sheet| sheet.starts_with(&format!("name=\"{name}\""))).unwrap();
        &parts[&format!("xl/worksheets/sheet{number}.xml")]
    };
    for mart in &marts {
        assert!(sheet(mart).contains("state=\"frozen\"") && sheet(mart).contains("<autoFilter"), "{mart}");
    }
    assert!(parts.values().all(|part| !part.contains("<f>")), "no cell may hold a formula");
    let wicked = sheet("wicked");
    assert!(
        wicked.contains("<c r=\"B2\" s=\"6\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1</t>"),
        "{wicked:.2000}"
    );
    assert!(wicked.contains("&amp; &lt;tags&gt; _x005F_x0041_ _x0001_"));
    assert!(wicked.contains("<c r=\"C4\" s=\"0\"><v>-3</v>"), "a number stays a number");
    assert!(wicked.contains("<c r=\"D2\" s=\"4\"><v>0.1</v>"), "a rate is shown as a share");
    assert!(wicked.contains("<c r=\"E2\" s=\"2\"><v>46027</v>"), "a day is a day");
    assert!(sheet("Columns").contains("a name as somebody typed it"));
    assert!(sheet("Tables").contains("One row per wicked name."));

    let file = std::fs::File::open(lab.lake_path().join("Files/analyse/export/wicked.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 8);

    // Nothing new: nothing is written. Made again, on another number of threads: the same bytes.
    lab.run("analyse", &all).expect(0);
    let again = lab.run("analyse", &[&all[..], &["--skip-exit-code", "99"]].concat());
    assert_eq!(again.code, Some(99), "{}", again.report);
    lab.run("analyse", &[&all[..], &["--force", "--threads", "2"]].concat()).expect(0);
    let second = files(&lab);
    for (name, content) in &first {
        if LOGGED.iter().any(|mart| name.starts_with(mart)) {
            continue;
        }
        if name == "spectra.xlsx" {
            let (before, after) = (unzip(content), unzip(&second[name]));
            let other: Vec<&String> = before.keys().filter(|part| before[*part] != after[*part]).collect();
            assert!(other.len() <= LOGGED.len(), "{other:?} of the workbook are not the same");
            continue;
        }
        assert!(second[name] == *content, "{name} is not the same");
    }

    // A file that has gone is something to do.
    std::fs::remove_file(lab.lake_path().join("Files/analyse/export/wicked.csv")).unwrap();
    lab.run("analyse", &all).expect(0);
    assert_eq!(files(&lab)["wicked.csv"], first["wicked.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tables_asked_for_are_taken_away() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.variables.insert("SPECTRA_EXPORT".to_owned(), "csv".to_owned());
    lab.variables.insert("SPECTRA_EXPORT_TABLES".to_owned(), "cycleProgress,burndown".to_owned());
    lab.run_all();
    assert_eq!(files(&lab).into_keys().collect::<Vec<_>>(), ["burndown.csv", "cycleProgress.csv"]);
    let progress = String::from_utf8(files(&lab)["cycleProgress.csv"].clone()).unwrap();
    let rows = lab.number("select count(*) from analyse.cycleProgress").await;
    assert!(progress.lines().count() as i64 > rows, "a header and a line a row");

    let refused = lab.run("analyse", &["--export-tables", "nothing"]).expect(64);
    assert!(refused.text("message").contains("analyse makes no such table"), "{}", refused.report);
    let refused = lab.run("analyse", &["--export", "pdf"]).expect(64);
    assert!(refused.text("message").contains("pdf"), "{}", refused.report);
}
