//! JSON written by hand into a byte buffer: a benchmark must measure its client, never this server.

use super::calendar::{Day, calendar};
use super::noise::mix;
use super::quirks::{Quirk, Quirks};

/// A JSON document being written, in the habits of the server.
pub struct Json {
    buffer: Vec<u8>,
    quirks: Quirks,
}

impl Json {
    /// An empty document with room for `capacity` bytes.
    pub fn new(quirks: Quirks, capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity), quirks }
    }

    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// The quirks in force for this document.
    pub fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Whether a quirk is on for this document.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.has(quirk)
    }

    fn separate(&mut self) {
        if !matches!(self.buffer.last(), None | Some(b'{' | b'[' | b':')) {
            self.buffer.push(b',');
        }
    }

    /// Begins an object as a member of a list or as the whole document.
    pub fn open(&mut self) {
        self.separate();
        self.buffer.push(b'{');
    }

    /// Ends an object.
    pub fn close(&mut self) {
        self.buffer.push(b'}');
    }

    /// Begins a list as the whole document.
    pub fn open_list(&mut self) {
        self.separate();
        self.buffer.push(b'[');
    }

    /// Ends a list.
    pub fn close_list(&mut self) {
        self.buffer.push(b']');
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    /// Begins an object under a key.
    pub fn object(&mut self, key: &str) {
        self.key(key);
        self.buffer.push(b'{');
    }

    /// Begins a list under a key.
    pub fn list(&mut self, key: &str) {
        self.key(key);
        self.buffer.push(b'[');
    }

    /// Writes text that already is JSON as a member of a list.
    pub fn raw_member(&mut self, text: &str) {
        self.separate();
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Writes text that already is JSON under a key.
    pub fn raw(&mut self, key: &str, text: &str) {
        self.key(key);
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, value: i64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.buffer.push(b'-');
        }
        self.buffer.extend_from_slice(&digits[at..]);
    }

    /// Writes a number under a key.
    pub fn int(&mut self, key: &str, value: i64) {
        self.key(key);
        self.number(value);
    }

    /// Writes a number as a member of a list.
    pub fn int_member(&mut self, value: i64) {
        self.separate();
        self.number(value);
    }

    /// Writes a number as text under a key, as the server does with statuses and priorities.
    pub fn int_text(&mut self, key: &str, value: i64) {
        self.key(key);
        self.buffer.push(b'"');
        self.number(value);
        self.buffer.push(b'"');
    }

    /// Writes a boolean under a key.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// Writes text under a key.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.quoted(value);
    }

    /// Leaves a key out, or writes null for it, depending on the quirk.
    pub fn absent(&mut self, key: &str) {
        if !self.quirks.has(Quirk::NullsOmitted) {
            self.raw(key, "null");
        }
    }

    /// Writes a number under a key, if there is one.
    pub fn int_or_absent(&mut self, key: &str, value: Option<i64>) {
        match value {
            Some(value) => self.int(key, value),
            None => self.absent(key),
        }
    }

    /// Writes text under a key, if there is some.
    pub fn text_or_absent(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.absent(key),
        }
    }

    /// Writes a day as epoch milliseconds of its local midnight.
    pub fn day(&mut self, key: &str, day: Day) {
        let midnight = if self.quirks.has(Quirk::LocalMidnight) {
            calendar().midnight_ms(day)
        } else {
            i64::from(day) * super::calendar::DAY_MS
        };
        self.int(key, midnight);
    }

    /// Writes a day as MM/DD/YYYY.
    pub fn day_text(&mut self, key: &str, day: Day) {
        self.text(key, calendar().text(day));
    }

    /// Writes an instant, cut to the second as the server does on reads.
    pub fn instant(&mut self, key: &str, instant_ms: i64) {
        let whole = instant_ms.div_euclid(1000) * 1000;
        let value = if self.quirks.has(Quirk::SecondPrecision) {
            whole
        } else {
            whole + (mix(instant_ms as u64) % 1000) as i64
        };
        self.int(key, value);
    }

    fn quoted(&mut self, text: &str) {
        self.buffer.push(b'"');
        let bytes = text.as_bytes();
        let mut clean_from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.buffer.extend_from_slice(&bytes[clean_from..at]);
            clean_from = at + 1;
            match byte {
                b'"' => self.buffer.extend_from_slice(b"\\\""),
                b'\\' => self.buffer.extend_from_slice(b"\\\\"),
                b'\n' => self.buffer.extend_from_slice(b"\\n"),
                b'\r' => self.buffer.extend_from_slice(b"\\r"),
                b'\t' => self.buffer.extend_from_slice(b"\\t"),
                other => self.buffer.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
            }
        }
        self.buffer.extend_from_slice(&bytes[clean_from..]);
        self.buffer.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_parses_back() {
        let mut json = Json::new(Quirks::default(), 64);
        json.open();
        json.int("id", -10);
        json.text("name", "a \"quoted\"\nline\u{1} \u{a0}🚀");
        json.absent("status");
        json.list("ids");
        json.int_member(i64::MIN);
        json.int_member(0);
        json.close_list();
        json.object("inner");
        json.close();
        json.int_text("code", 10);
        json.close();
        let value: serde_json::Value = serde_json::from_slice(&json.into_bytes()).unwrap();
        assert_eq!(value["id"], -10);
        assert_eq!(value["name"], "a \"quoted\"\nline\u{1} \u{a0}🚀");
        assert_eq!(value["ids"][0], i64::MIN);
        assert_eq!(value["code"], "10");
        assert!(value.get("status").is_none());
    }
}
