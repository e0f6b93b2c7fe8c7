//! The way through a body, while it is read: to its records, and past the fields that say something about them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::gauge::{Gauge, Held};
use super::shape;
use crate::client::Fault;

pub(super) struct Found {
    pub(super) envelope: BTreeMap<String, Value>,
    pub(super) has_records: bool,
    /// Why reading was given up, where the JSON itself is not to blame.
    pub(super) fault: Option<Fault>,
}

impl Found {
    pub(super) fn refuse<E: Error>(&mut self, fault: Fault) -> E {
        self.fault.get_or_insert(fault);
        E::custom("given up")
    }
}

/// A place in a body, on the way to the records and to the fields the pager wants.
pub(super) struct Place<'a> {
    pub(super) path: String,
    pub(super) records: Option<&'a str>,
    pub(super) wanted: &'a [&'a str],
    pub(super) found: &'a mut Found,
    pub(super) gauge: &'a Gauge,
    pub(super) take: &'a mut dyn FnMut(Box<RawValue>) -> Result<(), Fault>,
}

impl Place<'_> {
    fn below(&self, step: &str) -> String {
        if self.path.is_empty() { step.to_owned() } else { format!("{}.{step}", self.path) }
    }

    fn is_on_the_way(&self, path: &str) -> bool {
        let leads = |target: &&str| target.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.records.iter().any(&leads) || self.wanted.iter().any(leads)
    }

    fn is_here(&self) -> bool {
        self.records.unwrap_or_default() == self.path
    }
}

impl Place<'_> {
    /// Neither a list nor an object: right for a field the pager may miss, wrong for the records.
    fn nothing<E: Error>(self) -> Result<(), E> {
        if self.is_here() {
            let place = if self.path.is_empty() { "the answer".to_owned() } else { format!("`{}`", self.path) };
            return Err(self.found.refuse(shape(format!("{place} is not a list of records"))));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_here() {
            formatter.write_str("a list of records")
        } else {
            write!(formatter, "an object on the way to `{}`", self.records.unwrap_or_default())
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.is_here() {
            self.found.has_records = true;
            while let Some(payload) = list.next_element_seed(Held::<Box<RawValue>>::new(self.gauge))? {
                (self.take)(payload).map_err(|fault| self.found.refuse(fault))?;
            }
            return Ok(());
        }
        for index in 0.. {
            let path = self.below(&index.to_string());
            let is_there = if self.records == Some(path.as_str()) || self.is_on_the_way(&path) {
                list.next_element_seed(Place {
                    path,
                    records: self.records,
                    wanted: self.wanted,
                    found: &mut *self.found,
                    gauge: self.gauge,
                    take: &mut *self.take,
                })?
                .is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !is_there {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.is_here() {
            let place = if self.path.is_empty() { "the answer".to_owned() } else { format!("`{}`", self.path) };
            return Err(self
                .found
                .refuse(shape(format!("{place} is one object where a list of records was expected"))));
        }
        while let Some(key) = map.next_key_seed(Held::<Cow<'de, str>>::new(self.gauge))? {
            let path = self.below(&key);
            if self.records == Some(path.as_str()) && self.found.has_records {
                return Err(self.found.refuse(shape(format!("the answer has `{path}` twice"))));
            }
            if self.wanted.contains(&path.as_str()) {
                let value = map.next_value_seed(Held::<Value>::new(self.gauge))?;
                self.found.envelope.insert(path, value);
            } else if self.records == Some(path.as_str()) || self.is_on_the_way(&path) {
                map.next_value_seed(Place {
                    path,
                    records: self.records,
                    wanted: self.wanted,
                    found: &mut *self.found,
                    gauge: self.gauge,
                    take: &mut *self.take,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.nothing()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.nothing()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.nothing()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.nothing()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.nothing()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.nothing()
    }
}
