//! The part of a file that is in memory, which moves along it.

use std::io::Read;

const SMALLEST: usize = 1 << 20;

/// A part of a file, in one piece.
pub struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_whole: bool,
    /// The line its beginning is on, from 1.
    pub line: u64,
}

impl<R: Read> Window<R> {
    /// The beginning of a file.
    pub fn new(source: R) -> Self {
        Self { source, buffer: vec![0; SMALLEST], start: 0, end: 0, is_whole: false, line: 1 }
    }

    /// What is in memory and not yet used.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads on; says whether anything came.
    ///
    /// # Errors
    /// When the file cannot be read, or is not compressed the way its name says.
    pub fn more(&mut self) -> std::io::Result<bool> {
        if self.is_whole {
            return Ok(false);
        }
        if self.end == self.buffer.len() {
            let held = self.end - self.start;
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, held);
            }
            // Where more than half is still in use, moving it each time would cost more than it frees.
            if held > self.buffer.len() / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_whole = true,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(!self.is_whole);
        }
    }

    /// Leaves bytes behind, with their lines.
    pub fn pass(&mut self, length: usize) {
        self.line += memchr::memchr_iter(b'\n', &self.buffer[self.start..self.start + length]).count() as u64;
        self.start += length;
    }

    /// Leaves behind bytes that are known to end one line, or none.
    pub fn pass_line(&mut self, length: usize) {
        self.line += 1;
        self.start += length;
    }

    /// Leaves a byte order mark behind, which some editors write.
    ///
    /// # Errors
    /// As [`Window::more`].
    pub fn pass_mark(&mut self) -> std::io::Result<()> {
        while self.bytes().len() < 3 && self.more()? {}
        if self.bytes().starts_with("\u{feff}".as_bytes()) {
            self.start += 3;
        }
        Ok(())
    }
}
