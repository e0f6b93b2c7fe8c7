//! Who may call the API, in each of the ways test-management servers ask for credentials.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::noise::mix;
use super::reply::{Content, Reply};
use super::request::Query;
use super::signature;

/// The name of the session cookie.
const SESSION_COOKIE: &str = "JSESSIONID";

/// One way to prove who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// `Authorization: Bearer` with a token that was given out by hand.
    Bearer,
    /// `Authorization: Basic` on every call.
    Basic,
    /// `Authorization: Basic` once, on `GET /user/current`, and a session cookie from then on.
    Cookie,
    /// A key in the header `X-Api-Key`.
    ApiKeyHeader,
    /// A key in the query parameter `apiKey`.
    ApiKeyQuery,
    /// A token from `POST /oauth/token`, grant `client_credentials`.
    Oauth2,
    /// A token from `POST /authenticate`, which answers it as a quoted JSON string.
    TokenExchange,
    /// `Authorization: JWT`, signed anew for every call.
    Jwt,
}

/// Every way by its name on the command line.
pub const AUTH_KINDS: &[(&str, AuthKind)] = &[
    ("bearer", AuthKind::Bearer),
    ("basic", AuthKind::Basic),
    ("cookie", AuthKind::Cookie),
    ("api-key-header", AuthKind::ApiKeyHeader),
    ("api-key-query", AuthKind::ApiKeyQuery),
    ("oauth2", AuthKind::Oauth2),
    ("token-exchange", AuthKind::TokenExchange),
    ("jwt", AuthKind::Jwt),
];

impl FromStr for AuthKind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match AUTH_KINDS.iter().find(|(name, _)| *name == text) {
            Some(&(_, kind)) => Ok(kind),
            None => {
                let names: Vec<_> = AUTH_KINDS.iter().map(|(name, _)| *name).collect();
                bail!("unknown kind of authentication `{text}`\nhint: one of {}", names.join(", "))
            }
        }
    }
}

/// What callers prove themselves with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The token of `Authorization: Bearer`.
    pub token: String,
    /// The user of `Authorization: Basic`, who also owns the token.
    pub user: String,
    /// That user's password.
    pub password: String,
    /// The key of `X-Api-Key` and `apiKey`.
    pub api_key: String,
    /// The client of `POST /oauth/token` and `POST /authenticate`.
    pub client_id: String,
    /// That client's secret.
    pub client_secret: String,
    /// The issuer of signed tokens, sent in `zapiAccessKey` as well.
    pub access_key: String,
    /// The key tokens are signed with.
    pub signing_key: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            token: "simulator-token".to_owned(),
            user: "simulator".to_owned(),
            password: "simulator".to_owned(),
            api_key: "simulator-api-key".to_owned(),
            client_id: "simulator-client".to_owned(),
            client_secret: "simulator-client-secret".to_owned(),
            access_key: "simulator-access-key".to_owned(),
            signing_key: "simulator-signing-key".to_owned(),
        }
    }
}

/// Which ways are open, and how long what they give out lasts.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The ways that are open; bearer and basic when none is named.
    pub kinds: Vec<AuthKind>,
    /// After how many calls a session or a token given out ends; never, unless given.
    pub session_requests: Option<u64>,
    /// After how many seconds a token given out ends, which `expires_in` announces.
    pub token_s: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { kinds: Vec::new(), session_requests: None, token_s: 3_600 }
    }
}

/// What became of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// No or wrong credentials.
    Refused,
    /// May pass.
    Admitted,
    /// May pass and gets a session, whose cookie this is.
    LoggedIn(String),
}

/// A session or a token that was given out.
struct Pass {
    kind: AuthKind,
    calls_left: Option<u64>,
    ends: Instant,
}

#[derive(Default)]
struct GateState {
    token: String,
    passes: HashMap<String, Pass>,
    given_out: u64,
}

/// Lets callers in.
pub struct Gate {
    credentials: Credentials,
    config: AuthConfig,
    state: Mutex<GateState>,
}

impl Gate {
    /// A gate with nobody logged in.
    pub fn new(credentials: &Credentials, config: &AuthConfig) -> Self {
        let mut config = config.clone();
        if config.kinds.is_empty() {
            config.kinds = vec![AuthKind::Bearer, AuthKind::Basic];
        }
        let state = GateState { token: credentials.token.clone(), ..GateState::default() };
        Self { credentials: credentials.clone(), config, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, kind: AuthKind) -> bool {
        self.config.kinds.contains(&kind)
    }

    /// Ends every session and every token given out.
    pub fn expire(&self) {
        self.state().passes.clear();
    }

    /// Admits another bearer token instead of the one before.
    pub fn rotate(&self, token: &str) {
        token.clone_into(&mut self.state().token);
    }

    /// How many sessions and tokens were given out.
    pub fn given_out(&self) -> u64 {
        self.state().given_out
    }

    fn give_out(&self, kind: AuthKind) -> String {
        let mut state = self.state();
        state.given_out += 1;
        let name = format!("{:016x}{:016x}", mix(state.given_out), mix(!state.given_out));
        let pass = Pass {
            kind,
            calls_left: self.config.session_requests,
            ends: Instant::now()
                + Duration::from_secs(if kind == AuthKind::Cookie { 86_400 } else { self.config.token_s }),
        };
        state.passes.insert(name.clone(), pass);
        name
    }

    /// Whether a session or token is still good; counts the call against it.
    fn use_pass(&self, name: &str, kinds: &[AuthKind]) -> bool {
        let mut state = self.state();
        let Some(pass) = state.passes.get_mut(name).filter(|pass| kinds.contains(&pass.kind)) else {
            return false;
        };
        if pass.calls_left == Some(0) || pass.ends <= Instant::now() {
            state.passes.remove(name);
            return false;
        }
        pass.calls_left = pass.calls_left.map(|calls| calls - 1);
        true
    }

    /// Decides about a call.
    pub fn admit(&self, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Admission {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let key = self.credentials.api_key.as_str();
        let has_key = self.is_open(AuthKind::ApiKeyHeader) && header("x-api-key") == Some(key)
            || self.is_open(AuthKind::ApiKeyQuery) && Query::parse(query).get("apiKey") == Some(key);
        if has_key || self.is_open(AuthKind::Cookie) && self.has_session(header("cookie").unwrap_or("")) {
            return Admission::Admitted;
        }
        let Some((scheme, proof)) = header("authorization").and_then(|value| value.split_once(' ')) else {
            return Admission::Refused;
        };
        let proof = proof.trim();
        let is_admitted = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                self.is_open(AuthKind::Bearer) && proof == self.state().token
                    || self.use_pass(proof, &[AuthKind::Oauth2, AuthKind::TokenExchange])
            }
            "basic" => {
                let is_known = proof == basic(&self.credentials.user, &self.credentials.password);
                if is_known
                    && self.is_open(AuthKind::Cookie)
                    && method == Method::GET
                    && path.ends_with("/user/current")
                {
                    let session = self.give_out(AuthKind::Cookie);
                    return Admission::LoggedIn(format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly"));
                }
                is_known && (self.is_open(AuthKind::Basic) || self.is_open(AuthKind::Cookie))
            }
            "jwt" => {
                self.is_open(AuthKind::Jwt)
                    && header("zapiaccesskey") == Some(self.credentials.access_key.as_str())
                    && signature::is_valid(proof, &self.credentials, &signature::Call { method, path, query })
            }
            _ => false,
        };
        if is_admitted { Admission::Admitted } else { Admission::Refused }
    }

    fn has_session(&self, cookies: &str) -> bool {
        let session = cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value));
        session.is_some_and(|session| self.use_pass(session, &[AuthKind::Cookie]))
    }

    /// Answers a call for a token, if the path is one that gives them out.
    pub fn exchange(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Reply> {
        if self.is_open(AuthKind::Oauth2) && path.ends_with("/oauth/token") {
            return Some(if method == Method::POST { self.grant(headers, body) } else { Reply::wrong_verb() });
        }
        if self.is_open(AuthKind::TokenExchange) && path.ends_with("/authenticate") {
            return Some(if method == Method::POST { self.trade(body) } else { Reply::wrong_verb() });
        }
        None
    }

    fn grant(&self, headers: &HeaderMap, body: &[u8]) -> Reply {
        let form = Query::parse(&String::from_utf8_lossy(body));
        let refusal = |status, reason: &str| Reply::new(status, Content::Json, json!({ "error": reason }).to_string());
        let Credentials { client_id, client_secret, .. } = &self.credentials;
        let in_body = form.get("client_id") == Some(client_id) && form.get("client_secret") == Some(client_secret);
        let wanted = format!("Basic {}", basic(client_id, client_secret));
        let in_header = headers.get("authorization").is_some_and(|value| value.as_bytes() == wanted.as_bytes());
        if !in_body && !in_header {
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        if form.get("grant_type") != Some("client_credentials") {
            return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let token = self.give_out(AuthKind::Oauth2);
        let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": self.config.token_s });
        Reply::json(answer.to_string(), 0)
    }

    fn trade(&self, body: &[u8]) -> Reply {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let Credentials { client_id, client_secret, .. } = &self.credentials;
        if asked["client_id"] != client_id.as_str() || asked["client_secret"] != client_secret.as_str() {
            return Reply::error(StatusCode::UNAUTHORIZED, "invalid client credentials", "Unauthorized");
        }
        Reply::json(Value::from(self.give_out(AuthKind::TokenExchange)).to_string(), 0)
    }
}

fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/flex/services/rest/latest/user/current";

    fn gate(kinds: &[AuthKind], session_requests: Option<u64>) -> Gate {
        let config = AuthConfig { kinds: kinds.to_vec(), session_requests, ..AuthConfig::default() };
        Gate::new(&Credentials::default(), &config)
    }

    fn with(gate: &Gate, name: &'static str, value: &str) -> Admission {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        gate.admit(&Method::GET, PATH, "", &headers)
    }

    #[test]
    fn bearer_and_basic_are_open_unless_told_otherwise() {
        let gate = gate(&[], None);
        assert_eq!(gate.admit(&Method::GET, PATH, "", &HeaderMap::new()), Admission::Refused);
        assert_eq!(with(&gate, "authorization", "Bearer simulator-token"), Admission::Admitted);
        assert_eq!(with(&gate, "authorization", "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg=="), Admission::Admitted);
        assert_eq!(with(&gate, "authorization", "Bearer other"), Admission::Refused);
        assert_eq!(with(&gate, "x-api-key", "simulator-api-key"), Admission::Refused);
        gate.rotate("other");
        assert_eq!(with(&gate, "authorization", "Bearer other"), Admission::Admitted);
        assert_eq!(with(&gate, "authorization", "Bearer simulator-token"), Admission::Refused);
    }

    #[test]
    fn sessions_end_after_their_calls_and_on_demand() {
        let gate = gate(&[AuthKind::Cookie], Some(2));
        let log_in = || match with(&gate, "authorization", "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==") {
            Admission::LoggedIn(cookie) => cookie.split(';').next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        let cookie = log_in();
        let admissions: Vec<_> = (0..3).map(|_| with(&gate, "cookie", &format!("a=b; {cookie}"))).collect();
        assert_eq!(admissions, [Admission::Admitted, Admission::Admitted, Admission::Refused]);
        let cookie = log_in();
        gate.expire();
        assert_eq!(with(&gate, "cookie", &cookie), Admission::Refused);
        assert_eq!(gate.given_out(), 2);
    }

    #[test]
    fn keys_are_admitted_where_they_belong() {
        let header = gate(&[AuthKind::ApiKeyHeader], None);
        assert_eq!(with(&header, "x-api-key", "simulator-api-key"), Admission::Admitted);
        let query = gate(&[AuthKind::ApiKeyQuery], None);
        let admit = |text: &str| query.admit(&Method::GET, PATH, text, &HeaderMap::new());
        assert_eq!(admit("a=1&apiKey=simulator-api-key"), Admission::Admitted);
        assert_eq!(admit("apiKey=other"), Admission::Refused);
    }

    #[test]
    fn tokens_are_given_out_for_credentials_only() {
        let gate = gate(&[AuthKind::Oauth2, AuthKind::TokenExchange], Some(1));
        let ask =
            |path: &str, body: &str| gate.exchange(&Method::POST, path, &HeaderMap::new(), body.as_bytes()).unwrap();
        assert_eq!(ask("/oauth/token", "grant_type=client_credentials&client_id=x&client_secret=y").status, 401);
        let form = "client_id=simulator-client&client_secret=simulator-client-secret&grant_type=";
        assert_eq!(ask("/oauth/token", &format!("{form}password")).status, 400);
        let granted = ask("/oauth/token", &format!("{form}client_credentials"));
        let granted: Value = serde_json::from_slice(&granted.body).unwrap();
        let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
        assert_eq!(with(&gate, "authorization", &bearer), Admission::Admitted);
        assert_eq!(with(&gate, "authorization", &bearer), Admission::Refused);
        let body = r#"{"client_id":"simulator-client","client_secret":"simulator-client-secret"}"#;
        let traded: String = serde_json::from_slice(&ask("/authenticate", body).body).unwrap();
        assert_eq!(with(&gate, "authorization", &format!("Bearer {traded}")), Admission::Admitted);
        assert_eq!(ask("/authenticate", "{}").status, 401);
    }
}
