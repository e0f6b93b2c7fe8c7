//! One request, taken apart: path, query and credentials.

use axum::http::HeaderMap;

use super::quirks::Quirks;
use super::reply::Reply;

/// A query with its keys and values decoded, in the order sent.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Takes a query string apart.
    pub fn parse(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key), decode(value))
            })
            .collect();
        Self { pairs }
    }

    /// The first value of a key; an empty one counts as absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The first value of a key as a whole number; a value that is none is the server's conversion error.
    pub fn int(&self, key: &str, quirks: Quirks) -> Result<Option<i64>, Reply> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Reply::unconvertible(quirks, value)),
        }
    }

    /// A count of rows: a whole number that is not negative.
    pub fn count(&self, key: &str, quirks: Quirks) -> Result<Option<u64>, Reply> {
        match self.int(key, quirks)? {
            None => Ok(None),
            Some(number) => match u64::try_from(number) {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(Reply::unconvertible(quirks, &number.to_string())),
            },
        }
    }

    /// Whether a key says `true`.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// The keys sent.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(key, _)| key.as_str())
    }
}

/// Decodes percent signs and pluses; what is no valid text becomes the replacement character.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, bytes[at]) {
            (Some(byte), _) => {
                decoded.push(byte);
                at += 3;
                continue;
            }
            (None, b'+') => decoded.push(b' '),
            (None, byte) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Who may call the API.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The token of `Authorization: Bearer`.
    pub token: String,
    /// The user of `Authorization: Basic`, who also owns the token.
    pub user: String,
    /// That user's password.
    pub password: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { token: "simulator-token".to_owned(), user: "simulator".to_owned(), password: "simulator".to_owned() }
    }
}

impl Credentials {
    /// Whether the headers of a request carry them.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get("authorization").and_then(|value| value.to_str().ok()) else {
            return false;
        };
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim() == self.token,
            Some((scheme, text)) if scheme.eq_ignore_ascii_case("basic") => {
                text.trim() == base64(format!("{}:{}", self.user, self.password).as_bytes())
            }
            _ => false,
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let joined = group.iter().chain([0, 0].iter()).take(3).fold(0u32, |sum, &byte| sum << 8 | u32::from(byte));
        for place in 0..4 {
            if place <= group.len() {
                let six = (joined >> (18 - 6 * place)) & 63;
                text.push(char::from(LETTERS[six as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("key=a%20b+c&empty=&twice=1&twice=2&odd=%zz%");
        assert_eq!(query.get("key"), Some("a b c"));
        assert_eq!(query.get("empty"), None);
        assert_eq!(query.get("twice"), Some("1"));
        assert_eq!(query.get("odd"), Some("%zz%"));
    }

    #[test]
    fn comma_lists_and_negative_counts_do_not_convert() {
        let query = Query::parse("ids=1,2&offset=-1&pagesize=x&good=7");
        let quirks = Quirks::default();
        assert_eq!(query.int("ids", quirks).unwrap_err().status, 404);
        assert_eq!(query.count("offset", quirks).unwrap_err().status, 404);
        assert_eq!(query.count("pagesize", quirks).unwrap_err().status, 404);
        assert_eq!(query.count("good", quirks).unwrap(), Some(7));
    }

    #[test]
    fn both_schemes_are_admitted() {
        let credentials = Credentials::default();
        let mut headers = HeaderMap::new();
        assert!(!credentials.admit(&headers));
        headers.insert("authorization", "Bearer simulator-token".parse().unwrap());
        assert!(credentials.admit(&headers));
        headers.insert("authorization", "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==".parse().unwrap());
        assert!(credentials.admit(&headers));
        headers.insert("authorization", "Bearer other".parse().unwrap());
        assert!(!credentials.admit(&headers));
    }
}
