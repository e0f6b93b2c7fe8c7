//! The SQL engine: one DataFusion session per run, bounded in memory and threads, that keeps camelCase as written.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::Add;
use tokio::time::sleep;
use url::Url;

use crate::estimates;
use crate::failure::is_out_of_memory;
use crate::functions;
use crate::lake::Lake;
use crate::pool::Pool;
use crate::staging;
use crate::verified::Files;

/// Of `--memory`, the share DataFusion accounts for; the rest is for what it does not see: Parquet writers,
/// decoded pages, the allocator (measured: resident memory is 2 to 2.5 times the pool).
const POOL_SHARE: f64 = 0.4;

/// What a sort sets aside by default to merge what it spilled.
const MERGE_BYTES: usize = 10 << 20;

/// How long a query that was refused memory may take to give back what it has.
const RELEASE_TIME: Duration = Duration::from_secs(2);

/// A session with our functions, bounded by `memory_bytes` and `threads`.
///
/// # Errors
/// When the engine refuses its own settings.
pub fn new(memory_bytes: u64, threads: usize) -> Result<SessionContext> {
    let config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_default_catalog_and_schema("spectra", "run")
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
        // A struct-returning function would be called again for every field read from it.
        .set_bool("datafusion.optimizer.enable_leaf_expression_pushdown", false)
        // String views cost memory in sorts and windows, and speed when parsing JSON.
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        // Sizes of joins are expected as `estimates` says.
        .set_bool("datafusion.optimizer.use_statistics_registry", true)
        // Without it timestamps have no zone, and Delta needs a table feature other readers lack.
        .set_str("datafusion.execution.time_zone", "UTC");
    let files = Arc::new(Files::default());
    let pool_bytes = (memory_bytes as f64 * POOL_SHARE) as usize;
    let config = config
        // Where one side of a join fits in memory as a whole, the rows of the other need not be handed to the task that
        // has their keys: that copies them, and of the tasks that are not ready yet it holds any number.
        .set_usize("datafusion.optimizer.hash_join_single_partition_threshold", pool_bytes / 2)
        // What each sort sets aside to merge what it spilled, of which a query with joins that spill has many.
        .set_usize("datafusion.execution.sort_spill_reservation_bytes", MERGE_BYTES.min(pool_bytes / 40))
        .with_extension(files.clone());
    let pool = TrackConsumersPool::new(Pool::new(pool_bytes), NonZeroUsize::MIN.saturating_add(4));
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().context("starting the query engine")?;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_query_planner(DeltaPlanner::new())
        .with_statistics_registry(estimates::registry())
        .build();
    let context = SessionContext::new_with_state(state);
    context.register_object_store(ObjectStoreUrl::local_filesystem().as_ref(), files);
    functions::register(&context);
    Ok(context)
}

/// The same session, tables and memory, with joins that sort both sides where others keep one of them in memory: slower,
/// and they spill.
pub fn sorting(context: &SessionContext) -> SessionContext {
    let mut state = context.state();
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    // With one task the engine would keep one side in memory all the same.
    options.execution.target_partitions = options.execution.target_partitions.max(2);
    SessionContext::new_with_state(state)
}

/// Waits until a query that ended has given back its memory: its tasks end a moment after it.
pub async fn released(context: &SessionContext) {
    let runtime = context.runtime_env();
    let begun = Instant::now();
    while runtime.memory_pool.reserved() > 0 && begun.elapsed() < RELEASE_TIME {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Makes `schema.table` readable under exactly that spelling.
///
/// # Errors
/// When the engine refuses the table.
pub fn register(context: &SessionContext, schema: &str, table: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
    let catalog = context.catalog("spectra").context("the session has lost its catalog")?;
    if catalog.schema(schema).is_none() {
        catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
    }
    let name = TableReference::partial(schema, table);
    context.deregister_table(name.clone())?;
    context.register_table(name, provider).with_context(|| format!("making {schema}.{table} readable"))?;
    Ok(())
}

/// Whether `schema.table` is readable already.
pub fn has(context: &SessionContext, schema: &str, table: &str) -> bool {
    context
        .catalog("spectra")
        .and_then(|catalog| catalog.schema(schema))
        .is_some_and(|schema| schema.table_exist(table))
}

/// Makes a Delta table readable at the version it was opened at; its files are read only as they were written.
///
/// # Errors
/// When the table cannot be scanned.
pub async fn register_delta(context: &SessionContext, schema: &str, table: &str, delta: &DeltaTable) -> Result<()> {
    learn(context, delta.table_url(), &staging::adds_of(delta)?)?;
    let provider = delta
        .table_provider()
        .with_session(Arc::new(context.state()))
        .await
        .with_context(|| format!("reading table {schema}.{table}"))?;
    register(context, schema, table, provider)
}

/// Has the data files of a table read only as they were written, whatever reads them.
///
/// # Errors
/// When the place of one is no place.
pub fn learn(context: &SessionContext, table_url: &Url, adds: &[Add]) -> Result<()> {
    match context.copied_config().get_extension::<Files>() {
        Some(files) => files.learn(table_url, adds),
        None => Ok(()),
    }
}

/// Lets queries read files of the lake directly. Local files need nothing.
///
/// # Errors
/// When the object store cannot be opened.
pub fn register_store(context: &SessionContext, lake: &Lake) -> Result<()> {
    if lake.root().scheme() != "file" {
        context.register_object_store(lake.root(), lake.store()?);
    }
    Ok(())
}

/// All rows of a query, of which there must be few; where its joins do not fit in memory it is asked again with joins that
/// spill.
///
/// # Errors
/// When the engine refuses.
pub async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let found = asked(context, sql).await;
    match found {
        Err(error) if is_out_of_memory(&error) => {
            released(context).await;
            asked(&sorting(context), sql).await
        }
        _ => found,
    }
}

async fn asked(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    Ok(context.sql(sql).await?.collect().await?)
}

/// The one number that a query gives.
///
/// # Errors
/// When the engine refuses, or it gives none.
pub async fn number(context: &SessionContext, sql: &str) -> Result<i64> {
    let batches = rows(context, sql).await?;
    let row = batches.iter().find(|batch| batch.num_rows() > 0).context("a count came back without a row")?;
    Ok(row.column(0).as_primitive::<Int64Type>().value(0))
}

/// SQL that sums hashes of rows in these columns, equal for the same rows in any order.
pub fn sum_of_rows<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    let columns: String = columns.into_iter().map(|name| format!(", {}", quoted(name))).collect();
    format!("sum(cast(row_hash('row'{columns}) as decimal(38, 0)))")
}

/// A name as it must stand in a query.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several names as they must stand in a query.
pub fn quoted_list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A short hash as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Tables of a few rows for tests.
#[cfg(test)]
pub mod samples {
    use datafusion::datasource::MemTable;

    use super::*;

    /// Makes the rows of a query readable as a table whose size is known.
    pub async fn hold(context: &SessionContext, schema: &str, table: &str, sql: &str) {
        let batches = asked(context, sql).await.unwrap();
        let held = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        register(context, schema, table, Arc::new(held)).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_join_that_does_not_fit_in_memory_gives_the_same_rows() {
        let context = new(40 << 20, 2).unwrap();
        // Both sides are as large, so neither fits; every third row of one finds none of the other, and one key is null.
        let sql = "select count(*) as n, count(o.v) as found, sum(o.v) as summed
            from (select case when v = 7 then null else v end as k from generate_series(1, 1000000) as s(v)) as t
            left join (select v from generate_series(1, 1000000) as s(v) where v % 3 <> 0) as o on t.k = o.v";
        let refused = asked(&context, sql).await.expect_err("the joins of other sessions must not fit");
        assert!(is_out_of_memory(&refused), "{refused:#}");
        let batches = rows(&context, sql).await.unwrap();
        let value = |column: usize| batches[0].column(column).as_primitive::<Int64Type>().value(0);
        let found = 666_667 - 1;
        // The sum of all numbers, less those that 3 divides, less the one that is null.
        let summed = 500_000_500_000 - 166_666_833_333 - 7;
        assert_eq!((value(0), value(1), value(2)), (1_000_000, found, summed));
    }
}
