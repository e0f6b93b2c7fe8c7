//! Another API without Rust: `examples/zephyr-scale` on a simulated Zephyr Scale Cloud.

use serde_json::Value;
use spectra_tests::scale::{Config, Running};
use spectra_tests::simulator::Profile;

use crate::support::{Lab, Ran, STAGES, repository};

/// A simulated site and a lake for it.
struct Site {
    running: Running,
    lab: Lab,
    models: String,
}

impl Site {
    async fn start(config: Config) -> Self {
        let running = Running::start(config).await.unwrap();
        let mut lab = Lab::new(Profile::Small).await;
        lab.variables.insert("SPECTRA_API_URL".to_owned(), running.url());
        let models = repository("examples/zephyr-scale/models/prepare").display().to_string();
        let site = Self { running, lab, models };
        site.use_hasty_spec();
        site
    }

    /// Runs go by the example's spec with waits that suit a test.
    fn use_hasty_spec(&self) {
        let text = std::fs::read_to_string(repository("examples/zephyr-scale/zephyr-scale.toml")).unwrap();
        let hasty = text
            .replace("first_wait_ms = 500", "first_wait_ms = 5")
            .replace("longest_wait_ms = 30_000", "longest_wait_ms = 20");
        assert_ne!(hasty, text);
        std::fs::write(&self.lab.variables["SPECTRA_SPEC"], hasty).unwrap();
    }

    fn source(&self, flags: &[&str]) -> Ran {
        self.running.scale.clear_requests();
        self.lab.run("source", flags).expect(0)
    }

    fn prepare(&self) -> Ran {
        self.lab.run("prepare", &["--models", &self.models]).expect(0)
    }

    /// Rows answered by listings whose path ends so.
    fn rows_answered(&self, path: &str) -> u64 {
        let requests = self.running.scale.requests();
        requests.iter().filter(|request| request.path.ends_with(path)).map(|request| request.rows).sum()
    }

    /// The executions in the lake are those of the site, by project and by status.
    #[track_caller]
    fn assert_same(&self, found: &Value) {
        let truth = self.running.scale.truth();
        for field in ["testExecutions", "executionIdSum", "executionsByProject", "executionsByStatus"] {
            assert_eq!(found[field], truth[field], "{field}");
        }
    }

    /// What prepare holds of executions, in the words of the site's truth.
    async fn executions(&self) -> Value {
        let by = async |sql: &str| -> Value {
            let rows = self.lab.rows(sql).await;
            rows.into_iter().map(|row| (row["name"].as_str().unwrap().to_owned(), row["n"].clone())).collect()
        };
        let by_project = "select project.projectKey as name, count(*) as n from prepare.factExecution as execution
            join prepare.dimProject as project on execution.projectId = project.projectId group by project.projectKey";
        let by_status = "select status.statusName as name, count(*) as n from prepare.factExecution as execution
            join prepare.statusMap as status on execution.statusCode = status.statusCode group by status.statusName";
        serde_json::json!({
            "testExecutions": self.lab.number("select count(*) as n from prepare.factExecution").await,
            "executionIdSum": self.lab.number("select sum(executionId) as n from prepare.factExecution").await,
            "executionsByProject": by(by_project).await,
            "executionsByStatus": by(by_status).await,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_api_needs_a_spec_and_models_and_no_rust() {
    let site = Site::start(Config { too_many_every: 25, ..Config::default() }).await;
    site.source(&[]);
    let requests = site.running.scale.requests();
    assert!(requests.iter().any(|request| request.status == 429), "{} requests", requests.len());
    let asked_most = |request: &&spectra_tests::simulator::request_log::Entry| request.query.contains("limit=1000");
    let pages = requests.iter().filter(asked_most).count();
    assert!(
        pages >= 20,
        "the server gives 100 rows at a time, so 2,000 executions take at least 20 pages, not {pages}"
    );
    assert_eq!(site.lab.number("select count(*) as n from source.slice where status <> 'complete'").await, 0);

    site.prepare();
    let truth = site.running.scale.truth();
    for (query, field) in [
        ("select count(*) as n from prepare.dimProject", "projects"),
        ("select count(*) as n from prepare.dimFolder", "folders"),
        ("select count(*) as n from prepare.dimExecutionStatus", "executionStatuses"),
        ("select count(*) as n from prepare.dimStatus", "otherStatuses"),
        ("select count(*) as n from prepare.dimPriority", "priorities"),
        ("select count(*) as n from prepare.dimEnvironment", "environments"),
        ("select count(*) as n from prepare.dimTestPlan", "testPlans"),
        ("select count(*) as n from prepare.bridgeTestPlanCycle", "testCycles"),
        ("select count(*) as n from prepare.dimCycle where not isAdHoc", "testCycles"),
        ("select count(*) as n from prepare.dimTestcase", "testCases"),
        ("select count(*) as n from prepare.factExecution where isAdHoc", "adHocExecutions"),
        ("select count(*) as n from prepare.bridgeExecutionIssue", "executionIssues"),
    ] {
        assert_eq!(Value::from(site.lab.number(query).await), truth[field], "{query}");
    }
    site.assert_same(&site.executions().await);
    assert_eq!(site.lab.number("select count(*) as n from prepare.factExecution where testcaseId is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_asks_for_what_changed_and_a_whole_walk_finds_what_is_gone() {
    let site = Site::start(Config::default()).await;
    site.source(&[]);
    site.prepare();

    assert_eq!(site.source(&[]).text("status"), "unchanged");
    assert_eq!(site.rows_answered("/nextgen"), 0, "nothing changed since");
    let requests = site.running.scale.requests();
    let by_id: Vec<_> = requests.iter().filter(|request| request.path.ends_with("/nextgen")).collect();
    assert_eq!(by_id.len(), 6, "one for the test cases and one for the executions of each project");
    assert!(by_id.iter().all(|request| request.query.contains("updatedAfter=")));
    assert_eq!(site.prepare().text("status"), "unchanged");

    let changed = site.running.scale.change_executions(20).len() as u64;
    let added = site.running.scale.add_executions(5).len() as u64;
    assert_eq!(site.source(&[]).text("status"), "published");
    assert_eq!(site.rows_answered("/testexecutions/nextgen"), changed + added);
    // The overlap brings them again, and that is no news.
    assert_eq!(site.source(&[]).text("status"), "unchanged");
    assert!(site.rows_answered("/testexecutions/nextgen") > 0);
    site.prepare();
    site.assert_same(&site.executions().await);
    // Some of them again, so that one record is landed by three runs.
    site.running.scale.change_executions(400);
    site.source(&[]);
    site.prepare();
    site.assert_same(&site.executions().await);

    let before = site.running.scale.truth();
    let deleted = site.running.scale.delete_executions(30).len() as i64;
    site.source(&[]);
    site.prepare();
    let found = site.executions().await;
    assert_eq!(found["testExecutions"], before["testExecutions"], "a filter for changes never says what is gone");
    site.source(&["--full"]);
    site.prepare();
    site.assert_same(&site.executions().await);
    assert_eq!(
        site.lab.number("select count(*) as n from prepare.factExecution").await,
        before["testExecutions"].as_i64().unwrap() - deleted
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_switched_off_keeps_its_rows() {
    let site = Site::start(Config { executions: 300, ..Config::default() }).await;
    site.source(&[]);
    site.running.scale.set_enabled("CLAIMS", false);
    site.source(&[]);
    let forbidden = "select count(distinct resource) as n from source.slice where status = 'forbidden'";
    assert_eq!(site.lab.number(forbidden).await, 11, "every listing below the project");
    site.prepare();
    site.assert_same(&site.executions().await);
    let stale = "select count(*) as n from prepare.dimProject where isStale and not isActive and projectKey = 'CLAIMS'";
    assert_eq!(site.lab.number(stale).await, 1);
    site.running.scale.set_enabled("CLAIMS", true);
    site.source(&[]);
    site.prepare();
    assert_eq!(site.lab.number("select count(*) as n from prepare.slice where isStale").await, 0);
    site.assert_same(&site.executions().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_the_chain_runs_unchanged() {
    let site = Site::start(Config::default()).await;
    site.source(&[]);
    site.prepare();
    for stage in &STAGES[2..] {
        let ran = site.lab.run(stage, &[]).expect(0);
        for table in ran.report["tables"].as_array().unwrap() {
            assert_eq!(table["quarantinedCount"], 0, "{stage}: {table}");
        }
    }
    let truth = site.running.scale.truth();
    let by_category = site
        .lab
        .rows("select statusCategory as name, count(*) as n from refine.factExecution group by statusCategory")
        .await;
    let count = |name: &str| {
        let row = by_category.iter().find(|row| row["name"] == name);
        row.and_then(|row| row["n"].as_u64()).unwrap_or_else(|| panic!("no {name} in {by_category:?}"))
    };
    let status = |name: &str| truth["executionsByStatus"][name].as_u64().unwrap();
    assert_eq!(count("Success"), status("Pass"));
    assert_eq!(count("Failure"), status("Fail"));
    assert_eq!(count("Blocked"), status("Blocked"));
    assert_eq!(count("Pending"), status("Not Executed") + status("In Progress"));
    assert_eq!(count("Other"), status("Not Applicable"));
    assert!(site.lab.lake_path().join("Files/analyse/report.html").exists());
}
