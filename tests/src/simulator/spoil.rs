//! Bodies that were damaged on purpose.

use std::ops::Range;

use super::faults::Fault;
use super::reply::{Content, Reply};

/// The members that name the parent of a row, the telling ones first.
const OWNERS: &[&str] =
    &["\"cyclePhaseId\"", "\"requirementTreeIds\"", "\"tcrCatalogTreeId\"", "\"releaseId\"", "\"projectId\""];

/// Damages an answer the way a fault wants it.
pub fn spoil(reply: &mut Reply, fault: Fault) {
    let body = &mut reply.body;
    let amount = fault.amount.unwrap_or(0);
    match fault.kind {
        "missing-key" => drop_ids(body, 1),
        "missing-ids" => drop_ids(body, usize::MAX),
        "wrong-owner" => change_owners(body, 1),
        "foreign-rows" => change_owners(body, usize::MAX),
        "duplicate-ids" => repeat_first_row(body),
        "wrong-kind-id" => change_kind_of_first_id(body, amount),
        "truncated-clean" => body.truncate(body.len() / 2),
        "huge-page" => pad(body, amount),
        "huge-row" => pad_first_row(body, amount),
        "content-type" => reply.content = Content::Text,
        "octet" => reply.content = Content::Octets,
        _ => {}
    }
}

/// Where the rows of a body lie: the members of its list of results, or of the list it is.
fn rows(body: &[u8]) -> Vec<Range<usize>> {
    const RESULTS: &[u8] = b"\"results\":";
    let from = body.windows(RESULTS.len()).position(|window| window == RESULTS).map_or(0, |at| at + RESULTS.len());
    let mut rows = Vec::new();
    let (mut depth, mut start, mut in_text, mut is_escaped) = (0, 0, false, false);
    for (at, &byte) in body.iter().enumerate().skip(from) {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    start = at;
                }
            }
            b'}' | b']' => {
                depth -= 1;
                match depth {
                    1 => rows.push(start..at + 1),
                    0 => break,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    rows
}

/// Takes the ids away from the first rows, the last of them first so that those before stay where they are.
fn drop_ids(body: &mut Vec<u8>, count: usize) {
    for row in rows(body).into_iter().take(count).rev() {
        if let Some(Range { start, end }) = member(body, row, b"\"id\"") {
            // the comma that follows goes with it
            let end = if body.get(end) == Some(&b',') { end + 1 } else { end };
            body.drain(start..end);
        }
    }
}

/// Gives the first rows another parent.
fn change_owners(body: &mut Vec<u8>, count: usize) {
    for row in rows(body).into_iter().take(count).rev() {
        // a cycle shows the folders of its phases, which are not its own
        let is_cycle = contains(&body[row.clone()], b"\"cyclePhases\"");
        let keys = OWNERS.iter().filter(|key| !is_cycle || **key == "\"releaseId\"");
        let found = keys.filter_map(|key| member(body, row.clone(), key.as_bytes())).next();
        if let Some(Range { end, .. }) = found {
            body.insert(end, b'7');
        }
    }
}

/// Puts the first row in the place of the second, or behind itself where there is no second.
fn repeat_first_row(body: &mut Vec<u8>) {
    let rows = rows(body);
    let Some(first) = rows.first().cloned() else {
        return;
    };
    let mut copy = body[first.clone()].to_vec();
    let place = match rows.get(1) {
        Some(second) => second.clone(),
        None => {
            copy.insert(0, b',');
            first.end..first.end
        }
    };
    body.splice(place, copy);
}

/// Writes the first id as an object, or for an amount of one as a boolean, of two as text that is no number.
fn change_kind_of_first_id(body: &mut Vec<u8>, amount: u64) {
    let Some(row) = rows(body).into_iter().next() else {
        return;
    };
    if let Some(place) = member(body, row, b"\"id\"") {
        let value = match amount {
            1 => "true",
            2 => "\"none\"",
            _ => "{\"value\":1}",
        };
        body.splice(place, format!("\"id\":{value}").into_bytes());
    }
}

/// Makes a body as large as wanted with white space.
fn pad(body: &mut Vec<u8>, bytes: u64) {
    let missing = (bytes as usize).saturating_sub(body.len());
    let end = body.len().saturating_sub(1);
    body.splice(end..end, std::iter::repeat_n(b' ', missing));
}

/// Makes a body as large as wanted with a text in its first row.
fn pad_first_row(body: &mut Vec<u8>, bytes: u64) {
    const KEY: &[u8] = b"\"padding\":\"";
    let missing = (bytes as usize).saturating_sub(body.len() + KEY.len() + 2);
    if let Some(row) = rows(body).into_iter().next() {
        let mut member = KEY.to_vec();
        member.resize(KEY.len() + missing, b'x');
        member.extend_from_slice(b"\",");
        body.splice(row.start + 1..row.start + 1, member);
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

/// The first member of a name in a row, up to the end of its first number.
fn member(body: &[u8], row: Range<usize>, key: &[u8]) -> Option<Range<usize>> {
    let until = row.end;
    let from = row.start + body[row].windows(key.len()).position(|window| window == key)?;
    let after_key = from + key.len();
    let digits = after_key + body[after_key..until].iter().position(u8::is_ascii_digit)?;
    let length = body[digits..until].iter().position(|byte| !byte.is_ascii_digit())?;
    Some(from..digits + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spoilt(body: &str, fault: &str) -> Vec<u8> {
        let mut reply = Reply::json(body, 0);
        spoil(&mut reply, fault.parse().unwrap());
        reply.body
    }

    fn parsed(body: &str, fault: &str) -> Value {
        serde_json::from_slice(&spoilt(body, fault)).unwrap()
    }

    const PAGE: &str = r#"{"firstResult":0,"results":[{"id":12,"name":"a \"]{","cyclePhaseId":5},{"id":13,"cyclePhaseId":5}],"type":"x"}"#;

    #[test]
    fn rows_lose_ids_and_change_owners() {
        assert_eq!(parsed(PAGE, "missing-key")["results"][0]["id"], Value::Null);
        assert_eq!(parsed(PAGE, "missing-key")["results"][1]["id"], 13);
        assert_eq!(parsed(PAGE, "missing-ids")["results"][1]["id"], Value::Null);
        assert_eq!(parsed(PAGE, "wrong-owner")["results"][1]["cyclePhaseId"], 5);
        let foreign = parsed(PAGE, "foreign-rows");
        assert_eq!([&foreign["results"][0], &foreign["results"][1]].map(|row| &row["cyclePhaseId"]), [57, 57]);
        let cycle = r#"[{"id":1,"releaseId":4,"cyclePhases":[{"id":9,"tcrCatalogTreeId":3}]}]"#;
        assert_eq!(parsed(cycle, "wrong-owner")[0]["releaseId"], 47);
        let requirement = r#"[{"id":1,"projectId":4,"requirementTreeIds":[6]}]"#;
        assert_eq!(parsed(requirement, "wrong-owner")[0]["requirementTreeIds"], json!([67]));
    }

    #[test]
    fn rows_are_repeated_and_ids_change_their_kind() {
        let repeated = parsed(PAGE, "duplicate-ids");
        assert_eq!(repeated["results"][0], repeated["results"][1]);
        assert_eq!(parsed(r#"[{"id":1}]"#, "duplicate-ids"), json!([{"id":1},{"id":1}]));
        assert!(parsed(PAGE, "wrong-kind-id")["results"][0]["id"].is_object());
        assert_eq!(parsed(PAGE, "wrong-kind-id=1")["results"][0]["id"], true);
        assert!(parsed(PAGE, "wrong-kind-id=2")["results"][0]["id"].is_string());
    }

    #[test]
    fn bodies_grow_to_the_size_asked_for() {
        for fault in ["huge-page=5000", "huge-row=5000"] {
            assert_eq!(spoilt(PAGE, fault).len(), 5_000, "{fault}");
            assert_eq!(parsed(PAGE, fault)["results"][1]["id"], 13, "{fault}");
        }
    }
}
