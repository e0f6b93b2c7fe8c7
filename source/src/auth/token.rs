//! Credentials that are asked for: tokens and sessions, and the patience it takes to get them.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use reqwest::{Method, Request, StatusCode};
use serde_json::Value;
use spectra_common::failure::{Exit, failure};
use tracing::warn;
use url::{Host, Url};

use super::secret::Known;

const RETRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
const LARGEST_BODY_BYTES: usize = 1 << 20;
const SHORTEST_SESSION_BYTES: usize = 8;
const LONGEST_QUOTE: usize = 200;

/// A token, or the cookies of a session.
pub(super) struct Got {
    pub(super) text: String,
    /// How long it is good, from `asked_at` on; none where nobody said.
    pub(super) lifetime: Option<Duration>,
    /// When it was asked for, since when it may have existed.
    pub(super) asked_at: Instant,
}

/// Asks for credentials.
pub(super) struct Exchange<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) known: &'a Known,
    pub(super) url: &'a Url,
    /// What the one who reads a refusal can check.
    pub(super) hint: String,
}

struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
    asked_at: Instant,
}

impl Exchange<'_> {
    /// OAuth2 client credentials; the client shows who it is with HTTP Basic.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] where the server refuses, [`Exit::ApiUnavailable`] where it gives no usable answer.
    pub(super) async fn client_credentials(&self, client: HeaderValue, scope: Option<&str>) -> Result<Got> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .extend_pairs(scope.map(|scope| ("scope", scope)))
            .finish();
        let mut request = self.post("application/x-www-form-urlencoded", form.into_bytes());
        request.headers_mut().insert(AUTHORIZATION, client);
        let answer = self.ask(request).await?;
        let body = self.json(&answer)?;
        let kind = body.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(self.useless(&format!("a token of type `{}`, not `bearer`", self.quote(kind))));
        }
        let lifetime = body.get("expires_in").and_then(seconds);
        let text = self.token(&body, "access_token")?;
        Ok(Got { text, lifetime: lifetime.map(Duration::from_secs), asked_at: answer.asked_at })
    }

    /// Posts credentials as JSON, and finds the token in the answer.
    ///
    /// # Errors
    /// As [`Self::client_credentials`].
    pub(super) async fn exchange(&self, fields: &Value, token_at: &str, lifetime: Option<Duration>) -> Result<Got> {
        let answer = self.ask(self.post("application/json", fields.to_string().into_bytes())).await?;
        let is_page = |value: &HeaderValue| value.as_bytes().starts_with(b"text/html");
        let text = match self.json(&answer) {
            Ok(body) => self.token(&body, token_at)?,
            // A token alone need not be JSON; a web page is none.
            Err(_) if token_at == "." && !answer.headers.get(CONTENT_TYPE).is_some_and(is_page) => {
                self.token(&Value::from(String::from_utf8_lossy(&answer.body).trim()), ".")?
            }
            Err(error) => return Err(error),
        };
        Ok(Got { text, lifetime, asked_at: answer.asked_at })
    }

    /// Logs in, and keeps the cookies that came.
    ///
    /// # Errors
    /// As [`Self::client_credentials`].
    pub(super) async fn log_in(&self, user: HeaderValue) -> Result<Got> {
        let mut request = Request::new(Method::GET, self.url.clone());
        request.headers_mut().insert(AUTHORIZATION, user);
        let answer = self.ask(request).await?;
        let mut cookies: Vec<(String, String)> = Vec::new();
        for header in answer.headers.get_all(SET_COOKIE) {
            let Some((name, value)) = header.to_str().ok().and_then(cookie) else { continue };
            cookies.retain(|(known, _)| *known != name);
            cookies.extend(value.map(|value| (name, value)));
        }
        // A short one is a language or a flag, no session, and masking it would spoil what the API lists.
        for (_, value) in cookies.iter().filter(|(_, value)| value.len() >= SHORTEST_SESSION_BYTES) {
            self.known.learn(value);
        }
        if cookies.is_empty() {
            return Err(self.refused("an answer without a cookie"));
        }
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Got { text: pairs.join("; "), lifetime: None, asked_at: answer.asked_at })
    }

    fn post(&self, content_type: &'static str, body: Vec<u8>) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        *request.body_mut() = Some(body.into());
        request
    }

    async fn ask(&self, mut request: Request) -> Result<Answer> {
        *request.timeout_mut() = Some(LONGEST_ANSWER);
        let mut attempt = 0;
        loop {
            let one = request.try_clone().context("a request for a token cannot be sent twice")?;
            let (reason, asked_to_wait) = match self.once(one).await {
                Ok((status, answer)) if !is_passing(status) => return self.judge(status, answer),
                Ok((status, answer)) => (self.said(status, &answer.body), retry_after(&answer.headers)),
                Err(reason) => (reason, None),
            };
            attempt += 1;
            let doubled = FIRST_WAIT * (1 << (attempt - 1));
            let wait = asked_to_wait.unwrap_or_else(|| rand::random_range(Duration::ZERO..=doubled));
            if attempt > RETRIES || wait > LONGEST_WAIT {
                return Err(failure(
                    Exit::ApiUnavailable,
                    format!("asking {} for credentials: {reason} ({attempt} tries)", shown(self.url)),
                    "check that server; run again to go on where this run stopped",
                ));
            }
            warn!(attempt, wait_ms = wait.as_millis() as u64, "asking for credentials: {reason}: trying again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, request: Request) -> std::result::Result<(StatusCode, Answer), String> {
        let asked_at = Instant::now();
        let broken = |error: reqwest::Error| format!("no answer: {}", self.quote(&cause(&error)));
        let mut response = self.http.execute(request).await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LARGEST_BODY_BYTES {
                return Err(format!("{status} with more than {LARGEST_BODY_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, Answer { headers, body, asked_at }))
    }

    fn judge(&self, status: StatusCode, answer: Answer) -> Result<Answer> {
        if status.is_success() {
            return Ok(answer);
        }
        let target = answer.headers.get(LOCATION).and_then(|target| self.url.join(target.to_str().ok()?).ok());
        match target {
            Some(target) if status.is_redirection() => {
                Err(self.refused(&format!("{status}, a redirect to {}", self.quote(&shown(&target)))))
            }
            _ => Err(self.refused(&self.said(status, &answer.body))),
        }
    }

    fn refused(&self, answer: &str) -> anyhow::Error {
        let message = format!("asking {} for credentials: {answer}", shown(self.url));
        failure(Exit::NotAuthorised, message, self.hint.clone())
    }

    fn useless(&self, answer: &str) -> anyhow::Error {
        let message = format!("asking {} for credentials: the answer holds {answer}", shown(self.url));
        failure(Exit::ApiUnavailable, message, "check where the spec says that credentials come from")
    }

    fn json(&self, answer: &Answer) -> Result<Value> {
        serde_json::from_slice(&answer.body).map_err(|_| self.useless("no JSON"))
    }

    fn token(&self, body: &Value, path: &str) -> Result<String> {
        let found = if path == "." { Some(body) } else { path.split('.').try_fold(body, step) };
        let text = found.and_then(Value::as_str).unwrap_or_default().trim();
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(self.useless(&format!("no token at `{path}`")));
        }
        self.known.learn(text);
        Ok(text.to_owned())
    }

    /// The status and what the server said about it: what RFC 6749 has for that, or a message, never a page.
    fn said(&self, status: StatusCode, body: &[u8]) -> String {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let texts = ["error", "error_description", "message"].map(|field| body.get(field).and_then(Value::as_str));
        let said: Vec<&str> = texts.into_iter().flatten().take(2).collect();
        if said.is_empty() { status.to_string() } else { format!("{status}: {}", self.quote(&said.join(", "))) }
    }

    /// What somebody else wrote, without secrets, on one line, not too long.
    fn quote(&self, text: &str) -> String {
        // Masked before it is cut, or the beginning of a secret would stay.
        self.known.mask(text).chars().filter(|each| !each.is_control()).take(LONGEST_QUOTE).collect()
    }
}

/// Where credentials come from: a path below the server's root, or a URL that nobody on the way can read.
///
/// # Errors
/// [`Exit::Configuration`] for anything else.
pub(super) fn endpoint(text: &str, server: &Url) -> Result<Url> {
    let refuse = |reason: &str| {
        failure(
            Exit::Configuration,
            format!("the spec's token_url is not where credentials can be sent: {reason}"),
            "give a path below the server's root, or a URL that begins with https://",
        )
    };
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(refuse("it holds credentials")),
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => Ok(url),
        Ok(url) if url.scheme() == "http" => Err(refuse(&format!("{} would get them unencrypted", shown(&url)))),
        Ok(url) => Err(refuse(&format!("{}: is not http", url.scheme()))),
        Err(url::ParseError::RelativeUrlWithoutBase) => Ok(below(server, text)),
        Err(error) => Err(refuse(&error.to_string())),
    }
}

/// A path, perhaps with a query, below a URL.
pub(super) fn below(root: &Url, text: &str) -> Url {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let mut url = root.clone();
    url.set_path(&format!("{}/{}", root.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url.set_query(query);
    url
}

/// A URL for a message: what comes behind its path may be secret.
pub(super) fn shown(url: &Url) -> String {
    let path = url.path().split(';').next().unwrap_or_default();
    format!("{}{path}", url.origin().ascii_serialization())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// A number, or text that is one, as some servers write it.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)).or_else(|| value.as_str()?.parse().ok())
}

fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    }
}

/// The name and value of a `Set-Cookie`; no value for a cookie that is taken away.
fn cookie(header: &str) -> Option<(String, Option<String>)> {
    let mut parts = header.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let mut max_age = None;
    let mut expires = None;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "max-age" => max_age = value.trim().parse::<i64>().ok(),
            // Netscape wrote dashes between day, month and year.
            "expires" => expires = rfc2822::parse(&value.trim().replace('-', " ")).ok(),
            _ => {}
        }
    }
    let is_gone = match (max_age, expires) {
        (Some(seconds), _) => seconds <= 0,
        (None, Some(at)) => at.timestamp() <= Timestamp::now(),
        (None, None) => false,
    };
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_owned(), (!is_gone).then(|| value.trim().to_owned())))
}

/// Seconds or a date, as HTTP allows both.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// The innermost cause of a transport error, without the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { "timed out".to_owned() } else { cause.to_string().to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_only_go_where_nobody_listens() {
        let server = Url::parse("https://tenant.example/prefix").unwrap();
        let at = |text: &str| endpoint(text, &server).map(|url| url.to_string()).map_err(|error| error.to_string());
        assert_eq!(at("/oauth/token?a=b").unwrap(), "https://tenant.example/prefix/oauth/token?a=b");
        assert_eq!(at("oauth/token").unwrap(), "https://tenant.example/prefix/oauth/token");
        assert_eq!(at("//elsewhere.example/token").unwrap(), "https://tenant.example/prefix/elsewhere.example/token");
        assert_eq!(at("https://login.example/token").unwrap(), "https://login.example/token");
        assert_eq!(at("http://127.0.0.1:8080/token").unwrap(), "http://127.0.0.1:8080/token");
        for url in
            ["http://login.example/token", "ftp://login.example", "https://me:canary@login.example/", "https://["]
        {
            let error = at(url).unwrap_err();
            assert!(error.contains("token_url") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn cookies_are_kept_until_they_are_taken_away() {
        let kept = |header: &str| cookie(header).and_then(|(name, value)| Some(format!("{name}={}", value?)));
        assert_eq!(kept("JSESSIONID=a=b; Path=/; HttpOnly").as_deref(), Some("JSESSIONID=a=b"));
        assert_eq!(kept("A=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT").as_deref(), Some("A=1"));
        assert_eq!(cookie("A=1; max-age=0"), Some(("A".to_owned(), None)));
        assert_eq!(cookie("A=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT"), Some(("A".to_owned(), None)));
        assert_eq!(cookie("nonsense"), None);
    }

    #[test]
    fn lifetimes_are_numbers_or_say_so() {
        for (text, expected) in [("3600", Some(3_600)), ("\"3600\"", Some(3_600)), ("12.5", Some(12)), ("null", None)] {
            assert_eq!(seconds(&serde_json::from_str(text).unwrap()), expected, "{text}");
        }
    }
}
