//! One share of the parts of a query, so that a table is worked out a share after the other where all at once would not fit
//! in memory.

use anyhow::{Context, Result};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, lit};
use datafusion::prelude::SessionContext;

use super::parts;
use crate::model::Incremental;

/// A plan, proved before, of the share with this number, from 0, when there are so many, a power of two.
///
/// # Errors
/// When the engine cannot put the plan together again.
pub fn narrowed(
    context: &SessionContext,
    plan: LogicalPlan,
    incremental: &Incremental,
    number: u32,
    count: u32,
) -> Result<LogicalPlan> {
    let hash = context.state().scalar_functions().get("xxhash64").cloned().context("the engine has lost a function")?;
    // The proof follows columns and no casts, so the same part has the same type, and the same hash, wherever it is.
    let of_this_share = |scan: LogicalPlan, part: Column| {
        let hashed = hash.call(vec![Expr::Column(part)]);
        let share = binary_expr(hashed, Operator::BitwiseAnd, lit(i64::from(count - 1)));
        LogicalPlanBuilder::from(scan).filter(share.eq(lit(i64::from(number))))?.build()
    };
    Ok(parts::narrowed(plan, incremental, &of_this_share)?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::DataFrame;

    use super::*;
    use crate::model::TableName;
    use crate::session;
    use crate::session::samples::hold;

    const ROWS: &str = "select case when v % 50 = 0 then null else v % 50 end as part, v as id
        from generate_series(1, 1000) as s(v)";
    const OTHERS: &str = "select v % 50 as part, v * 2 as id from generate_series(1, 500) as s(v)";

    async fn context() -> SessionContext {
        let context = session::new(256 << 20, 2).unwrap();
        for (table, sql) in [("row", ROWS), ("other", OTHERS)] {
            hold(&context, "a", table, sql).await;
        }
        context
    }

    async fn rows(frame: DataFrame) -> Vec<String> {
        let batches = frame.collect().await.unwrap();
        let texts = pretty_format_batches(&batches).unwrap().to_string();
        texts.lines().filter(|line| line.starts_with('|')).skip(1).map(|line| line.replace(' ', "")).collect()
    }

    #[tokio::test]
    async fn all_shares_together_are_the_whole() {
        let context = context().await;
        let inputs = ["a.row", "a.other"].map(|name| (TableName::parse(name).unwrap(), "part".to_owned())).into();
        let incremental = Incremental { column: "part".to_owned(), inputs };
        for sql in [
            "select part, count(*) as n, max(id) as id from a.row group by part",
            "select part, id from a.row union all select part, id from a.other",
            "select r.part, r.id, o.id as other from a.row as r left join a.other as o on r.part = o.part and r.id = o.id",
            "select part, id from a.row where id in (select id from a.other)",
        ] {
            let plan = async || context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
            parts::prove(&plan().await, &incremental).unwrap();
            let mut whole = rows(context.sql(sql).await.unwrap()).await;
            let mut together = Vec::new();
            for number in 0..4 {
                let narrowed = narrowed(&context, plan().await, &incremental, number, 4).unwrap();
                let share = rows(DataFrame::new(context.state(), narrowed)).await;
                assert!(share.len() < whole.len() / 2, "{sql}: {} of {}", share.len(), whole.len());
                together.extend(share);
            }
            whole.sort();
            together.sort();
            assert_eq!(together, whole, "{sql}");
            // Likewise of a plan that is narrowed to the parts that changed besides.
            let few = |scan: LogicalPlan, part: Column| {
                LogicalPlanBuilder::from(scan).filter(Expr::Column(part).lt(lit(10_i64)))?.build()
            };
            let mut renewed = Vec::new();
            for number in 0..4 {
                let share = narrowed(&context, plan().await, &incremental, number, 4).unwrap();
                let both = parts::narrowed(share, &incremental, &few).unwrap();
                renewed.extend(rows(DataFrame::new(context.state(), both)).await);
            }
            let of_few = |row: &&String| row.split('|').nth(1).is_some_and(|part| part.len() == 1);
            let mut changed: Vec<String> = whole.iter().filter(of_few).cloned().collect();
            changed.sort();
            renewed.sort();
            assert!(!changed.is_empty() && renewed == changed, "{sql}: {renewed:?}");
        }
    }
}
