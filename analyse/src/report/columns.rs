//! A column of a table as JSON, in whichever of four forms is shortest.
//!
//! As it is; as a dictionary `d` with positions `c`, themselves in any form; as runs `r` of a value and how often it
//! comes; as a first value and the runs of its steps `s`. A browser reads a hundred thousand rows of it in a blink, and
//! nobody has to unpack anything.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, new_empty_array,
};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use serde_json::value::RawValue;

/// Beyond it, JavaScript no longer tells neighbouring numbers apart.
const LARGEST_NUMBER: i64 = (1 << 53) - 1;

/// A column that may come in parts; none if there is nothing in it.
pub(super) fn encode(parts: &[ArrayRef], kind: &DataType) -> Result<Option<Box<RawValue>>> {
    let whole = if parts.is_empty() {
        new_empty_array(kind)
    } else {
        concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>())?
    };
    if whole.null_count() == whole.len() {
        return Ok(None);
    }
    let column = tokens(&whole)?;
    let json = column.shortest();
    RawValue::from_string(json).map(Some).context("writing a column of the report")
}

/// Each distinct value as JSON, and which of them stands where.
#[derive(Default)]
struct Column {
    values: Vec<String>,
    positions: Vec<usize>,
    /// The values as integers, where each of them is one.
    integers: Option<Vec<i64>>,
}

fn tokens(array: &ArrayRef) -> Result<Column> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut column = Column::default();
    let mut add = |text: String| {
        let next = column.values.len();
        let position = *known.entry(text).or_insert_with_key(|text| {
            column.values.push(text.clone());
            next
        });
        column.positions.push(position);
    };
    let none = || "null".to_owned();
    match array.data_type() {
        DataType::Boolean => {
            let flags: &BooleanArray = array.as_boolean();
            flags.iter().for_each(|flag| add(flag.map_or_else(none, |flag| flag.to_string())));
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers: &Float64Array = numbers.as_primitive::<Float64Type>();
            numbers.iter().for_each(|number| add(number.and_then(rounded).unwrap_or_else(none)));
        }
        kind if kind.is_integer() || matches!(kind, DataType::Date32 | DataType::Timestamp(..)) => {
            let whole = match kind {
                DataType::Date32 => cast(array, &DataType::Int32)?,
                DataType::Timestamp(_, zone) => cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?,
                _ => ArrayRef::clone(array),
            };
            let whole = cast(&whole, &DataType::Int64)?;
            let whole: &Int64Array = whole.as_primitive::<Int64Type>();
            whole.iter().for_each(|number| add(number.map_or_else(none, integer)));
            let is_plain = |number: &i64| number.abs() <= LARGEST_NUMBER;
            column.integers = whole.iter().collect::<Option<Vec<_>>>().filter(|all| all.iter().all(is_plain));
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string::<i32>();
            for text in texts {
                add(text.map_or_else(|| Ok(none()), serde_json::to_string)?);
            }
        }
        other => bail!("the report cannot show a column of type {other}"),
    }
    Ok(column)
}

fn integer(number: i64) -> String {
    if number.abs() <= LARGEST_NUMBER { number.to_string() } else { format!("\"{number}\"") }
}

/// Nobody reads more: rates to a hundredth of a percent, all else to a hundredth.
fn rounded(number: f64) -> Option<String> {
    let step = if number.abs() < 1.0 { 1e4 } else { 1e2 };
    // Adding nothing makes the zero below zero an ordinary one.
    let near = (number * step).round() / step + 0.0;
    near.is_finite().then(|| near.to_string())
}

impl Column {
    fn shortest(&self) -> String {
        let plain = list(self.positions.iter().map(|&position| self.values[position].as_str()));
        let whole_runs = format!(r#"{{"r":{}}}"#, runs(&self.positions, |&position| self.values[position].clone()));
        let mut forms = vec![plain, whole_runs];
        if self.values.len() < self.positions.len() {
            let plain = list(self.positions.iter().map(usize::to_string));
            let in_runs = format!(r#"{{"r":{}}}"#, runs(&self.positions, usize::to_string));
            let positions = if in_runs.len() < plain.len() { in_runs } else { plain };
            forms.push(format!(r#"{{"d":{},"c":{positions}}}"#, list(self.values.iter())));
        }
        if let Some(integers) = &self.integers {
            let mut before = 0;
            let steps: Vec<i64> =
                integers.iter().map(|&number| number - std::mem::replace(&mut before, number)).collect();
            forms.push(format!(r#"{{"s":{}}}"#, runs(&steps, i64::to_string)));
        }
        forms.into_iter().min_by_key(String::len).unwrap_or_default()
    }
}

fn list(values: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = "[".to_owned();
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(value.as_ref());
    }
    text.push(']');
    text
}

fn runs<Value: PartialEq>(values: &[Value], token: impl Fn(&Value) -> String) -> String {
    let mut text = "[".to_owned();
    for run in values.chunk_by(|one, next| one == next) {
        if text.len() > 1 {
            text.push(',');
        }
        if let Some(first) = run.first() {
            let _ = write!(text, "{},{}", token(first), run.len());
        }
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Date32Array, StringViewArray, TimestampMicrosecondArray};

    use super::*;

    fn json(array: impl Array + 'static) -> String {
        let kind = array.data_type().clone();
        encode(&[Arc::new(array) as ArrayRef], &kind).unwrap().map(|raw| raw.get().to_owned()).unwrap_or_default()
    }

    #[test]
    fn each_form_is_taken_where_it_is_the_shortest() {
        assert_eq!(json(Int64Array::from(vec![5, 1, 7])), "[5,1,7]");
        assert_eq!(json(Int64Array::from(vec![3; 40])), r#"{"r":[3,40]}"#);
        assert_eq!(json(Int64Array::from_iter_values(100..140)), r#"{"s":[100,1,1,39]}"#);
        let names = ["a long name", "another name", "a long name", "a long name", "another name"];
        assert_eq!(json(StringArray::from(names.to_vec())), r#"{"d":["a long name","another name"],"c":[0,1,0,0,1]}"#);
    }

    #[test]
    fn what_is_missing_is_null_and_a_column_of_it_is_left_out() {
        assert_eq!(json(Int64Array::from(vec![Some(5), None])), "[5,null]");
        assert_eq!(json(StringViewArray::from(vec![None::<&str>, None])), "");
        assert_eq!(json(Float64Array::from(vec![Some(f64::NAN), Some(0.5)])), "[null,0.5]");
        assert!(encode(&[], &DataType::Utf8).unwrap().is_none());
    }

    #[test]
    fn days_are_numbers_instants_milliseconds_and_very_large_numbers_text() {
        assert_eq!(json(Date32Array::from(vec![20458, 3])), "[20458,3]");
        let instant = TimestampMicrosecondArray::from(vec![1_500_000, 7]).with_timezone("UTC");
        assert_eq!(json(instant), "[1500,0]");
        assert_eq!(json(Int64Array::from(vec![i64::MAX, 1])), r#"["9223372036854775807",1]"#);
    }

    #[test]
    fn rates_and_figures_are_rounded() {
        assert_eq!(json(Float64Array::from(vec![0.123_456, 12.345_6, -0.000_01])), "[0.1235,12.35,0]");
    }
}
