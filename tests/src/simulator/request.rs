//! The query of a request, taken apart.

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

    /// A query of known parameters.
    pub fn of(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }
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

    /// The keys and values sent.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
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
}
