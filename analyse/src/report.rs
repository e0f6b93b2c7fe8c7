//! The report: one HTML file that holds its data, its styles and its scripts, and asks nobody for anything.
//!
//! Names in it come from a system anybody may type into. They travel as JSON that cannot end its own element, the page
//! puts them on screen as text only, and its security policy runs no script but those whose hashes it names.
//!
//! - [`data`]: which tables and columns the page shows, and what is missing
//! - [`columns`]: a column of a table as the shortest JSON that says it
//! - [`page`]: template, styles, scripts and data made one file

mod columns;
mod data;
mod page;

pub use page::design;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use spectra_common::release::Files;

/// Where it will be, below `<lake>/Files/`.
pub const PATH: &str = "analyse/report.html";

/// Makes the report out of the tables of this stage.
///
/// # Errors
/// When one of the tables cannot be read.
pub fn make<'a>(context: &'a SessionContext) -> BoxFuture<'a, Result<Files>> {
    async move {
        let report = data::read(context).await?;
        Ok(vec![(PATH.to_owned(), page::page(&report)?.into_bytes())])
    }
    .boxed()
}
