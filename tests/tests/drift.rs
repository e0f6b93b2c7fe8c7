//! Rows that move while they are listed, slices asked for at once, pages that are too heavy: what lands is what the
//! server holds.

use std::collections::BTreeMap;

use serde_json::Value;
use spectra_tests::simulator::faults::Rule;
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::{Lab, Ran};
use crate::walked::{Content, HASTY, Row, asked, content, parameter, spec_of, use_spec};

const KINDS: [&str; 3] = ["row-deleted-while-paging", "row-added-while-paging", "rows-swapped-while-paging"];

/// A listing of several pages: its table, the end of its slices' keys, and what its calls contain.
struct Listing {
    table: &'static str,
    key: String,
    call: String,
}

/// The largest phase and the largest folder of the small world.
async fn listings(lab: &Lab) -> [Listing; 2] {
    lab.run("source", &[]).expect(0);
    let largest = async |table: &str, key: &str| {
        let sql =
            format!("select sliceKey, count(*) as n from source.{table} group by sliceKey order by n desc, sliceKey");
        let slice_key = crate::walked::text(&lab.rows(&sql).await[0], "sliceKey");
        serde_json::from_str::<Value>(&slice_key).unwrap()[key].to_string()
    };
    let phase = largest("factExecution", "cyclePhaseId").await;
    let folder = largest("dimTestcase", "folderId").await;
    [
        Listing {
            table: "factExecution",
            key: format!("\"cyclePhaseId\":{phase}}}"),
            call: format!("cyclephaseid={phase}&"),
        },
        Listing {
            table: "dimTestcase",
            key: format!("\"folderId\":{folder}}}"),
            call: format!("/testcase/tree/{folder}?"),
        },
    ]
}

impl Listing {
    fn times_asked(&self, lab: &Lab) -> usize {
        asked(lab).iter().filter(|(call, _)| call.contains(&self.call)).count()
    }

    /// The newest word of `log.slice` on the slice.
    async fn outcome(&self, lab: &Lab) -> (String, String) {
        let sql = format!(
            "select outcome, message from log.slice where resource = '{}' and sliceKey like '%{}' order by walkedAt desc limit 1",
            self.table, self.key
        );
        let row = lab.rows(&sql).await.remove(0);
        (crate::walked::text(&row, "outcome"), crate::walked::text(&row, "message"))
    }
}

fn walk(lab: &Lab) -> Ran {
    lab.run("source", &["--page-size", "10"])
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_once_are_walked_again_and_land_as_they_are() {
    // Without a declared total, the row asked for again is all there is to see it by.
    let no_total = [("total = \"resultSize\"\n", ""), ("zero_total_is_unknown = true\n", "")];
    for edits in [&[][..], &no_total[..]] {
        for kind in KINDS {
            let mut lab = Lab::new(Profile::Small).await;
            use_spec(&mut lab, &spec_of(&[], &[edits, &HASTY[..]].concat()));
            for listing in listings(&lab).await {
                let name = format!("{kind} of {}, {} total", listing.table, if edits.is_empty() { "a" } else { "no" });
                lab.simulator.simulator.clear_requests();
                lab.simulator.simulator.add_fault_text(&format!("{}:1:{kind}", listing.call)).unwrap();
                let ran = walk(&lab).expect(0);
                assert!(ran.log.contains("rows moved while they were being listed"), "{name}: {}", ran.log);
                assert!(ran.log.contains("walking the slice again"), "{name}: {}", ran.log);
                let requests = listing.times_asked(&lab);
                lab.simulator.simulator.clear_faults();
                lab.simulator.simulator.clear_requests();
                // As the server has it now is as it was landed.
                walk(&lab).expect(0);
                assert_eq!(listing.outcome(&lab).await.0, "unchanged", "{name}");
                let pages = listing.times_asked(&lab);
                assert_eq!(requests, pages + 2, "{name}: given up at the second page, then walked whole");
            }
            let executions = content(&lab).await.rows.iter().filter(|(table, ..)| table == "factExecution").count();
            assert_eq!(lab.simulator.simulator.truth()["visible"]["executions"], executions, "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_never_stop_moving_fail_the_slice_and_keep_the_rows_of_before() {
    let kind = "row-deleted-while-paging";
    for at in [0, 1] {
        let lab = Lab::new(Profile::Small).await;
        let listing = &listings(&lab).await[at];
        let before = content(&lab).await;
        lab.simulator.simulator.clear_requests();
        lab.simulator.simulator.add_fault_text(&format!("{}:1:{kind}:0", listing.call)).unwrap();
        let ran = walk(&lab).expect(0);
        let (outcome, message) = listing.outcome(&lab).await;
        assert_eq!(outcome, "failed", "{kind} of {}: {message}", listing.table);
        assert!(message.contains("rows moved") && message.ends_with("(3 walks)"), "{message}");
        assert!(message.contains(&listing.call), "{message}");
        assert_eq!(ran.report["slices"]["failed"], 1, "{}", ran.report);
        assert_eq!(ran.log.matches("walking the slice again").count(), 2, "{}", ran.log);
        assert_eq!(listing.times_asked(&lab), 6, "two pages of each walk");
        let after = content(&lab).await;
        let rows = |content: &Content| -> Vec<Row> {
            let is_here = |row: &&Row| row.0 == listing.table && row.1.ends_with(&listing.key);
            content.rows.iter().filter(is_here).cloned().collect()
        };
        assert!(
            !rows(&after).is_empty() && rows(&after) == rows(&before),
            "{}: the rows of before are kept",
            listing.table
        );
        assert_eq!(after.broken().len(), 1);

        lab.simulator.simulator.clear_faults();
        walk(&lab).expect(0);
        let healed = content(&lab).await;
        assert!(healed.broken().is_empty());
        let executions = healed.rows.iter().filter(|(table, ..)| table == "factExecution").count();
        assert_eq!(lab.simulator.simulator.truth()["visible"]["executions"], executions, "{kind}");
        assert_eq!(walk(&lab).expect(0).text("status"), "unchanged");
    }
}

/// Every record table as it lies in its files.
async fn landed(lab: &Lab) -> BTreeMap<String, Vec<Value>> {
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(lab.lake_path().join("Tables/source")).unwrap() {
        let table = entry.unwrap().file_name().into_string().unwrap();
        let columns = match table.as_str() {
            "slice" => "resource, sliceKey, release, status, rowCount, contentHash, reason",
            _ => "sliceKey, page, ordinal, recordId, payload, payloadHash",
        };
        let rows = lab.rows(&format!("select {columns} from source.{table}")).await;
        tables.insert(table, rows);
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_landed_is_the_same_however_many_slices_are_asked_for_at_once() {
    let mut wanted: Option<BTreeMap<String, Vec<Value>>> = None;
    for concurrency in ["1", "3", "8"] {
        let lab = Lab::with(SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() }).await;
        // One slice that is refused, and answers that overtake each other.
        lab.simulator.simulator.add_fault_text("cyclephaseid=12&:1:404:0").unwrap();
        let mut rule: Rule = "/:1:slow-first-byte=40:0".parse().unwrap();
        rule.permille = 300;
        lab.simulator.simulator.add_fault(rule);
        let flags = ["--page-size", "10", "--concurrency", concurrency, "--checkpoint-seconds", "3600"];
        lab.run("source", &flags).expect(0);
        let mut landed = landed(&lab).await;
        // The port of the simulator is another each time.
        for row in landed.get_mut("slice").unwrap() {
            let reason = crate::walked::text(row, "reason").replace(&lab.simulator.url(), "");
            row["reason"] = reason.into();
        }
        let Some(wanted) = &wanted else {
            assert!(landed.values().map(Vec::len).sum::<usize>() > 500);
            wanted = Some(landed);
            continue;
        };
        for (table, rows) in wanted {
            let is_same = landed[table] == *rows;
            assert!(is_same, "{table} is not the same with {concurrency} at once");
        }
    }
}

/// Sizes asked for in calls about executions, in order.
fn sizes(lab: &Lab) -> Vec<(String, u16)> {
    let calls = asked(lab).into_iter().filter(|(call, _)| call.contains("/execution?"));
    calls.map(|(call, status)| (parameter(&call, "pagesize").unwrap().to_owned(), status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_too_heavy_are_asked_for_in_smaller_pieces() {
    let resources = ["project", "release", "cycle", "cyclePhase", "execution"];
    let spec =
        spec_of(&resources, &[&[("read_timeout_ms = 120_000", "read_timeout_ms = 400")][..], &HASTY[..]].concat());
    for fault in ["slow-first-byte=1000", "slow-body=10000", "504"] {
        let mut lab = Lab::new(Profile::Small).await;
        use_spec(&mut lab, &spec);
        // However often it is asked for 40 rows, the server is too slow for that.
        lab.simulator.simulator.add_fault_text(&format!("pagesize=40:1:{fault}:0")).unwrap();
        let ran = lab.run("source", &["--page-size", "40"]).expect(0);
        assert!(ran.log.contains("a page was too heavy: asking for 20 rows at a time"), "{fault}: {}", ran.log);
        let found = content(&lab).await;
        assert!(found.broken().is_empty(), "{fault}");
        let executions = found.rows.iter().filter(|(table, ..)| table == "factExecution").count();
        assert_eq!(lab.simulator.simulator.truth()["visible"]["executions"], executions, "{fault}");
        let halved = sizes(&lab).iter().filter(|(size, status)| size == "20" && *status == 200).count();
        assert!(halved >= 15, "{fault}: {halved} pages of the half size");

        // When it is quick again, pages grow back.
        let mut lab = Lab::new(Profile::Small).await;
        use_spec(&mut lab, &spec);
        lab.simulator.simulator.add_fault_text(&format!("pagesize=40:1:{fault}:1")).unwrap();
        lab.run("source", &["--page-size", "40"]).expect(0);
        let sizes = sizes(&lab);
        let first_half = sizes.iter().position(|(size, _)| size == "20").unwrap();
        assert!(sizes[first_half..].iter().any(|(size, status)| size == "40" && *status == 200), "{fault}: {sizes:?}");
    }
}
