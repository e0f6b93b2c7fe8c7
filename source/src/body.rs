//! The body of an answer: in memory, or on disk where it is large, so that memory does not follow what a server sends.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Result, Write};

use tempfile::NamedTempFile;

/// A whole body, decompressed.
#[derive(Debug)]
pub enum Body {
    /// Small enough to be held.
    Memory(Vec<u8>),
    /// On local disk, until dropped.
    File(NamedTempFile),
}

impl Body {
    /// Reads it from its beginning.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(bytes.as_slice())),
            Self::File(file) => Box::new(BufReader::with_capacity(256 << 10, File::open(file.path())?)),
        })
    }

    /// Its size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.as_file().metadata().map_or(0, |metadata| metadata.len()),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its first bytes, for a message or to see what it is.
    pub fn beginning(&self, most: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(reader) = self.reader() {
            // What cannot be read again is missing from a message, no more.
            let _ = reader.take(most).read_to_end(&mut bytes);
        }
        bytes
    }
}

/// A body that is still coming.
pub struct Spool {
    held: Vec<u8>,
    file: Option<NamedTempFile>,
    largest_held: usize,
}

impl Spool {
    /// Holds up to `largest_held` bytes in memory; `declared` is the size the server announced.
    pub fn new(largest_held: usize, declared: Option<u64>) -> Self {
        // In one piece where the size is known: growing by doubling leaves holes that add up over a long walk.
        let declared = declared.and_then(|declared| usize::try_from(declared).ok()).unwrap_or(0);
        let held = Vec::with_capacity(if declared > largest_held { 0 } else { declared });
        Self { held, file: None, largest_held }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When the local disk refuses it.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(piece),
            None if self.held.len() + piece.len() <= self.largest_held => {
                self.held.extend_from_slice(piece);
                Ok(())
            }
            None => {
                let file = self.file.insert(NamedTempFile::new()?);
                file.write_all(&std::mem::take(&mut self.held))?;
                file.write_all(piece)
            }
        }
    }

    /// The whole of it.
    ///
    /// # Errors
    /// When the local disk refuses the last of it.
    pub fn finish(self) -> Result<Body> {
        Ok(match self.file {
            Some(mut file) => {
                file.flush()?;
                Body::File(file)
            }
            None => Body::Memory(self.held),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_go_to_disk_and_come_back() {
        for (largest_held, is_file) in [(10, false), (4, true)] {
            let mut spool = Spool::new(largest_held, Some(6));
            spool.push(b"abc").unwrap();
            spool.push(b"def").unwrap();
            let body = spool.finish().unwrap();
            assert_eq!(matches!(body, Body::File(_)), is_file);
            assert_eq!(body.len(), 6);
            assert_eq!(body.beginning(4), b"abcd");
            let mut whole = Vec::new();
            body.reader().unwrap().read_to_end(&mut whole).unwrap();
            assert_eq!(whole, b"abcdef");
        }
    }
}
