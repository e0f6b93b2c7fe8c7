//! What the simulator promises about rows that move while somebody is paging, asked through the listener.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Profile, Running, SimulatorConfig};

const PAGE: usize = 10;

async fn send(running: &Running, verb: &str, target: &str, body: &str) -> (String, String) {
    let url = running.url();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "{verb} {target} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer simulator-token\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn ask(running: &Running, call: &str) -> Value {
    let (_, body) = send(running, "GET", &format!("/flex/services/rest/latest/{call}"), "").await;
    serde_json::from_str(&body).unwrap()
}

/// The ids of a listing and the totals its pages declared.
async fn walk(running: &Running, listing: &str) -> (Vec<i64>, Vec<u64>) {
    let (mut ids, mut totals) = (Vec::new(), Vec::new());
    loop {
        let offset = totals.len() * PAGE;
        let page = ask(running, &format!("{listing}offset={offset}&pagesize={PAGE}&order=id&isascorder=true")).await;
        let rows = page["results"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
        totals.push(page["resultSize"].as_u64().unwrap());
        if rows.len() < PAGE {
            return (ids, totals);
        }
    }
}

/// The listings of the largest phase and of a large folder.
async fn listings(running: &Running) -> [String; 2] {
    let truth = running.simulator.truth();
    let largest = |shares: &str| {
        let shares = truth["visible"][shares].as_object().unwrap();
        shares.iter().max_by_key(|(_, count)| count.as_u64()).unwrap().0.clone()
    };
    let tree = ask(running, &format!("testcasetree/phases/{}", largest("placementsPerRelease"))).await;
    let folders = tree.as_array().unwrap().iter().flat_map(|root| root["categories"].as_array().unwrap());
    let folder = folders.max_by_key(|folder| folder["testcaseCount"].as_u64()).unwrap()["id"].clone();
    let phase = largest("executionsPerPhase");
    [format!("execution?cyclephaseid={phase}&includeanyoneuser=true&"), format!("testcase/tree/{folder}?")]
}

async fn start() -> Running {
    Running::start(SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() }).await.unwrap()
}

#[tokio::test]
async fn a_deleted_row_is_gone_and_another_is_skipped_once() {
    let running = start().await;
    for listing in listings(&running).await {
        let (before, _) = walk(&running, &listing).await;
        running.simulator.add_fault_text(&format!("{listing}:2:row-deleted-while-paging")).unwrap();
        let (during, _) = walk(&running, &listing).await;
        let (after, totals) = walk(&running, &listing).await;
        let missed: Vec<i64> = before.iter().copied().filter(|id| !during.contains(id)).collect();
        assert_eq!(missed, [before[20]], "{listing}");
        assert_eq!(after, [&before[..10], &before[11..]].concat(), "{listing}");
        assert!(totals.iter().all(|&total| total == after.len() as u64));
    }
}

#[tokio::test]
async fn an_added_row_stays_and_another_is_seen_twice() {
    let running = start().await;
    for listing in listings(&running).await {
        let (before, _) = walk(&running, &listing).await;
        running.simulator.add_fault_text(&format!("{listing}:2:row-added-while-paging")).unwrap();
        let (during, totals) = walk(&running, &listing).await;
        let (after, _) = walk(&running, &listing).await;
        assert_eq!(totals[0] + 1, *totals.last().unwrap(), "{listing}");
        assert_eq!(during[19], during[20], "{listing}");
        assert!(!during.contains(&before[0]), "{listing}");
        assert_eq!(after, before, "{listing}");
    }
}

#[tokio::test]
async fn swapped_rows_stay_swapped() {
    let running = start().await;
    for listing in listings(&running).await {
        let (before, _) = walk(&running, &listing).await;
        running.simulator.add_fault_text(&format!("{listing}:1:rows-swapped-while-paging")).unwrap();
        let (during, _) = walk(&running, &listing).await;
        let (after, _) = walk(&running, &listing).await;
        assert_eq!(during[9], during[10], "{listing}");
        let mut swapped = before.clone();
        swapped.swap(9, 10);
        assert_eq!(after, swapped, "{listing}");
        assert_eq!(walk(&running, &listing).await.0, after, "{listing}");
    }
}

#[tokio::test]
async fn totals_lie_once() {
    let running = start().await;
    for listing in listings(&running).await {
        running.simulator.add_fault_text(&format!("{listing}:1:total-lies=5")).unwrap();
        running.simulator.add_fault_text(&format!("{listing}:2:total-lies-low=3")).unwrap();
        let (ids, totals) = walk(&running, &listing).await;
        let count = ids.len() as u64;
        assert_eq!(totals[..3], [count + 5, count - 3, count], "{listing}");
    }
}

#[tokio::test]
async fn the_search_answers_a_list_of_one() {
    let running = start().await;
    let target = "/flex/services/rest/v3/advancesearch/zql";
    let releases = running.simulator.truth()["visible"]["placementsPerRelease"].as_object().unwrap().clone();
    let mut found = BTreeSet::new();
    for release in releases.keys() {
        let body = format!(
            r#"{{"entitytype":"execution","releaseid":"{release}","firstresult":0,"maxresults":10000,"word":"","zql":true}}"#
        );
        let (_, answer) = send(&running, "POST", target, &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer.as_array().unwrap().len(), 1);
        assert_eq!(answer[0]["type"], "testSchedule");
        let listed =
            ask(&running, &format!("execution?releaseid={release}&includeanyoneuser=true&order=id&pagesize=0")).await;
        assert_eq!(answer[0]["results"], listed["results"]);
        found.extend(listed["results"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
    }
    assert_eq!(running.simulator.truth()["visible"]["executions"], found.len());
    let body = r#"{"entitytype":"execution","maxresults":5,"word":"executedOn >= \"2025-12-01\""}"#;
    let (_, answer) = send(&running, "POST", target, body).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    for row in answer[0]["results"].as_array().unwrap() {
        // 1 December 2025 began at midnight
        assert!(row["lastTestResult"]["executionDate"].as_i64().unwrap() >= 1_764_547_200_000);
    }
}

#[tokio::test]
async fn calls_beyond_the_rate_are_refused_and_counted() {
    let config = SimulatorConfig {
        profile: Profile::Small,
        allow: Some("1/min".parse().unwrap()),
        allow_burst: Some(3),
        latency_ms: 5,
        ..SimulatorConfig::default()
    };
    let running = Running::start(config).await.unwrap();
    let target = "/flex/services/rest/latest/project/lite";
    let calls = (0..120).map(|_| send(&running, "GET", target, ""));
    let heads: Vec<String> = futures::future::join_all(calls).await.into_iter().map(|(head, _)| head).collect();
    let refused: Vec<&String> = heads.iter().filter(|head| head.contains(" 429 ")).collect();
    assert_eq!(refused.len(), 117);
    assert!(refused.iter().all(|head| head.contains("retry-after: ")));
    let figures = running.simulator.figures();
    assert_eq!(
        (&figures["requests"], &figures["statuses"]["200"], &figures["statuses"]["429"]),
        (&120.into(), &3.into(), &117.into())
    );
    assert!(figures["mostInFlight"].as_u64().unwrap() > 100);
}
