//! The server as its callers see it.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listing::Reply;
use super::{Call, Config, Running, Scale};

const SERVER: &str = "http://scale.test";

fn ask(scale: &Scale, url: &str) -> Reply {
    let url = url.strip_prefix(SERVER).unwrap_or(url);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    scale.answer(Call { method: "GET", path, query, authorization: "Bearer simulator-token", server: SERVER })
}

/// Every record of a listing, by following `next`, and how many pages it took.
fn follow(scale: &Scale, first: &str) -> (Vec<Value>, usize) {
    let (mut url, mut rows, mut pages) = (format!("/v2{first}"), Vec::new(), 0);
    loop {
        let reply = ask(scale, &url);
        assert_eq!(reply.status, 200, "{url}: {}", reply.body);
        rows.extend(reply.body["values"].as_array().unwrap().iter().cloned());
        pages += 1;
        match reply.body["next"].as_str() {
            Some(next) => url = next.to_owned(),
            None => return (rows, pages),
        }
    }
}

fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[test]
fn listings_add_up_to_the_truth() {
    let scale = Scale::new(Config::default());
    let truth = scale.truth();
    for (path, field) in [
        ("/projects", "projects"),
        ("/folders", "folders"),
        ("/statuses?statusType=TEST_EXECUTION", "executionStatuses"),
        ("/priorities", "priorities"),
        ("/environments", "environments"),
        ("/testplans", "testPlans"),
        ("/testcycles", "testCycles"),
        ("/testcases/nextgen?limit=1000", "testCases"),
        ("/testexecutions/nextgen?limit=1000", "testExecutions"),
    ] {
        let (rows, _) = follow(&scale, path);
        let mut ids = ids(&rows);
        assert_eq!(Value::from(ids.len()), truth[field], "{path}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(Value::from(ids.len()), truth[field], "{path} repeats an id");
    }
    let mut by_project = 0;
    for key in ["DEMO", "CLAIMS", "PAY_2"] {
        let (rows, _) = follow(&scale, &format!("/testexecutions/nextgen?projectKey={key}&limit=1000"));
        assert_eq!(Value::from(rows.len()), truth["executionsByProject"][key]);
        by_project += rows.len();
    }
    assert_eq!(Value::from(by_project), truth["testExecutions"]);
}

#[test]
fn cycles_leave_out_what_was_started_without_one() {
    let scale = Scale::new(Config::default());
    let (cycles, _) = follow(&scale, "/testcycles");
    let mut in_cycles = 0;
    for cycle in &cycles {
        let key = cycle["key"].as_str().unwrap();
        let (rows, _) = follow(&scale, &format!("/testexecutions/nextgen?testCycle={key}&limit=1000"));
        assert!(rows.iter().all(|row| row["testCycle"]["id"] == cycle["id"]));
        in_cycles += rows.len() as u64;
    }
    let truth = scale.truth();
    let ad_hoc = truth["adHocExecutions"].as_u64().unwrap();
    assert!(ad_hoc > 0);
    assert_eq!(Some(in_cycles + ad_hoc), truth["testExecutions"].as_u64());
}

#[test]
fn the_server_lowers_the_page_size_and_says_so() {
    let scale = Scale::new(Config { largest_page: 7, ..Config::default() });
    let page = ask(&scale, "/v2/folders?projectKey=DEMO&maxResults=1000").body;
    assert_eq!(
        (page["maxResults"].as_u64(), page["total"].as_u64(), page["isLast"].as_bool()),
        (Some(7), Some(9), Some(false))
    );
    assert_eq!(page["next"], "http://scale.test/v2/folders?maxResults=7&startAt=7&projectKey=DEMO");
    let (rows, pages) = follow(&scale, "/folders?projectKey=DEMO&maxResults=1000");
    assert_eq!((rows.len(), pages), (9, 2));

    let page = ask(&scale, "/v2/testcases/nextgen?projectKey=DEMO&limit=1000").body;
    assert_eq!(page["limit"], 7);
    let first_of_next = page["nextStartAtId"].as_u64().unwrap();
    let rest = ask(&scale, &format!("/v2/testcases/nextgen?projectKey=DEMO&limit=1000&startAtId={first_of_next}")).body;
    assert_eq!(rest["values"][0]["id"], first_of_next, "a page begins with the id asked for");
    assert_eq!(ask(&scale, page["next"].as_str().unwrap()).body, rest);
}

#[test]
fn rows_asked_for_by_default_are_ten() {
    let scale = Scale::new(Config::default());
    assert_eq!(ask(&scale, "/v2/testcases/nextgen").body["values"].as_array().unwrap().len(), 10);
    assert_eq!(ask(&scale, "/v2/testcycles").body["maxResults"], 10);
}

#[test]
fn refusals_are_worded_as_the_api_words_them() {
    let scale = Scale::new(Config::default());
    for (url, status) in [
        ("/v2/nothing", 403),
        ("/rest/testcases", 403),
        ("/v2/folders?projectKey=NONE", 404),
        ("/v2/folders?projectKey=demo", 400),
        ("/v2/folders?maxResults=0", 400),
        ("/v2/folders?startAt=1000001", 400),
        ("/v2/folders?folderType=ANY", 400),
        ("/v2/testcases/nextgen?limit=1001", 400),
        ("/v2/testcases/nextgen?startAtId=x", 400),
        ("/v2/testexecutions/nextgen?testCycle=DEMO-R99", 404),
        ("/v2/testexecutions/nextgen?updatedAfter=2026-01-05T09:00:00.5Z", 400),
        ("/v2/testexecutions/nextgen?updatedAfter=2026-01-05", 400),
    ] {
        let reply = ask(&scale, url);
        assert_eq!(reply.status, status, "{url}");
        assert_eq!(reply.body["errorCode"], status, "{url}");
        assert!(reply.body["message"].is_string(), "{url}");
    }
    for authorization in ["", "Bearer other", "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg=="] {
        let call = Call { method: "GET", path: "/v2/projects", query: "", authorization, server: SERVER };
        assert_eq!(scale.answer(call).status, 401, "{authorization}");
    }
}

#[test]
fn what_changed_is_found_by_its_date_and_what_is_gone_is_not() {
    let scale = Scale::new(Config::default());
    let since = "/testexecutions/nextgen?limit=1000&updatedAfter=2026-02-01T00:00:00Z";
    assert!(follow(&scale, since).0.is_empty());
    let mut expected = scale.change_executions(20);
    expected.extend(scale.add_executions(5));
    assert_eq!(ids(&follow(&scale, since).0), expected);
    let before = scale.truth();
    let deleted = scale.delete_executions(30);
    let after = scale.truth();
    assert_eq!(before["testExecutions"], 2_005);
    assert_eq!(after["testExecutions"], 1_975);
    let (left, _) = follow(&scale, "/testexecutions/nextgen?limit=1000");
    assert!(ids(&left).iter().all(|id| !deleted.contains(id)));
    assert_eq!(ids(&left).iter().sum::<u64>(), after["executionIdSum"].as_u64().unwrap());
}

#[test]
fn a_project_that_is_switched_off_is_listed_and_closed() {
    let scale = Scale::new(Config::default());
    scale.set_enabled("CLAIMS", false);
    let projects = ask(&scale, "/v2/projects").body;
    assert_eq!(projects["values"][1]["enabled"], false);
    assert_eq!(ask(&scale, "/v2/testcycles?projectKey=CLAIMS").status, 404);
    scale.set_enabled("CLAIMS", true);
    assert_eq!(ask(&scale, "/v2/testcycles?projectKey=CLAIMS").status, 200);
}

#[test]
fn a_million_executions_are_computed_as_they_are_asked_for() {
    let scale = Scale::new(Config { executions: 1_000_000, largest_page: 1_000, ..Config::default() });
    let page = ask(&scale, "/v2/testexecutions/nextgen?projectKey=DEMO&limit=1000&startAtId=2000000").body;
    assert_eq!(page["values"].as_array().unwrap().len(), 1_000);
    let last = scale.world.execution_id(999_999);
    let page = ask(&scale, &format!("/v2/testexecutions/nextgen?limit=1000&startAtId={last}")).body;
    assert_eq!(page["values"].as_array().unwrap().len(), 1);
    assert!(page["next"].is_null() && page["nextStartAtId"].is_null());
}

#[tokio::test]
async fn it_is_served_steered_and_logged() {
    let running = Running::start(Config { too_many_every: 3, retry_after_s: 2, ..Config::default() }).await.unwrap();
    let call = async |request: &str| {
        let host = running.url();
        let mut stream = TcpStream::connect(host.strip_prefix("http://").unwrap()).await.unwrap();
        let head = "Host: 127.0.0.1:9\r\nAuthorization: Bearer simulator-token\r\nConnection: close";
        stream.write_all(format!("{request} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let first = call("GET /v2/testcycles").await;
    assert!(first.starts_with("HTTP/1.1 200") && first.contains("http://127.0.0.1:9/v2/testcycles?"), "{first}");
    assert!(call("DELETE /v2/testcycles").await.starts_with("HTTP/1.1 405"));
    let third = call("GET /v2/testcycles").await.to_lowercase();
    assert!(third.starts_with("http/1.1 429") && third.contains("retry-after: 2\r\n"), "{third}");
    assert!(call("POST /simulator/delete?executions=4").await.contains("deleted"));
    assert!(call("GET /simulator/truth").await.contains("\"testExecutions\":1996"));
    assert_eq!(running.scale.requests().len(), 3, "steering is not logged");
    running.scale.clear_requests();
    assert!(call("GET /simulator/requests").await.contains("{\"requests\":0}"));
}
