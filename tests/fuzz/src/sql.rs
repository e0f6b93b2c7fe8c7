//! A model's query, planned once and run again and again over other rows.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use spectra_common::session;
use tokio::runtime::{Builder, Runtime};

/// A query over tables whose rows change.
pub struct Query {
    runtime: Runtime,
    context: SessionContext,
    plan: Arc<dyn ExecutionPlan>,
    tables: Vec<Arc<Rows>>,
}

/// The rows of a table for now.
#[derive(Debug)]
struct Rows {
    schema: SchemaRef,
    now: Mutex<RecordBatch>,
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter([Ok(rows)])))
    }
}

impl Query {
    /// Plans a query over tables of these names and columns, in a session like that of a run.
    pub fn new(sql: &str, tables: &[(&str, &str, SchemaRef)]) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let context = session::new(1 << 30, 1).expect("a session");
        let mut rows = Vec::new();
        for (schema, table, columns) in tables {
            let empty = Mutex::new(RecordBatch::new_empty(columns.clone()));
            let stream = Arc::new(Rows { schema: columns.clone(), now: empty });
            let provider = StreamingTable::try_new(columns.clone(), vec![stream.clone()]).expect("a table");
            session::register(&context, schema, table, Arc::new(provider)).expect("a name for it");
            rows.push(stream);
        }
        let plan = runtime.block_on(async { context.sql(sql).await?.create_physical_plan().await });
        Self { runtime, context, plan: plan.expect("the model can be planned"), tables: rows }
    }

    /// Columns of its result.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// Its result over these rows, one batch for each table. It must have one, whatever they hold.
    pub fn run(&self, rows: Vec<RecordBatch>) -> RecordBatch {
        assert_eq!(rows.len(), self.tables.len());
        for (table, rows) in self.tables.iter().zip(rows) {
            *table.now.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        }
        let plan = reset_plan_states(self.plan.clone()).expect("the plan can be run again");
        let batches = self.runtime.block_on(collect(plan, self.context.task_ctx()));
        let batches = batches.unwrap_or_else(|error| panic!("the model fails: {}", error.strip_backtrace()));
        concat_batches(&self.schema(), &batches).expect("one table")
    }
}
