//! Secrets: where they come from, when they are read again, and how they stay out of what is shown.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use spectra_common::failure::{Exit, failure};
use tracing::warn;
use url::form_urlencoded::byte_serialize;

use super::jwt;

const LARGEST_FILE_BYTES: u64 = 64 << 10;

/// Text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent and never shown.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A variable that a kind of credentials needs.
#[derive(Debug)]
pub(super) struct Need<'a> {
    pub(super) variable: &'a str,
    pub(super) is_required: bool,
    /// False for what only says who asks: names of users stand in what the API lists, and must not be masked there.
    pub(super) is_secret: bool,
}

/// Looks a variable of the environment up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The secrets of one kind of credentials.
#[derive(Debug, Default)]
pub(super) struct Vault {
    sources: Vec<Source>,
    /// Whether a secret is newer than the credentials got with it.
    pub(super) is_changed: bool,
}

#[derive(Debug)]
struct Source {
    variable: String,
    secret: Secret,
    is_secret: bool,
    file: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    stamp: Option<Stamp>,
}

type Stamp = (SystemTime, u64);

impl Vault {
    /// All that is needed, or the variables that are missing.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] where a variable or a file is set but of no use.
    pub(super) fn open(needs: &[Need<'_>], lookup: Lookup<'_>) -> Result<std::result::Result<Self, Vec<String>>> {
        let mut sources = Vec::new();
        let mut missing = Vec::new();
        for need in needs {
            match find(need.variable, lookup)? {
                Some((secret, file)) => {
                    let source = Source { variable: need.variable.to_owned(), secret, is_secret: need.is_secret, file };
                    sources.push(source);
                }
                None if need.is_required => missing.push(need.variable.to_owned()),
                None => {}
            }
        }
        Ok(if missing.is_empty() { Ok(Self { sources, is_changed: false }) } else { Err(missing) })
    }

    /// The secret of a variable that is needed.
    ///
    /// # Errors
    /// Never for a vault that was opened for it.
    pub(super) fn get(&self, variable: &str) -> Result<&str> {
        self.find(variable).with_context(|| format!("the secret of {variable} was never read"))
    }

    /// The secret of a variable that may be missing.
    pub(super) fn find(&self, variable: &str) -> Option<&str> {
        let source = self.sources.iter().find(|source| source.variable == variable)?;
        Some(source.secret.text())
    }

    /// Reads the files again that look different, or all of them. What cannot be read, or is empty because somebody is
    /// just writing it, stays what it was.
    pub(super) fn reread(&mut self, is_forced: bool) {
        for source in &mut self.sources {
            let Some(file) = &mut source.file else { continue };
            let Some(stamp) = stamp(&file.path) else { continue };
            if !is_forced && file.stamp == Some(stamp) {
                continue;
            }
            file.stamp = Some(stamp);
            match read(&file.path) {
                Ok(text) if text.is_empty() || text == source.secret.text() => {}
                Ok(text) => {
                    source.secret = Secret::new(text);
                    self.is_changed = true;
                }
                Err(error) => {
                    warn!(
                        "reading {}, named by {}_FILE: {error}: keeping the last",
                        file.path.display(),
                        source.variable
                    );
                }
            }
        }
    }

    /// Tells what must not be shown.
    pub(super) fn tell(&self, known: &Known) {
        for source in self.sources.iter().filter(|source| source.is_secret) {
            known.learn(source.secret.text());
        }
    }
}

fn find(variable: &str, lookup: Lookup<'_>) -> Result<Option<(Secret, Option<Watched>)>> {
    let value = |name: &str| match lookup(name).map(OsString::into_string) {
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(failure(
            Exit::NotAuthorised,
            format!("{name} holds bytes that are not UTF-8"),
            "export it again from a UTF-8 terminal",
        )),
        None => Ok(None),
    };
    if let Some(text) = value(variable)? {
        return Ok(Some((Secret::new(text), None)));
    }
    let Some(path) = value(&format!("{variable}_FILE"))?.map(PathBuf::from) else { return Ok(None) };
    let refuse = |reason: String| {
        failure(
            Exit::NotAuthorised,
            format!("reading {}, named by {variable}_FILE: {reason}", path.display()),
            "check the path, its rights and what it holds",
        )
    };
    // Before it is read, so that a change meanwhile is seen the next time.
    let stamp = stamp(&path);
    let text = read(&path).map_err(|error| refuse(error.to_string()))?;
    if text.is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    Ok(Some((Secret::new(text), Some(Watched { path, stamp }))))
}

/// When and how large a file is; none where there is no file, or a pipe, which can be read only once.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then_some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is larger than {LARGEST_FILE_BYTES} bytes")));
    }
    Ok(text.trim().to_owned())
}

/// Texts that must not be shown.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeSet<String>>);

impl Known {
    /// Adds a text, in every form in which a server may repeat it.
    pub(super) fn learn(&self, text: &str) {
        let json = serde_json::Value::from(text).to_string();
        let forms = [
            text.to_owned(),
            byte_serialize(text.as_bytes()).collect(),
            jwt::encode(text),
            json[1..json.len() - 1].to_owned(),
        ];
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(forms.into_iter().filter(|form| !form.is_empty()));
    }

    /// All of them, the longest first, so that one that is part of another leaves no rest of it.
    pub(super) fn list(&self) -> Vec<String> {
        let mut list: Vec<String> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        list.sort_by_key(|text| std::cmp::Reverse(text.len()));
        list
    }

    /// A text without any of them.
    pub(super) fn mask(&self, text: &str) -> String {
        self.list().iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// A header's value that holds a secret; `name` says in a message which one.
///
/// # Errors
/// [`Exit::NotAuthorised`] naming it, where a header cannot hold it.
pub(super) fn header_value(name: &str, text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        failure(
            Exit::NotAuthorised,
            format!("{name} holds a character that no HTTP header may have"),
            "check it for line breaks and letters beyond ASCII",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Basic` for the user and password of two variables.
///
/// # Errors
/// [`Exit::NotAuthorised`] for a user with a colon, where the password would begin.
pub(super) fn basic(vault: &Vault, user_variable: &str, password_variable: &str, known: &Known) -> Result<HeaderValue> {
    let (user, password) = (vault.get(user_variable)?, vault.get(password_variable)?);
    if user.contains(':') {
        return Err(failure(
            Exit::NotAuthorised,
            format!("{user_variable} holds a colon, which HTTP Basic cannot send in a user"),
            format!("give the password as {password_variable}"),
        ));
    }
    basic_of(user, password, known)
}

/// `Basic` for two texts.
///
/// # Errors
/// Never: base64 fits every header.
pub(super) fn basic_of(user: &str, password: &str, known: &Known) -> Result<HeaderValue> {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    known.learn(&encoded);
    header_value("the base64 of user and password", &format!("Basic {encoded}"))
}
