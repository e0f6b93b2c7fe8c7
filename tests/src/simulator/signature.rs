//! Tokens that are signed anew for every call: HS256 over claims that name the call.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::auth::Credentials;
use super::request::Query;
use super::routes::BASE;

/// How far ahead a caller's clock may be.
const CLOCK_SKEW_S: i64 = 60;
/// Tokens that last longer are refused.
const LONGEST_S: i64 = 3_600;
/// The size of the blocks the hash works on.
const BLOCK: usize = 64;

/// The call a token must have been signed for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The verb.
    pub method: &'a Method,
    /// The path as sent.
    pub path: &'a str,
    /// The query as sent.
    pub query: &'a str,
}

/// Whether a token was issued and signed by the holder of the keys, is in force, and is about this very call.
pub fn is_valid(token: &str, credentials: &Credentials, call: &Call) -> bool {
    check(token, credentials, call, now_s()).is_some()
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn check(token: &str, credentials: &Credentials, call: &Call, now_s: i64) -> Option<()> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let parsed = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = (parsed(header)?, parsed(claims)?);
    let holds = |condition: bool| condition.then_some(());
    holds(header["alg"] == "HS256")?;
    holds(signature == hmac(credentials.signing_key.as_bytes(), signed.as_bytes()))?;
    holds(claims["iss"] == credentials.access_key.as_str())?;
    let (issued_s, ends_s) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    holds(issued_s <= now_s + CLOCK_SKEW_S && now_s < ends_s && ends_s - issued_s <= LONGEST_S)?;
    let claimed = claims["qsh"].as_str()?;
    // some callers sign the path below the base, as the servers that know this scheme want it
    let below = call.path.strip_prefix(BASE.trim_end_matches('/')).unwrap_or(call.path);
    holds([call.path, below].into_iter().any(|path| claimed == query_hash(call.method, path, call.query)))
}

/// The hash of verb, path and query in hexadecimal digits: the query sorted by its names, decoded and encoded anew so that
/// it is the same however it was spelt, values of a repeated name joined by commas.
pub fn query_hash(method: &Method, path: &str, query: &str) -> String {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in Query::parse(query).pairs() {
        // a token in the query cannot be part of what it signs
        if name != "jwt" {
            parameters.entry(encode(name)).or_default().push(encode(value));
        }
    }
    let pairs: Vec<String> = parameters
        .into_iter()
        .map(|(name, mut values)| {
            values.sort();
            format!("{name}={}", values.join(","))
        })
        .collect();
    let path = path.trim_end_matches('/').replace('&', "%26");
    let digest = Sha256::digest(format!("{method}&{path}&{}", pairs.join("&")));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_767_600_000;
    const PATH: &str = "/flex/services/rest/latest/execution";

    fn token(algorithm: &str, claims: &Value, key: &str) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({ "alg": algorithm })), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac(key.as_bytes(), signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn is_admitted(token: &str, query: &str) -> bool {
        let call = Call { method: &Method::GET, path: PATH, query };
        check(token, &Credentials::default(), &call, NOW).is_some()
    }

    #[test]
    fn the_keyed_hash_is_the_published_one() {
        let hash = hmac(b"Jefe", b"what do ya want for nothing?");
        let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_query_counts_however_it_is_spelt() {
        let hash = |query: &str| query_hash(&Method::GET, PATH, query);
        assert_eq!(hash("b=x+y&a=2&a=1"), hash("a=1&a=2&b=x%20y&jwt=token"));
        assert_ne!(hash("a=1"), hash("a=2"));
        let known = query_hash(&Method::GET, "/path/to/service", "a=1&A=2&b=3&B=4");
        assert_eq!(known, "70282c7cf82834bd5a3d6dacda1b4ccd5cf5860a63a1fa2fb86b64d576e6a1d5");
    }

    #[test]
    fn a_token_is_good_for_its_call_and_its_time_only() {
        let claims = |path: &str| {
            let qsh = query_hash(&Method::GET, path, "a=1&b=2");
            json!({ "iss": "simulator-access-key", "iat": NOW, "exp": NOW + 180, "qsh": qsh })
        };
        let key = "simulator-signing-key";
        let good = claims(PATH);
        assert!(is_admitted(&token("HS256", &good, key), "b=2&a=1"));
        assert!(is_admitted(&token("HS256", &claims("/latest/execution"), key), "b=2&a=1"));
        assert!(!is_admitted(&token("HS256", &good, key), "b=2&a=3"));
        assert!(!is_admitted(&token("HS256", &good, "other"), "b=2&a=1"));
        assert!(!is_admitted(&token("none", &good, key), "b=2&a=1"));
        for (claim, value) in [("exp", json!(NOW)), ("iat", json!(NOW + 90)), ("iss", json!("other"))] {
            let mut bad = good.clone();
            bad[claim] = value;
            assert!(!is_admitted(&token("HS256", &bad, key), "b=2&a=1"), "{claim}");
        }
    }
}
