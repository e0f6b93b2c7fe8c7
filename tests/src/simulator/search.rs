//! `POST /advancesearch/zql`: executions by query, the envelope inside a list of one.

use jiff::civil::Date;
use serde_json::Value;

use super::calendar::{DAY_MS, Day};
use super::executions::{self, Form};
use super::quirks::Quirks;
use super::reply::Reply;
use super::request::Query;
use super::routes::View;

/// Rows of an answer unless asked otherwise.
const DEFAULT_MAX_RESULTS: i64 = 100;

/// Whether a path below the base is the search.
pub fn is_search(path: &str) -> bool {
    matches!(path, "latest/advancesearch/zql" | "v3/advancesearch/zql")
}

/// Answers a search for executions.
pub fn answer(view: &View, body: &[u8]) -> Result<Reply, Reply> {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return Err(Reply::missing("search object missing", "Bad Request"));
    };
    if asked["entitytype"] != "execution" {
        return Err(Reply::missing("entitytype is not served", "Bad Request"));
    }
    let first = number(view.quirks, &asked, "firstresult")?.unwrap_or(0);
    let most = number(view.quirks, &asked, "maxresults")?.unwrap_or(DEFAULT_MAX_RESULTS);
    let mut pairs = vec![
        ("offset", first.to_string()),
        ("pagesize", most.to_string()),
        ("includeanyoneuser", "true".to_owned()),
        ("order", asked["order"].as_str().unwrap_or("id").to_owned()),
        ("isascorder", (asked["isascorder"] != false).to_string()),
    ];
    if let Some(release) = number(view.quirks, &asked, "releaseid")? {
        pairs.push(("releaseid", release.to_string()));
    }
    let executed_from = executed_from(asked["word"].as_str().unwrap_or(""))?;
    executions::page(view, &Query::of(pairs), Form::Search { executed_from })
}

/// A number, which callers send as a number or as text.
fn number(quirks: Quirks, asked: &Value, key: &str) -> Result<Option<i64>, Reply> {
    match &asked[key] {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(|_| Reply::unconvertible(quirks, text)),
        other => other.as_i64().map(Some).ok_or_else(|| Reply::unconvertible(quirks, &other.to_string())),
    }
}

/// The first day `executedOn > "2026-01-05"` or `executedOn >= "2026-01-05"` lets pass.
fn executed_from(word: &str) -> Result<Option<Day>, Reply> {
    let word = word.trim();
    if word.is_empty() {
        return Ok(None);
    }
    let refuse = || Reply::missing("the query could not be parsed", "Bad Request");
    let condition = word.strip_prefix("executedOn").ok_or_else(refuse)?.trim_start();
    let (rest, later) = match (condition.strip_prefix(">="), condition.strip_prefix('>')) {
        (Some(rest), _) => (rest, 0),
        (None, Some(rest)) => (rest, 1),
        _ => return Err(refuse()),
    };
    let date: Date = rest.trim().trim_matches(['"', '\'']).parse().map_err(|_| refuse())?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refuse())?.timestamp();
    let day = Day::try_from(midnight.as_millisecond().div_euclid(DAY_MS)).map_err(|_| refuse())?;
    Ok(Some(day + later))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_from_the_query() {
        // 5 January 2026
        assert_eq!(executed_from("").unwrap(), None);
        assert_eq!(executed_from("executedOn >= \"2026-01-05\"").unwrap(), Some(20_458));
        assert_eq!(executed_from("executedOn > \"2026-01-05\"").unwrap(), Some(20_459));
        assert!(executed_from("name ~ \"x\"").is_err());
    }
}
