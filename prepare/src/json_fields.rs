//! `json_fields(payload)`: what the records of a group look like: every path in them, how often it is there, and as what.
//!
//! An aggregate whose result is a list, one element per path: see [`COLUMNS`]. The path of the record itself is `$`, that
//! of its member `a` is `a`; the member `b` of that is `a.b`, the elements of a list are `…[]`, and the members of an
//! object that is used as a map, with more different names than a record has fields, are `….*` together. A list in an
//! element of a list of the same name is that list again. Names that are not words are quoted.
//! Values are kept where they are few and short, because a new one in such a place is worth a word. Of two members of one
//! name in one object the first is counted.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use spectra_common::functions::from_json::decode;

/// Members of an object beyond this many different names are those of a map.
const MOST_MEMBERS: usize = 256;

/// Places that are told apart in the records of a group; of more than these nothing is told.
const MOST_PLACES: usize = 20_000;

/// A longer name, in bytes, is one of a map.
const LONGEST_NAME: usize = 256;

/// Objects and lists deeper than this are counted and not entered.
const DEEPEST: u8 = 32;

/// A path with more different values than this has many.
const MOST_VALUES: usize = 24;

/// A value longer than this, in bytes, is text somebody wrote.
const LONGEST_VALUE: usize = 60;

/// The path of the record itself.
pub(super) const RECORD: &str = "$";

/// The counts of an element of the result, after its `path` and `parentPath`; `smallValues`, a JSON list or NULL, comes last.
pub const COLUMNS: [&str; 9] = [
    "parentCount",
    "presentCount",
    "nullCount",
    "textCount",
    "integerCount",
    "decimalCount",
    "booleanCount",
    "objectCount",
    "arrayCount",
];

/// The function, ready to register.
pub fn json_fields() -> AggregateUDF {
    AggregateUDF::new_from_impl(JsonFields { signature: Signature::any(1, Volatility::Immutable) })
}

fn result_type() -> DataType {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![text("path"), text("parentPath")];
    fields.extend(COLUMNS.iter().map(|name| Field::new(*name, DataType::Int64, true)));
    fields.push(text("smallValues"));
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields.into()), true)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonFields {
    signature: Signature,
}

impl AggregateUDFImpl for JsonFields {
    fn name(&self) -> &str {
        "json_fields"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(result_type())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Profile::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[tree]", args.name), DataType::Utf8, true))])
    }
}

/// One place in the records.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Node {
    null: i64,
    text: i64,
    integer: i64,
    decimal: i64,
    boolean: i64,
    object: i64,
    array: i64,
    values: Vec<String>,
    has_many_values: bool,
    members: Vec<(String, Node)>,
    /// Where a member that follows the last one found is likely to be.
    #[serde(skip)]
    next: usize,
    is_map: bool,
    element: Option<Box<Node>>,
}

impl Node {
    fn present(&self) -> i64 {
        self.null + self.text + self.integer + self.decimal + self.boolean + self.object + self.array
    }

    /// Where the member of this name is; records of a kind name theirs in the same order, so the next one is looked at
    /// first. None where it is new and there is no room for more.
    fn member(&mut self, name: &str, room: &Cell<usize>) -> Option<usize> {
        let count = self.members.len();
        let likely = self.next;
        let found = (likely..count).chain(0..likely.min(count)).find(|at| self.members[*at].0 == name);
        let at = match found {
            Some(at) => at,
            None => {
                self.is_map |= count >= MOST_MEMBERS || name.len() > LONGEST_NAME;
                let name = if self.is_map { "*" } else { name };
                match self.members.iter().position(|(known, _)| known == name) {
                    Some(at) => at,
                    None => {
                        room.set(room.get().checked_sub(1)?);
                        self.members.push((name.to_owned(), Self::default()));
                        count
                    }
                }
            }
        };
        self.next = at + 1;
        Some(at)
    }

    fn is_map_at(&self, at: usize) -> bool {
        self.members.get(at).is_some_and(|(name, _)| name == "*")
    }

    fn keep(&mut self, value: &str) {
        if self.has_many_values {
            return;
        }
        if let Some(at) = self.values.iter().position(|known| known == value) {
            if at > 0 {
                self.values.swap(at, at - 1);
            }
        } else if value.len() > LONGEST_VALUE || self.values.len() == MOST_VALUES {
            self.has_many_values = true;
            self.values = Vec::new();
        } else {
            self.values.push(value.to_owned());
        }
    }

    fn merge(&mut self, other: Self, room: &Cell<usize>) {
        self.null += other.null;
        self.text += other.text;
        self.integer += other.integer;
        self.decimal += other.decimal;
        self.boolean += other.boolean;
        self.object += other.object;
        self.array += other.array;
        if other.has_many_values {
            self.has_many_values = true;
            self.values = Vec::new();
        }
        other.values.iter().for_each(|value| self.keep(value));
        self.is_map |= other.is_map;
        for (name, node) in other.members {
            if let Some((_, member)) = self.member(&name, room).and_then(|at| self.members.get_mut(at)) {
                member.merge(node, room);
            }
        }
        if let Some(element) = other.element {
            self.element.get_or_insert_default().merge(*element, room);
        }
    }

    /// Takes the lists of this name in its elements into itself, and says how many elements could have had one.
    fn fold(&mut self, name: &str) -> i64 {
        let mut folded = false;
        loop {
            let Some(element) = &mut self.element else { return 0 };
            let Some(at) = element.members.iter().position(|(member, _)| member == name) else {
                return if folded { element.object } else { 0 };
            };
            let (_, below) = element.members.swap_remove(at);
            self.merge(below, &Cell::new(usize::MAX));
            folded = true;
        }
    }

    fn list(mut self, path: String, parent: Option<&str>, parents: i64, found: &mut Vec<Found>) {
        if self.is_map {
            let mut whole = Self::default();
            std::mem::take(&mut self.members)
                .into_iter()
                .for_each(|(_, node)| whole.merge(node, &Cell::new(usize::MAX)));
            self.members = vec![("*".to_owned(), whole)];
        }
        self.values.sort();
        found.push(Found {
            parent_count: parents,
            present_count: self.present(),
            null_count: self.null,
            text_count: self.text,
            integer_count: self.integer,
            decimal_count: self.decimal,
            boolean_count: self.boolean,
            object_count: self.object,
            array_count: self.array,
            small_values: (!self.values.is_empty())
                .then(|| serde_json::Value::from(std::mem::take(&mut self.values)).to_string()),
            parent_path: parent.map(ToOwned::to_owned),
            path: path.clone(),
        });
        self.members.sort_by(|(left, _), (right, _)| left.cmp(right));
        for (name, mut node) in self.members {
            let levels = node.fold(&name);
            // An object has any number of the members of a map, as a list has of elements.
            let parents = if name == "*" { node.present().max(self.object) } else { self.object + levels };
            node.list(member_path(&path, &name), Some(&path), parents, found);
        }
        // An empty list has no elements to tell of.
        if let Some(element) = self.element.filter(|element| element.present() > 0) {
            let parents = element.present();
            element.list(format!("{path}[]"), Some(&path), parents, found);
        }
    }
}

/// The path of a member of what lies at `path`. A list in an element of a list of the same name is that list again:
/// trees have one path for all their levels.
pub(super) fn member_path(path: &str, name: &str) -> String {
    let own = quoted(name);
    if let Some(above) = path.strip_suffix("[]")
        && above.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    {
        return above.to_owned();
    }
    if path == RECORD { own } else { format!("{path}.{own}") }
}

/// A name as it stands in a path.
fn quoted(name: &str) -> String {
    let is_word = |each: char| each.is_alphanumeric() || matches!(each, '_' | '-' | '$' | '*');
    if !name.is_empty() && name.chars().all(is_word) { name.to_owned() } else { format!("{name:?}") }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    path: String,
    parent_path: Option<String>,
    parent_count: i64,
    present_count: i64,
    null_count: i64,
    text_count: i64,
    integer_count: i64,
    decimal_count: i64,
    boolean_count: i64,
    object_count: i64,
    array_count: i64,
    small_values: Option<String>,
}

/// Everything seen in one group.
#[derive(Debug)]
struct Profile {
    root: Node,
    count: i64,
    /// How many more places are told apart.
    room: usize,
}

impl Default for Profile {
    fn default() -> Self {
        Self { root: Node::default(), count: 0, room: MOST_PLACES }
    }
}

impl Profile {
    fn add(&mut self, payload: &str) {
        self.count += 1;
        let mut reader = serde_json::Deserializer::from_str(payload);
        // What cannot be read to its end has told what it had; the count of the records shows that it is missing.
        let room = Cell::new(self.room);
        let _ = Look { node: &mut self.root, room: &room, depth: 0 }.deserialize(&mut reader);
        self.room = room.get();
    }
}

impl Accumulator for Profile {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let payloads = cast(&values[0], &DataType::Utf8)?;
        payloads.as_string::<i32>().iter().flatten().for_each(|payload| self.add(payload));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states[0].as_string::<i32>().iter().flatten() {
            let (count, root): (i64, Node) = serde_json::from_str(state).map_err(foreign)?;
            self.count += count;
            let room = Cell::new(self.room);
            self.root.merge(root, &room);
            self.room = room.get();
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let tree = serde_json::to_string(&(self.count, &self.root)).map_err(foreign)?;
        Ok(vec![ScalarValue::Utf8(Some(tree))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut found = Vec::new();
        std::mem::take(&mut self.root).list(RECORD.to_owned(), None, self.count, &mut found);
        let text = serde_json::to_string(&found).map_err(foreign)?;
        ScalarValue::try_from_array(&decode(&StringArray::from(vec![text]), &result_type())?, 0)
    }

    fn size(&self) -> usize {
        // Shapes are few and small; what matters is that they do not grow with the rows.
        size_of_val(self) + 1024
    }
}

fn foreign(error: serde_json::Error) -> DataFusionError {
    DataFusionError::External(error.into())
}

/// Counts a value, and all that is in it, at a node.
struct Look<'node> {
    node: &'node mut Node,
    room: &'node Cell<usize>,
    depth: u8,
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
        self.node.null += 1;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.node.boolean += 1;
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.node.integer += 1;
        if !self.node.has_many_values {
            self.node.keep(&value.to_string());
        }
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.node.integer += 1;
        if !self.node.has_many_values {
            self.node.keep(&value.to_string());
        }
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.node.decimal += 1;
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.node.text += 1;
        self.node.keep(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'text>>(self, mut elements: A) -> Result<(), A::Error> {
        self.node.array += 1;
        if self.depth == DEEPEST {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let node = self.node.element.get_or_insert_default();
        let (room, depth) = (self.room, self.depth + 1);
        while elements.next_element_seed(Look { node, room, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'text>>(self, mut members: A) -> Result<(), A::Error> {
        self.node.object += 1;
        self.node.next = 0;
        if self.depth == DEEPEST {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let (room, depth) = (self.room, self.depth + 1);
        let mut counted = [false; MOST_MEMBERS];
        while let Some(at) = members.next_key_seed(Member(&mut *self.node, room))? {
            let is_new = at.is_some_and(|at| {
                let seen = counted.get_mut(at).map(|seen| std::mem::replace(seen, true));
                seen == Some(false) || self.node.is_map_at(at)
            });
            let member = at.filter(|_| is_new).and_then(|at| self.node.members.get_mut(at));
            match member {
                Some((_, node)) => members.next_value_seed(Look { node, room, depth })?,
                None => members.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// Finds a member by its name, without a copy of that.
struct Member<'node>(&'node mut Node, &'node Cell<usize>);

impl<'text> DeserializeSeed<'text> for Member<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'text>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Member<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.member(name, self.1))
    }
}

#[cfg(test)]
mod tests;
