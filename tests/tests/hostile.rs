//! An API and files that mean harm: whatever comes either lands and shows up whole downstream, or is refused by name, within
//! the memory that was given. `docs/security.md` has the list.

mod front;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json as value};
use spectra_tests::simulator::Profile;

use crate::report::browser::{self, Browser};
use crate::support::{Lab, Ran, STAGES};
use crate::walked::{HASTY, spec_of, use_spec};
use front::{Front, Reply, bomb, json, long, packed};

const DEEPEST: usize = 100_000;
const RECORD_BEGINS: &str = r#"[{"id":1,"name":""#;
const BODY_TOO_LARGE: &str = "the body is larger than 268435456 bytes";
const RECORD_TOO_LARGE: &str = "a record or a field of the answer is larger than 33554432 bytes";

/// Runs a stage without keeping the simulator, whose thread this may be, from answering.
fn run(lab: &Lab, stage: &str, flags: &[&str]) -> Ran {
    tokio::task::block_in_place(|| lab.run(stage, flags))
}

/// A list in a list in a list.
fn deep() -> String {
    format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST))
}

fn refuse_quickly(lab: &mut Lab, resources: &[&str]) {
    let edits = [("tries = 5", "tries = 2"), ("[retry]", "[gate]\nfailed_least = 1000\n\n[retry]")];
    use_spec(lab, &spec_of(resources, &[&HASTY[..], &edits[..]].concat()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_by_name_within_little_memory() {
    type Case = (fn() -> Reply, &'static str);
    let cases: [Case; 4] = [
        (|| packed(RECORD_BEGINS, 10_240), BODY_TOO_LARGE),
        (|| long(RECORD_BEGINS, 1_024, ""), BODY_TOO_LARGE),
        (|| long(RECORD_BEGINS, 200, "\"}]"), RECORD_TOO_LARGE),
        (|| json(format!("[{}", "[".repeat(DEEPEST))), "the answer is not whole JSON"),
    ];
    assert!(bomb("", 10_240).len() < 12 << 20, "ten gigabytes in about ten megabytes");
    for (reply, words) in cases {
        let mut lab = Lab::new(Profile::Small).await;
        let front = Front::start(&lab.simulator.url(), move |target, _| target.contains("/project/").then(reply));
        lab.variables.insert("SPECTRA_API_URL".to_owned(), front.url.clone());
        refuse_quickly(&mut lab, &["project", "release"]);
        let ran = run(&lab, "source", &["--memory", "128MB"]).expect(65);
        let message = ran.text("message");
        assert!(message.contains("/project/details") && message.contains(words), "{words}: {message}");
        let peak = ran.report["peakMemoryBytes"].as_u64().unwrap();
        assert!(peak < 256 << 20, "{words}: {peak} bytes");
        println!("{words}: {} MiB, {} ms", peak >> 20, ran.took.as_millis());
        assert!(!lab.lake_path().join("Tables/source/slice/_delta_log").exists(), "{words}: something was published");
    }
}

const FILES: &str = r#"
name = "dump"
base_path = ""

[gate]
failed_least = 100
failed_percent = 100

[[resource]]
name = "project"
table = "dimProject"
files = "projects.ndjson"
record_id = "id"
key = "projectId"

[[resource]]
name = "execution"
table = "factExecution"
parent = "project"
files = "executions/{projectId}/*"
record_id = "id"
"#;

fn sparse(path: &Path, beginning: &[u8]) {
    std::fs::write(path, beginning).unwrap();
    File::options().write(true).open(path).unwrap().set_len(1 << 30).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wicked_files_cost_their_slice_and_no_more() {
    let record = |text: &str| format!(r#"{{"id":1,"x":{text}}}"#).into_bytes();
    let too_large = "line 1: a record is larger than 33554432 bytes";
    // A file of each project, and what becomes of it: the id that lands, or why nothing does.
    let files: Vec<(&str, Vec<u8>, Result<&str, &str>)> = vec![
        ("bomb.ndjson.gz", bomb(r#"{"id":1,"x":""#, 10_240), Err(too_large)),
        ("line.ndjson", Vec::new(), Err(too_large)),
        ("document.json", b"[".to_vec(), Err(too_large)),
        ("deep.ndjson", record(&deep()), Ok("1")),
        ("deep.json", [b"[", &record(&deep())[..], b"]"].concat(), Ok("1")),
        ("deeper.json", format!("[{}]", deep()).into_bytes(), Err("record 0 has no `id`")),
        ("deep id.ndjson", format!(r#"{{"id":{}}}"#, deep()).into_bytes(), Err("neither a number nor text")),
        ("number.ndjson", record("[1e400,123456789012345678901234567890,-0]"), Ok("1")),
        ("wide.ndjson", br#"{"id":123456789012345678901}"#.to_vec(), Err("is no whole number of 64 bits")),
        ("wider.ndjson", br#"{"id":1e400}"#.to_vec(), Err("number out of range")),
        ("twice.ndjson", br#"{"id":1,"x":"a","id":2}"#.to_vec(), Ok("2")),
        ("surrogate.ndjson", record(r#""\ud800""#), Ok("1")),
        ("zero.ndjson", record("\"\0\""), Err("line 1: not JSON: control character")),
        ("bytes.ndjson", [&b"{\"id\":1,\"x\":\""[..], &[0xff, 0xfe], b"\"}"].concat(), Err("line 1: not JSON")),
        ("escaped.ndjson", record(r#""\u0000\u001b[31m\u2028""#), Ok("1")),
        ("path.ndjson", br#"{"id":"../../etc/passwd"}"#.to_vec(), Ok("../../etc/passwd")),
    ];
    let mut lab = Lab::new(Profile::Small).await;
    let dump = lab.folder.path().join("dump");
    let mut projects = String::new();
    for (number, (name, content, _)) in files.iter().enumerate() {
        let folder = dump.join(format!("executions/{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        match *name {
            "line.ndjson" | "document.json" => sparse(&folder.join(name), content),
            _ => std::fs::write(folder.join(name), content).unwrap(),
        }
        projects.push_str(&format!("{{\"id\":{number}}}\n"));
    }
    // Ids that would lead elsewhere, where a file is waiting.
    std::fs::write(lab.folder.path().join("secret.ndjson"), record("1")).unwrap();
    std::fs::write(dump.join("secret.ndjson"), record("1")).unwrap();
    for id in ["../..", "../../../../../../etc", "C:\\\\", "*", "a/b", "0/../1"] {
        projects.push_str(&format!("{{\"id\":\"{id}\"}}\n"));
    }
    std::fs::write(dump.join("projects.ndjson"), projects).unwrap();
    use_spec(&mut lab, FILES);
    lab.variables.insert("SPECTRA_API_URL".to_owned(), dump.display().to_string());
    let ran = run(&lab, "source", &["--memory", "256MB"]).expect(0);
    let peak = ran.report["peakMemoryBytes"].as_u64().unwrap();
    assert!(peak < 512 << 20, "{peak} bytes");
    println!("wicked files: {} MiB, {} ms", peak >> 20, ran.took.as_millis());

    let walks = lab.rows("select sliceKey, outcome, message from log.slice where resource = 'factExecution'").await;
    let landed = lab.rows("select sliceKey, recordId, payload from source.factExecution").await;
    assert_eq!(walks.len(), files.len() + 6);
    for (number, (name, content, expected)) in files.iter().enumerate() {
        let key = format!("{{\"projectId\":{number}}}");
        let walk = walks.iter().find(|walk| walk["sliceKey"] == key.as_str()).unwrap();
        let rows: Vec<&Value> = landed.iter().filter(|row| row["sliceKey"] == key.as_str()).collect();
        match expected {
            Ok(id) => {
                assert_eq!((walk["outcome"].as_str(), rows.len()), (Some("complete"), 1), "{name}: {walk}");
                assert_eq!(rows[0]["recordId"], *id, "{name}");
                let sent = String::from_utf8(content.clone()).unwrap();
                assert!(sent.contains(rows[0]["payload"].as_str().unwrap()), "{name}: not what was sent");
            }
            Err(words) => {
                assert_eq!((walk["outcome"].as_str(), rows.len()), (Some("failed"), 0), "{name}: {walk}");
                let message = walk["message"].as_str().unwrap();
                assert!(message.contains(name) && message.contains(words), "{name}: {message}");
            }
        }
    }
    let others = landed.iter().filter(|row| row["sliceKey"].as_str().unwrap().contains("\":\""));
    assert_eq!(others.count(), 0, "an id led out of its folder");
}

/// Names somebody may have typed. The first is one that a page would run, the second one that a spreadsheet would.
const NAMES: [&str; 7] = [
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>",
    "=cmd|'/C calc'!A0",
    "../../etc/passwd",
    "javascript:alert(3)",
    "C:\\x\u{0}y",
    "\u{2028}alert(4)\u{2029}<!--",
    "\u{ff1d}1+1\t\u{202e}",
];

/// What becomes of a record with something wicked in it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It is there at the end of the chain.
    Whole,
    /// It is set aside by name.
    Quarantined,
    /// The page is refused.
    Refused(&'static str),
}

/// What the first record of a listing of executions gets, as JSON text.
fn wicked() -> Vec<(&'static str, String, End)> {
    let members = |name: &dyn Fn(usize) -> String, count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("{}:{at}", Value::from(name(at)))).collect();
        format!("{{{}}}", members.join(","))
    };
    vec![
        ("hostile", deep(), End::Whole),
        ("comment", deep(), End::Quarantined),
        ("hostile", members(&|at| format!("n{at}"), 1_000), End::Whole),
        ("hostile", members(&|at| NAMES[at].to_owned(), NAMES.len()), End::Whole),
        ("comment", r#""first","comment":"last""#.to_owned(), End::Whole),
        ("comment", r#""a\u0000b\u001b[31m""#.to_owned(), End::Whole),
        ("hostile", "[1e400,123456789012345678901234567890]".to_owned(), End::Whole),
        ("orderId", "123456789012345678901234567890".to_owned(), End::Quarantined),
        ("estimatedTime", "1e400".to_owned(), End::Quarantined),
        ("comment", r#""\ud800""#.to_owned(), End::Quarantined),
        ("comment", "\"\u{1}\"".to_owned(), End::Refused("control character")),
        ("comment", "BYTES".to_owned(), End::Refused("the answer is not JSON")),
        ("id", "123456789012345678901".to_owned(), End::Refused("is no whole number of 64 bits")),
    ]
}

/// Which phase got which of them, and the id of the record.
type Struck = Arc<Mutex<BTreeMap<String, (usize, i64)>>>;

/// A front that makes names and executions wicked.
fn wicked_front(lab: &Lab, struck: &Struck) -> Front {
    let (struck, wicked) = (struck.clone(), wicked());
    Front::start(&lab.simulator.url(), move |target, body| {
        if target.contains("/project/details") || target.contains("/cycle/release/") {
            let mut records: Value = serde_json::from_str(&body()).ok()?;
            for record in records.as_array_mut()? {
                let at = usize::try_from(record["id"].as_i64()?).ok()?;
                record["name"] = value!(NAMES[at % NAMES.len()]);
            }
            return Some(json(records.to_string()));
        }
        let phase = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("cyclephaseid="))?.to_owned();
        let mut page: Value = serde_json::from_str(&body()).ok()?;
        let record = page["results"].as_array_mut()?.first_mut()?;
        let mut struck = struck.lock().unwrap();
        let next = struck.len();
        let at = match struck.get(&phase) {
            Some((at, id)) if record["id"] == *id => *at,
            None if next < wicked.len() && target.contains("offset=0") => next,
            _ => return None,
        };
        struck.entry(phase).or_insert((at, record["id"].as_i64()?));
        let (field, text, _) = &wicked[at];
        record[field] = value!("WICKED");
        let text = page.to_string().replace("\"WICKED\"", text).into_bytes();
        let invalid = text.windows(5).position(|window| window == b"BYTES");
        Some(json(match invalid {
            Some(at) => [&text[..at], &[b'"', 0xff, 0xfe, b'"'], &text[at + 5..]].concat(),
            None => text,
        }))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn wicked_records_are_whole_at_the_end_or_refused_by_name() {
    let mut lab = Lab::new(Profile::Small).await;
    let edits = [("[retry]", "[gate]\nfailed_least = 1000\nfailed_percent = 100\n\n[retry]")];
    use_spec(&mut lab, &spec_of(&[], &[&HASTY[..], &edits[..]].concat()));
    let struck = Struck::default();
    let front = wicked_front(&lab, &struck);
    lab.variables.insert("SPECTRA_API_URL".to_owned(), front.url.clone());
    for stage in STAGES {
        let flags: &[&str] = if stage == "analyse" { &["--export", "csv,xlsx,parquet"] } else { &[] };
        let ran = run(&lab, stage, flags).expect(0);
        println!("{stage}: {} ms", ran.took.as_millis());
    }
    let struck = struck.lock().unwrap().clone();
    let wicked = wicked();
    assert_eq!(struck.len(), wicked.len(), "enough phases have executions");
    for (phase, (at, id)) in &struck {
        let (field, text, end) = &wicked[*at];
        let name = format!("{field} {text:.40} in phase {phase}");
        let walk = format!("select outcome, message from log.slice where sliceKey like '%\"cyclePhaseId\":{phase}}}'");
        let walk = lab.rows(&walk).await.remove(0);
        let rows =
            async |table: &str| lab.number(&format!("select count(*) from {table} where executionId = {id}")).await;
        let set_aside = format!("select count(*) from quarantine.prepareFactExecution where recordId = '{id}'");
        match end {
            End::Whole => {
                assert_eq!(rows("refine.factExecution").await, 1, "{name}: {walk}");
                let payload = format!("select payload from source.factExecution where recordId = '{id}'");
                let payload = lab.rows(&payload).await.remove(0);
                assert!(payload["payload"].as_str().unwrap().contains(text.as_str()), "{name}: not as it was sent");
                let trace = run(&lab, "analyse", &["trace", "--execution", &id.to_string(), "--format", "json"]);
                assert_eq!(trace.code, Some(0), "{name}: {}", trace.log);
            }
            End::Quarantined => {
                assert_eq!(rows("refine.factExecution").await, 0, "{name}");
                assert_eq!(lab.number(&set_aside).await, 1, "{name}");
            }
            End::Refused(words) => {
                assert_eq!(walk["outcome"], "failed", "{name}: {walk}");
                assert!(walk["message"].as_str().unwrap().contains(words), "{name}: {walk}");
                assert_eq!(rows("prepare.factExecution").await, 0, "{name}");
            }
        }
        let comment = format!("select comment from prepare.factExecution where executionId = {id}");
        match text.as_str() {
            r#""first","comment":"last""# => assert_eq!(lab.rows(&comment).await[0]["comment"], "last"),
            r#""a\u0000b\u001b[31m""# => {
                assert_eq!(lab.rows(&comment).await[0]["comment"], "a\u{0}b\u{1b}[31m");
                let trace = run(&lab, "analyse", &["trace", "--execution", &id.to_string()]);
                assert!(!trace.log.contains('\u{1b}'), "a terminal is not steered");
            }
            _ => {}
        }
    }
    nothing_is_elsewhere(&lab);
    names_are_shown_and_do_nothing(&lab);
}

/// Every file lies where it belongs, whatever projects are called.
fn nothing_is_elsewhere(lab: &Lab) {
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(lab.folder.path()), ["lake", "own.toml", "spec.toml"]);
    assert_eq!(names(&lab.lake_path()), ["Files", "Tables"]);
    let exports = names(&lab.lake_path().join("Files/analyse/export"));
    assert!(exports.iter().all(|name| name.chars().all(|each| each.is_ascii_alphanumeric() || each == '.')));
    let csv = std::fs::read_to_string(lab.lake_path().join("Files/analyse/export/cycleProgress.csv")).unwrap();
    let formulas = csv.split([',', '\n']).filter(|cell| cell.trim_matches('"').starts_with(['=', '@', '\u{ff1d}']));
    assert_eq!(formulas.count(), 0, "a spreadsheet would run a name");
    assert!(csv.contains("'=cmd|"), "names are not lost");
}

fn names_are_shown_and_do_nothing(lab: &Lab) {
    let Some(program) = browser::find() else {
        println!("skipped: there is no chromium here; SPECTRA_TEST_CHROMIUM may name one");
        return;
    };
    let mut browser = Browser::start(&program);
    browser.look(1280, 900, false);
    browser.open(&lab.lake_path().join("Files/analyse/report.html"), "");
    for section in ["overview", "progress", "results", "matrix", "hygiene", "quality"] {
        browser.evaluate(&format!("document.getElementById('{section}').scrollIntoView({{behavior: 'instant'}})"));
        browser.wait_for(&format!("document.getElementById('{section}-body').childElementCount > 0"));
    }
    browser.settle();
    let shown = browser.text("document.body.textContent");
    for name in ["onerror=alert(2)", "javascript:alert(3)", "../../etc/passwd", "=cmd|", "alert(4)"] {
        assert!(shown.contains(name), "{name} is not shown");
    }
    assert_eq!(browser.number("document.querySelectorAll('main script, main img, main iframe').length"), 0.0);
    assert_eq!(
        browser.number("document.querySelectorAll('[href^=\"javascript\" i], [onerror], [onload]').length"),
        0.0
    );
    let problems = browser.problems();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_a_path_stays_one_step_of_a_url() {
    let mut lab = Lab::new(Profile::Small).await;
    refuse_quickly(&mut lab, &[]);
    let front = Front::start(&lab.simulator.url(), |target, body| {
        target.contains("/project/details").then(|| {
            let ids = [r#"{"id":"../../etc/passwd"}"#, r#"{"id":"a/b?c#d"}"#, r#"{"id":"C:\\"}"#, r#"{"id":"%2e%2e"}"#];
            json(body().replacen('[', &format!("[{},", ids.join(",")), 1))
        })
    });
    lab.variables.insert("SPECTRA_API_URL".to_owned(), front.url.clone());
    let tape = lab.folder.path().join("tape");
    let ran = run(&lab, "source", &["--record", tape.to_str().unwrap()]).expect(0);
    assert!(ran.report["slices"]["failed"].as_i64() >= Some(4), "the simulator knows none of them: {}", ran.report);
    let asked = front.asked.lock().unwrap().clone();
    for step in ["..%2F..%2Fetc%2Fpasswd", "a%2Fb%3Fc%23d", "C%3A%5C", "%252e%252e"] {
        assert!(asked.iter().any(|target| target.ends_with(&format!("/release/project/{step}"))), "{step}: {asked:?}");
    }
    let mut kept: Vec<_> = std::fs::read_dir(&tape).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "{kept:?}");
    // The ids of this API are numbers: another kind of id is named, and stops the stage.
    let ran = run(&lab, "prepare", &[]).expect(65);
    assert!(ran.text("message").contains("prepare.slice breaks the expectation"), "{}", ran.report);

    // Nothing that is told of them steers a terminal.
    let front = Front::start(&lab.simulator.url(), |target, _| {
        let record = r#"{"id":"\u001b[31m\u0007\u202e"}"#;
        target.contains("/project/details").then(|| json(format!("[{record},{record}]")))
    });
    lab.variables.insert("SPECTRA_API_URL".to_owned(), front.url);
    let ran = run(&lab, "source", &["--log-format", "pretty"]).expect(65);
    assert!(ran.text("message").contains("came twice") && ran.log.contains("came twice"), "{}", ran.log);
    assert!(!ran.log.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ran.log);

    // Dots cannot be a step at all.
    for id in ["..", "."] {
        let front = Front::start(&lab.simulator.url(), move |target, _| {
            target.contains("/project/details").then(|| json(format!(r#"[{{"id":"{id}"}}]"#)))
        });
        lab.variables.insert("SPECTRA_API_URL".to_owned(), front.url.clone());
        let ran = run(&lab, "source", &[]).expect(65);
        assert!(ran.text("message").contains("that no address can hold"), "{}", ran.report);
    }
}
