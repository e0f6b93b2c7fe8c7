//! How much of a body may be held at a time: one record, one name or one field, whatever is around it.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{Error, Read, Result};
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_json::value::RawValue;

use super::leaf::Leaf;

/// Counts what is read while something is taken that has to be held.
pub(super) struct Gauge {
    largest: u64,
    left: Cell<Option<u64>>,
    is_over: Cell<bool>,
}

impl Gauge {
    /// Accepts so many bytes in one piece.
    pub(super) fn new(largest: u64) -> Self {
        Self { largest, left: Cell::new(None), is_over: Cell::new(false) }
    }

    /// Whether something was larger.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// What is larger, in words.
    pub(super) fn complaint(&self) -> String {
        format!("a record or a field of the answer is larger than {} bytes", self.largest)
    }

    /// Lets nothing larger be taken meanwhile.
    fn within<T, E: serde::de::Error>(
        &self,
        take: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.left.set(Some(self.largest));
        let taken = take();
        self.left.set(None);
        taken
    }

    /// Refuses what is too large of a body in memory, which is not read through a gauge.
    fn check<E: serde::de::Error>(&self, text: &str) -> std::result::Result<(), E> {
        if text.len() as u64 <= self.largest {
            return Ok(());
        }
        self.is_over.set(true);
        Err(E::custom("too large"))
    }

    /// A reader that breaks off where what is taken becomes too large.
    pub(super) fn watch<R>(&self, reader: R) -> Watched<'_, R> {
        Watched { gauge: self, reader }
    }
}

/// A reader under a gauge.
pub(super) struct Watched<'gauge, R> {
    gauge: &'gauge Gauge,
    reader: R,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let length = self.reader.read(to)?;
        if let Some(left) = self.gauge.left.get() {
            let Some(left) = left.checked_sub(length as u64) else {
                self.gauge.is_over.set(true);
                return Err(Error::other("too large"));
            };
            self.gauge.left.set(Some(left));
        }
        Ok(length)
    }
}

/// Takes a record, a name or a scalar.
pub(super) struct Held<'gauge, T> {
    gauge: &'gauge Gauge,
    kind: PhantomData<T>,
}

impl<'gauge, T> Held<'gauge, T> {
    /// Under a gauge.
    pub(super) fn new(gauge: &'gauge Gauge) -> Self {
        Self { gauge, kind: PhantomData }
    }
}

impl<'de> DeserializeSeed<'de> for Held<'_, Box<RawValue>> {
    type Value = Box<RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Self::Value, D::Error> {
        let record = self.gauge.within(|| <Box<RawValue> as serde::Deserialize>::deserialize(json))?;
        self.gauge.check(record.get())?;
        Ok(record)
    }
}

impl<'de> DeserializeSeed<'de> for Held<'_, Cow<'de, str>> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Self::Value, D::Error> {
        self.gauge.within(|| <Cow<'de, str> as serde::Deserialize>::deserialize(json))
    }
}

impl<'de> DeserializeSeed<'de> for Held<'_, Value> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Self::Value, D::Error> {
        let value = self.gauge.within(|| Leaf.deserialize(json))?;
        self.gauge.check(value.as_str().unwrap_or_default())?;
        Ok(value)
    }
}
