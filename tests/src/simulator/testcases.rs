//! `/testcasetree` and `/testcase`: folders and the test cases in them.

use super::calendar::DAY_MS;
use super::executions::{Page, is_ascending};
use super::json::Json;
use super::noise::{Kind, Noise};
use super::reply::Reply;
use super::request::Query;
use super::routes::View;
use super::testcase_row::{PlacementForm, PlacementWriter};
use super::tree::{Node, Placed, Tree};
use super::words;

/// Bytes of a typical node, for the first size of the buffer.
const NODE_BYTES: usize = 400;
/// Bytes of a typical row, for the first size of the buffer.
const ROW_BYTES: usize = 1_700;

/// Answers the tree of a project's repository; a project without one has no folder.
pub fn repository(view: &View, project_id: i64) -> Result<Reply, Reply> {
    let Some(&project) = view.world.index.project.get(&project_id) else {
        return Err(Reply::unknown_id(view.quirks, "project"));
    };
    if view.is_forbidden(project) {
        return Err(Reply::forbidden());
    }
    Ok(match view.world.repository(project) {
        Some(release) => whole_tree(view, &view.world.tree(release)),
        None => Reply::json("[]", 0),
    })
}

/// Answers the tree of a release, by its index.
pub fn release_tree(view: &View, release: usize) -> Reply {
    whole_tree(view, &view.world.tree(release))
}

fn whole_tree(view: &View, tree: &Tree) -> Reply {
    let mut json = Json::new(view.quirks, 64 + tree.node_count() * NODE_BYTES);
    json.open_list();
    for root in tree.roots() {
        write_node(view, &mut json, tree, root);
    }
    json.close_list();
    Reply::json(json.into_bytes(), tree.node_count())
}

fn open(view: &View, tree_id: i64) -> Result<Option<(Tree<'_>, Node)>, Reply> {
    let found = view.world.node(tree_id);
    if let Some((tree, _)) = &found
        && view.is_forbidden(view.world.releases[tree.release].project)
    {
        return Err(Reply::forbidden());
    }
    Ok(found)
}

/// Answers one node with the nodes below it.
pub fn node(view: &View, tree_id: i64) -> Result<Reply, Reply> {
    let Some((tree, node)) = open(view, tree_id)? else {
        return Err(Reply::missing("entity cannot be null.", "101z04"));
    };
    let mut json = Json::new(view.quirks, 4 * NODE_BYTES);
    write_node(view, &mut json, &tree, node);
    Ok(Reply::json(json.into_bytes(), 1))
}

/// Writes a node and all below it, and answers how many test cases lie in them.
fn write_node(view: &View, json: &mut Json, tree: &Tree, node: Node) -> u64 {
    let world = &view.world;
    let release = &world.releases[tree.release];
    let id = tree.id(node);
    let mut noise = Noise::of(world.seed, Kind::Folder, id);
    let position = match node {
        Node::Root(at) => at,
        Node::Folder(number) => number,
    };
    json.open();
    json.int("id", id);
    json.text("name", &words::phase(&mut noise, position));
    json.text("description", "");
    let parent = tree.parent(node);
    json.text("type", if parent.is_none() { "Phase" } else { "Module" });
    json.int_or_absent("parentId", parent.map(|parent| tree.id(parent)));
    json.int("releaseId", release.id);
    json.int("revision", noise.between(0, 290));
    json.int("linkedTCRCatalogTreeId", 0);
    json.list("assignedUsers");
    json.close_list();
    let created_ms = release.created_ms + noise.between(0, 20) * DAY_MS;
    let team = &world.projects[release.project].team;
    let author = team.get(noise.below(team.len() as u64) as usize).copied().unwrap_or(0);
    json.instant("createdOn", created_ms);
    json.int("createdBy", world.users[author].id);
    json.instant("lastModifiedOn", created_ms + noise.between(0, 5) * DAY_MS);
    json.int("lastModifiedBy", world.users[author].id);
    let count = tree.count(node);
    let mut cumulative = count;
    json.list("categories");
    for child in tree.children(node) {
        cumulative += write_node(view, json, tree, child);
    }
    json.close_list();
    json.int("testcaseCount", count as i64);
    json.int("cumulativeTestcaseCount", cumulative as i64);
    json.close();
    cumulative
}

/// The test cases of a node in the order asked for, with their positions in the folder.
fn ordered(view: &View, tree: &Tree, node: Node, query: &Query) -> Vec<(i64, Placed)> {
    let world = &view.world;
    let mut rows: Vec<(i64, Placed)> = (1..).zip(tree.rows(node)).collect();
    if query.get("order") == Some("id") {
        rows.sort_by_key(|(_, placed)| world.placement_id(placed));
    }
    if !is_ascending(query) {
        rows.reverse();
    }
    let swapped = &world.drift.placements_swapped;
    if !swapped.is_empty() {
        let at: std::collections::HashMap<i64, (i64, Placed)> = rows
            .iter()
            .map(|row| (world.placement_id(&row.1), *row))
            .filter(|(id, _)| swapped.contains_key(id))
            .collect();
        for row in &mut rows {
            let partner = swapped.get(&world.placement_id(&row.1)).and_then(|id| at.get(id));
            *row = partner.copied().unwrap_or(*row);
        }
    }
    rows
}

/// Answers a page of the test cases directly in a folder.
pub fn list(view: &View, tree_id: i64, query: &Query) -> Result<Reply, Reply> {
    let Some((tree, node)) = open(view, tree_id)? else {
        return Err(Reply::unknown_id(view.quirks, "tcrCatalogTree"));
    };
    let page = Page::of(view, query)?;
    let rows = ordered(view, &tree, node, query);
    let taken: Vec<&(i64, Placed)> =
        rows.iter().skip(page.offset as usize).take(page.size.unwrap_or(u64::MAX) as usize).collect();
    let mut json = Json::new(view.quirks, 200 + taken.len() * ROW_BYTES);
    page.open_envelope(view, &mut json, rows.len() as u64);
    let mut writer = PlacementWriter::new(&view.world, view.shuffle());
    for &&(order_id, placed) in &taken {
        json.open();
        writer.write(&mut json, &placed, PlacementForm::Whole { order_id });
        json.close();
    }
    json.close_list();
    json.text("type", "testcase");
    json.close();
    Ok(Reply::json(json.into_bytes(), taken.len()))
}

/// The placement ids of a listing, from a position on.
pub fn ids(view: &View, tree_id: i64, query: &Query, from: u64, count: u64) -> Vec<i64> {
    let Some((tree, node)) = view.world.node(tree_id) else {
        return Vec::new();
    };
    let rows = ordered(view, &tree, node, query);
    rows.iter().skip(from as usize).take(count as usize).map(|(_, placed)| view.world.placement_id(placed)).collect()
}

/// Answers how many test cases lie directly in a folder.
pub fn count(view: &View, query: &Query) -> Result<Reply, Reply> {
    let Some(tree_id) = query.int("tcrcatalogtreeid", view.quirks)? else {
        let message = "org.hibernate.QueryException: could not resolve property";
        return Err(Reply::missing(message, "Bad Request"));
    };
    let Some((tree, node)) = open(view, tree_id)? else {
        return Err(Reply::unknown_id(view.quirks, "tcrCatalogTree"));
    };
    Ok(Reply::json(tree.count(node).to_string(), 1))
}
