//! The parts of a spec, as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::policy::Rule;

/// A way to show who we are. Fields that end in `_variable` name the environment variable that holds a secret, or,
/// with `_FILE` appended, the path of a file that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Bearer` with a token.
    Bearer {
        /// The token.
        token_variable: String,
    },
    /// `Authorization: Basic` with a user and a password.
    Basic {
        /// The user.
        user_variable: String,
        /// The password.
        password_variable: String,
    },
    /// A session: one request with Basic, then the cookies it answered, and again when they are no longer accepted.
    Cookie {
        /// Path of the request that logs in, below the base path.
        login_path: String,
        /// The user.
        user_variable: String,
        /// The password.
        password_variable: String,
    },
    /// A key in a header or in the query; exactly one of the two is named.
    ApiKey {
        /// The header.
        #[serde(default)]
        header: Option<String>,
        /// The query parameter.
        #[serde(default)]
        query: Option<String>,
        /// The key.
        key_variable: String,
    },
    /// OAuth2 client credentials, with a new token before the old one expires.
    Oauth2 {
        /// Where tokens come from: a path below the server's root, or a whole URL.
        token_url: String,
        /// The client's id.
        client_id_variable: String,
        /// The client's secret.
        client_secret_variable: String,
        /// Scope asked for.
        #[serde(default)]
        scope: Option<String>,
    },
    /// Credentials sent once as JSON, answered with a token.
    TokenExchange {
        /// Where tokens come from: a path below the server's root, or a whole URL.
        token_url: String,
        /// Field of the body by variable that fills it.
        body_variables: BTreeMap<String, String>,
        /// Path of the token in the answer; `.` where the answer is the token.
        token_at: String,
        /// Seconds a token lives; until it is refused, if not given.
        #[serde(default)]
        lifetime_seconds: Option<u64>,
    },
    /// `Authorization: JWT` with a token signed for each request (HS256 over method, path and query).
    SignedJwt {
        /// Header that takes the access key.
        access_key_header: String,
        /// The access key, which is also the token's issuer.
        access_key_variable: String,
        /// The key that signs.
        secret_key_variable: String,
        /// The token's subject.
        #[serde(default)]
        subject_variable: Option<String>,
        /// Seconds a token lives.
        #[serde(default = "one_hour")]
        lifetime_seconds: u64,
    },
}

fn one_hour() -> u64 {
    3_600
}

/// Limits of one exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Longest time to connect.
    pub connect_timeout_ms: u64,
    /// Longest time between two pieces of an answer.
    pub read_timeout_ms: u64,
    /// Largest body accepted.
    pub largest_body_bytes: u64,
    /// Largest record accepted, of an answer or a file, and largest field an answer tells of its listing.
    pub largest_record_bytes: u64,
    /// Content types accepted, without parameters; an answer that names none is accepted.
    pub content_types: Vec<String>,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 30_000,
            read_timeout_ms: 120_000,
            largest_body_bytes: 256 << 20,
            largest_record_bytes: 32 << 20,
            content_types: vec!["application/json".to_owned()],
            headers: BTreeMap::new(),
        }
    }
}

/// How patiently things are tried again: waits double from the first to the longest, with full jitter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Tries of a request in all.
    pub tries: u32,
    /// Walks of a slice in all, where rows move while it is listed.
    pub walks: u32,
    /// Upper bound of the first wait.
    pub first_wait_ms: u64,
    /// Upper bound of any wait.
    pub longest_wait_ms: u64,
    /// Longest wait a server may ask for.
    pub longest_retry_after_ms: u64,
    /// Requests in a row that may fail after all their tries before the server is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone; then one probe decides.
    pub breaker_wait_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 5,
            walks: 3,
            first_wait_ms: 500,
            longest_wait_ms: 30_000,
            longest_retry_after_ms: 120_000,
            breaker_failures: 5,
            breaker_wait_ms: 30_000,
        }
    }
}

/// How often the API may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per minute.
    pub per_minute: u32,
    /// Requests that may be sent at once after a pause.
    #[serde(default = "one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

/// When a walk is too full of holes to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Most slices that may have failed, of a hundred walked.
    pub failed_percent: u32,
    /// Failed slices that are always accepted, however few were walked.
    pub failed_least: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self { failed_percent: 20, failed_least: 5 }
    }
}

/// Where a pager's parameters go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The query of the URL.
    #[default]
    Query,
    /// The JSON body of a POST; names are paths in it.
    Body,
}

/// When a listing ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// At a page with fewer rows than asked for.
    ShortPage,
    /// At a page without rows.
    EmptyPage,
    /// When as many rows came as `total` declares; an answer without a total is an error.
    Total,
    /// When a field of the answer is true; an answer without it is an error.
    Flag(String),
    /// When a field of the answer is false; an answer without it is an error.
    FlagFalse(String),
}

/// A way to get a listing page by page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pager {
    /// How the next page is asked for.
    pub kind: PagerKind,
    /// Parameter that says where the page begins. `offset`: row from 0; `page`: number; `cursor`: what the last
    /// answer said; `keyset`: the last record's key. None for `next`.
    #[serde(default)]
    pub parameter: Option<String>,
    /// `page`: number of the first page, 0 or 1. `cursor` and `keyset`: what the first request says, if anything.
    #[serde(default)]
    pub first: Option<toml::Value>,
    /// Parameter of the rows wanted.
    #[serde(default)]
    pub size: Option<String>,
    /// Rows asked for unless `--page-size` says otherwise.
    #[serde(default = "one_hundred")]
    pub default_size: usize,
    /// Most rows the server gives, whatever is asked for.
    #[serde(default)]
    pub largest_size: Option<usize>,
    /// Where the parameters go.
    #[serde(default)]
    pub place: Place,
    /// When the listing ends; the kinds `next` and `cursor` end where the answer names no next page.
    #[serde(default)]
    pub stop: Vec<Stop>,
    /// `next`: path of the next page's URL in the body, or `link-header`. `cursor`: path of the cursor in the body.
    #[serde(default)]
    pub next_at: Option<String>,
    /// `keyset`: field of a record whose value in the last one begins the next page.
    #[serde(default)]
    pub field: Option<String>,
    /// `offset`: rows of a page that are asked for again with the next, to see that nothing moved between the two.
    #[serde(default)]
    pub overlap: usize,
    /// Path in the body of what repeats the offset or page number.
    #[serde(default)]
    pub echo: Option<String>,
    /// Path in the body of what repeats the page size; a server may have lowered it.
    #[serde(default)]
    pub size_echo: Option<String>,
    /// Path in the body of the rows of the whole listing; checked against what came.
    #[serde(default)]
    pub total: Option<String>,
    /// Whether a total of 0 may mean that the server does not know.
    #[serde(default)]
    pub zero_total_is_unknown: bool,
}

fn one_hundred() -> usize {
    100
}

/// How the next page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PagerKind {
    /// By the number of rows before it.
    Offset,
    /// By its number.
    Page,
    /// By the URL the last answer gave.
    Next,
    /// By a text the last answer gave.
    Cursor,
    /// By the key of the last record.
    Keyset,
}

/// How to see that nothing below a record changes any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Field with the instant it ended: epoch milliseconds, or text as RFC 3339 or YYYY-MM-DD.
    pub field: String,
    /// Days after that in which it still counts as open.
    #[serde(default = "thirty")]
    pub after_days: u32,
}

fn thirty() -> u32 {
    30
}

/// A filter of the server for what changed since the last walk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedSince {
    /// Query parameter that takes the instant.
    pub parameter: String,
    /// How the instant is written: `rfc3339`, `date` or `epoch-ms`.
    pub format: String,
    /// Seconds before the last walk that are asked for again: clocks differ and indexes lag.
    pub overlap_seconds: u64,
    /// Days after which the whole slice is walked again, because such a filter never says what is gone.
    pub full_every_days: u32,
}

/// One kind of thing the API lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its name in the spec.
    pub name: String,
    /// Table it lands in; none for a resource inside another.
    #[serde(default)]
    pub table: Option<String>,
    /// Resource whose records it is asked for, one by one.
    #[serde(default)]
    pub parent: Option<String>,
    /// Values it is asked for one by one, where no record leads to it, by the name they have in slice keys.
    #[serde(default)]
    pub each: BTreeMap<String, Vec<String>>,
    /// Base path of its own.
    #[serde(default)]
    pub base_path: Option<String>,
    /// Path below the base path, with `{ancestor}` for an ancestor's id.
    #[serde(default)]
    pub path: Option<String>,
    /// Files it is read from instead: a path or a pattern with `*` below `--api-url`, with `{ancestor}` likewise.
    #[serde(default)]
    pub files: Option<String>,
    /// GET, or POST where reading needs a body.
    #[serde(default = "get")]
    pub method: String,
    /// Query parameters, likewise.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// JSON body of a POST, likewise.
    #[serde(default)]
    pub body: Option<toml::Table>,
    /// Array in the parent's records that holds this resource's.
    #[serde(default)]
    pub inside: Option<String>,
    /// Array in its own records that holds more records of its kind, at any depth: each is a parent like the others.
    #[serde(default)]
    pub nested: Option<String>,
    /// Where the body holds the records: a path such as `results` or `0.results`; `.` for one record that is the
    /// body; without it the body is an array.
    #[serde(default)]
    pub records: Option<String>,
    /// Field that identifies a record, or a text with `{ancestor}` where records have no id of their own.
    pub record_id: String,
    /// Name its id has in slice keys and templates; only a parent needs one.
    #[serde(default)]
    pub key: Option<String>,
    /// Fields of a record that must equal an ancestor's id.
    #[serde(default)]
    pub owner: BTreeMap<String, String>,
    /// Name of its pager; without one, one response is the whole listing.
    #[serde(default)]
    pub pager: Option<String>,
    /// Paths of arrays whose order means nothing.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// Field of the parent's record that says how many rows there are: where it is 0, nothing is asked.
    #[serde(default)]
    pub count_in_parent: Option<String>,
    /// Field of the parent's record that changes whenever this listing does: where it is as it was, nothing is asked.
    #[serde(default)]
    pub version_in_parent: Option<String>,
    /// How to see that nothing below one of its records changes any more.
    #[serde(default)]
    pub closed: Option<Closed>,
    /// A filter of the server for what changed.
    #[serde(default)]
    pub changed_since: Option<ChangedSince>,
    /// What to do about what goes wrong, before the spec's own rules.
    #[serde(default)]
    pub on: Vec<Rule>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Resource {
    /// Whether its records are identified by its ancestors.
    pub fn has_constructed_id(&self) -> bool {
        self.record_id.contains('{')
    }
}
