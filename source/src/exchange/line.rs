//! One try as one line of a recording.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::ser::{Error, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use url::Url;

use super::mask::Mask;
use crate::body::{Body, Spool};
use crate::client::{Ask, Heard};
use crate::spec::What;

/// Longer bodies are written as a list of pieces, so that neither side ever holds a whole one.
const PIECE: usize = 256 << 10;

/// Bodies that are read back are held up to this size.
const LARGEST_HELD: usize = 4 << 20;

/// What identifies a request: nothing secret, and not the server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub url: String,
    /// The JSON body of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Value>,
    /// Names of query parameters and body fields that held a secret.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
}

impl Request {
    /// The request as it may be kept, with its URL as `spell` writes it.
    pub fn of(ask: &Ask, url: &str, mask: &Mask) -> Self {
        let mut hidden = BTreeSet::new();
        let url = mask.url(url, &mut hidden);
        let mut sent = ask.body.clone();
        if let Some(body) = &mut sent {
            mask.value(body, &mut hidden);
        }
        Self { method: ask.method.to_string(), url, sent, hidden }
    }

    /// Equal for equal requests.
    pub fn key(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        let sent = self.sent.as_ref().map(Value::to_string).unwrap_or_default();
        for part in [&self.method, &self.url, &sent] {
            hasher.update(part.as_bytes()).update(&[0]);
        }
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        key
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.url)?;
        match &self.sent {
            Some(sent) => write!(formatter, " with {:.200}", sent.to_string()),
            None => Ok(()),
        }
    }
}

/// A URL below a root, without the root's part; whole where it lies elsewhere.
pub fn relative(url: &Url, root: &Url) -> String {
    let is_own = url.origin() == root.origin();
    match below(url, root) {
        Some(relative) if is_own => relative,
        _ => elsewhere(url),
    }
}

/// The part of a URL below the path of a root on whatever server.
pub fn below(url: &Url, root: &Url) -> Option<String> {
    let path = url.path().strip_prefix(root.path().trim_end_matches('/'))?;
    if !path.is_empty() && !path.starts_with('/') {
        return None;
    }
    Some(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// A URL without credentials and fragment.
pub fn elsewhere(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.into()
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    at: Timestamp,
    #[serde(flatten)]
    request: &'a Request,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Pieces<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<Pieces<'a>>,
}

/// Writes the line of a try.
///
/// # Errors
/// When the body cannot be read again or the line not be written.
pub fn write(request: &Request, heard: &Heard, mask: &Mask, mut to: impl Write) -> io::Result<()> {
    let mut line = Written {
        at: Timestamp::now(),
        request,
        status: None,
        content_type: None,
        link: None,
        retry_after_seconds: None,
        incident: None,
        reason: None,
        body: None,
        body_base64: None,
    };
    match heard {
        Heard::Answer { status, content_type, link, retry_after, body } => {
            line.status = Some(*status);
            line.content_type = content_type.as_deref().map(|text| mask.text(text));
            line.link = link.as_deref().map(|text| mask.text(text));
            line.retry_after_seconds = retry_after.map(|wait| wait.as_secs_f64());
            if is_text(body)? {
                line.body = Some(Pieces { body, mask, is_text: true });
            } else {
                line.body_base64 = Some(Pieces { body, mask, is_text: false });
            }
        }
        Heard::Nothing { incident, reason } => {
            line.incident = Some(incident.to_string());
            line.reason = Some(mask.text(reason));
        }
    }
    serde_json::to_writer(&mut to, &line)?;
    to.write_all(b"\n")
}

fn is_text(body: &Body) -> io::Result<bool> {
    if let Body::Memory(bytes) = body {
        return Ok(std::str::from_utf8(bytes).is_ok());
    }
    let mut reader = body.reader()?;
    let mut held = Vec::with_capacity(PIECE);
    loop {
        reader.by_ref().take((PIECE - held.len()) as u64).read_to_end(&mut held)?;
        let is_end = held.len() < PIECE;
        match std::str::from_utf8(&held) {
            Ok(_) => held.clear(),
            Err(error) if error.error_len().is_none() && !is_end => drop(held.drain(..error.valid_up_to())),
            Err(_) => return Ok(false),
        }
        if is_end {
            return Ok(true);
        }
    }
}

/// A body, masked while it is written.
struct Pieces<'a> {
    body: &'a Body,
    mask: &'a Mask,
    is_text: bool,
}

impl Pieces<'_> {
    fn copy(&self, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.mask.copy(self.body.reader()?, to)
    }

    /// As much of `held` as is whole text.
    fn spell(&self, held: &mut Vec<u8>) -> io::Result<String> {
        if !self.is_text {
            let text = STANDARD.encode(&held);
            held.clear();
            return Ok(text);
        }
        let whole = match std::str::from_utf8(held) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => held.len(),
        };
        let behind = held.split_off(whole);
        String::from_utf8(std::mem::replace(held, behind)).map_err(io::Error::other)
    }
}

impl Serialize for Pieces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut held = Vec::new();
        if self.body.len() <= PIECE as u64 {
            self.copy(&mut |part| {
                held.extend_from_slice(part);
                Ok(())
            })
            .map_err(S::Error::custom)?;
            return serializer.serialize_str(&self.spell(&mut held).map_err(S::Error::custom)?);
        }
        let list = RefCell::new(serializer.serialize_seq(None)?);
        let write = |held: &mut Vec<u8>| {
            let text = self.spell(held)?;
            list.borrow_mut().serialize_element(&text).map_err(|error| io::Error::other(error.to_string()))
        };
        self.copy(&mut |part| {
            for part in part.chunks(PIECE) {
                held.extend_from_slice(part);
                if held.len() >= PIECE {
                    write(&mut held)?;
                }
            }
            Ok(())
        })
        .map_err(S::Error::custom)?;
        write(&mut held).map_err(S::Error::custom)?;
        list.into_inner().end()
    }
}

/// A line as it is read back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    status: Option<u16>,
    content_type: Option<String>,
    link: Option<String>,
    retry_after_seconds: Option<f64>,
    incident: Option<What>,
    reason: Option<String>,
    #[serde(default, deserialize_with = "text_body")]
    body: Option<Body>,
    #[serde(default, deserialize_with = "base64_body")]
    body_base64: Option<Body>,
}

/// What a line says was heard.
///
/// # Errors
/// When it is not a line of a recording.
pub fn heard(from: impl Read) -> io::Result<Heard> {
    let line: Kept = parse(from)?;
    match (line.status, line.incident) {
        (Some(status), _) => Ok(Heard::Answer {
            status,
            content_type: line.content_type,
            link: line.link,
            retry_after: line.retry_after_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            body: line.body.or(line.body_base64).unwrap_or(Body::Memory(Vec::new())),
        }),
        (None, Some(What::One(incident))) => Ok(Heard::Nothing { incident, reason: line.reason.unwrap_or_default() }),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it has neither a `status` nor an `incident`")),
    }
}

/// Reads a line to its end, and takes of it what `T` wants.
///
/// # Errors
/// `UnexpectedEof` where the line ends before its compression does, `InvalidData` where it is not what it should be.
pub fn parse<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    // Text in one piece is read several times as fast as a stream.
    let mut held = Vec::new();
    from.by_ref().take(LARGEST_HELD as u64).read_to_end(&mut held)?;
    let parsed = if held.len() < LARGEST_HELD {
        serde_json::from_slice(&held)
    } else {
        serde_json::from_reader(BufReader::with_capacity(PIECE, held.as_slice().chain(from)))
    };
    parsed.map_err(|error| match error.io_error_kind() {
        Some(_) => error.into(),
        None => io::Error::new(io::ErrorKind::InvalidData, error),
    })
}

fn text_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Body>, D::Error> {
    deserializer.deserialize_any(Spooled { is_text: true }).map(Some)
}

fn base64_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Body>, D::Error> {
    deserializer.deserialize_any(Spooled { is_text: false }).map(Some)
}

struct Spooled {
    is_text: bool,
}

impl Spooled {
    fn push<E: de::Error>(&self, spool: &mut Spool, piece: &str) -> Result<(), E> {
        if self.is_text {
            return spool.push(piece.as_bytes()).map_err(E::custom);
        }
        let bytes = STANDARD.decode(piece).map_err(E::custom)?;
        spool.push(&bytes).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Spooled {
    type Value = Body;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a text or a list of pieces of one")
    }

    fn visit_str<E: de::Error>(self, piece: &str) -> Result<Body, E> {
        let mut spool = Spool::new(LARGEST_HELD, Some(piece.len() as u64));
        self.push(&mut spool, piece)?;
        spool.finish().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Body, A::Error> {
        let mut spool = Spool::new(LARGEST_HELD, None);
        while let Some(piece) = pieces.next_element::<String>()? {
            self.push(&mut spool, &piece)?;
        }
        spool.finish().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use tempfile::NamedTempFile;

    use super::*;

    fn there_and_back(body: Body) -> (String, Vec<u8>) {
        let ask = Ask { method: Method::GET, url: "https://h/x".parse().unwrap(), body: None };
        let request = Request::of(&ask, "/x", &Mask::default());
        let retry_after = Some(Duration::from_millis(1_500));
        let heard = Heard::Answer { status: 200, content_type: None, link: None, retry_after, body };
        let mut text = Vec::new();
        write(&request, &heard, &Mask::default(), &mut text).unwrap();
        let Heard::Answer { body, retry_after, .. } = super::heard(text.as_slice()).unwrap() else {
            panic!("no answer")
        };
        assert_eq!(retry_after, Some(Duration::from_millis(1_500)));
        let mut bytes = Vec::new();
        body.reader().unwrap().read_to_end(&mut bytes).unwrap();
        (String::from_utf8(text).unwrap(), bytes)
    }

    #[test]
    fn bodies_come_back_bit_for_bit_whatever_they_are() {
        let umlauts = format!("x{}", "ü\"\\\n\u{0}".repeat(1 << 17)).into_bytes();
        let noise: Vec<u8> = (0..=255).cycle().take(PIECE * 2 + 11).collect();
        let cut = "ü".as_bytes()[..1].to_vec();
        for bytes in [Vec::new(), b"{ \"a\" : 1.50 }\r\n".to_vec(), umlauts, noise, cut] {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            for body in [Body::Memory(bytes.clone()), Body::File(file)] {
                let (line, back) = there_and_back(body);
                assert_eq!(line.lines().count(), 1);
                assert!(back == bytes, "{} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn urls_are_told_apart_by_what_lies_below_the_root() {
        let root: Url = "https://h/jira/rest".parse().unwrap();
        for (url, expected) in [
            ("https://h/jira/rest/cycle?id=1#x", "/cycle?id=1"),
            ("https://h/jira/rest", ""),
            ("https://h/jira/restful", "https://h/jira/restful"),
            ("https://me:secret@other/jira/rest/cycle", "https://other/jira/rest/cycle"),
        ] {
            assert_eq!(relative(&url.parse().unwrap(), &root), expected);
        }
    }
}
