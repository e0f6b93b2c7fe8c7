//! A token for one request: HS256 over the request's method, path and query, as Atlassian Connect and Zephyr Squad want.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use ring::{digest, hmac};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::secret::Secret;

/// What signs requests.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) access_key_header: HeaderName,
    pub(super) access_key_value: HeaderValue,
    pub(super) access_key: Secret,
    pub(super) secret_key: Secret,
    pub(super) subject: Option<Secret>,
    pub(super) lifetime_seconds: u64,
}

impl Signer {
    /// The token of a request to a server whose root is `server`.
    pub(super) fn token(&self, method: &Method, url: &Url, server: &Url, now: Timestamp) -> Secret {
        let issued = now.as_second();
        let mut claims = json!({
            "iss": self.access_key.text(),
            "iat": issued,
            "exp": issued.saturating_add_unsigned(self.lifetime_seconds),
            "qsh": hex(digest::digest(&digest::SHA256, canonical(method, url, server).as_bytes()).as_ref()),
        });
        if let Some(subject) = &self.subject {
            claims["sub"] = subject.text().into();
        }
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret_key.text().as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        Secret::new(format!("{signed}.{signature}"))
    }
}

/// `METHOD&path&query`, the same however the request is spelt. The path begins behind the server's root, because
/// a proxy in front of the server may have added what comes before.
fn canonical(method: &Method, url: &Url, server: &Url) -> String {
    let root = server.path().trim_end_matches('/');
    let path = url.path().strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = path.unwrap_or(url.path()).trim_end_matches('/').replace('&', "%26");
    let path = if path.is_empty() { "/" } else { &path };
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(url.query().unwrap_or_default().as_bytes()) {
        // A token within the query cannot be part of what it signs.
        if name != "jwt" {
            values.entry(encode(&name)).or_default().push(encode(&value));
        }
    }
    let mut query = Vec::new();
    for (name, mut values) in values {
        values.sort();
        query.push(format!("{name}={}", values.join(",")));
    }
    format!("{method}&{path}&{}", query.join("&"))
}

/// Percent-encoding of RFC 3986: all but its unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, url: &str, server: &str) -> String {
        canonical(&method.parse().unwrap(), &Url::parse(url).unwrap(), &Url::parse(server).unwrap())
    }

    #[test]
    fn a_request_is_signed_the_same_however_it_is_spelt() {
        let server = "http://localhost:2990";
        let url = "http://localhost:2990/path/to/service?zee_last=param&repeated=parameter 2&first=param&repeated=parameter+1";
        let expected = "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param";
        assert_eq!(of("GET", url, server), expected);
        assert_eq!(of("GET", "http://localhost:2990/a/?q=*~é&jwt=x", server), "GET&/a&q=%2A~%C3%A9");
        assert_eq!(of("POST", "http://localhost:2990/a%20b/c&d", server), "POST&/a%20b/c%26d&");
        assert_eq!(of("GET", server, server), "GET&/&");
    }

    #[test]
    fn the_path_begins_behind_the_root() {
        let url = "https://squad.example/connect/public/rest/api/1.0/cycles?projectId=1";
        let expected = "GET&/public/rest/api/1.0/cycles&projectId=1";
        for server in ["https://squad.example/connect", "https://squad.example/connect/"] {
            assert_eq!(of("GET", url, server), expected);
        }
        assert_eq!(of("GET", "https://squad.example/connected", "https://squad.example/connect"), "GET&/connected&");
    }

    #[test]
    fn the_hash_is_the_one_others_publish() {
        // Known answer from the documentation of atlassian-connect-core (Haskell).
        let canonical = of("GET", "http://localhost:2990/path/to/service?a=1&A=2&b=3&B=4", "http://localhost:2990");
        let expected = "70282c7cf82834bd5a3d6dacda1b4ccd5cf5860a63a1fa2fb86b64d576e6a1d5";
        assert_eq!(hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref()), expected);
    }

    #[test]
    fn the_signature_is_the_one_others_make() {
        let signer = Signer {
            access_key_header: HeaderName::from_static("zapiaccesskey"),
            access_key_value: HeaderValue::from_static("access"),
            access_key: Secret::new("access"),
            secret_key: Secret::new("secret"),
            subject: Some(Secret::new("me")),
            lifetime_seconds: 60,
        };
        let server = Url::parse("https://squad.example").unwrap();
        let url = server.join("/a").unwrap();
        let token = signer.token(&Method::GET, &url, &server, Timestamp::from_second(100).unwrap());
        // Made with Python's hmac and json, keys sorted.
        assert_eq!(token.text().rsplit('.').next(), Some("AIf_6N0jJ6RTRx-BG3vdXRN3Q_BYdX7eKm6SbX7rLwM"));
    }
}
