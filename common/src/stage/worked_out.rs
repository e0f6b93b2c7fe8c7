//! Tables a stage works out itself for its models to read, where a query alone would read far too much.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;

use super::inputs::ReferenceFile;
use crate::model::TableName;
use crate::release::{History, TableState};
use crate::run::Run;

/// What such tables may be made of: everything the run is pinned to.
pub struct Pinned<'a> {
    /// All releases of the lake.
    pub history: &'a History,
    /// The tables of other stages that may be read.
    pub tables: &'a BTreeMap<TableName, TableState>,
    /// The reference files.
    pub references: &'a BTreeMap<String, ReferenceFile>,
}

/// Tables of a schema of their own, no version of which is kept.
pub trait WorkedOut: Send + Sync {
    /// The schema under which models read them.
    fn schema(&self) -> &'static str;

    /// Whether there is such a table.
    fn has(&self, table: &str) -> bool;

    /// What the content of one of them depends on.
    fn identity(&self, table: &str) -> String;

    /// Works one of them out.
    ///
    /// # Errors
    /// When what it is made of cannot be read.
    fn table<'a>(&'a self, run: &'a Run, table: &'a str) -> BoxFuture<'a, Result<MemTable>>;

    /// What else models see of a pinned table depends on, besides its version.
    fn identity_of_input(&self, name: &TableName) -> String;

    /// Lets models see of a pinned table, which is registered already, only what they should.
    ///
    /// # Errors
    /// When the engine refuses.
    fn narrow<'a>(&'a self, context: &'a SessionContext, name: &'a TableName) -> BoxFuture<'a, Result<()>>;
}

/// Makes them from what a run is pinned to.
pub type MakeWorkedOut = fn(&Pinned<'_>) -> Result<Arc<dyn WorkedOut>>;
