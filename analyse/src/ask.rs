//! Questions to the lake: what there is, what it holds, and where one execution came from. Nothing is ever written.

mod describe;
mod query;
mod trace;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use spectra_common::output::Format;
use spectra_common::run::{Outcome, Run};
use spectra_common::session;

use view::{View, Wanted};

/// What analyse can be asked.
#[derive(Clone, Debug, Subcommand)]
pub enum Question {
    /// Ask in SQL: any table of any stage, as of one release
    ///
    /// Tables are schema.table, such as refine.dimCycle; "refine@3".dimCycle is the one of release 3 whatever --release
    /// says. Standard output holds the answer and nothing else: the run report is the last line of standard error.
    Query {
        /// One query
        sql: String,

        /// The release to look at: 12, refine or refine@12; the newest of analyse, and what it was built from, if not given
        #[arg(long, env = "SPECTRA_RELEASE", value_name = "RELEASE")]
        release: Option<Wanted>,

        /// How the answer looks
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },

    /// Say what tables there are, or what the columns of one mean and what they are computed from
    Describe {
        /// A table, such as refine.dimCycle; all if not given
        table: Option<String>,

        /// The release to look at: 12, refine or refine@12; the newest of analyse, and what it was built from, if not given
        #[arg(long, env = "SPECTRA_RELEASE", value_name = "RELEASE")]
        release: Option<Wanted>,

        /// How the answer looks
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },

    /// Follow one execution back through all six stages to the run, slice, page and payload it came from
    Trace {
        /// Its id in the test-management system
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        execution: i64,

        /// The release to look at: 12, refine or refine@12; the newest of analyse, and what it was built from, if not given
        #[arg(long, env = "SPECTRA_RELEASE", value_name = "RELEASE")]
        release: Option<Wanted>,

        /// How the answer looks: table or json
        #[arg(long, env = "SPECTRA_FORMAT", value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
}

impl Question {
    /// Asks it.
    ///
    /// # Errors
    /// When there is no such release or table, or the query is wrong or wants to change something.
    pub fn ask(self, run: Arc<Run>) -> BoxFuture<'static, Result<Outcome>> {
        async move {
            let (release, inputs) = run.until_stopped(self.answer(&run)).await?;
            Ok(Outcome { release, inputs, is_inspection: true, ..Outcome::default() })
        }
        .boxed()
    }

    /// Says what was looked at: the release, and what it was built from.
    async fn answer(self, run: &Run) -> Result<(Option<i64>, BTreeMap<String, i64>)> {
        let view = match self {
            Self::Query { sql, release, format } => {
                // Before the lake is touched: what is refused is refused without it.
                let tables = query::tables(&sql)?;
                let (view, context) = look(run, release).await?;
                query::answer(&view, &context, &sql, tables, format).await?;
                view
            }
            Self::Describe { table, release, format } => {
                let (view, context) = look(run, release).await?;
                match table {
                    None => describe::tables(&view, format)?,
                    Some(table) => describe::columns(&view, &context, &table, format).await?,
                }
                view
            }
            Self::Trace { execution, release, format } => {
                let (view, context) = look(run, release).await?;
                trace::answer(&view, &context, execution, format).await?;
                view
            }
        };
        let mut inputs = view.releases;
        Ok((inputs.remove(&view.stage), inputs))
    }
}

async fn look(run: &Run, release: Option<Wanted>) -> Result<(View, SessionContext)> {
    // For every stage this flag names the release of the stage before, which is refine here.
    let before = run.settings.from_release.map(|number| Wanted { stage: "refine".to_owned(), number: Some(number) });
    let view = View::open(&run.lake, release.or(before).as_ref()).await?;
    let context = session::new(run.settings.memory, run.settings.thread_count())?;
    session::register_store(&context, &run.lake)?;
    Ok((view, context))
}
