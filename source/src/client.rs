//! One polite conversation with the API: credentials, time limits, tries.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use spectra_common::failure::{Exit, failure};
use spectra_common::run::{Run, stopped};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use crate::spec::{Http, Retry, Spec};

/// Why an exchange did not give a body, after all tries.
pub enum Refusal {
    /// 403: this token may not see it.
    Forbidden,
    /// This request will not work, though others may.
    Slice(String),
    /// The run cannot go on.
    Run(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

/// A body, with what it cost.
pub struct Answer {
    /// The bytes, decompressed.
    pub body: Vec<u8>,
    /// Whether the server called it HTML.
    pub is_html: bool,
    /// HTTP status.
    pub status: u16,
}

/// Counts of an exchange, kept whatever its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Requests sent, tries included.
    pub request_count: i64,
    /// Bytes of bodies received.
    pub byte_count: i64,
    /// Last HTTP status.
    pub status: Option<u16>,
}

/// Talks to one API.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    limits: Http,
    retry: Retry,
    /// Shortest time between two requests.
    interval: Duration,
    next: tokio::sync::Mutex<Instant>,
}

impl Client {
    /// A client for the API at `server`.
    ///
    /// # Errors
    /// [`Exit::Configuration`] for a URL that is none, [`Exit::NotAuthorised`] without credentials.
    pub fn new(spec: &Spec, server: &str, per_minute: Option<u32>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, authorization()?);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("spectra-source/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_millis(spec.http.connect_timeout_ms))
            .read_timeout(Duration::from_millis(spec.http.read_timeout_ms))
            // A redirect to a login page would answer 200 with HTML, and could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("preparing the HTTP client")?;
        Ok(Self {
            http,
            base: base_url(server, &spec.base_path)?,
            limits: spec.http.clone(),
            retry: spec.retry.clone(),
            interval: per_minute.map_or(Duration::ZERO, |count| Duration::from_secs(60) / count.max(1)),
            next: tokio::sync::Mutex::new(Instant::now()),
        })
    }

    /// The URL of a path below the base path.
    pub fn url(&self, path: &str, query: &[(String, String)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks until there is an answer or no more patience.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn get(&self, run: &Run, url: &Url, cost: &mut Cost) -> std::result::Result<Answer, Refusal> {
        let mut last = String::new();
        for attempt in 1..=self.retry.tries {
            run.until_stopped(self.pace()).await?;
            let outcome = run.until_stopped(async { Ok(self.once(url, cost).await) }).await?;
            let asked_to_wait = match outcome {
                Once::Done(answer) => return Ok(answer),
                Once::Final(refusal) => return Err(refusal),
                Once::Again { reason, retry_after } => {
                    last = reason;
                    retry_after
                }
            };
            if attempt == self.retry.tries {
                break;
            }
            let Some(wait) = self.wait(attempt, asked_to_wait) else {
                last = format!("{last}, and asks to come back later than this run will wait");
                break;
            };
            warn!(attempt, wait_ms = wait.as_millis() as u64, "{last}: trying again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = run.stop.cancelled() => return Err(Refusal::Run(stopped())),
            }
        }
        Err(self.exhausted(url, cost, &last))
    }

    fn exhausted(&self, url: &Url, cost: &Cost, last: &str) -> Refusal {
        let message = format!("asking {url}: {last} ({} tries)", self.retry.tries);
        // 500 is how this kind of server says that it does not know an id, and a body that breaks off every time is
        // about that body: others may work. Everything else is about the server.
        match cost.status {
            Some(500 | 200) => Refusal::Slice(message),
            _ => Refusal::Run(failure(
                Exit::ApiUnavailable,
                message,
                "check --api-url and the server; run again to go on where this run stopped",
            )),
        }
    }

    /// Full jitter: anything between nothing and the doubled bound, unless the server asked for a time of its own.
    fn wait(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if let Some(asked) = asked {
            let longest = Duration::from_millis(self.retry.longest_retry_after_ms);
            return (asked <= longest).then_some(asked);
        }
        let doubled = self.retry.first_wait_ms.saturating_mul(1 << (attempt - 1).min(20));
        let bound = doubled.min(self.retry.longest_wait_ms);
        Some(Duration::from_millis(rand::random_range(0..=bound)))
    }

    async fn pace(&self) -> Result<()> {
        if self.interval.is_zero() {
            return Ok(());
        }
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.interval;
        Ok(())
    }

    async fn once(&self, url: &Url, cost: &mut Cost) -> Once {
        cost.request_count += 1;
        cost.status = None;
        let again = |reason: String| Once::Again { reason, retry_after: None };
        let response = match self.http.get(url.clone()).send().await {
            Ok(response) => response,
            Err(error) => return again(format!("no answer: {}", describe(&error))),
        };
        let status = response.status();
        cost.status = Some(status.as_u16());
        let retry_after = retry_after(response.headers());
        let is_html =
            response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        let body = match self.body(response, cost).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => {
                let message = format!("asking {url}: the body is larger than {} bytes", self.limits.largest_body_bytes);
                return Once::Final(Refusal::Slice(message));
            }
            Err(BodyError::Broken(reason)) => return again(format!("the body broke off: {reason}")),
        };
        match status {
            StatusCode::OK => Once::Done(Answer { body, is_html, status: status.as_u16() }),
            StatusCode::NO_CONTENT => Once::Done(Answer { body: b"[]".to_vec(), is_html: false, status: 204 }),
            StatusCode::UNAUTHORIZED => Once::Final(Refusal::Run(failure(
                Exit::NotAuthorised,
                format!("asking {url}: the credentials were refused: 401 {}", said(&body)).trim_end().to_owned(),
                "check SPECTRA_API_TOKEN, or SPECTRA_API_USER with SPECTRA_API_PASSWORD; a token may have expired",
            ))),
            StatusCode::FORBIDDEN => Once::Final(Refusal::Forbidden),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Once::Again { reason: format!("{status} {}", said(&body)).trim_end().to_owned(), retry_after }
            }
            _ if status.is_server_error() => {
                Once::Again { reason: format!("{status} {}", said(&body)).trim_end().to_owned(), retry_after }
            }
            _ => Once::Final(Refusal::Slice(format!("asking {url}: {status} {}", said(&body)).trim_end().to_owned())),
        }
    }

    async fn body(&self, mut response: Response, cost: &mut Cost) -> std::result::Result<Vec<u8>, BodyError> {
        // In one piece where the size is known: growing by doubling leaves holes that add up over a long walk.
        let declared = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut body = Vec::with_capacity(declared.min(self.limits.largest_body_bytes));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.limits.largest_body_bytes => {
                    return Err(BodyError::TooLarge);
                }
                Ok(Some(chunk)) => {
                    cost.byte_count += chunk.len() as i64;
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(body),
                Err(error) => return Err(BodyError::Broken(describe(&error))),
            }
        }
    }
}

enum Once {
    Done(Answer),
    Final(Refusal),
    Again { reason: String, retry_after: Option<Duration> },
}

enum BodyError {
    TooLarge,
    Broken(String),
}

/// The innermost cause of a transport error, without the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { "timed out".to_owned() } else { cause.to_string().to_lowercase() }
}

/// What the server said about an error: its own message where it sent JSON, nothing where it sent a page.
fn said(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else { return String::new() };
    let text =
        value.get("errorMsg").or_else(|| value.get("message")).and_then(|text| text.as_str()).unwrap_or_default();
    // A 401 holds JSON in a string.
    let inner = serde_json::from_str::<serde_json::Value>(text).ok();
    let text = inner.as_ref().and_then(|value| value.get("message")?.as_str()).unwrap_or(text);
    text.chars().filter(|each| !each.is_control()).take(200).collect()
}

/// Seconds or a date, as HTTP allows both.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// The server's root with the base path, which may be given with it.
fn base_url(server: &str, base_path: &str) -> Result<Url> {
    let refuse = |reason: &str| {
        failure(
            Exit::Configuration,
            format!("--api-url {server} is not the URL of a server: {reason}"),
            "give its root, such as https://tenant.yourzephyr.com",
        )
    };
    let mut url = Url::parse(server).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it starts with neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(failure(
            Exit::Configuration,
            "--api-url holds credentials, which would end up in logs",
            "give them as SPECTRA_API_USER and SPECTRA_API_PASSWORD",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(base_path).unwrap_or(path);
    url.set_path(&format!("{path}{base_path}"));
    Ok(url)
}

/// The credentials' header, from variables or the files they name.
fn authorization() -> Result<HeaderValue> {
    let text = match (secret("SPECTRA_API_TOKEN")?, secret("SPECTRA_API_USER")?, secret("SPECTRA_API_PASSWORD")?) {
        (Some(token), ..) => format!("Bearer {token}"),
        (None, Some(user), Some(password)) => {
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
        }
        _ => {
            return Err(failure(
                Exit::NotAuthorised,
                "there are no credentials for the API: neither SPECTRA_API_TOKEN nor SPECTRA_API_USER with \
                 SPECTRA_API_PASSWORD is set, nor any of them with _FILE",
                "export SPECTRA_API_TOKEN, or SPECTRA_API_TOKEN_FILE with the path of a file that holds the token",
            ));
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        failure(Exit::NotAuthorised, "the credentials hold characters no HTTP header may have", "check for line breaks")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn secret(name: &str) -> Result<Option<String>> {
    if let Ok(value) = std::env::var(name)
        && !value.is_empty()
    {
        return Ok(Some(value));
    }
    let variable = format!("{name}_FILE");
    let Ok(file) = std::env::var(&variable) else { return Ok(None) };
    let content = std::fs::read_to_string(&file).map_err(|error| {
        failure(
            Exit::NotAuthorised,
            format!("reading {file}, named by {variable}: {error}"),
            "check the path and its rights",
        )
    })?;
    Ok(Some(content.trim().to_owned()).filter(|content| !content.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_added_once() {
        let expected = "https://tenant.example/flex/services/rest/v3";
        for server in
            ["https://tenant.example", "https://tenant.example/", "https://tenant.example/flex/services/rest/v3/"]
        {
            assert_eq!(base_url(server, "/flex/services/rest/v3").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_url_that_is_none_or_holds_a_password_is_refused() {
        for server in ["tenant.example", "ftp://tenant.example", "https://me:secret@tenant.example"] {
            let error = base_url(server, "/rest").unwrap_err().to_string();
            assert!(!error.contains("secret@") || !server.contains("secret"), "{error}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"));
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
    }

    #[test]
    fn a_message_within_a_message_is_found() {
        assert_eq!(said(br#"{"message": "{\"message\":\"Unauthorized\"}"}"#), "Unauthorized");
        assert_eq!(said(br#"{"errorMsg" : "no such thing", "errorCode":"1"}"#), "no such thing");
        assert_eq!(said(b"<html>"), "");
    }
}
