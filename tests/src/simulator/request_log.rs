//! What was asked for, kept in memory and, on request, in a file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The oldest entries go when there are more than this.
const KEPT_ENTRIES: usize = 1_000_000;

/// One call of the API.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The verb.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: String,
    /// The status answered; zero for a connection that was reset.
    pub status: u16,
    /// How long the answer took, waiting included.
    pub duration_ms: f64,
    /// Rows in the answer.
    pub rows: u64,
    /// The fault that struck, if one did.
    pub fault: Option<&'static str>,
}

impl Entry {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "durationMs": self.duration_ms,
            "rows": self.rows,
        });
        if let (Some(fault), Some(object)) = (self.fault, value.as_object_mut()) {
            object.insert("fault".to_owned(), fault.into());
        }
        value
    }
}

/// The log of a simulator.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: Mutex<std::collections::VecDeque<Entry>>,
    file: Option<Mutex<File>>,
}

impl RequestLog {
    /// A log that also writes a line of JSON per call to a file.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let file = path
            .map(|path| {
                File::create(path)
                    .map(Mutex::new)
                    .with_context(|| format!("cannot write the request log `{}`", path.display()))
            })
            .transpose()?;
        Ok(Self { entries: Mutex::default(), file })
    }

    /// Adds a call.
    pub fn add(&self, entry: Entry) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // a full disk must not fail the call that was logged
            let _ = writeln!(file, "{}", entry.to_json());
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == KEPT_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// Every call kept, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().cloned().collect()
    }

    /// Every call kept, as JSON.
    pub fn to_json(&self) -> Value {
        self.entries().iter().map(Entry::to_json).collect()
    }

    /// Forgets every call kept in memory.
    pub fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
