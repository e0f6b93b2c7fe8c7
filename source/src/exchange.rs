//! What was said between us and an API, kept so that it can be heard again without the API.
//!
//! A recording is a folder: `recording.json` says what it is, `exchanges.ndjson.gz` holds one JSON line for each try of
//! a request, in the order they ended. Each line is a gzip member of its own, so that `zcat` reads them all and a
//! recording that was cut off is whole up to its last exchange.

mod line;
mod mask;
mod replay;
mod scan;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use spectra_common::failure::{Exit, failure};
use tempfile::SpooledTempFile;
use url::Url;

pub use replay::Replay;

use crate::client::{Ask, Heard};
use line::Request;
use mask::Mask;

const ABOUT: &str = "recording.json";
const EXCHANGES: &str = "exchanges.ndjson.gz";
const FORMAT: u32 = 1;

/// Compressed lines up to this size do not touch the disk before they are whole.
const LARGEST_HELD: usize = 4 << 20;

/// What a recording says about itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    format: u32,
    api: String,
    spec_hash: String,
    masked_fields: Vec<String>,
    started_at: Timestamp,
}

/// Keeps exchanges.
pub struct Recorder {
    api: Url,
    mask: Mask,
    path: PathBuf,
    sink: Mutex<Sink>,
}

struct Sink {
    file: File,
    /// Bytes of whole exchanges.
    length: u64,
}

impl Recorder {
    /// A new recording in a folder that is empty or does not exist, so that two recordings never mix.
    ///
    /// # Errors
    /// [`Exit::Configuration`] where there is something in the folder, or where it cannot be made.
    pub fn create(folder: &Path, masked_fields: &[String], api: &Url, spec_text_hash: &str) -> Result<Self> {
        let refuse = |reason: String| {
            let hint = "give --record a folder that does not exist yet";
            failure(Exit::Configuration, format!("recording to {}: {reason}", folder.display()), hint)
        };
        fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
        if fs::read_dir(folder).map_err(|error| refuse(error.to_string()))?.next().is_some() {
            return Err(refuse("the folder is not empty".to_owned()));
        }
        let mut api: Url = line::elsewhere(api).parse().context("writing the API's URL without credentials")?;
        api.set_query(None);
        let about = About {
            format: FORMAT,
            api: api.to_string(),
            spec_hash: spec_text_hash.to_owned(),
            masked_fields: masked_fields.to_vec(),
            started_at: Timestamp::now(),
        };
        let path = folder.join(EXCHANGES);
        // Of two runs that begin at once in the same folder, one finds this file.
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| refuse(error.to_string()))?;
        let text = serde_json::to_string_pretty(&about)? + "\n";
        fs::write(folder.join(ABOUT), text).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { api, mask: Mask::of_fields(masked_fields), path, sink: Mutex::new(Sink { file, length: 0 }) })
    }

    /// Keeps one try of a request, whatever came. `secrets` are taken out wherever they appear. Safe from several
    /// tasks; a killed run leaves a recording that is whole up to its last exchange.
    ///
    /// # Errors
    /// [`Exit::LakeUnavailable`] when the disk refuses it; the recording is then as it was before.
    pub fn keep(&self, ask: &Ask, heard: &Heard, secrets: &[String]) -> Result<()> {
        let mask = self.mask.with_secrets(secrets);
        let request = Request::of(ask, &line::relative(&ask.url, &self.api), &mask);
        self.append(&request, heard, &mask).with_context(|| format!("keeping an exchange in {}", self.path.display()))
    }

    fn append(&self, request: &Request, heard: &Heard, mask: &Mask) -> io::Result<()> {
        // Compressed before the file is claimed, so that tasks wait for each other only while bytes are copied.
        let mut member = SpooledTempFile::new(LARGEST_HELD);
        let mut writer = BufWriter::new(GzEncoder::new(&mut member, Compression::fast()));
        line::write(request, heard, mask, &mut writer)?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.flush()?;
        member.seek(SeekFrom::Start(0))?;
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        match io::copy(&mut member, &mut sink.file) {
            Ok(length) => {
                sink.length += length;
                Ok(())
            }
            Err(error) => {
                // A torn exchange is good only as the last: what follows would be lost with it.
                sink.file.set_len(sink.length)?;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flate2::read::MultiGzDecoder;
    use reqwest::Method;
    use serde_json::{Value, json};
    use spectra_common::failure::exit_of;

    use super::*;
    use crate::body::Body;
    use crate::spec::Incident;

    fn ask(url: &str, body: Option<Value>) -> Ask {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        Ask { method, url: url.parse().unwrap(), body }
    }

    fn answer(body: &str) -> Heard {
        let body = Body::Memory(body.as_bytes().to_vec());
        let link = Some("<https://api/rest/x?key=s3cret&p=2>; rel=\"next\"".to_owned());
        let retry_after = Some(Duration::from_secs(3));
        Heard::Answer { status: 200, content_type: Some("application/json".to_owned()), link, retry_after, body }
    }

    fn lines(folder: &Path) -> Vec<Value> {
        let reader = MultiGzDecoder::new(File::open(folder.join(EXCHANGES)).unwrap());
        let text = io::read_to_string(reader).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn nothing_secret_and_nothing_masked_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new/recording");
        let api: Url = "https://me:s3cret@api/rest?key=s3cret".parse().unwrap();
        let recorder = Recorder::create(&folder, &["email".to_owned()], &api, "abc").unwrap();
        let secrets = ["s3cret".to_owned(), String::new()];
        let body = r#"{"email":"a@b","echo":"Bearer s3cret","deep":[{"email":["x"]}],  "id":7}"#;
        recorder.keep(&ask("https://api/rest/x?key=s3cret&p=1", None), &answer(body), &secrets).unwrap();
        let login = json!({"user": "ann", "password": "s3cret", "email": "a@b"});
        let nothing = Heard::Nothing { incident: Incident::Timeout, reason: "s3cret timed out".to_owned() };
        recorder.keep(&ask("https://login/token", Some(login)), &nothing, &secrets).unwrap();
        let lines = lines(&folder);
        let about = fs::read_to_string(folder.join(ABOUT)).unwrap();
        let everything = format!("{about}{lines:?}");
        for forbidden in ["s3cret", "a@b", "\"x\"", "me:"] {
            assert!(!everything.contains(forbidden), "{forbidden} in {everything}");
        }
        assert_eq!(lines[0]["url"], "/x?key=***&p=1");
        assert_eq!(lines[0]["hidden"], json!(["key"]));
        assert_eq!(lines[0]["body"], r#"{"email":"***","echo":"Bearer ***","deep":[{"email":["***"]}],  "id":7}"#);
        assert_eq!(lines[0]["link"], "<https://api/rest/x?key=***&p=2>; rel=\"next\"");
        assert_eq!(lines[0]["retryAfterSeconds"], 3.0);
        assert_eq!(lines[1]["url"], "https://login/token");
        assert_eq!(lines[1]["sent"], json!({"user": "ann", "password": "***", "email": "***"}));
        assert_eq!((&lines[1]["incident"], &lines[1]["reason"]), (&json!("timeout"), &json!("*** timed out")));
        assert!(about.contains("\"api\": \"https://api/rest\"") && about.contains("\"specHash\": \"abc\""), "{about}");
    }

    #[test]
    fn two_recordings_never_mix() {
        let folder = tempfile::tempdir().unwrap();
        let api: Url = "https://api".parse().unwrap();
        Recorder::create(folder.path(), &[], &api, "").unwrap();
        let error = Recorder::create(folder.path(), &[], &api, "").err().unwrap();
        assert_eq!(exit_of(&error), Exit::Configuration);
        assert!(error.to_string().contains("is not empty"), "{error}");
    }

    #[test]
    fn tasks_keep_at_once_and_every_exchange_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(folder.path(), &[], &"https://api".parse().unwrap(), "").unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let recorder = &recorder;
                scope.spawn(move || {
                    for each in 0..50 {
                        let body = "x".repeat(each * 997);
                        let ask = ask(&format!("https://api/of?thread={thread}&each={each}"), None);
                        recorder.keep(&ask, &answer(&body), &[]).unwrap();
                    }
                });
            }
        });
        assert_eq!(lines(folder.path()).len(), 400);
        let replay = Replay::open(folder.path()).unwrap();
        let ask = ask("https://api/of?thread=5&each=49", None);
        let Heard::Answer { body, .. } = replay.hear(&ask).unwrap() else { panic!("no answer") };
        assert_eq!(body.len(), 49 * 997);
    }
}
