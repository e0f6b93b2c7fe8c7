//! One polite conversation with the API: a request goes out when it may, and what comes back is judged.

mod connection;
mod patience;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use reqwest::{Method, Response};
use spectra_common::failure::{Exit, failure};
use spectra_common::run::Run;
use url::Url;

pub use connection::{Certificates, base_url, http};
pub use patience::{Patience, refuse};

use crate::auth::Authenticator;
use crate::body::{Body, Spool};
use crate::exchange::{Recorder, Replay};
use crate::pace::{self, Pace};
use crate::spec::{Http, Incident, Spec};

/// How often credentials are renewed for one request, at most.
const MOST_RENEWALS: u32 = 3;

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

    /// Tries once; credentials that are no longer accepted are renewed once, and again where the new ones had been
    /// accepted for others in the meantime and were used up.
    ///
    /// # Errors
    /// When the run cannot go on: stopped, not authorised, nothing recorded.
    pub async fn once(&self, run: &Run, ask: &Ask, cost: &mut Cost) -> Result<std::result::Result<Answer, Fault>> {
        let mut renewal_count = 0;
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
                    let may_renew = match renewal_count {
                        0 => true,
                        some => some < MOST_RENEWALS && auth.has_accepted(generation),
                    };
                    if may_renew && run.until_stopped(auth.refresh(generation)).await? {
                        renewal_count += 1;
                        continue;
                    }
                    return Err(failure(
                        Exit::NotAuthorised,
                        format!("asking {}: the credentials were refused: {}", ask.url, fault.reason),
                        "check the variables of the credentials, or the files they name; a token may have expired",
                    ));
                }
                (Err(fault), Line::Replay(_))
                    if fault.incident == Incident::Status(401) && renewal_count < MOST_RENEWALS =>
                {
                    renewal_count += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_a_server_says_is_read_from_json_only() {
        let body = |text: &str| Body::Memory(text.as_bytes().to_vec());
        assert_eq!(said(&body(r#"{"errorMsg" : "no"}"#)), "no");
        assert_eq!(said(&body(r#"{"message":"{\"message\":\"Unauthorized\"}"}"#)), "Unauthorized");
        assert_eq!(said(&body("<html>")), "");
    }
}
