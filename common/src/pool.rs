//! The engine's share of `--memory`, and who may go beyond it.

use std::fmt;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Who hands rows from one set of tasks to another.
const HANDING_ON: &str = "RepartitionExec";

/// Memory shared fairly among those who can spill, but for rows that are only handed on: these are never refused.
///
/// The engine's repartitioning spills what it is refused, and reads two spilled files in an order in which they were not
/// written: then all tasks wait for each other, and the query never ends (apache/datafusion#24883, in 55.2.0). What it
/// holds is counted and mostly small: whoever fills a channel waits once every channel holds something. Nothing bounds it
/// while one of them stays empty.
#[derive(Debug)]
pub struct Pool(FairSpillPool);

impl Pool {
    /// A pool of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(FairSpillPool::new(bytes))
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.0.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.0.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.0.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if reservation.consumer().name().starts_with(HANDING_ON) {
            self.0.grow(reservation, additional);
            return Ok(());
        }
        self.0.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.0.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use crate::session;

    /// Each try that ends takes a fraction of a second; of tries with a pool that refuses, the first already never ends.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_query_with_little_memory_ends() {
        for _ in 0..5 {
            let context = session::new(5 << 20, 2).unwrap();
            context.sql("set datafusion.execution.batch_size = 64").await.unwrap();
            let sql = "select g, count(distinct h) as n
                from (select v % 13 as g, md5(cast(v % 337 as varchar)) as h from generate_series(1, 40000) as s(v))
                group by g";
            let found = context.sql(sql).await.unwrap().collect();
            let batches = timeout(Duration::from_secs(20), found).await.expect("it does not end").unwrap();
            assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 13);
        }
    }
}
