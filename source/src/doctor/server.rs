//! The server: whether it answers, how fast, by which clock, and whom it takes us for.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderName, SERVER};
use serde_json::Value;
use spectra_common::failure::{Exit, exit_of};
use url::Url;

use super::Findings;
use crate::auth::Authenticator;
use crate::client::{Client, Line, describe};
use crate::fetch::Fetcher;

/// Requests by which the latency is judged.
const PROBES: usize = 5;

/// Clocks may differ by so many seconds: those of a filter for what changed overlap by more.
const MOST_SECONDS_APART: f64 = 30.0;

/// Bytes of an answer that are looked at.
const MOST_BYTES: usize = 1 << 20;

/// What one request showed.
struct Heard {
    took: Duration,
    server: Option<String>,
    /// Seconds that the server's clock is ahead of ours.
    ahead: Option<f64>,
    body: Vec<u8>,
}

/// Says whether it makes sense to ask for more.
pub async fn check(
    findings: &mut Findings,
    fetcher: &Fetcher,
    client: &Client,
    http: &reqwest::Client,
) -> Result<bool> {
    let Line::Server { auth, .. } = client.line() else { return Ok(true) };
    let kind = match auth.kind() {
        "none" => "the spec asks for none".to_owned(),
        kind => kind.to_owned(),
    };
    let clock = Instant::now();
    if let Some(path) = &fetcher.spec.probe
        && let Err(error) = fetcher.probe(client, path).await
    {
        match exit_of(&error) {
            Exit::Stopped => return Err(error),
            Exit::NotAuthorised => {
                findings.ok("api", clock, format!("{} answers", client.base()));
                findings.wrong("credentials", clock, &error);
            }
            _ => {
                findings.wrong("api", clock, &error);
                findings.skipped("credentials", clock, format!("{kind}: nobody answers who could accept them"));
            }
        }
        return Ok(false);
    }
    // Without a probe there is only the root to ask, whose answer may be anything.
    let url = client.url(None, fetcher.spec.probe.as_deref().unwrap_or_default(), &[]);
    let mut heard = Vec::new();
    for _ in 0..PROBES {
        match fetcher.run.until_stopped(once(client, http, auth, &url)).await {
            Ok(one) => heard.push(one),
            Err(error) if exit_of(&error) == Exit::Stopped => return Err(error),
            Err(error) => {
                findings.wrong("api", clock, &error);
                return Ok(false);
            }
        }
    }
    let mut took: Vec<Duration> = heard.iter().map(|heard| heard.took).collect();
    took.sort();
    let ms = |at: usize| took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    let server = heard.iter().find_map(|heard| heard.server.as_ref());
    let server = server.map_or_else(String::new, |server| format!("; the server is {server}"));
    let what = if fetcher.spec.probe.is_some() { "JSON" } else { "something" };
    findings.ok(
        "api",
        clock,
        format!(
            "{} answers {what} in {:.0} ms (median of {PROBES}, {:.0} to {:.0} ms){server}",
            client.base(),
            ms(PROBES / 2),
            ms(0),
            ms(PROBES - 1)
        ),
    );
    credentials(findings, clock, &kind, fetcher.spec.probe.is_some(), auth, &heard);
    times(findings, clock, &heard);
    Ok(true)
}

fn credentials(
    findings: &mut Findings,
    clock: Instant,
    kind: &str,
    is_probed: bool,
    auth: &Authenticator,
    heard: &[Heard],
) {
    if !is_probed {
        findings.skipped("credentials", clock, format!("{kind}: the spec has no `probe` that would show their user"));
        return;
    }
    let secrets = auth.secrets();
    let user = heard.last().and_then(|heard| user(&heard.body)).filter(|user| !secrets.contains(user));
    let whose = user.map_or_else(|| "the answer names no user".to_owned(), |user| format!("the user is {user}"));
    findings.ok("credentials", clock, format!("{kind}: accepted; {whose}"));
}

fn times(findings: &mut Findings, clock: Instant, heard: &[Heard]) {
    // The one that is least off was least delayed.
    let ahead = heard.iter().filter_map(|heard| heard.ahead).min_by(|one, other| one.abs().total_cmp(&other.abs()));
    let Some(ahead) = ahead else {
        return findings.skipped("clock", clock, "the server does not say what time it is");
    };
    let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
    if ahead.abs() <= MOST_SECONDS_APART {
        return findings.ok("clock", clock, format!("the server's is within {:.0} s of ours", ahead.abs().ceil()));
    }
    findings.warning(
        "clock",
        clock,
        format!("the server's is {:.0} s {direction} ours: set this machine's clock, or theirs", ahead.abs()),
    );
}

async fn once(client: &Client, http: &reqwest::Client, auth: &Authenticator, url: &Url) -> Result<Heard> {
    let permit = client.pace.permit().await;
    let mut request = reqwest::Request::new(reqwest::Method::GET, url.clone());
    auth.sign(&mut request).await?;
    let (clock, sent_at) = (Instant::now(), Timestamp::now());
    let unheard = |error: &reqwest::Error| {
        spectra_common::failure::failure(
            Exit::ApiUnavailable,
            format!("asking {url}: no answer: {}", describe(error)),
            "check --api-url and the server",
        )
    };
    let mut response = http.execute(request).await.map_err(|error| unheard(&error))?;
    let took = clock.elapsed();
    let text = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let server = text(SERVER).map(|server| shown(&server));
    let date = text(DATE).and_then(|date| rfc2822::parse(&date).ok());
    let ahead = date.map(|date| {
        // A date has no fraction of a second: half of one is the best guess. Half of the time went into the way there.
        let theirs = date.timestamp().as_millisecond() as f64 / 1000.0 + 0.5;
        theirs - sent_at.as_millisecond() as f64 / 1000.0 - took.as_secs_f64() / 2.0
    });
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unheard(&error))? {
        body.extend(piece.iter().take(MOST_BYTES.saturating_sub(body.len())));
    }
    drop(permit);
    Ok(Heard { took: clock.elapsed(), server, ahead, body })
}

/// The name of the user a probe's answer is about, but no mail address.
fn user(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let names = ["fullName", "username", "displayName", "name"];
    let name = names.iter().filter_map(|name| value.get(name)?.as_str()).find(|name| !name.contains('@'))?;
    Some(shown(name)).filter(|name| !name.is_empty())
}

/// What a server sent, harmless and short.
fn shown(text: &str) -> String {
    text.chars().filter(|each| !each.is_control()).take(80).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_and_not_by_mail_address() {
        let named = |body: &str| user(body.as_bytes());
        assert_eq!(named(r#"{"username":"selka","fullName":"Selka K"}"#).as_deref(), Some("Selka K"));
        assert_eq!(named(r#"{"username":"a@b.test","name":"Selka\u0007"}"#).as_deref(), Some("Selka"));
        assert_eq!(named(r#"{"username":"a@b.test"}"#), None);
        assert_eq!(named("[1]"), None);
    }
}
