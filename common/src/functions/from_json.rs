//! `from_json(text, 'id bigint, name string, …')`: JSON text to typed columns in one parse.
//!
//! The second argument is a schema in Spark's notation. The result is a struct (or a list, for `array<…>`).
//! Text that is not JSON of that shape gives NULL, whole: a record that breaks its contract must be seen by an
//! expectation, not lose one field in silence. Absent fields are NULL and unknown fields are ignored. A number or
//! boolean is accepted where a string is declared and numeric text where a number is, as the API itself is loose
//! about that; a fraction where a whole number is declared is not, nor is a number that no double can hold. Of two
//! fields of one name the last counts.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_json::reader::Decoder;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options, concat, nullif};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use serde::de::IgnoredAny;

/// No schema looks deeper than this.
const DEEPEST: usize = 64;

/// The function, ready to register.
pub fn from_json() -> ScalarUDF {
    ScalarUDF::new_from_impl(FromJson { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FromJson {
    signature: Signature,
}

impl ScalarUDFImpl for FromJson {
    fn name(&self) -> &str {
        "from_json"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("from_json takes its type from its second argument")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let text = match args.scalar_arguments.get(1) {
            Some(Some(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)))) => text,
            _ => return plan_err!("from_json needs a literal schema, such as 'id bigint, name string'"),
        };
        Ok(Arc::new(Field::new(self.name(), Notation::parse(text)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = args.args[0].to_array(args.number_rows)?;
        let text = cast(&text, &DataType::Utf8)?;
        Ok(ColumnarValue::Array(decode(text.as_string(), args.return_field.data_type())?))
    }
}

/// Each row's JSON as `wanted`, NULL where the row does not fit.
///
/// # Errors
/// When no JSON can be of that type.
pub fn decode(text: &StringArray, wanted: &DataType) -> Result<ArrayRef> {
    // Whole numbers are first read as text: the JSON reader would cut 1.7 down to 1 without a word.
    let loose = Arc::new(Field::new("value", whole_numbers_as_text(wanted), true));
    let reader = || {
        let reader = ReaderBuilder::new_with_field(loose.clone());
        reader.with_coerce_primitive(true).with_batch_size(text.len().max(1))
    };
    let mut decoder = reader().build_decoder()?;
    if let Some(all) = rows(&mut decoder, text, wanted) {
        return Ok(nullif(&all, &datafusion::arrow::compute::is_null(text)?)?);
    }
    // Some row does not fit: find out which, one at a time.
    let nothing = new_null_array(wanted, 1);
    let mut values: Vec<ArrayRef> = Vec::with_capacity(text.len());
    for row in 0..text.len() {
        let one = text.slice(row, 1);
        let mut decoder = reader().build_decoder()?;
        let value = if one.is_null(0) { None } else { rows(&mut decoder, &one, wanted) };
        values.push(value.unwrap_or_else(|| nothing.clone()));
    }
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    if values.is_empty() { Ok(new_null_array(wanted, 0)) } else { Ok(concat(&values)?) }
}

/// The decoded column, or `None` when any row is not exactly one value of the wanted type.
fn rows(decoder: &mut Decoder, text: &StringArray, wanted: &DataType) -> Option<ArrayRef> {
    if text.is_empty() {
        return None;
    }
    // Whatever is landed is JSON. A list stands in a text that nobody has read, and the reader takes more than JSON:
    // elements without commas, 1-2, 007. To ask of every record would cost more than half as much again.
    let is_unread = matches!(wanted, DataType::List(_));
    let mut row = Vec::new();
    for (index, value) in text.iter().enumerate() {
        let value = value.unwrap_or("null");
        if is_unread {
            serde_json::from_str::<IgnoredAny>(value).ok()?;
        }
        row.clear();
        row.extend_from_slice(shallow(value).as_bytes());
        // Or the end of a number would not be seen.
        row.push(b'\n');
        let used = decoder.decode(&row).ok()?;
        if used != row.len() || decoder.has_partial_record() || decoder.len() != index + 1 {
            return None;
        }
    }
    let batch: RecordBatch = decoder.flush().ok()??;
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(batch.column(0), wanted, &strict).ok().filter(is_finite)
}

/// The same JSON with null for what is nested too deeply: the reader says of a value that does not fit what it holds, with
/// a call for each level of it.
fn shallow(text: &str) -> Cow<'_, str> {
    let is_open = |byte: &u8| matches!(byte, b'[' | b'{');
    if text.bytes().filter(is_open).count() <= DEEPEST {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let (mut depth, mut begin, mut is_in_string, mut is_escaped) = (0_usize, 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                if depth == DEEPEST {
                    kept.push_str(&text[begin..at]);
                    kept.push_str("null");
                }
                depth += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == DEEPEST {
                    begin = at + 1;
                }
            }
            _ => {}
        }
    }
    if depth <= DEEPEST {
        kept.push_str(&text[begin..]);
    }
    Cow::Owned(kept)
}

/// Whether no number in a column was too large for its type: the reader makes an infinity of 1e400.
fn is_finite(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        DataType::Struct(_) => column.as_struct().columns().iter().all(is_finite),
        DataType::List(_) => is_finite(column.as_list::<i32>().values()),
        _ => true,
    }
}

fn whole_numbers_as_text(data_type: &DataType) -> DataType {
    let of =
        |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(whole_numbers_as_text(field.data_type())));
    match data_type {
        DataType::Int32 | DataType::Int64 => DataType::Utf8,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(of).collect()),
        DataType::List(item) => DataType::List(of(item)),
        other => other.clone(),
    }
}

/// Spark's schema notation: `a bigint, b struct<c:string>`, or a single `array<…>`.
struct Notation<'text> {
    whole: &'text str,
    rest: &'text str,
}

impl Notation<'_> {
    fn parse(whole: &str) -> Result<DataType> {
        let mut notation = Notation { whole, rest: whole };
        notation.skip_space();
        let parsed = if notation.rest.to_ascii_lowercase().starts_with("array<") {
            notation.data_type()?
        } else {
            DataType::Struct(notation.fields(None)?)
        };
        notation.skip_space();
        if notation.rest.is_empty() { Ok(parsed) } else { notation.refuse("the end") }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn refuse<T>(&self, expected: &str) -> Result<T> {
        let position = self.whole.len() - self.rest.len();
        plan_err!("schema '{}' of from_json: expected {expected} at character {position}", self.whole)
    }

    fn word(&mut self, expected: &str) -> Result<&str> {
        self.skip_space();
        let end = self.rest.find(|each: char| !each.is_ascii_alphanumeric() && each != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return self.refuse(expected);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn take(&mut self, symbol: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn fields(&mut self, end: Option<char>) -> Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let name = self.word("a field name")?.to_owned();
            self.take(':');
            fields.push(Field::new(name, self.data_type()?, true));
            if self.take(',') {
                continue;
            }
            return match end {
                Some(symbol) if !self.take(symbol) => self.refuse("`,` or `>`"),
                _ => Ok(fields.into()),
            };
        }
    }

    fn data_type(&mut self) -> Result<DataType> {
        let name = self.word("a type")?.to_ascii_lowercase();
        match name.as_str() {
            "bigint" | "long" => Ok(DataType::Int64),
            "int" | "integer" => Ok(DataType::Int32),
            "double" => Ok(DataType::Float64),
            "boolean" => Ok(DataType::Boolean),
            "string" => Ok(DataType::Utf8),
            "struct" if self.take('<') => Ok(DataType::Struct(self.fields(Some('>'))?)),
            "array" if self.take('<') => {
                let item = Field::new_list_field(self.data_type()?, true);
                if self.take('>') { Ok(DataType::List(Arc::new(item))) } else { self.refuse("`>`") }
            }
            other => plan_err!("schema '{}' of from_json: `{other}` is no type it knows", self.whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    async fn run(sql: &str) -> String {
        let config = SessionConfig::new().set_bool("datafusion.sql_parser.enable_ident_normalization", false);
        let context = SessionContext::new_with_config(config);
        context.register_udf(from_json());
        match context.sql(sql).await {
            Ok(frame) => pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    async fn one(json: &str, schema: &str, field: &str) -> String {
        let table = run(&format!(
            "select p{field} as v from (select from_json(t, '{schema}') as p from (values ('{json}')) as x(t)) as y"
        ))
        .await;
        table.lines().nth(3).unwrap_or(&table).trim_matches(['|', ' ']).trim().to_owned()
    }

    #[tokio::test]
    async fn nested_fields_come_out_typed() {
        let json = r#"{"id":7,"outer":{"inner":[1,2]},"extra":true}"#;
        assert_eq!(one(json, "id bigint, outer struct<inner:array<bigint>>", ".outer.inner").await, "[1, 2]");
        assert_eq!(one(json, "id bigint, missing string", ".id").await, "7");
    }

    #[tokio::test]
    async fn looseness_of_the_api_is_accepted() {
        assert_eq!(one(r#"{"v":5}"#, "v string", ".v").await, "5");
        assert_eq!(one(r#"{"v":"5"}"#, "v bigint", ".v").await, "5");
        assert_eq!(one(r#"[{"id":1.0},{"id":"2"}]"#, "array<struct<id:string>>", "[1]").await, "{id: 1.0}");
    }

    #[tokio::test]
    async fn what_breaks_the_contract_is_null_as_a_whole() {
        for json in [r#"{"v":1.7,"w":"x"}"#, r#"{"v":"many","w":"x"}"#, r#"{"v":12345678901234567890}"#, r#"{"v":{}}"#]
        {
            assert_eq!(one(json, "v bigint, w string", ".w").await, "", "{json}");
        }
        for json in [r#"{"v":1e400}"#, r#"{"v":-1e999}"#, r#"{"v":"Infinity"}"#, r#"{"v":"NaN"}"#] {
            assert_eq!(one(json, "v double", ".v").await, "", "{json}");
        }
        for json in [r#"{"v":1,"w":"\ud800"}"#, r#"{"v":1,"w":"\udc00\ud800"}"#] {
            assert_eq!(one(json, "v bigint, w string", ".v").await, "", "{json}");
        }
        for json in ["", "[1]", "{\"v\":1", "1},{\"value\":2", "nonsense"] {
            assert_eq!(one(json, "v bigint", ".v").await, "", "{json}");
        }
        for json in [r#"{"v":1},"other":2"#, r#"{"v":1}, "value":{"v":2}"#, r#"{"v":1} {"v":2}"#, "{\"v\":1}\n2"] {
            assert_eq!(one(json, "v string", ".v").await, "", "{json}");
        }
        for json in ["[1 2]", "[1,]", "[,1]", "[1-2]", "[007]", "[\"a\nb\"]", "[1],\"x\":[2]", "[1]]", "[1][2]", "1"] {
            assert_eq!(one(json, "array<string>", "").await, "", "{json}");
        }
        assert_eq!(one(" [1, 2] ", "array<string>", "").await, "[1, 2]");
    }

    #[tokio::test]
    async fn nesting_costs_no_stack_and_the_last_of_two_counts() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(one(&format!(r#"{{"id":7,"x":{deep}}}"#), "id bigint", ".id").await, "7");
        assert_eq!(one(&format!(r#"{{"id":7,"x":{deep}}}"#), "id bigint, x string", ".id").await, "");
        let string = format!(r#"{{"x":"{}\\\\","id":7}}"#, "[\\\"{".repeat(100));
        assert_eq!(one(&string, "id bigint", ".id").await, "7");
        let wide = format!(r#"{{"x":[{}0],"id":7}}"#, "[0],{},".repeat(100));
        assert_eq!(shallow(&wide), wide);
        let cut = shallow(&format!(r#"{{"x":{deep},"y":[{deep}],"id":7}}"#)).into_owned();
        assert!(cut.len() < 400 && cut.ends_with(r#"],"id":7}"#) && cut.contains("[null]"), "{cut}");
        assert_eq!(one(r#"{"id":1,"id":2}"#, "id bigint", ".id").await, "2");
        assert_eq!(one(r#"{"a":{"b":1},"a":{"c":2}}"#, "a struct<b:bigint>", ".a.b").await, "");
    }

    #[tokio::test]
    async fn one_bad_row_costs_only_itself() {
        let sql = r#"select p.v as v from (select from_json(t, 'v bigint') as p
            from (values ('{"v":1}'), ('{"v":'), (null), ('{"v":3}')) as x(t)) as y"#;
        let table = run(sql).await;
        let values: Vec<&str> =
            table.lines().skip(3).take(4).map(|line| line.trim_matches(['|', ' ']).trim()).collect();
        assert_eq!(values, ["1", "", "", "3"]);
    }

    #[tokio::test]
    async fn a_schema_nobody_can_read_is_named() {
        assert!(run("select from_json('{}', 'a wonder')").await.contains("`wonder` is no type"));
        assert!(run("select from_json('{}', 'a struct<b:string')").await.contains("expected `,` or `>`"));
    }
}
