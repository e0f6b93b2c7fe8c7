//! A resource read from files instead of an API: JSON or one JSON record per line, in a folder or an object store.

mod document;
mod pattern;
mod reading;
mod window;

use std::io::{self, Read};

use anyhow::{Context, Result};
use deltalake::logstore::ObjectStoreRef;
use deltalake::logstore::object_store::{GetResultPayload, ObjectStoreExt};
use deltalake::{ObjectStoreError, Path};
use futures::{StreamExt, TryStreamExt};
use serde_json::value::RawValue;
use spectra_common::failure::{Exit, failure};
use spectra_common::lake::Lake;
use tokio::sync::mpsc;
use url::Url;

use pattern::Pattern;
use reading::Form;

const SCHEMES: [&str; 9] = ["file", "s3", "s3a", "abfs", "abfss", "az", "adl", "azure", "gs"];

/// Files below a root.
#[derive(Clone, Debug)]
pub struct Files {
    root: String,
    store: ObjectStoreRef,
}

/// How much is held at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most records of a batch.
    pub batch_rows: usize,
    /// Most bytes of a batch, unless one record alone has more.
    pub batch_bytes: usize,
    /// Largest record accepted.
    pub largest_record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_rows: 8_192, batch_bytes: 4 << 20, largest_record_bytes: 32 << 20 }
    }
}

impl Files {
    /// Whether a root is of files and not of a server: the URL of a file or an object store, or a folder.
    pub fn is_files(api_url: &str) -> bool {
        match api_url.split_once(':') {
            Some((scheme, rest)) if rest.starts_with("//") || scheme.eq_ignore_ascii_case("file") => {
                SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
            }
            // The name of a server without its scheme is not a folder, unless there is such a folder.
            _ => api_url.starts_with(['/', '.', '\\']) || std::path::Path::new(api_url).is_dir(),
        }
    }

    /// The files below a root. Reads nothing.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] where there is no such folder, [`Exit::Configuration`] where this build cannot open it,
    /// [`Exit::LakeUnavailable`] when the store cannot be opened.
    pub fn open(root: &str) -> Result<Self> {
        let opening = || format!("opening the files of --api-url {root}");
        let place = Lake::new(root).with_context(opening)?;
        if let Ok(folder) = place.root().to_file_path()
            && !folder.is_dir()
        {
            return Err(failure(
                Exit::InputMissing,
                format!("there is no folder {}", folder.display()),
                "give --api-url the folder that holds the files",
            ));
        }
        Ok(Self { root: shown(place.root()), store: place.store().with_context(opening)? })
    }

    /// An id as one name in a pattern: it cannot leave its segment, and its stars mean nothing.
    pub fn name(id: &str) -> String {
        if matches!(id, "." | "..") {
            return id.replace('.', "%2E");
        }
        let mut name = String::new();
        for each in id.chars() {
            if matches!(each, '/' | '\\' | '*') || each.is_ascii_control() {
                name.push_str(&format!("%{:02X}", u32::from(each)));
            } else {
                name.push(each);
            }
        }
        name
    }

    /// Objects whose path below the root matches a pattern, in name order, with their sizes: `*` stands for any text
    /// within a name, `**` for any number of folders. Where nothing matches stars, there is nothing to list.
    ///
    /// # Errors
    /// [`Exit::InputMissing`] naming an object that is not there, where the pattern has no stars;
    /// [`Exit::Configuration`] for a pattern that could leave the root; [`Exit::LakeUnavailable`] when the store does
    /// not answer.
    pub async fn list(&self, pattern: &str) -> Result<Vec<(Path, u64)>> {
        let listing = || format!("listing {pattern} below {}", self.root);
        let parsed = Pattern::parse(pattern)?;
        if let Some(path) = parsed.exact()? {
            return match self.store.head(&path).await {
                Ok(found) => Ok(vec![(path, found.size)]),
                Err(ObjectStoreError::NotFound { .. }) => Err(self.missing(&path)),
                Err(error) => Err(error).with_context(listing),
            };
        }
        let folder = parsed.folder()?;
        let mut found = Vec::new();
        if parsed.is_shallow() {
            // What lies deeper is not even listed: it may be millions.
            found = self.store.list_with_delimiter(folder.as_ref()).await.with_context(listing)?.objects;
            found.retain(|object| parsed.matches(&object.location));
        } else {
            let mut objects = self.store.list(folder.as_ref());
            while let Some(object) = objects.try_next().await.with_context(listing)? {
                if parsed.matches(&object.location) {
                    found.push(object);
                }
            }
        }
        let mut found: Vec<(Path, u64)> = found.into_iter().map(|object| (object.location, object.size)).collect();
        found.sort();
        Ok(found)
    }

    /// Reads the records of one object and sends them in batches; says how many there were. In a `.json` they are where
    /// `records` says (as in a spec: nothing for a list, `.` for the document itself, or a path), in a `.ndjson` or
    /// `.jsonl` one on each line that is not blank. Either may be packed: `.gz`, `.zst`.
    ///
    /// # Errors
    /// [`Exit::DataRefused`] naming file and line of what is not JSON, is too large or is not there;
    /// [`Exit::Configuration`] for a name that says nothing; [`Exit::InputMissing`] where there is no such object;
    /// [`Exit::LakeUnavailable`] when the store does not answer; and when the other end of `to` is dropped.
    pub async fn records(
        &self,
        path: &Path,
        records: Option<&str>,
        limits: Limits,
        to: mpsc::Sender<Vec<Box<RawValue>>>,
    ) -> Result<u64> {
        let form = Form::of(path, records)?;
        let reading = || format!("reading {path} below {}", self.root);
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(ObjectStoreError::NotFound { .. }) => return Err(self.missing(path)),
            Err(error) => return Err(error).with_context(reading),
        };
        let records = records.map(ToOwned::to_owned);
        let thread = match found.payload {
            GetResultPayload::File(file, _) => {
                tokio::task::spawn_blocking(move || reading::read(&form, file, records.as_deref(), limits, to))
            }
            GetResultPayload::Stream(mut stream) => {
                let (feed, from) = mpsc::channel(4);
                let source = Fed { from, piece: None, used: 0 };
                let thread =
                    tokio::task::spawn_blocking(move || reading::read(&form, source, records.as_deref(), limits, to));
                while let Some(piece) = stream.next().await {
                    if feed.send(piece).await.is_err() {
                        break;
                    }
                }
                thread
            }
        };
        thread.await.with_context(reading)?
    }

    fn missing(&self, path: &Path) -> anyhow::Error {
        failure(
            Exit::InputMissing,
            format!("there is no {path} below {}", self.root),
            "check --api-url and `files` of the resource",
        )
    }
}

/// A root as a person writes it.
fn shown(root: &Url) -> String {
    root.to_file_path().map_or_else(|()| root.to_string(), |folder| folder.display().to_string())
}

/// An object's bytes as they come over the network, for a thread that reads.
struct Fed<B> {
    from: mpsc::Receiver<std::result::Result<B, ObjectStoreError>>,
    piece: Option<B>,
    used: usize,
}

impl<B: AsRef<[u8]>> Read for Fed<B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.piece.as_ref().map_or(&[][..], |piece| &piece.as_ref()[self.used..]);
            if !left.is_empty() {
                let length = to.len().min(left.len());
                to[..length].copy_from_slice(&left[..length]);
                self.used += length;
                return Ok(length);
            }
            match self.from.blocking_recv() {
                Some(piece) => (self.piece, self.used) = (Some(piece.map_err(io::Error::other)?), 0),
                None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use spectra_common::failure::exit_of;
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> (TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let files = Files::open(folder.path().to_str().unwrap()).unwrap();
        (folder, files)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    async fn taken(files: &Files, name: &str, records: Option<&str>, limits: Limits) -> Result<Vec<Vec<String>>> {
        let path = Path::parse(name).unwrap();
        let (to, mut from) = mpsc::channel::<Vec<Box<RawValue>>>(1);
        let taking = async {
            let mut batches = Vec::new();
            while let Some(batch) = from.recv().await {
                batches.push(batch.iter().map(|record| record.get().to_owned()).collect::<Vec<_>>());
            }
            batches
        };
        let (count, batches) = tokio::join!(files.records(&path, records, limits, to), taking);
        let count = count?;
        assert_eq!(count, batches.iter().map(|batch| batch.len() as u64).sum::<u64>());
        Ok(batches)
    }

    async fn one(name: &str, content: &[u8], records: Option<&str>) -> Result<Vec<String>> {
        let (_folder, files) = folder(&[(name, content)]);
        Ok(taken(&files, name, records, Limits::default()).await?.concat())
    }

    #[test]
    fn servers_are_told_from_files() {
        for root in ["/data", "./data", "../data", ".", "file:///data", "FILE:/data", "s3://b/p", "s3a://b", "gs://b"] {
            assert!(Files::is_files(root), "{root}");
        }
        for root in ["https://h", "http://h/file", "tenant.example", "localhost:8080", "ftp://h/x", ""] {
            assert!(!Files::is_files(root), "{root}");
        }
        assert!(Files::is_files("abfss://container@account.dfs.core.windows.net/exports"));
        assert!(Files::is_files("src"), "there is such a folder");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Files::open("/not/there").unwrap_err();
        assert_eq!(
            (exit_of(&error), error.to_string().as_str()),
            (Exit::InputMissing, "there is no folder /not/there/")
        );
    }

    #[tokio::test]
    async fn listings_are_in_name_order_and_never_leave_the_root() {
        let (folder, files) = folder(&[
            ("in/of/2.json", b"[]"),
            ("in/of/10.json", b"[1]"),
            ("in/of/.10.json.crc", b""),
            ("in/of/deep/3.json", b"[]"),
            ("in/of #1/100% [x].json", b"[]"),
            ("out.json", b"[]"),
        ]);
        let files_in = Files::open(&format!("file://{}/in", folder.path().display())).unwrap();
        let names = async |pattern: &str| -> Vec<String> {
            files_in.list(pattern).await.unwrap().into_iter().map(|(path, size)| format!("{path} {size}")).collect()
        };
        assert_eq!(names("of/*.json").await, ["of/10.json 3", "of/2.json 2"]);
        assert_eq!(names("**/3.json").await, ["of/deep/3.json 2"]);
        assert_eq!(names("of #1/100% [x].json").await, ["of #1/100% [x].json 2"]);
        assert_eq!(names("of*/100*").await, ["of #1/100% [x].json 2"]);
        assert_eq!(names("nothing/*.json").await, Vec::<String>::new());
        let error = files_in.list("of/3.json").await.unwrap_err();
        assert_eq!(exit_of(&error), Exit::InputMissing);
        assert!(error.to_string().starts_with("there is no of/3.json below /"), "{error}");
        assert_eq!(exit_of(&files_in.list("of").await.unwrap_err()), Exit::InputMissing);
        for pattern in ["../out.json", "of/../../out.json", "../*.json"] {
            assert_eq!(exit_of(&files_in.list(pattern).await.unwrap_err()), Exit::Configuration);
        }
        for id in ["../out", "..", "/out", "%2e%2e/out", "*"] {
            let pattern = format!("{}.json", Files::name(id));
            assert_eq!(exit_of(&files_in.list(&pattern).await.unwrap_err()), Exit::InputMissing, "{pattern}");
            let pattern = format!("{}/out.json", Files::name(id));
            assert_eq!(exit_of(&files_in.list(&pattern).await.unwrap_err()), Exit::InputMissing, "{pattern}");
        }
        assert_eq!(files.list("*.json").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn lines_are_records_plain_and_packed() {
        let text = "\u{feff}{\"id\": 1.50 }\r\n\n  \n {\"id\":2}\n{\"id\":\"\u{fc}\"}";
        let expected = ["{\"id\": 1.50 }", "{\"id\":2}", "{\"id\":\"\u{fc}\"}"];
        let twice = [gzip("{\"id\":1}\n{\"id\""), gzip(":2}\n")].concat();
        let zstandard = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(one("a.ndjson", text.as_bytes(), None).await.unwrap(), expected);
        assert_eq!(one("a.jsonl.gz", &gzip(text), Some(".")).await.unwrap(), expected);
        assert_eq!(one("a.NDJSON.GZ", &twice, None).await.unwrap(), ["{\"id\":1}", "{\"id\":2}"]);
        assert_eq!(one("a.ndjson.zst", &zstandard, None).await.unwrap(), expected);
        assert_eq!(one("a.ndjson", b"", None).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn documents_hold_records_where_the_spec_says() {
        let nested = br#"{"skip": {"b": [1, "]}\"", {}]}, "a": [ "x", { "b" : [ {"id": 1}, [2] ,"3" , 4.50 ], "c": null} ], "z": 1}"#;
        let expected = ["{\"id\": 1}", "[2]", "\"3\"", "4.50"];
        assert_eq!(one("a.json", nested, Some("a.1.b")).await.unwrap(), expected);
        assert_eq!(one("a.json.gz", &gzip("[{\"id\":1}\n,\n{\"id\":2}]\n"), None).await.unwrap().len(), 2);
        assert_eq!(one("a.json", b" [ ] ", None).await.unwrap().len(), 0);
        assert_eq!(one("a.json", b" {\"id\": [1]} ", Some(".")).await.unwrap(), ["{\"id\": [1]}"]);
        assert_eq!(one("a.json", b"[[{\"id\": 1}]]", Some("0")).await.unwrap(), ["{\"id\": 1}"]);
    }

    #[tokio::test]
    async fn what_is_broken_is_named_with_its_line() {
        let truncated = gzip(&"{\"id\":1}\n".repeat(1000));
        for (name, content, records, expected) in [
            (
                "a.ndjson",
                &b"{\"id\":1}\n\n{\"id\":2\n{}\n"[..],
                None,
                "reading a.ndjson, line 3: not JSON: eof while parsing an object at column 7",
            ),
            ("a.ndjson", b"{}\n{} {}\n", None, "line 2: not JSON: trailing characters at column 4"),
            ("a.ndjson", b"{}\n\xff\n", None, "line 2: not JSON"),
            ("a.ndjson", b"{}\n{\"a\":\"\xff\"}\n", None, "line 2: not JSON"),
            ("a.ndjson.gz", &truncated[..truncated.len() - 9], None, "the file ends early or is not packed"),
            ("a.ndjson.gz", b"{}\n", None, "line 1: the file ends early or is not packed"),
            ("a.ndjson.zst", b"{}\n", None, "line 1: the file ends early or is not packed"),
            ("a.ndjson", b"{}", Some("results"), "none has records at `results`"),
            ("a.csv", b"{}", None, "ends in neither .json nor"),
            ("a.json", b"", None, "line 1: the file is empty"),
            ("a.json", b"\n{\"a\":1}", None, "line 2: the document is not a list of records"),
            ("a.json", b"{\"a\":[1]}", Some("b"), "there is no `b`"),
            ("a.json", b"{\"a\":[1]}", Some("a.1"), "there is no `a.1`"),
            ("a.json", b"{\"a\":{}}", Some("a"), "`a` is not a list of records"),
            ("a.json", b"[1,\n2,\n]", None, "line 3: not JSON: a record was expected, and there is `]`"),
            ("a.json", b"[1 2]", None, "a comma or the end of the list was expected, and there is `2`"),
            ("a.json", b"[{\"a\":1},\n{\n\"a\":x}]", None, "line 3: not JSON: expected value at column 5"),
            ("a.json", b"[{\"a\":[1}]]", None, "line 1: not JSON"),
            ("a.json", b"[{\"a\":1},\n{\"a\"", None, "line 2: the JSON document breaks off"),
            ("a.json", b"{\"a\":[1],\n\"b\":[", Some("a"), "line 2: the JSON document breaks off"),
            ("a.json", b"{\"a\":[1],\"a\":[2]}", Some("a"), "there is a second `a`"),
            ("a.json", b"{\"a\":,\"b\":[2]}", Some("b"), "a value was expected, and there is `,`"),
            ("a.json", b"{\"a\" [2]}", Some("a"), "a colon was expected, and there is `[`"),
            ("a.json", b"{}\n{}\n", Some("."), "line 2: more follows behind the end"),
        ] {
            let error = one(name, content, records).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{name}: {error}, not {expected}");
            assert!(matches!(exit_of(&error), Exit::DataRefused | Exit::Configuration), "{error}");
        }
    }

    #[tokio::test]
    async fn batches_and_records_have_their_limits() {
        let text: String = (0..10).map(|id| format!("{{\"id\":{id}}}\n")).collect();
        let list = format!("[{}]", text.trim_end().replace('\n', ",\n"));
        let long = format!("{{}}\n{{\"a\":\"{}\"}}\n", "x".repeat(3 << 20));
        let long_list = format!("[{}]", long.trim_end().replace('\n', ",\n"));
        let (_folder, files) = folder(&[
            ("a.ndjson", text.as_bytes()),
            ("a.json", list.as_bytes()),
            ("long.ndjson", long.as_bytes()),
            ("long.json", long_list.as_bytes()),
        ]);
        let limits = Limits { batch_rows: 4, batch_bytes: 24, ..Limits::default() };
        for name in ["a.ndjson", "a.json"] {
            let batches = taken(&files, name, None, limits).await.unwrap();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
            let batches = taken(&files, name, None, Limits { batch_bytes: 1 << 20, ..limits }).await.unwrap();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        }
        for name in ["long.ndjson", "long.json"] {
            assert_eq!(taken(&files, name, None, limits).await.unwrap().len(), 2);
            for largest_record_bytes in [1_000, 2 << 20, (3 << 20) + 7] {
                let error = taken(&files, name, None, Limits { largest_record_bytes, ..limits }).await.unwrap_err();
                let expected = format!("reading {name}, line 2: a record is larger than {largest_record_bytes} bytes");
                assert_eq!(error.to_string(), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_reader_that_stops_ends_the_reading() {
        let text = "{\"id\":1}\n".repeat(100_000);
        let (_folder, files) = folder(&[("a.ndjson", text.as_bytes())]);
        let limits = Limits { batch_rows: 10, ..Limits::default() };
        let path = Path::parse("a.ndjson").unwrap();
        let (to, mut from) = mpsc::channel::<Vec<Box<RawValue>>>(1);
        let taking = async move { from.recv().await.map(|batch| batch.len()) };
        let (read, taken) = tokio::join!(files.records(&path, None, limits, to), taking);
        assert_eq!(taken, Some(10));
        assert!(read.unwrap_err().to_string().contains("nobody takes its records"));
    }

    #[tokio::test]
    async fn bytes_that_come_over_the_network_are_read_likewise() {
        use deltalake::logstore::object_store::memory::InMemory;
        let store = InMemory::new();
        let text: String = (0..200_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
        store.put(&Path::from("a.ndjson.gz"), gzip(&text).into()).await.unwrap();
        let files = Files { root: "memory".to_owned(), store: std::sync::Arc::new(store) };
        let batches = taken(&files, "a.ndjson.gz", None, Limits::default()).await.unwrap();
        assert_eq!(batches.concat().join("\n"), text.trim_end());
        let error = taken(&files, "b.ndjson", None, Limits::default()).await.unwrap_err();
        assert_eq!(exit_of(&error), Exit::InputMissing);
    }

    #[tokio::test]
    async fn windows_change_nothing() {
        let row = |id: usize| format!("{{\"id\":{id},\"x\":\"{}\\\\\\\"\"}}", "]},\u{fc}".repeat(id % 300));
        let rows: Vec<String> = (0..9_000).map(row).collect();
        let document = format!(
            "{{\"skip\":[{}],\n \"rows\" : [{}]\n,\"more\":[{}]}}",
            rows.join(","),
            rows.join(" ,\n"),
            rows.join(",")
        );
        assert!(one("a.json", document.as_bytes(), Some("rows")).await.unwrap() == rows);
        assert!(one("a.ndjson", rows.join("\n").as_bytes(), None).await.unwrap() == rows);
    }
}
