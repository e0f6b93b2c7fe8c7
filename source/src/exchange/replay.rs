//! A recording, heard again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use flate2::bufread::GzDecoder;
use spectra_common::failure::{Exit, failure};
use tracing::warn;
use url::Url;

use super::line::{self, Request};
use super::mask::Mask;
use super::{ABOUT, About, EXCHANGES, FORMAT};
use crate::client::{Ask, Heard};

/// One try in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Try {
    key: [u8; 16],
    offset: u64,
    is_heard: bool,
}

/// Answers requests from a recording.
pub struct Replay {
    api: Url,
    root: Url,
    path: PathBuf,
    mask: Mask,
    hiding: Mask,
    /// By key, then in the order recorded: 32 bytes each, whatever was said.
    tries: Mutex<Vec<Try>>,
}

impl Replay {
    /// Opens the recording in a folder. An exchange at its end that is not whole is left out, with a warning.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] where there is no recording, [`Exit::Configuration`] for one of another format,
    /// [`Exit::DataRefused`] for one that is damaged elsewhere than at its end.
    pub fn open(folder: &Path) -> Result<Self> {
        let missing = |error: std::io::Error| {
            failure(
                Exit::InputMissing,
                format!("opening the recording in {}: {error}", folder.display()),
                "give --replay a folder that a run with --record has written",
            )
        };
        let about = std::fs::read(folder.join(ABOUT)).map_err(missing)?;
        let path = folder.join(EXCHANGES);
        let file = File::open(&path).map_err(missing)?;
        let (about, api) = understand(&about).map_err(|reason| {
            failure(
                Exit::Configuration,
                format!("opening the recording in {}: {ABOUT} {reason}", folder.display()),
                "replay it with the build that recorded it, or record again",
            )
        })?;
        let (tries, hidden) = index(file, &path)?;
        let mask = Mask::of_fields(&about.masked_fields);
        let hiding = mask.with_hidden(&hidden);
        Ok(Self { root: api.clone(), api, path, mask, hiding, tries: Mutex::new(tries) })
    }

    /// Answers requests below this root, where the path before the API's own is not the one it was recorded with.
    pub fn at(self, root: Url) -> Self {
        Self { root, ..self }
    }

    /// The URL it was recorded from, without credentials.
    pub fn api(&self) -> &str {
        self.api.as_str()
    }

    /// The next recorded try of the same request, in the order recorded. After the last one it is heard again, if it
    /// was an answer: a slice that is walked again asks again.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] naming a request that was never recorded, or not that often;
    /// [`Exit::DataRefused`] where the recording is damaged.
    pub fn hear(&self, ask: &Ask) -> Result<Heard> {
        let relative = line::below(&ask.url, &self.root).or_else(|| line::below(&ask.url, &self.api));
        let spellings: Vec<String> = relative.into_iter().chain([line::elsewhere(&ask.url)]).collect();
        for spelling in &spellings {
            // What was a secret when it was recorded may be any text now, and is no text at all where it comes from
            // the recording itself.
            for mask in [&self.mask, &self.hiding] {
                let request = Request::of(ask, spelling, mask);
                if let Some((offset, is_again)) = self.next(request.key()) {
                    let heard = self.read(offset)?;
                    if is_again && matches!(heard, Heard::Nothing { .. }) {
                        return Err(self.missing(&request, "no further answer to"));
                    }
                    return Ok(heard);
                }
            }
        }
        let spelling = spellings.first().map(String::as_str).unwrap_or_default();
        Err(self.missing(&Request::of(ask, spelling, &self.hiding), "no answer to"))
    }

    /// Where the next try of a request is, and whether it was heard before.
    fn next(&self, key: [u8; 16]) -> Option<(u64, bool)> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let start = tries.partition_point(|each| each.key < key);
        let length = tries[start..].partition_point(|each| each.key == key);
        let own = &mut tries[start..start + length];
        let heard = own.partition_point(|each| each.is_heard);
        match own.get_mut(heard) {
            Some(next) => {
                next.is_heard = true;
                Some((next.offset, false))
            }
            None => own.last().map(|last| (last.offset, true)),
        }
    }

    fn read(&self, offset: u64) -> Result<Heard> {
        let reading = || format!("reading {}", self.path.display());
        let mut file = BufReader::with_capacity(64 << 10, File::open(&self.path).with_context(reading)?);
        file.seek(SeekFrom::Start(offset)).with_context(reading)?;
        line::heard(GzDecoder::new(file)).map_err(|error| damaged(&self.path, offset, &error))
    }

    fn missing(&self, request: &Request, what: &str) -> anyhow::Error {
        failure(
            Exit::InputMissing,
            format!("the recording {} has {what} {request}", self.path.display()),
            "replay with the --spec, --project and --page-size it was recorded with, or record again",
        )
    }
}

fn understand(text: &[u8]) -> std::result::Result<(About, Url), String> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let broken = |error: serde_json::Error| format!("cannot be read: {error}");
    let Format { format } = serde_json::from_slice(text).map_err(broken)?;
    if format != FORMAT {
        return Err(format!("says format {format}, and this build reads format {FORMAT}"));
    }
    let about: About = serde_json::from_slice(text).map_err(broken)?;
    let api = about.api.parse().map_err(|error| format!("names no API that could be asked: {error}"))?;
    Ok((about, api))
}

fn damaged(path: &Path, offset: u64, error: &std::io::Error) -> anyhow::Error {
    failure(
        Exit::DataRefused,
        format!("the recording {} is damaged in the exchange at byte {offset}: {error}", path.display()),
        "record again",
    )
}

/// Finds every try in the file, and the names under which secrets were sent.
fn index(file: File, path: &Path) -> Result<(Vec<Try>, BTreeSet<String>)> {
    let reading = || format!("reading {}", path.display());
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut tries = Vec::new();
    let mut hidden = BTreeSet::new();
    while !reader.fill_buf().with_context(reading)?.is_empty() {
        let offset = reader.stream_position().with_context(reading)?;
        match line::parse::<Request>(GzDecoder::new(&mut reader)) {
            Ok(request) => {
                tries.push(Try { key: request.key(), offset, is_heard: false });
                hidden.extend(request.hidden);
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                warn!(
                    "the recording {} ends within an exchange, at byte {offset}: it was cut off there, and that \
                     exchange is left out",
                    path.display()
                );
                break;
            }
            Err(error) => return Err(damaged(path, offset, &error)),
        }
    }
    tries.sort_unstable();
    tries.shrink_to_fit();
    Ok((tries, hidden))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use reqwest::Method;
    use serde_json::{Value, json};
    use spectra_common::failure::exit_of;

    use super::*;
    use crate::body::Body;
    use crate::exchange::Recorder;
    use crate::spec::Incident;

    const API: &str = "https://api.example/jira/rest";

    fn ask(url: &str, body: Option<Value>) -> Ask {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        Ask { method, url: url.parse().unwrap(), body }
    }

    fn get(path: &str) -> Ask {
        ask(&format!("{API}{path}"), None)
    }

    fn answer(status: u16, body: &str) -> Heard {
        let body = Body::Memory(body.as_bytes().to_vec());
        Heard::Answer { status, content_type: None, link: None, retry_after: None, body }
    }

    fn told(heard: Heard) -> String {
        match heard {
            Heard::Answer { status, body, .. } => {
                format!("{status} {}", std::io::read_to_string(body.reader().unwrap()).unwrap())
            }
            Heard::Nothing { incident, reason } => format!("{incident}: {reason}"),
        }
    }

    fn recorder(folder: &Path) -> Recorder {
        Recorder::create(folder, &["email".to_owned()], &API.parse().unwrap(), "").unwrap()
    }

    fn nothing() -> Heard {
        Heard::Nothing { incident: Incident::NoAnswer, reason: "refused".to_owned() }
    }

    #[test]
    fn tries_are_heard_in_their_order_and_the_last_answer_again() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let other = get("/cycle?id=2");
        let wanted = get("/cycle?id=1");
        for heard in [nothing(), answer(503, "later"), answer(429, ""), answer(200, "[ 1 ]")] {
            recorder.keep(&wanted, &heard, &[]).unwrap();
            recorder.keep(&other, &nothing(), &[]).unwrap();
        }
        let replay = Replay::open(folder.path()).unwrap();
        assert_eq!(replay.api(), API);
        let heard: Vec<String> = (0..6).map(|_| told(replay.hear(&wanted).unwrap())).collect();
        assert_eq!(heard, ["no-answer: refused", "503 later", "429 ", "200 [ 1 ]", "200 [ 1 ]", "200 [ 1 ]"]);
        for _ in 0..4 {
            assert_eq!(told(replay.hear(&other).unwrap()), "no-answer: refused");
        }
        let error = replay.hear(&other).err().unwrap();
        assert_eq!(exit_of(&error), Exit::InputMissing);
        assert!(error.to_string().ends_with("has no further answer to GET /cycle?id=2"), "{error}");
    }

    #[test]
    fn what_was_never_recorded_is_named() {
        let folder = tempfile::tempdir().unwrap();
        recorder(folder.path()).keep(&get("/cycle?id=1"), &answer(200, "[]"), &[]).unwrap();
        let replay = Replay::open(folder.path()).unwrap();
        for (other, name) in [
            (get("/cycle?id=3"), "GET /cycle?id=3"),
            (ask(&format!("{API}/cycle?id=1"), Some(json!({"a": 1}))), "POST /cycle?id=1 with {\"a\":1}"),
            (get("/cycle/?id=1"), "GET /cycle/?id=1"),
        ] {
            let error = replay.hear(&other).err().unwrap();
            assert_eq!(exit_of(&error), Exit::InputMissing);
            assert!(error.to_string().ends_with(&format!("has no answer to {name}")), "{error}");
        }
    }

    #[test]
    fn requests_are_known_on_any_server_with_any_secret() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let secrets = ["s3cret one".to_owned()];
        recorder.keep(&get("/x?key=s3cret+one&p=%20"), &answer(200, "query"), &secrets).unwrap();
        let login = |secret: &str| ask("https://login.example/t", Some(json!({"id": 1, "password": secret})));
        recorder.keep(&login("s3cret one"), &answer(200, "login"), &secrets).unwrap();
        let page = |from: u32| ask(&format!("{API}/search"), Some(json!({"from": from, "email": "a@b"})));
        recorder.keep(&page(0), &answer(200, "first"), &secrets).unwrap();
        recorder.keep(&page(100), &answer(200, "second"), &secrets).unwrap();
        let replay = Replay::open(folder.path()).unwrap();
        for url in [
            "https://api.example/jira/rest/x?key=another&p=%20",
            "http://localhost:8080/jira/rest/x?key=***&p=%20",
            "https://api.example/jira/rest/x?key=s3cret%20one&p=%20#fragment",
        ] {
            assert_eq!(told(replay.hear(&ask(url, None)).unwrap()), "200 query");
        }
        assert_eq!(told(replay.hear(&login("nothing")).unwrap()), "200 login");
        assert_eq!(told(replay.hear(&page(100)).unwrap()), "200 second");
        assert_eq!(told(replay.hear(&page(0)).unwrap()), "200 first");
        let replay = replay.at("http://localhost/rest".parse().unwrap());
        assert_eq!(told(replay.hear(&ask("http://localhost/rest/x?key=&p=%20", None)).unwrap()), "200 query");
    }

    #[test]
    fn a_recording_that_was_cut_off_anywhere_is_whole_up_to_there() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let path = folder.path().join(EXCHANGES);
        let mut lengths = Vec::new();
        for id in 0..3 {
            recorder.keep(&get(&format!("/cycle?id={id}")), &answer(200, &format!("body {id}")), &[]).unwrap();
            lengths.push(fs::metadata(&path).unwrap().len());
        }
        drop(recorder);
        for length in (0..lengths[2]).rev() {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
            let whole = lengths.iter().filter(|end| **end <= length).count();
            let replay = Replay::open(folder.path()).unwrap();
            assert_eq!(replay.tries.lock().unwrap().len(), whole, "{length} of {lengths:?}");
            for id in 0..whole {
                assert_eq!(told(replay.hear(&get(&format!("/cycle?id={id}"))).unwrap()), format!("200 body {id}"));
            }
        }
    }

    #[test]
    fn damage_elsewhere_is_not_overlooked() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        recorder.keep(&get("/cycle?id=1"), &answer(200, "a body"), &[]).unwrap();
        recorder.keep(&get("/cycle?id=2"), &answer(200, "a body"), &[]).unwrap();
        let path = folder.path().join(EXCHANGES);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(exit_of(&Replay::open(folder.path()).err().unwrap()), Exit::DataRefused);
        fs::write(folder.path().join(ABOUT), r#"{"format": 9, "sealed": true}"#).unwrap();
        let error = Replay::open(folder.path()).err().unwrap();
        assert_eq!(exit_of(&error), Exit::Configuration);
        assert!(error.to_string().contains("says format 9"), "{error}");
        fs::remove_file(&path).unwrap();
        assert_eq!(exit_of(&Replay::open(folder.path()).err().unwrap()), Exit::InputMissing);
    }

    #[test]
    fn large_bodies_come_back_through_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut expected = String::from("[");
        for row in 0..150_000 {
            write!(file, "{}", if row == 0 { '[' } else { ',' }).unwrap();
            write!(file, r#"{{"id":{row},"email":"{row}@example","n":"ü"}}"#).unwrap();
            expected.push_str(&format!(r#"{{"id":{row},"email":"***","n":"ü"}},"#));
        }
        write!(file, "]").unwrap();
        expected.pop();
        expected.push(']');
        let body = Body::File(file);
        let heard = Heard::Answer { status: 200, content_type: None, link: None, retry_after: None, body };
        recorder.keep(&get("/all"), &heard, &[]).unwrap();
        let Heard::Answer { body, .. } = Replay::open(folder.path()).unwrap().hear(&get("/all")).unwrap() else {
            panic!("no answer")
        };
        assert!(matches!(body, Body::File(_)));
        assert!(std::io::read_to_string(body.reader().unwrap()).unwrap() == expected);
    }
}
