//! One polite conversation with the API: a request goes out when it may, and what comes back is judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use reqwest::{Method, Response};
use spectra_common::failure::{Exit, failure};
use spectra_common::run::{Run, stopped};
use tracing::warn;
use url::Url;

use crate::auth::Authenticator;
use crate::body::{Body, Spool};
use crate::exchange::{Recorder, Replay};
use crate::pace::{self, Pace};
use crate::spec::{Http, Incident, Resource, Retry, Spec, Then};

/// A request, before it is signed.
#[derive(Clone, Debug)]
pub struct Ask {
    /// GET or POST.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// JSON body of a POST.
    pub body: Option<serde_json::Value>,
}

/// What came back, or did not.
pub enum Heard {
    /// A whole answer.
    Answer {
        /// HTTP status.
        status: u16,
        /// What the server calls the body.
        content_type: Option<String>,
        /// The `Link` header.
        link: Option<String>,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
        /// The body.
        body: Body,
    },
    /// None, or none that is whole.
    Nothing {
        /// What went wrong.
        incident: Incident,
        /// In words.
        reason: String,
    },
}

/// An answer that is what was hoped for as far as HTTP goes.
pub struct Answer {
    /// The body.
    pub body: Body,
    /// The `Link` header.
    pub link: Option<String>,
}

/// Something wrong with one try.
#[derive(Debug)]
pub struct Fault {
    /// Its name.
    pub incident: Incident,
    /// In words, without the URL.
    pub reason: String,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault of an answer's content.
    pub fn new(incident: Incident, reason: impl Into<String>) -> Self {
        Self { incident, reason: reason.into(), retry_after: None }
    }
}

/// How an exchange ended that gave nothing to land.
pub enum Refusal {
    /// This token may not see it.
    Forbidden(String),
    /// This request does not work, though others may.
    Skip(String),
    /// The policy takes it as an empty listing.
    Empty,
    /// The slice has to be walked again.
    Again(Fault),
    /// The run cannot go on.
    Run(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
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

/// Where answers come from.
pub enum Line {
    /// A server.
    Server {
        /// Signs requests.
        auth: Box<Authenticator>,
        /// Keeps what is said.
        recorder: Option<Recorder>,
    },
    /// A recording.
    Replay(Replay),
}

/// Talks to one API.
pub struct Client {
    http: reqwest::Client,
    line: Line,
    base: Url,
    /// What stands before the spec's base path.
    prefix: String,
    limits: Http,
    largest_held: usize,
    /// How often it asks.
    pub pace: Arc<Pace>,
    request_count: AtomicI64,
}

impl Client {
    /// A client for the API below `base`; bodies larger than `largest_held` bytes go to local disk.
    pub fn new(spec: &Spec, http: reqwest::Client, base: Url, line: Line, pace: Pace, largest_held: usize) -> Self {
        let prefix = base.path().strip_suffix(&spec.base_path).unwrap_or_default().to_owned();
        Self {
            http,
            line,
            base,
            prefix,
            limits: spec.http.clone(),
            largest_held,
            pace: Arc::new(pace),
            request_count: AtomicI64::new(0),
        }
    }

    /// The URL of a path below the base path, or below another one.
    pub fn url(&self, base_path: Option<&str>, path: &str, query: &[(String, String)]) -> Url {
        let mut url = self.base.clone();
        let base = match base_path {
            // What stands before the spec's own base path (a proxy's prefix) stands before any other as well.
            Some(other) => format!("{}{other}", self.prefix),
            None => self.base.path().to_owned(),
        };
        url.set_path(&format!("{}{path}", base.trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Whether a URL is on the server this client talks to.
    pub fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The URL everything lies below.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Requests sent so far.
    pub fn request_count(&self) -> i64 {
        self.request_count.load(Ordering::Relaxed)
    }

    /// Where answers come from.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Tries once; a token that is no longer accepted is renewed once.
    ///
    /// # Errors
    /// When the run cannot go on: stopped, not authorised, nothing recorded.
    pub async fn once(&self, run: &Run, ask: &Ask, cost: &mut Cost) -> Result<std::result::Result<Answer, Fault>> {
        let mut is_renewed = false;
        loop {
            cost.request_count += 1;
            self.request_count.fetch_add(1, Ordering::Relaxed);
            cost.status = None;
            let (heard, generation) = match &self.line {
                Line::Replay(replay) => (replay.hear(ask)?, 0),
                Line::Server { auth, recorder } => {
                    let (heard, generation) = self.send(run, auth, ask, cost).await?;
                    if let Some(recorder) = recorder {
                        recorder.keep(ask, &heard, &auth.secrets())?;
                    }
                    (heard, generation)
                }
            };
            if let Heard::Answer { status, .. } = &heard {
                cost.status = Some(*status);
            }
            let judged = self.judge(heard);
            match (&judged, &self.line) {
                (Err(fault), Line::Server { auth, .. }) if fault.incident == Incident::Status(401) => {
                    if !is_renewed && run.until_stopped(auth.refresh(generation)).await? {
                        is_renewed = true;
                        continue;
                    }
                    return Err(failure(
                        Exit::NotAuthorised,
                        format!("asking {}: the credentials were refused: {}", ask.url, fault.reason),
                        "check the variables of the credentials, or the files they name; a token may have expired",
                    ));
                }
                (Err(fault), Line::Replay(_)) if fault.incident == Incident::Status(401) && !is_renewed => {
                    is_renewed = true;
                }
                (_, Line::Server { auth, .. }) => {
                    if cost.status.is_some() {
                        auth.accepted(generation);
                    }
                    return Ok(judged);
                }
                _ => return Ok(judged),
            }
        }
    }

    async fn send(&self, run: &Run, auth: &Authenticator, ask: &Ask, cost: &mut Cost) -> Result<(Heard, u64)> {
        let permit = run.until_stopped(async { Ok(self.pace.permit().await) }).await?;
        let mut request = reqwest::Request::new(ask.method.clone(), ask.url.clone());
        if let Some(body) = &ask.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(serde_json::to_vec(body)?.into());
        }
        let generation = run.until_stopped(auth.sign(&mut request)).await?;
        let clock = Instant::now();
        let heard = run.until_stopped(async { Ok(self.exchange(request, cost).await) }).await?;
        self.pace.heard(match &heard {
            Heard::Answer { status: 429, retry_after, .. } => pace::Heard::Limited { retry_after: *retry_after },
            Heard::Answer { status: 503, retry_after: Some(wait), .. } => {
                pace::Heard::Limited { retry_after: Some(*wait) }
            }
            Heard::Answer { status: 500.., .. } => pace::Heard::Failed,
            // A quick refusal says nothing about how long an answer takes.
            Heard::Answer { status: 400.., .. } => pace::Heard::Other,
            Heard::Answer { .. } => pace::Heard::Good { latency: clock.elapsed() },
            Heard::Nothing { incident: Incident::Timeout, .. } => pace::Heard::Slow,
            Heard::Nothing { incident: Incident::NoAnswer, .. } => pace::Heard::Failed,
            Heard::Nothing { .. } => pace::Heard::Other,
        });
        drop(permit);
        Ok((heard, generation))
    }

    async fn exchange(&self, request: reqwest::Request, cost: &mut Cost) -> Heard {
        let response = match self.http.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let incident = if error.is_timeout() { Incident::Timeout } else { Incident::NoAnswer };
                return Heard::Nothing { incident, reason: format!("no answer: {}", describe(&error)) };
            }
        };
        let status = response.status().as_u16();
        let text = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (content_type, link) = (text(CONTENT_TYPE), text(LINK));
        let retry_after = retry_after(response.headers());
        cost.status = Some(status);
        match self.body(response, cost).await {
            Ok(body) => Heard::Answer { status, content_type, link, retry_after, body },
            Err(fault) => Heard::Nothing { incident: fault.incident, reason: fault.reason },
        }
    }

    async fn body(&self, mut response: Response, cost: &mut Cost) -> std::result::Result<Body, Fault> {
        let mut spool = Spool::new(self.largest_held, response.content_length());
        let mut length: u64 = 0;
        let disk = |error: std::io::Error| {
            Fault::new(Incident::TooLarge, format!("the body is large and the local disk refuses it: {error}"))
        };
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    length += piece.len() as u64;
                    if length > self.limits.largest_body_bytes {
                        let largest = self.limits.largest_body_bytes;
                        return Err(Fault::new(Incident::TooLarge, format!("the body is larger than {largest} bytes")));
                    }
                    cost.byte_count += piece.len() as i64;
                    spool.push(&piece).map_err(disk)?;
                }
                Ok(None) => return spool.finish().map_err(disk),
                Err(error) => {
                    let incident = if error.is_timeout() { Incident::Timeout } else { Incident::BrokenBody };
                    return Err(Fault::new(incident, format!("the body broke off: {}", describe(&error))));
                }
            }
        }
    }

    fn judge(&self, heard: Heard) -> std::result::Result<Answer, Fault> {
        let (status, content_type, link, retry_after, body) = match heard {
            Heard::Nothing { incident, reason } => return Err(Fault::new(incident, reason)),
            Heard::Answer { status, content_type, link, retry_after, body } => {
                (status, content_type, link, retry_after, body)
            }
        };
        if status != 200 {
            let (text, said) = (status_text(status), said(&body));
            let is_news = !said.is_empty() && !text.ends_with(&said);
            let reason = if is_news { format!("{text}: {said}") } else { text };
            return Err(Fault { incident: Incident::Status(status), reason, retry_after });
        }
        let kind = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let beginning = body.beginning(64);
        let is_page = kind.eq_ignore_ascii_case("text/html")
            || beginning.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
        if is_page {
            return Err(Fault::new(Incident::WebPage, "the answer is a web page, not JSON"));
        }
        if !kind.is_empty() && !self.limits.content_types.iter().any(|accepted| accepted.eq_ignore_ascii_case(kind)) {
            let reason = format!("the answer is labelled {kind}, not {}", self.limits.content_types.join(" or "));
            return Err(Fault::new(Incident::ContentType, reason));
        }
        Ok(Answer { body, link })
    }
}

/// How long a request is tried, and what is done in the end.
pub struct Patience<'a> {
    spec: &'a Spec,
    resource: Option<&'a Resource>,
    tries: u32,
}

impl<'a> Patience<'a> {
    /// For a request of a resource, or of none.
    pub fn new(spec: &'a Spec, resource: Option<&'a Resource>) -> Self {
        Self { spec, resource, tries: 0 }
    }

    /// Returns when it is time to try again.
    ///
    /// # Errors
    /// What the policy says in the end.
    pub async fn after(
        &mut self,
        run: &Run,
        client: &Client,
        ask: &Ask,
        fault: Fault,
    ) -> std::result::Result<(), Refusal> {
        self.tries += 1;
        let rule = self.spec.rule_for(self.resource, fault.incident, &fault.reason);
        if rule.then == Then::Retry && fault.incident.spoils_slice() {
            return Err(Refusal::Again(Fault { reason: format!("asking {}: {}", ask.url, fault.reason), ..fault }));
        }
        let retry = &self.spec.retry;
        let mut last = fault.reason.clone();
        if rule.then == Then::Retry && self.tries < retry.tries && !client.pace.is_hopeless() {
            match wait(retry, self.tries, fault.retry_after) {
                Some(wait) => {
                    // Where the server asks for a pause, everybody waits for their turn until it is over.
                    let is_paused =
                        fault.retry_after.is_some() && matches!(fault.incident, Incident::Status(429 | 503));
                    if is_paused || matches!(client.line, Line::Replay(_)) {
                        return Ok(());
                    }
                    warn!(attempt = self.tries, wait_ms = wait.as_millis() as u64, "{last}: trying again");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => return Ok(()),
                        () = run.stop.cancelled() => return Err(Refusal::Run(stopped())),
                    }
                }
                None => last.push_str(", and asks to come back later than this run will wait"),
            }
        }
        let is_bad = rule.then == Then::Retry && fault.incident.is_about_server();
        client.pace.exchange_ended(!is_bad);
        let tries = if self.tries > 1 { format!(" ({} tries)", self.tries) } else { String::new() };
        let message = format!("asking {}: {last}{tries}", ask.url);
        // A server that stays away fails one slice after the other: no policy is meant for that.
        let then = if client.pace.is_hopeless() { Then::Fail } else { rule.at_last() };
        Err(refuse(then, &fault, message))
    }
}

/// What the policy says, as the end of an exchange or of a slice.
pub fn refuse(then: Then, fault: &Fault, message: String) -> Refusal {
    match then {
        Then::Forbidden => Refusal::Forbidden(message),
        Then::Empty => Refusal::Empty,
        Then::Skip | Then::Retry => Refusal::Skip(message),
        Then::Fail => Refusal::Run(match fault.incident {
            Incident::Status(401 | 403) => {
                failure(Exit::NotAuthorised, message, "check the rights of the user the credentials belong to")
            }
            Incident::Status(408 | 425 | 429 | 500..) | Incident::NoAnswer | Incident::Timeout => failure(
                Exit::ApiUnavailable,
                message,
                "check --api-url and the server; run again to go on where this run stopped",
            ),
            _ => failure(
                Exit::DataRefused,
                message,
                "the spec's policy ends the run here; what was walked is kept for the next run",
            ),
        }),
    }
}

/// Full jitter: anything between nothing and the doubled bound, unless the server asked for a time of its own.
fn wait(retry: &Retry, tries: u32, asked: Option<Duration>) -> Option<Duration> {
    if let Some(asked) = asked {
        let longest = Duration::from_millis(retry.longest_retry_after_ms);
        return (asked <= longest).then_some(asked);
    }
    let doubled = retry.first_wait_ms.saturating_mul(1 << (tries - 1).min(20));
    let bound = doubled.min(retry.longest_wait_ms);
    Some(Duration::from_millis(rand::random_range(0..=bound)))
}

/// The HTTP connection pool, with the limits and headers of a spec.
///
/// # Errors
/// [`Exit::Configuration`] for a header that cannot be sent or a certificate that cannot be read.
pub fn http(spec: &Spec, certificates: &Certificates) -> Result<reqwest::Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &spec.http.headers {
        let refuse = || failure(Exit::Configuration, format!("the spec's header `{name}` cannot be sent"), "check it");
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?,
            HeaderValue::from_str(value).map_err(|_| refuse())?,
        );
    }
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("spectra-source/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(spec.http.connect_timeout_ms))
        .read_timeout(Duration::from_millis(spec.http.read_timeout_ms))
        // A redirect to a login page would answer 200 with HTML, and could carry the token elsewhere.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &certificates.authority {
        for certificate in
            reqwest::Certificate::from_pem_bundle(&read(file)?).map_err(|error| unusable(file, &error))?
        {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(file) = &certificates.client {
        builder = builder.identity(reqwest::Identity::from_pem(&read(file)?).map_err(|error| unusable(file, &error))?);
    }
    builder.build().context("preparing the HTTP client")
}

/// Certificates beyond those of the system.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Authorities to trust as well, PEM.
    pub authority: Option<std::path::PathBuf>,
    /// Our own certificate and its key, PEM.
    pub client: Option<std::path::PathBuf>,
}

fn read(file: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        failure(Exit::Configuration, format!("reading {}: {error}", file.display()), "check the path and its rights")
    })
}

fn unusable(file: &std::path::Path, error: &reqwest::Error) -> anyhow::Error {
    failure(
        Exit::Configuration,
        format!("{} holds no certificate that can be used: {}", file.display(), describe(error)),
        "give PEM text; a client certificate and its key belong in one file",
    )
}

/// The innermost cause of a transport error, without the URL.
pub fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { "timed out".to_owned() } else { cause.to_string().to_lowercase() }
}

fn status_text(status: u16) -> String {
    let known = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    format!("{status} {}", known.unwrap_or_default()).trim_end().to_owned()
}

/// What the server said about an error: its own message where it sent JSON, nothing where it sent a page.
fn said(body: &Body) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body.beginning(64 << 10)) else {
        return String::new();
    };
    let text =
        value.get("errorMsg").or_else(|| value.get("message")).and_then(|text| text.as_str()).unwrap_or_default();
    // A 401 holds JSON in a string.
    let inner = serde_json::from_str::<serde_json::Value>(text).ok();
    let text = inner.as_ref().and_then(|value| value.get("message")?.as_str()).unwrap_or(text);
    text.chars().filter(|each| !each.is_control()).take(200).collect()
}

/// Seconds or a date, as HTTP allows both.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// The server's root with the base path, which may be given with it.
///
/// # Errors
/// [`Exit::Configuration`] for a URL that is none or holds credentials.
pub fn base_url(server: &str, base_path: &str) -> Result<Url> {
    let refuse = |reason: &str| {
        failure(
            Exit::Configuration,
            format!("--api-url {server} is not the URL of a server: {reason}"),
            "give its root, such as https://tenant.yourzephyr.com",
        )
    };
    let mut url = Url::parse(server).map_err(|error| refuse(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(failure(
            Exit::Configuration,
            "--api-url holds credentials, which would end up in logs",
            "give them as SPECTRA_API_USER and SPECTRA_API_PASSWORD",
        ));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it starts with neither http:// nor https://"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(base_path).unwrap_or(path);
    url.set_path(&format!("{path}{base_path}"));
    Ok(url)
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
        assert_eq!(retry_after(&headers), Some(Duration::ZERO), "a date that has passed is no wait");
        headers.insert(RETRY_AFTER, HeaderValue::from_static("soon"));
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn waits_double_up_to_a_bound_and_obey_the_server_within_reason() {
        let retry =
            Retry { first_wait_ms: 100, longest_wait_ms: 250, longest_retry_after_ms: 5_000, ..Retry::default() };
        for (tries, bound_ms) in [(1, 100), (2, 200), (3, 250), (30, 250)] {
            assert!(wait(&retry, tries, None).unwrap() <= Duration::from_millis(bound_ms));
        }
        assert_eq!(wait(&retry, 1, Some(Duration::from_secs(4))), Some(Duration::from_secs(4)));
        assert_eq!(wait(&retry, 1, Some(Duration::from_secs(6))), None);
    }

    #[test]
    fn what_a_server_says_is_read_from_json_only() {
        let body = |text: &str| Body::Memory(text.as_bytes().to_vec());
        assert_eq!(said(&body(r#"{"errorMsg" : "no"}"#)), "no");
        assert_eq!(said(&body(r#"{"message":"{\"message\":\"Unauthorized\"}"}"#)), "Unauthorized");
        assert_eq!(said(&body("<html>")), "");
    }
}
