//! What the lake already holds of a slice: an answer to "what changed since" repeats what was there before, since it
//! is asked for with an overlap.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use spectra_common::lake::Lake;
use spectra_common::release::Release;
use spectra_common::session;

use crate::slice::record_columns;

/// The content of the newest release.
pub struct Current {
    lake: Lake,
    versions: BTreeMap<String, u64>,
    memory_bytes: u64,
    context: Option<SessionContext>,
}

impl Current {
    /// Of a release, if there is one; nothing is read before it is asked for.
    pub fn new(lake: &Lake, last: Option<&Release>, memory_bytes: u64) -> Self {
        let versions = last.into_iter().flat_map(|last| &last.tables);
        Self {
            lake: lake.clone(),
            versions: versions.map(|(name, state)| (name.clone(), state.version)).collect(),
            memory_bytes,
            context: None,
        }
    }

    /// Whether each of these records is in a slice's content as it is here.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn holds(&mut self, table: &str, slice_key: &str, records: &[RecordBatch]) -> Result<bool> {
        let context = self.context_with(table).await?;
        let incoming = MemTable::try_new(record_columns()?.arrow, vec![records.to_vec()])?;
        context.register_table("incoming", Arc::new(incoming))?;
        let text = |text: &str| text.replace('\'', "''");
        let sql = format!(
            "with version as (
                select * from source.slice where resource = '{table}' and \"sliceKey\" = '{key}' and status = 'complete'),
            base as (select max(release) as release from version where \"baseRunId\" is null),
            run as (
                select version.\"contentRunId\", version.release from base
                join version on version.release >= base.release),
            content as (
                select landed.\"recordId\", landed.\"payloadHash\",
                    row_number() over (partition by landed.\"recordId\" order by run.release desc) as age
                from source.\"{table}\" as landed join run on landed.\"runId\" = run.\"contentRunId\"
                where landed.\"sliceKey\" = '{key}')
            select count(*) from incoming left join content
                on content.\"recordId\" = incoming.\"recordId\" and content.\"payloadHash\" = incoming.\"payloadHash\"
                and content.age = 1
            where content.\"recordId\" is null",
            table = text(table),
            key = text(slice_key),
        );
        let batches = context.sql(&sql).await?.collect().await;
        context.deregister_table("incoming")?;
        let batches = batches.with_context(|| format!("comparing {table} {slice_key} with what is there"))?;
        let count = batches.first().and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>());
        Ok(count.is_some_and(|count| count.value(0) == 0))
    }

    async fn context_with(&mut self, table: &str) -> Result<SessionContext> {
        let context = match &self.context {
            Some(context) => context.clone(),
            None => self.context.insert(session::new(self.memory_bytes, 1)?).clone(),
        };
        for table in ["slice", table] {
            if session::has(&context, "source", table) {
                continue;
            }
            let version = self.versions.get(&format!("source.{table}")).copied();
            let delta = self.lake.open("source", table, version).await?;
            let delta = delta.with_context(|| format!("source.{table} has gone"))?;
            session::register_delta(&context, "source", table, &delta).await?;
        }
        Ok(context)
    }
}
