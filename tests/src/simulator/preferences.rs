//! `/admin/preference`: settings, among them the lists of values.

use super::json::Json;
use super::quirks::Quirk;
use super::reply::Reply;
use super::request::Query;
use super::routes::View;

/// A member of a list of values: id, label, whether it is offered, colour.
type Member = (i64, &'static str, bool, &'static str);

/// A list of values: the preference and its members.
type List = (&'static str, &'static [Member]);

const LISTS: &[List] = &[
    (
        "testresult.testresultStatus.LOV",
        &[
            (1, "Pass", true, "#2e8b57"),
            (2, "Fail", true, "#c0392b"),
            (3, "WIP", true, "#f39c12"),
            (4, "Blocked", true, "#34495e"),
            (5, "Not applicable", true, "#95a5a6"),
            (6, "Deferred", false, "#7f8c8d"),
            (10, "Not executed", true, "#bdc3c7"),
        ],
    ),
    (
        "testStepResult.testStepResultStatus.LOV",
        &[
            (1, "Pass", true, "#2e8b57"),
            (2, "Fail", true, "#c0392b"),
            (3, "WIP", true, "#f39c12"),
            (4, "Blocked", true, "#34495e"),
        ],
    ),
    ("testcase.testcasePriority.LOV", PRIORITIES),
    ("requirement.requirementPriority.LOV", PRIORITIES),
    (
        "release.releaseStatus.LOV",
        &[(0, "Draft", true, "#aaaaaa"), (1, "Active", true, "#2e8b57"), (2, "Completed", true, "#34495e")],
    ),
];

const PRIORITIES: &[Member] = &[
    (1, "P1", true, "#c0392b"),
    (2, "P2", true, "#e67e22"),
    (3, "P3", true, "#f1c40f"),
    (4, "P4", true, "#2e8b57"),
    (5, "P5", true, "#95a5a6"),
];

const SWITCHES: &[(&str, &str)] = &[("cycle.environment.enabled", "true"), ("cycle.build.enabled", "true")];

/// Answers one preference.
pub fn one(view: &View, query: &Query) -> Result<Reply, Reply> {
    let Some(key) = query.get("key") else {
        return Err(Reply::missing("name cannot be null.", "141z05"));
    };
    let known = LISTS.iter().map(|(name, _)| *name).chain(SWITCHES.iter().map(|(name, _)| *name));
    let Some(name) = known.into_iter().find(|name| *name == key) else {
        return Err(Reply::unknown_id(view.quirks, "preference"));
    };
    let mut json = Json::new(view.quirks, 1_000);
    write(&mut json, name);
    Ok(Reply::json(json.into_bytes(), 1))
}

/// Answers every preference.
pub fn all(view: &View) -> Reply {
    let mut json = Json::new(view.quirks, 4_000);
    json.open_list();
    for (name, _) in LISTS {
        write(&mut json, name);
    }
    for (name, _) in SWITCHES {
        write(&mut json, name);
    }
    json.close_list();
    Reply::json(json.into_bytes(), LISTS.len() + SWITCHES.len())
}

fn write(json: &mut Json, name: &str) {
    let value = LISTS
        .iter()
        .find(|(list, _)| *list == name)
        .map(|(_, members)| list_text(json, members))
        .or_else(|| SWITCHES.iter().find(|(switch, _)| *switch == name).map(|(_, value)| (*value).to_owned()))
        .unwrap_or_default();
    json.open();
    json.text("name", name);
    json.text("value", &value);
    json.text("defaultValue", &value);
    json.flag("isCustomizable", true);
    json.flag("editable", true);
    json.int("accessLevel", 1);
    json.close();
}

/// A list of values as the text a preference carries.
fn list_text(json: &Json, members: &[Member]) -> String {
    let joined = |separator: &str, write: &dyn Fn(&Member) -> String| {
        members.iter().map(write).collect::<Vec<_>>().join(separator)
    };
    if json.has(Quirk::ListLegacyText) {
        return joined(";", &|(id, label, _, _)| format!("{id}={label}"));
    }
    let id_text = |id: i64| {
        if json.has(Quirk::ListFloatIds) {
            format!("{id}.0")
        } else if json.has(Quirk::ListTextIds) {
            format!("\"{id}\"")
        } else {
            id.to_string()
        }
    };
    let list = joined(",", &|&(id, label, active, colour)| {
        let id = id_text(id);
        format!("{{\"id\":{id},\"value\":\"{label}\",\"active\":{active},\"color\":\"{colour}\"}}")
    });
    format!("[{list}]")
}
