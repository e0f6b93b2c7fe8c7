//! Takes the records out of one file, on a thread of its own.

use std::io::{BufReader, Read};

use anyhow::Result;
use deltalake::Path;
use flate2::bufread::MultiGzDecoder;
use serde_json::value::RawValue;
use spectra_common::failure::{Exit, Failure, failure};
use tokio::sync::mpsc::Sender;

use super::Limits;
use super::document::Document;
use super::window::Window;

/// Records of a batch, as they are written in the file.
pub type Batch = Vec<Box<RawValue>>;

/// What a file's name says about its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    name: String,
    packing: Packing,
    is_lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstandard,
}

impl Form {
    /// Reads a file's name; `records` is where the spec finds records.
    ///
    /// # Errors
    /// [`Exit::Configuration`] for a name that says nothing, and for a path to look under in lines that are records.
    pub fn of(path: &Path, records: Option<&str>) -> Result<Self> {
        let name = path.as_ref();
        let lower = name.to_ascii_lowercase();
        let (inner, packing) = match (lower.strip_suffix(".gz"), lower.strip_suffix(".zst")) {
            (Some(inner), _) => (inner, Packing::Gzip),
            (_, Some(inner)) => (inner, Packing::Zstandard),
            _ => (lower.as_str(), Packing::Plain),
        };
        let is_lines = inner.ends_with(".ndjson") || inner.ends_with(".jsonl");
        if !is_lines && !inner.ends_with(".json") {
            return Err(failure(
                Exit::Configuration,
                format!(
                    "reading {name}: its name ends in neither .json nor .ndjson nor .jsonl, with or without .gz or .zst"
                ),
                "rename it, or narrow `files` of the resource",
            ));
        }
        if let Some(records) = records.filter(|records| is_lines && *records != ".") {
            return Err(failure(
                Exit::Configuration,
                format!("reading {name}: each of its lines is a record, and none has records at `{records}`"),
                "leave out `records` of the resource",
            ));
        }
        Ok(Self { name: name.to_owned(), packing, is_lines })
    }
}

/// Reads a file to its end and sends its records; says how many.
///
/// # Errors
/// [`Exit::DataRefused`] for what is not JSON as it should be, naming file and line.
pub fn read(
    form: &Form,
    source: impl Read + Send + 'static,
    records: Option<&str>,
    limits: Limits,
    to: Sender<Batch>,
) -> Result<u64> {
    let name = &form.name;
    let batches = Batches { limits, to, batch: Vec::new(), bytes: 0, count: 0 };
    let source: Box<dyn Read> = match form.packing {
        Packing::Plain => Box::new(source),
        Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(256 << 10, source))),
        Packing::Zstandard => {
            Box::new(zstd::Decoder::new(source).map_err(|error| Broken::Source(error).refuse(name, 1))?)
        }
    };
    let mut window = Window::new(source);
    let done = window.pass_mark().map_err(Broken::Source).and_then(|()| {
        if form.is_lines {
            lines(&mut window, batches)
        } else {
            Document::new(&mut window, limits.largest_record_bytes).records(records, batches)
        }
    });
    done.map_err(|broken| broken.refuse(name, window.line))
}

/// Why a file could not be read to its end.
#[derive(Debug)]
pub enum Broken {
    /// The bytes do not come.
    Source(std::io::Error),
    /// They are not what they should be, said of the file and the current line.
    Content(String, &'static str),
    /// A record is not JSON.
    Record(serde_json::Error),
    /// Nobody takes the records any more.
    Unwanted,
}

impl Broken {
    fn refuse(self, name: &str, line: u64) -> anyhow::Error {
        match self {
            Self::Source(error) if error.get_ref().is_some_and(|cause| cause.is::<deltalake::ObjectStoreError>()) => {
                anyhow::Error::from(error).context(format!("reading {name}"))
            }
            // A file that does not unpack is broken; one that does not come at all is the storage's fault.
            Self::Source(error) if error.raw_os_error().is_none() => failure(
                Exit::DataRefused,
                format!("reading {name}, line {line}: the file ends early or is not packed as its name says: {error}"),
                "write the file again",
            ),
            Self::Source(error) => anyhow::Error::from(error).context(format!("reading {name}")),
            Self::Content(reason, hint) => {
                failure(Exit::DataRefused, format!("reading {name}, line {line}: {reason}"), hint)
            }
            Self::Record(error) => {
                let text = error.to_string();
                let reason = text.split(" at line ").next().unwrap_or_default().to_lowercase();
                let line = line + error.line().saturating_sub(1) as u64;
                failure(
                    Exit::DataRefused,
                    format!("reading {name}, line {line}: not JSON: {reason} at column {}", error.column()),
                    "write the file again, or take the record out",
                )
            }
            Self::Unwanted => Failure::new(Exit::Bug, format!("reading {name}: nobody takes its records")).into(),
        }
    }

    /// A record that is larger than accepted.
    pub fn too_large(largest: usize) -> Self {
        Self::Content(
            format!("a record is larger than {largest} bytes"),
            "look at the file: a quote or a line break may be missing",
        )
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Source(error)
    }
}

/// Records on their way out.
pub struct Batches {
    limits: Limits,
    to: Sender<Batch>,
    batch: Batch,
    bytes: usize,
    count: u64,
}

impl Batches {
    /// Takes a record.
    ///
    /// # Errors
    /// Where it is not JSON, or nobody takes it.
    pub fn push(&mut self, text: &[u8]) -> Result<(), Broken> {
        let record: Box<RawValue> = serde_json::from_slice(text).map_err(Broken::Record)?;
        let length = record.get().len();
        if self.batch.len() >= self.limits.batch_rows || self.bytes + length > self.limits.batch_bytes {
            self.send()?;
        }
        self.bytes += length;
        self.count += 1;
        self.batch.push(record);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Broken> {
        self.bytes = 0;
        if self.batch.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(std::mem::take(&mut self.batch)).map_err(|_| Broken::Unwanted)
    }

    /// Sends what is left; says how many there were in all.
    ///
    /// # Errors
    /// Where nobody takes it.
    pub fn finish(mut self) -> Result<u64, Broken> {
        self.send()?;
        Ok(self.count)
    }
}

fn lines(window: &mut Window<impl Read>, mut batches: Batches) -> Result<u64, Broken> {
    let largest = batches.limits.largest_record_bytes;
    let mut searched = 0;
    loop {
        let held = window.bytes();
        let (line, is_last) = match memchr::memchr(b'\n', &held[searched..]) {
            Some(end) => (&held[..searched + end], false),
            None => {
                searched = held.len();
                if searched > largest.saturating_add(1) {
                    return Err(Broken::too_large(largest));
                }
                if window.more()? {
                    continue;
                }
                (window.bytes(), true)
            }
        };
        let record = line.trim_ascii();
        if record.len() > largest {
            return Err(Broken::too_large(largest));
        }
        if !record.is_empty() {
            batches.push(record)?;
        }
        if is_last {
            return batches.finish();
        }
        let length = line.len() + 1;
        window.pass_line(length);
        searched = 0;
    }
}
