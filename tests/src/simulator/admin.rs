//! What tests and demonstrations ask of the simulator, outside the API's base path and without credentials.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Simulator;
use super::calendar::{DAY_MS, HOUR_MS};
use super::faults::{Fault, Rule};
use super::quirks::QUIRKS;
use super::reply::{Content, Reply};
use super::request::Query;
use super::truth::instant_text;

/// Answers an admin call; `path` is what follows `/simulator/`.
pub async fn answer(simulator: Arc<Simulator>, method: Method, path: String, query: String) -> Reply {
    // moving the clock and counting take long on large worlds, and calls of the API must not wait for them
    let task = tokio::task::spawn_blocking(move || act(&simulator, &method, &path, &Query::parse(&query)));
    match task.await {
        Ok(Ok(Some(value))) => Reply::json(value.to_string(), 0),
        Ok(Ok(None)) => refusal(StatusCode::NOT_FOUND, "there is no such admin call"),
        Ok(Err(error)) => refusal(StatusCode::BAD_REQUEST, &format!("{error:#}")),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refusal(status: StatusCode, message: &str) -> Reply {
    Reply::new(status, Content::Json, json!({ "error": message }).to_string())
}

fn act(simulator: &Simulator, method: &Method, path: &str, query: &Query) -> Result<Option<Value>> {
    let value = match (method.as_str(), path) {
        ("GET", "truth") => simulator.truth(),
        ("GET", "change-log") => (*simulator.change_log()).clone(),
        ("GET", "diary") => simulator.diary()?,
        ("GET", "requests") => simulator.log.to_json(),
        ("DELETE", "requests") => {
            simulator.clear_requests();
            json!({ "cleared": true })
        }
        ("GET", "clock") => clock(simulator),
        ("POST", "clock") => {
            move_clock(simulator, query)?;
            clock(simulator)
        }
        ("POST", "forbid") => forbid(simulator, query, true)?,
        ("POST", "allow") => forbid(simulator, query, false)?,
        ("GET", "quirk") => quirks(simulator),
        ("POST", "quirk") => {
            let quirk = wanted(query, "name")?.parse()?;
            simulator.set_quirk(quirk, truth_value(query.get("on").unwrap_or("true"))?)?;
            quirks(simulator)
        }
        ("POST", "fault") => {
            simulator.add_fault(rule(query)?);
            json!({ "added": true })
        }
        ("DELETE", "fault") => {
            simulator.clear_faults();
            json!({ "cleared": true })
        }
        ("POST", "expire") => {
            simulator.expire();
            json!({ "expired": true })
        }
        ("POST", "rotate") => {
            simulator.rotate(wanted(query, "token")?);
            json!({ "rotated": true })
        }
        ("GET", "figures") => simulator.figures(),
        ("DELETE", "figures") => {
            simulator.clear_figures();
            json!({ "cleared": true })
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn wanted<'a>(query: &'a Query, key: &str) -> Result<&'a str> {
    query.get(key).with_context(|| format!("parameter `{key}` is missing"))
}

fn truth_value(text: &str) -> Result<bool> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => bail!("`{text}` is neither true nor false"),
    }
}

fn number(query: &Query, key: &str) -> Result<Option<u64>> {
    query
        .get(key)
        .map(|text| text.parse().with_context(|| format!("parameter `{key}` wants a whole number, not `{text}`")))
        .transpose()
}

fn clock(simulator: &Simulator) -> Value {
    let world = simulator.world();
    json!({
        "clock": instant_text(world.clock_ms),
        "days": world.days,
        "changed": simulator.change_log()["counts"],
    })
}

fn move_clock(simulator: &Simulator, query: &Query) -> Result<()> {
    let now_ms = simulator.world().clock_ms;
    let then_ms = match (query.get("advance"), query.get("set")) {
        (Some(span), None) => now_ms + span_ms(span)?,
        (None, Some(instant)) => instant
            .parse::<Timestamp>()
            .with_context(|| format!("`{instant}` is no instant such as 2026-01-05T09:00:00Z"))?
            .as_millisecond(),
        _ => bail!("give either `advance`, such as 1d, or `set`, such as 2026-01-05T09:00:00Z"),
    };
    simulator.set_clock(then_ms)
}

/// A span such as `1d`, `12h`, `30m` or `45s`.
fn span_ms(text: &str) -> Result<i64> {
    let unit_ms = match text.chars().last() {
        Some('w') => 7 * DAY_MS,
        Some('d') => DAY_MS,
        Some('h') => HOUR_MS,
        Some('m') => 60_000,
        Some('s') => 1_000,
        _ => bail!("`{text}` is no span such as 1d, 12h, 30m or 45s"),
    };
    let count: u32 =
        text[..text.len() - 1].parse().with_context(|| format!("`{text}` is no span such as 1d, 12h, 30m or 45s"))?;
    Ok(i64::from(count) * unit_ms)
}

fn forbid(simulator: &Simulator, query: &Query, is_forbidden: bool) -> Result<Value> {
    let text = wanted(query, "project")?;
    let id = text.parse().with_context(|| format!("`{text}` is no project id"))?;
    simulator.set_forbidden(id, is_forbidden)?;
    Ok(json!({ "forbiddenProjects": &*simulator.state().closed() }))
}

fn quirks(simulator: &Simulator) -> Value {
    let quirks = simulator.state().quirks;
    QUIRKS
        .iter()
        .map(|entry| (entry.name.to_owned(), Value::from(quirks.has(entry.quirk))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn rule(query: &Query) -> Result<Rule> {
    let mut fault: Fault = wanted(query, "kind")?.parse()?;
    fault.amount = number(query, "amount")?.or(fault.amount);
    let nth = number(query, "nth")?.unwrap_or(1);
    let times = number(query, "times")?.unwrap_or(1);
    let mut rule = Rule::new(query.get("path").unwrap_or(""), nth, times, fault);
    rule.permille = number(query, "permille")?.unwrap_or(1000);
    Ok(rule)
}
