//! What the simulator promises about folders, test cases and requirements, asked through the routes without a network.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::tests::{ask, reply, rows, simulator};
use super::{Profile, Quirk, Simulator, SimulatorConfig};

/// The nodes of a tree with their depths, parents checked on the way.
fn flatten<'a>(nodes: &'a Value, parent: Option<&Value>, depth: usize, found: &mut Vec<&'a Value>) {
    for node in rows(nodes) {
        assert!(depth <= 3, "folders lie three deep at most");
        assert_eq!(node.get("parentId"), parent);
        found.push(node);
        flatten(&node["categories"], Some(&node["id"]), depth + 1, found);
    }
}

/// Every placement of a tree by its id, read in small pages.
fn placements(simulator: &Simulator, call: &str, folders: &mut BTreeSet<i64>) -> BTreeMap<i64, Value> {
    let tree = ask(simulator, call);
    let mut nodes = Vec::new();
    flatten(&tree, None, 1, &mut nodes);
    let mut found = BTreeMap::new();
    for node in nodes {
        assert!(folders.insert(node["id"].as_i64().unwrap()), "a folder in two trees");
        let mut of_folder = 0;
        loop {
            let (id, count) = (&node["id"], &node["testcaseCount"]);
            let page = ask(
                simulator,
                &format!("testcase/tree/{id}?order=orderId&isascorder=true&pagesize=13&offset={of_folder}"),
            );
            assert_eq!(page["resultSize"], *count);
            for row in rows(&page["results"]) {
                of_folder += 1;
                assert_eq!((&row["tcrCatalogTreeId"], &row["orderId"]), (id, &of_folder.into()));
                assert!(found.insert(row["id"].as_i64().unwrap(), row.clone()).is_none(), "a placement twice");
            }
            if rows(&page["results"]).len() < 13 {
                assert_eq!(of_folder, count.as_u64().unwrap());
                assert_eq!(ask(simulator, &format!("testcase/count?tcrcatalogtreeid={id}")), *count);
                break;
            }
        }
    }
    found
}

fn check_release(simulator: &Simulator, release: &Value, placed: &BTreeMap<i64, Value>) {
    let executions = ask(simulator, &format!("execution?releaseid={release}&includeanyoneuser=true&pagesize=0"));
    let mut defects = BTreeSet::new();
    for row in rows(&executions["results"]) {
        let nested = &row["tcrTreeTestcase"];
        let whole = &placed[&nested["id"].as_i64().unwrap()];
        assert_eq!(whole["tcrCatalogTreeId"], nested["tcrCatalogTreeId"]);
        for (key, value) in nested["testcase"].as_object().unwrap() {
            assert_eq!(whole["testcase"][key], *value, "{key}");
        }
        defects.extend(rows(&row["defects"]).iter().map(|defect| defect["id"].as_i64().unwrap()));
    }
    let summary = ask(simulator, &format!("summary/release/{release}"));
    assert_eq!(summary["testcase"]["totalTestcaseCount"], placed.len());
    assert_eq!(summary["defect"]["totalDefectIds"], Value::from_iter(defects));
}

/// Reads everything designed and compares it with what executions name and with the truth.
fn check(simulator: &Simulator) {
    let truth = simulator.truth()["visible"].clone();
    let (mut folders, mut links) = (BTreeSet::new(), BTreeMap::<i64, BTreeSet<i64>>::new());
    let mut counted = 0;
    for project in rows(&ask(simulator, "project/details")) {
        let id = &project["id"];
        let mut of_project = vec![placements(simulator, &format!("testcasetree/projectrepository/{id}"), &mut folders)];
        assert_eq!(truth["placementsPerRepository"][id.to_string()], of_project[0].len());
        for release in rows(&ask(simulator, &format!("release/project/{id}"))) {
            let release = &release["id"];
            let placed = placements(simulator, &format!("testcasetree/phases/{release}"), &mut folders);
            assert_eq!(truth["placementsPerRelease"][release.to_string()], placed.len());
            check_release(simulator, release, &placed);
            of_project.push(placed);
        }
        for row in of_project.iter().flat_map(BTreeMap::values) {
            let linked = rows(&row["testcase"]["requirementIds"]).iter().map(|id| id.as_i64().unwrap());
            links.entry(row["testcase"]["testcaseId"].as_i64().unwrap()).or_default().extend(linked);
        }
        counted += check_requirements(simulator, id, &links);
    }
    assert_eq!(truth["folders"].as_u64().unwrap() + truth["repositoryFolders"].as_u64().unwrap(), folders.len() as u64);
    assert_eq!(truth["requirements"], counted);
}

fn check_requirements(simulator: &Simulator, project: &Value, links: &BTreeMap<i64, BTreeSet<i64>>) -> usize {
    let tree = ask(simulator, &format!("requirementtree?projectId={project}"));
    let mut nodes = Vec::new();
    flatten(&tree, None, 1, &mut nodes);
    let mut count = 0;
    for node in nodes {
        assert_eq!(node["hasChild"], false);
        let page = ask(simulator, &format!("requirement?requirementtreeid={}&pagesize=0", node["id"]));
        for row in rows(&page["results"]) {
            count += 1;
            assert_eq!(row["requirementTreeIds"], Value::from(vec![node["id"].clone()]));
            for testcase in rows(&row["testcaseIds"]) {
                assert!(links[&testcase.as_i64().unwrap()].contains(&row["id"].as_i64().unwrap()));
            }
        }
    }
    count
}

#[test]
fn executions_summaries_and_the_truth_agree_with_the_trees() {
    let simulator = simulator(Profile::Small);
    check(&simulator);
    simulator.advance_days(9).unwrap();
    check(&simulator);
    simulator.set_quirk(Quirk::SharedTestcases, false).unwrap();
    check(&simulator);
}

#[test]
fn closed_projects_close_their_trees() {
    let simulator = simulator(Profile::Small);
    let project = ask(&simulator, "project/details")[0]["id"].as_i64().unwrap();
    let release = ask(&simulator, &format!("release/project/{project}"))[0]["id"].clone();
    let tree = ask(&simulator, &format!("testcasetree/projectrepository/{project}"));
    let requirements = ask(&simulator, &format!("requirementtree?projectId={project}"));
    simulator.set_forbidden(project, true).unwrap();
    for call in [
        format!("testcasetree/projectrepository/{project}"),
        format!("testcasetree/phases/{release}"),
        format!("testcasetree/{}", tree[0]["id"]),
        format!("testcase/tree/{}", tree[0]["id"]),
        format!("requirementtree?projectId={project}"),
        format!("requirement?requirementtreeid={}", requirements[0]["id"]),
    ] {
        assert_eq!(reply(&simulator, &call).status, 403, "{call}");
    }
    for (call, status) in
        [("testcasetree/99999", 400), ("testcase/tree/99999", 500), ("testcase/count", 400), ("requirementtree", 400)]
    {
        assert_eq!(reply(&simulator, call).status, status, "{call}");
    }
}

#[test]
fn a_large_phase_is_paged_without_walking_it() {
    let simulator = Simulator::new(SimulatorConfig {
        profile: Profile::Big,
        executions: Some(50_000),
        phase_rows: Some(50_000),
        ..SimulatorConfig::default()
    })
    .unwrap();
    let world = simulator.world();
    assert_eq!((world.phases.len(), world.rows_of(0)), (1, 50_000));
    let call = |ascending: bool, offset: u64, size: u64| {
        let phase = world.phases[0].id;
        format!(
            "execution?cyclephaseid={phase}&includeanyoneuser=true&order=id&isascorder={ascending}&offset={offset}&pagesize={size}"
        )
    };
    let ids = |call: &str| -> Vec<i64> {
        rows(&ask(&simulator, call)["results"]).iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    let whole = ids(&call(true, 0, 0));
    assert_eq!(whole.len(), 50_000);
    assert_eq!(ids(&call(true, 31_234, 777)), whole[31_234..32_011]);
    assert_eq!(ids(&call(true, 49_990, 777)), whole[49_990..]);
    let mut page: Vec<i64> = ids(&call(false, 31_234, 777));
    page.reverse();
    assert_eq!(page, whole[50_000 - 31_234 - 777..50_000 - 31_234]);
    assert!(ids(&call(false, 50_000, 10)).is_empty());
}
