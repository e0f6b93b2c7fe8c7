//! One JSON document, whose records are found without holding more than one of them.

use std::io::Read;

use super::reading::{Batches, Broken};
use super::window::Window;

const REWRITE: &str = "write the file again";

/// A document that is being read.
pub struct Document<'a, R> {
    window: &'a mut Window<R>,
    largest: usize,
}

impl<'a, R: Read> Document<'a, R> {
    /// At its beginning.
    pub fn new(window: &'a mut Window<R>, largest: usize) -> Self {
        Self { window, largest }
    }

    /// Takes the records from a list, from the list at a path, or the document itself (`.`); says how many.
    ///
    /// # Errors
    /// Where there is no such list, the document is not whole, or a record is not JSON.
    pub fn records(mut self, path: Option<&str>, mut batches: Batches) -> Result<u64, Broken> {
        if self.peek()?.is_none() {
            return Err(Broken::Content("the file is empty".to_owned(), REWRITE));
        }
        let path = path.unwrap_or_default();
        let mut containers = Vec::new();
        if path == "." {
            self.record(&mut batches)?;
        } else {
            for name in path.split('.').filter(|name| !name.is_empty()) {
                let is_object = self.peek()? == Some(b'{');
                if !self.enter(name)? {
                    return Err(Broken::Content(format!("there is no `{path}`"), "check `records` of the resource"));
                }
                containers.push(is_object.then_some(name));
            }
            self.list(path, &mut batches)?;
        }
        for name in containers.into_iter().rev() {
            self.leave(name)?;
        }
        if self.peek()?.is_some() {
            return Err(Broken::Content(
                "more follows behind the end of the JSON document".to_owned(),
                "name the file .ndjson where each of its lines is a record",
            ));
        }
        batches.finish()
    }

    fn list(&mut self, path: &str, batches: &mut Batches) -> Result<(), Broken> {
        if self.peek()? != Some(b'[') {
            let what = if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
            return Err(Broken::Content(
                format!("{what} is not a list of records"),
                "give `records` of the resource, such as results, or . for one record that is the document",
            ));
        }
        self.window.pass(1);
        if self.peek()? == Some(b']') {
            self.window.pass(1);
            return Ok(());
        }
        loop {
            self.record(batches)?;
            match self.peek()? {
                Some(b',') => self.window.pass(1),
                Some(b']') => {
                    self.window.pass(1);
                    return Ok(());
                }
                other => return Err(unexpected("a comma or the end of the list", other)),
            }
            self.peek()?;
        }
    }

    /// Goes to the value of a field, or to an element by its number; says whether there is one.
    fn enter(&mut self, name: &str) -> Result<bool, Broken> {
        match (self.peek()?, name.parse::<u64>()) {
            (Some(b'{'), _) => {
                self.window.pass(1);
                if self.peek()? == Some(b'}') {
                    return Ok(false);
                }
                loop {
                    if self.field()? == name {
                        return Ok(true);
                    }
                    self.skip()?;
                    if !self.is_followed(b'}')? {
                        return Ok(false);
                    }
                }
            }
            (Some(b'['), Ok(number)) => {
                self.window.pass(1);
                if self.peek()? == Some(b']') {
                    return Ok(false);
                }
                for _ in 0..number {
                    self.skip()?;
                    if !self.is_followed(b']')? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Reads what stands behind the value that was entered, to the end of what holds it.
    fn leave(&mut self, name: Option<&str>) -> Result<(), Broken> {
        let end = if name.is_some() { b'}' } else { b']' };
        while self.is_followed(end)? {
            if let Some(name) = name
                && self.field()? == name
            {
                return Err(Broken::Content(format!("there is a second `{name}`"), REWRITE));
            }
            self.skip()?;
        }
        Ok(())
    }

    /// Passes a comma, or the end of an object or list; says which.
    fn is_followed(&mut self, end: u8) -> Result<bool, Broken> {
        match self.peek()? {
            Some(b',') => {
                self.window.pass(1);
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.window.pass(1);
                Ok(false)
            }
            other => Err(unexpected("a comma or an end", other)),
        }
    }

    /// Passes the name of a field and its colon.
    fn field(&mut self) -> Result<String, Broken> {
        match self.peek()? {
            Some(b'"') => {}
            other => return Err(unexpected("the name of a field", other)),
        }
        let length = self.measure()?;
        let name = serde_json::from_slice(&self.window.bytes()[..length]);
        let name = name.map_err(|_| Broken::Content("the name of a field is not text".to_owned(), REWRITE))?;
        self.window.pass(length);
        match self.peek()? {
            Some(b':') => self.window.pass(1),
            other => return Err(unexpected("a colon", other)),
        }
        Ok(name)
    }

    fn record(&mut self, batches: &mut Batches) -> Result<(), Broken> {
        let length = self.measure()?;
        if length == 0 {
            return Err(unexpected("a record", self.window.bytes().first().copied()));
        }
        batches.push(&self.window.bytes()[..length])?;
        self.window.pass(length);
        Ok(())
    }

    /// The next byte that is no white space, which is passed.
    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let held = self.window.bytes();
            let blank = held.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = held.get(blank).copied();
            self.window.pass(blank);
            if found.is_some() || !self.window.more()? {
                return Ok(found);
            }
        }
    }

    /// Length of the value that begins here, which is then in memory.
    fn measure(&mut self) -> Result<usize, Broken> {
        let mut extent = Extent::default();
        let mut read = 0;
        loop {
            let held = self.window.bytes();
            if let Some(end) = extent.end(&held[read..]) {
                let length = read + end;
                return if length > self.largest { Err(Broken::too_large(self.largest)) } else { Ok(length) };
            }
            read = held.len();
            if read > self.largest {
                return Err(Broken::too_large(self.largest));
            }
            if !self.window.more()? {
                return if extent.is_bare { Ok(read) } else { Err(broken_off()) };
            }
        }
    }

    /// Passes a value that nobody wants, however large.
    fn skip(&mut self) -> Result<(), Broken> {
        self.peek()?;
        let mut extent = Extent::default();
        loop {
            let held = self.window.bytes();
            match extent.end(held) {
                // A comma or an end where a value should be.
                Some(0) if !extent.is_bare => return Err(unexpected("a value", held.first().copied())),
                Some(end) => {
                    self.window.pass(end);
                    return Ok(());
                }
                None => {
                    let length = held.len();
                    self.window.pass(length);
                    if !self.window.more()? {
                        return if extent.is_bare { Ok(()) } else { Err(broken_off()) };
                    }
                }
            }
        }
    }
}

fn broken_off() -> Broken {
    Broken::Content("the JSON document breaks off".to_owned(), REWRITE)
}

fn unexpected(wanted: &str, found: Option<u8>) -> Broken {
    match found {
        None => broken_off(),
        Some(byte) => {
            let found = char::from(byte).escape_default();
            Broken::Content(format!("not JSON: {wanted} was expected, and there is `{found}`"), REWRITE)
        }
    }
}

/// Where a value ends, by its brackets and quotes alone.
#[derive(Default)]
struct Extent {
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    is_bare: bool,
}

impl Extent {
    /// Reads on; the number of bytes up to the end, where it is among them.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.is_escaped {
                self.is_escaped = false;
                at += 1;
                continue;
            }
            if self.is_in_string {
                at += memchr::memchr2(b'"', b'\\', &bytes[at..])? + 1;
                self.is_escaped = bytes[at - 1] == b'\\';
                self.is_in_string = self.is_escaped;
                if !self.is_in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match byte {
                b'"' | b'{' | b'[' if self.is_bare && self.depth == 0 => return Some(at),
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                // Its own end belongs to it, that of what holds it does not.
                b'}' | b']' => return Some(at + self.depth),
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 => return Some(at),
                _ => self.is_bare |= self.depth == 0,
            }
            at += 1;
        }
        None
    }
}
