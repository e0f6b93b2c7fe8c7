//! The parts of a record that are looked at; the rest is passed over unread.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::leaf::Leaf;

/// Which parts of a record are looked at.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outline<'spec> {
    below: Vec<(&'spec str, Outline<'spec>)>,
    wanted: Wanted,
    is_unordered: bool,
}

/// How much of a value is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(super) enum Wanted {
    /// Nothing, or what is wanted of what is in it.
    #[default]
    Nothing,
    /// A number, a text or a truth; of anything else only what it is.
    Leaf,
    /// All that is in it.
    Whole,
}

/// Those parts of one record.
pub(super) struct Parts<'text> {
    /// The record with nothing in it but what is wanted.
    pub(super) value: Value,
    /// Lists whose order means nothing.
    unordered: Vec<Vec<&'text RawValue>>,
}

impl<'spec> Outline<'spec> {
    /// Of fields at dotted paths, and of lists whose order means nothing.
    pub(super) fn new(
        wanted: impl IntoIterator<Item = (&'spec str, Wanted)>,
        unordered: impl IntoIterator<Item = &'spec str>,
    ) -> Self {
        let mut outline = Self::default();
        for (path, wanted) in wanted {
            let place = outline.at(path);
            if place.wanted < wanted {
                place.wanted = wanted;
            }
        }
        for path in unordered {
            outline.at(path).is_unordered = true;
        }
        outline
    }

    fn at(&mut self, path: &'spec str) -> &mut Self {
        path.split('.').fold(self, |outline, step| {
            let position = outline.below.iter().position(|(name, _)| *name == step).unwrap_or_else(|| {
                outline.below.push((step, Self::default()));
                outline.below.len() - 1
            });
            &mut outline.below[position].1
        })
    }

    /// Reads the parts out of a record's text.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub(super) fn parts<'text>(&self, text: &'text str) -> serde_json::Result<Parts<'text>> {
        let mut unordered = Vec::new();
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Part { outline: self, unordered: &mut unordered }.deserialize(&mut json)?;
        json.end()?;
        Ok(Parts { value, unordered })
    }
}

impl Parts<'_> {
    /// Hash of the record these are parts of, whose text is `text`, blind to orders that mean nothing.
    pub(super) fn hash(self, text: &str) -> blake3::Hash {
        let mut lists: Vec<(usize, usize, Vec<&str>)> = Vec::new();
        for list in &self.unordered {
            if let [first, .., last] = list.as_slice() {
                let offset = |raw: &RawValue| raw.get().as_ptr() as usize - text.as_ptr() as usize;
                let mut elements: Vec<&str> = list.iter().map(|raw| raw.get()).collect();
                elements.sort_unstable();
                lists.push((offset(first), offset(last) + last.get().len(), elements));
            }
        }
        if lists.is_empty() {
            return blake3::hash(text.as_bytes());
        }
        lists.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        let mut done = 0;
        for (start, end, elements) in lists {
            hasher.update(&text.as_bytes()[done..start]);
            for element in elements {
                hasher.update(element.as_bytes()).update(b",");
            }
            done = end;
        }
        hasher.update(&text.as_bytes()[done..]);
        hasher.finalize()
    }
}

/// What a record, or a record inside one, has at a dotted path.
pub(super) fn at<'value>(value: &'value Value, path: &str) -> Option<&'value Value> {
    path.split('.').try_fold(value, |value, step| value.get(step))
}

struct Part<'a, 'spec, 'text> {
    outline: &'a Outline<'spec>,
    unordered: &'a mut Vec<Vec<&'text RawValue>>,
}

impl<'text> Part<'_, '_, 'text> {
    /// A value that has several duties: it is read once for each.
    fn read_again<E: Error>(self, raw: &'text RawValue) -> Result<Value, E> {
        let text = raw.get();
        if self.outline.is_unordered && text.starts_with('[') {
            self.unordered.push(serde_json::from_str(text).map_err(E::custom)?);
        }
        let wanted = self.outline.wanted;
        let mut value = Value::Null;
        if !self.outline.below.is_empty() {
            let mut json = serde_json::Deserializer::from_str(text);
            value = self.deserialize(&mut json).map_err(E::custom)?;
        }
        match wanted {
            Wanted::Whole => value = serde_json::from_str(text).map_err(E::custom)?,
            // An object has already told what is wanted of it.
            Wanted::Leaf if !value.is_object() => {
                value = Leaf.deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(E::custom)?;
            }
            _ => {}
        }
        Ok(value)
    }
}

impl<'text> DeserializeSeed<'text> for Part<'_, '_, 'text> {
    type Value = Value;

    fn deserialize<D: Deserializer<'text>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'text> Visitor<'text> for Part<'_, '_, 'text> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'text>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = map.next_key::<Cow<'text, str>>()? {
            let Some((step, outline)) = self.outline.below.iter().find(|(step, _)| *step == name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let part = Part { outline, unordered: &mut *self.unordered };
            let value = match outline {
                Outline { is_unordered: false, wanted: Wanted::Leaf, below } if below.is_empty() => {
                    map.next_value_seed(Leaf)?
                }
                Outline { is_unordered: false, wanted: Wanted::Whole, below } if below.is_empty() => {
                    map.next_value()?
                }
                Outline { is_unordered: false, wanted: Wanted::Nothing, .. } => map.next_value_seed(part)?,
                _ => part.read_again(map.next_value()?)?,
            };
            found.insert((*step).to_owned(), value);
        }
        Ok(Value::Object(found))
    }

    fn visit_seq<A: SeqAccess<'text>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_is_read() {
        let wanted = [("id", Wanted::Leaf), ("a.b", Wanted::Leaf), ("a", Wanted::Whole), ("a", Wanted::Leaf)];
        let outline = Outline::new(wanted, ["a.list", "gone.list"]);
        let text = r#"{"id":7,"x":[1,{"id":8}],"a":{"b":"c","list":[2,1]},"y":1e999}"#;
        let parts = outline.parts(text).unwrap();
        assert_eq!(parts.value, json!({"id": 7, "a": {"b": "c", "list": [2, 1]}}));
        assert_eq!(parts.unordered.len(), 1);
        for other in ["7", "[1]", "\"a\"", "null", "1.5", "-1", "true"] {
            assert_eq!(outline.parts(other).unwrap().value, Value::Null, "{other}");
        }
        assert!(outline.parts(r#"{"id":7"#).is_err());
    }

    #[test]
    fn of_a_leaf_that_is_none_nothing_is_held() {
        let outline = Outline::new([("id", Wanted::Leaf), ("a", Wanted::Leaf), ("a.b", Wanted::Leaf)], []);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"id":{deep},"a":{{"b":[1,2],"c":{deep}}}}}"#);
        let parts = outline.parts(&text).unwrap();
        assert_eq!(parts.value, json!({"id": [], "a": {"b": []}}));
        assert_eq!(outline.parts(r#"{"id":{"x":1},"a":7}"#).unwrap().value, json!({"id": {}, "a": 7}));
        assert!(outline.parts(r#"{"id":1e400}"#).is_err());
    }

    #[test]
    fn the_last_of_two_fields_of_one_name_counts() {
        let outline = Outline::new([("id", Wanted::Leaf), ("a.b", Wanted::Leaf)], []);
        let twice = r#"{"id":1,"id":2,"a":{"b":1},"a":{"c":2}}"#;
        assert_eq!(outline.parts(twice).unwrap().value, json!({"id": 2, "a": {}}));
        assert_eq!(outline.parts(r#"{"id":1,"\u0069d":2}"#).unwrap().value, json!({"id": 2}));
    }

    #[test]
    fn orders_that_mean_nothing_do_not_change_the_hash() {
        let outline = Outline::new([("id", Wanted::Leaf)], ["late", "a.list"]);
        let hash = |text: &str| outline.parts(text).unwrap().hash(text);
        let one = hash(r#"{"id":1,"a":{"list":[3,"é",1]},"late":["b","a"],"end":[1,2]}"#);
        assert_eq!(one, hash(r#"{"id":1,"a":{"list":["é",1, 3]},"late":["a","b"],"end":[1,2]}"#));
        assert_ne!(one, hash(r#"{"id":1,"a":{"list":[3,"é",1]},"late":["b","a"],"end":[2,1]}"#));
        assert_ne!(one, hash(r#"{"id":1,"a":{"list":[3,"é",2]},"late":["b","a"],"end":[1,2]}"#));
        let text = r#"{"id":1,"a":{"list":[3]}}"#;
        assert_eq!(hash(text), blake3::hash(text.as_bytes()));
    }

    #[test]
    fn a_path_leads_into_objects() {
        let value = json!({"a": {"b": 1}});
        assert_eq!(at(&value, "a.b"), Some(&json!(1)));
        assert_eq!(at(&value, "a.c"), None);
    }
}
