//! Finds in a text that is hopefully JSON what a mask takes out, and where the text may be cut.

use std::ops::Range;

use super::mask::{Edit, Mask, SHORTEST_PART, with_stars};

/// One reading of a text that is hopefully JSON. It never gives up: what is not JSON is kept as well.
pub struct Scan<'a> {
    mask: &'a Mask,
    text: &'a [u8],
    is_last: bool,
    limit: usize,
    secrets: &'a [Range<usize>],
    /// What is to be changed.
    pub edits: Vec<Edit>,
    /// Behind the last comma after which nothing depends on what was before.
    pub safe: usize,
    /// For each open list or object, whether its own values are taken out.
    open: Vec<bool>,
    taking_out: usize,
    last_string: Range<usize>,
    is_value_of_field: bool,
}

impl<'a> Scan<'a> {
    /// A reading of `text`, in which there are `secrets`; it may be cut up to `limit`.
    pub fn new(mask: &'a Mask, text: &'a [u8], is_last: bool, limit: usize, secrets: &'a [Range<usize>]) -> Self {
        Self {
            mask,
            text,
            is_last,
            limit,
            secrets,
            edits: Vec::new(),
            safe: 0,
            open: Vec::new(),
            taking_out: 0,
            last_string: 0..0,
            is_value_of_field: false,
        }
    }

    /// Reads it to its end, or to where it cannot be understood without what follows.
    pub fn run(&mut self) {
        let mut at = 0;
        while let Some(&byte) = self.text.get(at) {
            let next = match byte {
                b'"' => self.string(at),
                b':' => {
                    self.is_value_of_field = self.is_field(self.last_string.clone());
                    Some(at + 1)
                }
                b',' => {
                    self.comma(at + 1);
                    Some(at + 1)
                }
                b'{' | b'[' => {
                    let is_list_of_field = byte == b'[' && self.is_taken_out();
                    self.open.push(is_list_of_field);
                    self.taking_out += usize::from(is_list_of_field);
                    self.is_value_of_field = false;
                    Some(at + 1)
                }
                b'}' | b']' => {
                    self.taking_out -= usize::from(self.open.pop().unwrap_or(false));
                    self.is_value_of_field = false;
                    Some(at + 1)
                }
                byte if byte.is_ascii_whitespace() => Some(at + 1),
                _ => self.bare(at),
            };
            let Some(next) = next else { return };
            at = next;
        }
    }

    fn is_taken_out(&self) -> bool {
        self.is_value_of_field || self.open.last().copied().unwrap_or(false)
    }

    fn is_field(&self, name: Range<usize>) -> bool {
        match std::str::from_utf8(&self.text[name]) {
            Ok(name) if name.contains('\\') => decoded(name).is_some_and(|name| self.mask.is_field(&name)),
            Ok(name) => self.mask.is_field(name),
            Err(_) => false,
        }
    }

    fn string(&mut self, quote: usize) -> Option<usize> {
        let start = quote + 1;
        let mut end = start;
        let mut has_escape = false;
        loop {
            match memchr::memchr2(b'"', b'\\', self.text.get(end..).unwrap_or_default()) {
                Some(found) if self.text[end + found] == b'"' => {
                    end += found;
                    break;
                }
                Some(found) => {
                    has_escape = true;
                    end += found + 2;
                }
                // A body that broke off within a value: what there is of it goes as well.
                None if self.is_last => {
                    end = self.text.len();
                    break;
                }
                None => return None,
            }
        }
        let content = start..end;
        if self.is_taken_out() || self.is_telling(&self.text[content.clone()], has_escape) {
            self.edits.push(with_stars(content.clone()));
        }
        self.is_value_of_field = false;
        self.last_string = content;
        Some(end + 1)
    }

    /// Whether a string is a short secret, or holds one that its escapes hide.
    fn is_telling(&self, content: &[u8], has_escape: bool) -> bool {
        if !has_escape {
            return content.len() < SHORTEST_PART && self.mask.is_secret(content);
        }
        if !self.mask.has_secrets() {
            return false;
        }
        let text = std::str::from_utf8(content).ok().and_then(decoded);
        text.is_some_and(|text| self.mask.is_telling(&text))
    }

    /// A number, a word, or text that is no JSON.
    fn bare(&mut self, start: usize) -> Option<usize> {
        let is_over =
            |byte: &u8| matches!(byte, b'"' | b':' | b',' | b'{' | b'[' | b'}' | b']') || byte.is_ascii_whitespace();
        let length = self.text[start..].iter().position(is_over);
        if length.is_none() && !self.is_last {
            return None;
        }
        let end = length.map_or(self.text.len(), |length| start + length);
        let is_number = matches!(self.text[start], b'-' | b'0'..=b'9');
        if is_number && (self.is_taken_out() || self.holds_secret(start..end)) {
            self.edits.push((start..end, b"\"***\""));
        }
        self.is_value_of_field = false;
        Some(end)
    }

    fn holds_secret(&self, range: Range<usize>) -> bool {
        let first = self.secrets.partition_point(|secret| secret.end <= range.start);
        self.secrets.get(first).is_some_and(|secret| secret.start < range.end) || self.mask.is_secret(&self.text[range])
    }

    fn comma(&mut self, behind: usize) {
        self.is_value_of_field = false;
        self.last_string = 0..0;
        if self.taking_out > 0 || behind > self.limit {
            return;
        }
        let first = self.secrets.partition_point(|secret| secret.end <= behind);
        if self.secrets.get(first).is_none_or(|secret| secret.start >= behind) {
            self.safe = behind;
        }
    }
}

fn decoded(content: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{content}\"")).ok()
}
