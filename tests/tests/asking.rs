//! Questions to the lake: only reads, over any release, and one execution followed back to its payload.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;
use spectra_tests::simulator::Profile;

use crate::support::Lab;

struct Answer {
    code: i32,
    output: String,
    report: Value,
}

fn ask(lab: &Lab, words: &[&str]) -> Answer {
    let mut command = lab.command("analyse");
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = command.output().unwrap();
    let log = String::from_utf8(done.stderr).unwrap();
    let report = log.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
    Answer { code: done.status.code().unwrap(), output: String::from_utf8(done.stdout).unwrap(), report }
}

fn json(lab: &Lab, words: &[&str]) -> Value {
    let answer = ask(lab, words);
    assert_eq!(answer.code, 0, "{words:?}: {}", answer.report);
    serde_json::from_str(&answer.output).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", answer.output))
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_and_change_nothing() {
    let mut lab = Lab::new(Profile::Small).await;
    let early = ask(&lab, &["query", "select 1"]);
    assert_eq!(early.code, 66, "{}", early.report);
    lab.run_all();
    let before = lab.table_files();

    let counted = json(&lab, &["query", "select count(*) as n from refine.factExecution", "--format", "json"]);
    let truth = lab.number("select count(*) from refine.factExecution").await;
    assert_eq!(counted, serde_json::json!([{ "n": truth }]));
    let csv = ask(&lab, &["query", "select 1 as a, '=1' as b", "--format", "csv"]);
    assert_eq!(csv.output, "a,b\n1,'=1\n");
    assert_eq!(csv.report["status"], "inspected", "the report must not stand among the rows");
    assert_eq!(csv.report["release"], 1);
    let unqualified = ask(&lab, &["query", "select count(*) as n from cycleProgress"]);
    assert!(unqualified.output.contains("| n "), "{}", unqualified.output);
    // Flags of every stage may stand behind the word too.
    let behind = ask(&lab, &["query", "select 1 as a", "--threads", "1", "--lake", lab.lake_path().to_str().unwrap()]);
    assert_eq!(behind.code, 0, "{}", behind.report);

    for (sql, why) in [
        ("drop table refine.dimCycle", "`drop table` is refused"),
        ("insert into refine.dimCycle select * from refine.dimCycle", "`insert into` is refused"),
        ("copy refine.dimCycle to 'x.csv'", "is refused"),
        ("create table a as select 1 as b", "`create table` is refused"),
        ("select nope from refine.dimCycle", "No field named nope"),
        ("select 1; select 2", "more than one statement"),
    ] {
        let refused = ask(&lab, &["query", sql]);
        assert_eq!(refused.code, 64, "{sql}: {}", refused.report);
        assert!(refused.report["message"].as_str().unwrap().contains(why), "{sql}: {}", refused.report);
        assert_eq!(refused.output, "");
    }
    let missing = ask(&lab, &["query", "select 1 from refine.dimcycle"]);
    assert_eq!(missing.code, 66);
    assert!(missing.report["hint"].as_str().unwrap().contains("refine.dimCycle"), "{}", missing.report);
    assert_eq!(lab.table_files(), before);

    // An older release stays what it was.
    lab.advance(1);
    lab.run_all();
    let old = "select max(asOf) as asOf from analyse.cycleProgress";
    let of = |release: &[&str]| json(&lab, &[&["query", old, "--format", "json"], release].concat())[0]["asOf"].clone();
    assert_eq!(of(&["--release", "1"]), "2026-01-05");
    assert_eq!(of(&["--release", "analyse@1"]), "2026-01-05");
    assert_eq!(of(&[]), "2026-01-06");
    let both = "select a.asOf as old, b.asOf as new from \"analyse@1\".cycleProgress as a \
                join analyse.cycleProgress as b on a.cycleKey = b.cycleKey limit 1";
    let both = json(&lab, &["query", both, "--format", "json"]);
    assert_eq!(both, serde_json::json!([{ "old": "2026-01-05", "new": "2026-01-06" }]));
    assert_eq!(ask(&lab, &["query", "select 1", "--release", "refine@99"]).code, 66);
    assert_eq!(ask(&lab, &["query", "select 1", "--release", "gold"]).code, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_columns_are_described() {
    let lab = Lab::new(Profile::Small).await;
    lab.run_all();
    let all = json(&lab, &["describe", "--format", "json"]);
    let tables: BTreeMap<&str, &Value> =
        all["tables"].as_array().unwrap().iter().map(|table| (table["table"].as_str().unwrap(), table)).collect();
    for table in ["source.factExecution", "prepare.statusMap", "clean.dimCycle", "refine.dimCycle", "log.run"] {
        assert!(!tables[table]["purpose"].as_str().unwrap().is_empty(), "{table}");
    }
    let cycle = json(&lab, &["describe", "refine.dimCycle", "--format", "json"]);
    let column = |name: &str| {
        let columns = cycle["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert!(column("cyclePassRate")["meaning"].as_str().unwrap().contains("passed"));
    assert_eq!(column("cycleName")["from"], serde_json::json!(["transform.dimCycle.cycleName"]));
    assert_eq!(column("cycleKey")["isKey"], true);
    let page = ask(&lab, &["describe", "cycleProgress"]);
    assert!(page.output.starts_with("analyse.cycleProgress, "), "{}", page.output);
    assert_eq!(ask(&lab, &["describe", "refine.nothing"]).code, 66);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_followed_back_to_its_payload() {
    let mut lab = Lab::new(Profile::Small).await;
    lab.run_all();
    let of_one = "select executionId, cycleKey, cyclePhaseId from refine.factExecution where isExecuted order by executionId limit 1";
    let one = lab.rows(of_one).await[0].clone();
    let id = one["executionId"].to_string();
    let way = json(&lab, &["trace", "--execution", &id, "--format", "json"]);
    let source = &way["source"][0];
    assert_eq!(source["record"]["payload"]["id"], one["executionId"]);
    assert!(source["record"]["page"].is_number() && source["record"]["ordinal"].is_number());
    let key: Value = serde_json::from_str(source["record"]["sliceKey"].as_str().unwrap()).unwrap();
    assert_eq!(key["cyclePhaseId"], one["cyclePhaseId"]);
    assert_eq!(source["versions"][0]["resource"], "factExecution");
    assert_eq!(source["walks"][0]["outcome"], "complete");
    assert!(source["runs"].as_array().unwrap().iter().any(|run| run["status"] == "published"));
    let steps: Vec<&str> =
        way["steps"].as_array().unwrap().iter().map(|step| step["table"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        ["prepare.factExecution", "clean.factExecution", "transform.factExecution", "refine.factExecution"]
    );
    assert!(way["steps"].as_array().unwrap().iter().all(|step| step["rows"].as_array().unwrap().len() == 1));
    let progress = way["marts"].as_array().unwrap().iter().find(|mart| mart["table"] == "analyse.cycleProgress");
    assert_eq!(progress.unwrap()["rows"][0]["cycleKey"], one["cycleKey"]);

    let page = ask(&lab, &["trace", "--execution", &id]).output;
    let places: Vec<usize> = [
        "\nsource:",
        "\nprepare.factExecution",
        "\nclean.factExecution",
        "\ntransform.factExecution",
        "\nrefine.factExecution",
    ]
    .iter()
    .map(|heading| page.find(heading).unwrap_or_else(|| panic!("{heading}: {page}")))
    .collect();
    assert!(places.is_sorted());
    assert!(page.contains("payload") && page.contains(source["record"]["runId"].as_str().unwrap()));
    let nobody = ask(&lab, &["trace", "--execution", "999999999"]);
    assert_eq!(nobody.code, 66, "{}", nobody.report);

    // What a later walk changed has a new payload; that of the older release stays with it.
    lab.advance(1);
    lab.run_all();
    let old = json(&lab, &["trace", "--execution", &id, "--release", "1", "--format", "json"]);
    assert_eq!(old["source"][0]["record"], source["record"]);
}
