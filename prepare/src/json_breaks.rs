//! `json_breaks(payload, contract)`: which paths of a record are not as a contract says, or NULL when all are.
//!
//! The contract is a literal: a JSON list of `[path, types]`, the paths as [`super::json_fields`] writes them and the
//! types as words with `|` between. What lies below a path the contract does not know is not looked at.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json_fields::{RECORD, member_path};

/// The function, ready to register.
pub fn json_breaks() -> ScalarUDF {
    ScalarUDF::new_from_impl(JsonBreaks { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonBreaks {
    signature: Signature,
}

impl ScalarUDFImpl for JsonBreaks {
    fn name(&self) -> &str {
        "json_breaks"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let contract = match args.args.get(1) {
            Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)))) => text,
            _ => return plan_err!("json_breaks needs a literal contract, such as '[[\"id\",\"integer\"]]'"),
        };
        let Ok(contract) = serde_json::from_str::<Vec<(String, String)>>(contract) else {
            return plan_err!("json_breaks cannot read its contract: a JSON list of [path, types]");
        };
        let allowed: HashMap<&str, &str> =
            contract.iter().map(|(path, types)| (path.as_str(), types.as_str())).collect();
        let payloads = cast(&args.args[0].to_array(args.number_rows)?, &DataType::Utf8)?;
        let broken: StringArray =
            payloads.as_string::<i32>().iter().map(|payload| breaks(&allowed, payload?)).collect();
        Ok(ColumnarValue::Array(Arc::new(broken)))
    }
}

/// The paths of a record that are not as allowed, in their order and each once.
pub(crate) fn breaks(allowed: &HashMap<&str, &str>, payload: &str) -> Option<String> {
    let mut broken = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(payload);
    let look = Look { allowed, path: RECORD, broken: &mut broken };
    if look.deserialize(&mut reader).is_err() && broken.first().is_none_or(|first| first != RECORD) {
        broken.insert(0, RECORD.to_owned());
    }
    broken.dedup();
    (!broken.is_empty()).then(|| broken.join(", "))
}

/// So many paths are named at most: a record may have any number that nobody has ever seen.
const MOST_NAMED: usize = 100;

/// Compares a value, and all that is in it, with what is allowed at its path.
struct Look<'look> {
    allowed: &'look HashMap<&'look str, &'look str>,
    path: &'look str,
    broken: &'look mut Vec<String>,
}

impl Look<'_> {
    fn is(&mut self, kind: &str) -> bool {
        let fits = self.allowed.get(self.path).is_some_and(|types| {
            types.split('|').any(|allowed| allowed == kind || (allowed == "decimal" && kind == "integer"))
        });
        if !fits && self.broken.len() < MOST_NAMED && !self.broken.iter().any(|known| known == self.path) {
            self.broken.push(self.path.to_owned());
        }
        fits
    }
}

impl<'text> DeserializeSeed<'text> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'text>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'text> Visitor<'text> for Look<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        // Whether a value may be absent is no matter of its type.
        Ok(())
    }

    fn visit_bool<E>(mut self, _: bool) -> Result<(), E> {
        self.is("boolean");
        Ok(())
    }

    fn visit_i64<E>(mut self, _: i64) -> Result<(), E> {
        self.is("integer");
        Ok(())
    }

    fn visit_u64<E>(mut self, _: u64) -> Result<(), E> {
        self.is("integer");
        Ok(())
    }

    fn visit_f64<E>(mut self, _: f64) -> Result<(), E> {
        self.is("decimal");
        Ok(())
    }

    fn visit_str<E>(mut self, _: &str) -> Result<(), E> {
        self.is("text");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'text>>(mut self, mut elements: A) -> Result<(), A::Error> {
        if !self.is("array") {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let path = format!("{}[]", self.path);
        let allowed = self.allowed;
        while elements.next_element_seed(Look { allowed, path: &path, broken: &mut *self.broken })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'text>>(mut self, mut members: A) -> Result<(), A::Error> {
        if !self.is("object") {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while let Some(name) = members.next_key::<String>()? {
            let mut path = member_path(self.path, &name);
            let any = member_path(self.path, "*");
            if !self.allowed.contains_key(path.as_str()) && self.allowed.contains_key(any.as_str()) {
                path = any;
            }
            members.next_value_seed(Look { allowed: self.allowed, path: &path, broken: &mut *self.broken })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(payload: &str) -> Option<String> {
        let contract = [
            ("$", "object"),
            ("id", "integer"),
            ("size", "decimal"),
            ("tags", "array"),
            ("tags[]", "text|integer"),
            ("owner", "object"),
            ("owner.id", "integer"),
            ("fields", "object"),
            ("fields.*", "text"),
            ("kids", "array"),
            ("kids[]", "object"),
            ("kids[].id", "integer"),
        ];
        breaks(&HashMap::from(contract), payload)
    }

    #[test]
    fn a_record_as_the_contract_says_breaks_nothing() {
        assert_eq!(broken(r#"{"id":1,"size":2,"tags":["a",1],"owner":{"id":5},"fields":{"x":"1","y y":"2"}}"#), None);
        assert_eq!(broken(r#"{"id":null,"tags":[],"kids":[{"id":1,"kids":[{"id":2}]}]}"#), None);
    }

    #[test]
    fn new_and_retyped_paths_are_named_once_and_nothing_below_them() {
        let payload = r#"{"id":"1","new":{"a":1},"tags":[true,false],"owner":7,"fields":{"x":1}}"#;
        assert_eq!(broken(payload).as_deref(), Some("id, new, tags[], owner, fields.*"));
        assert_eq!(broken("nonsense").as_deref(), Some("$"));
        assert_eq!(broken("[]").as_deref(), Some("$"));
    }

    #[test]
    fn a_wicked_record_breaks_and_costs_little() {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(broken(&format!(r#"{{"new":{}}}"#, deep("[", "]"))).as_deref(), Some("new"));
        // A tree is followed as deep as anything is read, and a deeper one cannot be read.
        let tree = format!(r#"{{"kids":{}}}"#, deep(r#"[{"kids":"#, "}]"));
        assert!(broken(&tree).is_some_and(|paths| paths.starts_with('$')));
        for payload in [r#"{"id":1e400}"#, r#"{"tags":["\ud800"]}"#, "{\"tags\":[\"\u{1}\"]}"] {
            assert_eq!(broken(payload).as_deref(), Some("$"), "{payload}");
        }
        assert_eq!(broken(r#"{"id":123456789012345678901}"#).as_deref(), Some("id"), "no longer a whole number");
        assert_eq!(broken(r#"{"id":"1","id":1}"#).as_deref(), Some("id"), "each of two is looked at");
        let members: Vec<String> = (0..100_000).map(|at| format!(r#""n{at}":1"#)).collect();
        let named = broken(&format!("{{{}}}", members.join(","))).unwrap_or_default();
        assert_eq!(named.split(", ").count(), MOST_NAMED);
    }
}
