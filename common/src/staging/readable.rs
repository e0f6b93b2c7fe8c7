//! Data files, committed or not, as something a query can read.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::Path;
use deltalake::kernel::Add;
use url::Url;

/// Some data files of a table as something a query can read; the query fails when one of them is missing.
///
/// # Errors
/// When the engine refuses them.
pub fn provider(table_url: &Url, schema: &SchemaRef, adds: &[Add]) -> Result<Arc<dyn TableProvider>> {
    if adds.is_empty() {
        return Ok(Arc::new(MemTable::try_new(schema.clone(), vec![vec![]])?));
    }
    let urls = adds.iter().map(|add| Ok(ListingTableUrl::parse(table_url.join(&add.path)?)?));
    let urls = urls.collect::<Result<Vec<_>>>()?;
    let paths = urls.iter().map(|url| url.prefix().clone()).collect();
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config =
        ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema.clone());
    Ok(Arc::new(Readable { listing: ListingTable::try_new(config)?, table_url: table_url.clone(), paths }))
}

/// Files that are all there or are not read: the engine lists before it reads, and takes a file it does not find for a
/// folder without files.
#[derive(Debug)]
struct Readable {
    listing: ListingTable,
    table_url: Url,
    paths: Vec<Path>,
}

impl Readable {
    /// A file that a plan of the listing does not read.
    fn missing(&self, plan: &dyn ExecutionPlan) -> Option<&Path> {
        let source = plan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        let files = source.and_then(|source| source.downcast_ref::<FileScanConfig>());
        let groups = files.map(|files| files.file_groups.as_slice()).unwrap_or_default();
        let found: HashSet<&Path> = groups.iter().flat_map(|group| group.iter()).map(|file| file.path()).collect();
        self.paths.iter().find(|path| !found.contains(path))
    }
}

#[async_trait]
impl TableProvider for Readable {
    fn schema(&self) -> SchemaRef {
        self.listing.schema()
    }

    fn table_type(&self) -> TableType {
        self.listing.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        self.listing.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        // With a limit the listing would leave out files that are not needed, and those could not be told from missing ones.
        let plan = self.listing.scan(state, projection, filters, None).await?;
        match self.missing(plan.as_ref()) {
            None => Ok(plan),
            Some(path) => Err(DataFusionError::Execution(format!(
                "the data file {} of table {} is missing",
                path.filename().unwrap_or_default(),
                self.table_url
            ))),
        }
    }
}
