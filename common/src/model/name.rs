//! What a table is called.

use datafusion::common::TableReference;

/// A table, by schema and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema of the lake.
    pub schema: String,
    /// Table in it.
    pub table: String,
}

impl TableName {
    /// `schema.table`, or `None` for any other form.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, table) = text.trim().split_once('.')?;
        let plain = |part: &str| !part.is_empty() && part.chars().all(|each| each.is_ascii_alphanumeric());
        (plain(schema) && plain(table)).then(|| Self { schema: schema.to_owned(), table: table.to_owned() })
    }

    /// As the engine knows it.
    pub fn reference(&self) -> TableReference {
        TableReference::partial(self.schema.as_str(), self.table.as_str())
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.table)
    }
}
