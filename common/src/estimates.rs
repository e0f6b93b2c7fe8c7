//! How many rows and bytes the engine expects of a step, where it has to choose which side of a join it keeps in memory.
//!
//! What files say of themselves is exact. Behind a filter, a group or a join the engine's own guesses multiply: of a few
//! hundred thousand groups that are joined twice it expects more bytes than of ten million wide rows, and keeps the ten
//! million. Here a join gives as many rows as its larger side, as one with a key does, and a row is as wide as its columns.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{JoinType, Result, Statistics};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::operator_statistics::{
    ExtendedStatistics, StatisticsProvider, StatisticsRegistry, StatisticsResult,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Of the rows that come to a filter, one in so many is expected to pass.
const ROWS_PER_PASSED: usize = 2;

/// So many rows are expected in a group: what is made of many rows should not pass for smaller than a table that is small.
const ROWS_PER_GROUP: usize = 2;

/// Bytes of a text, list or struct in memory, of which nothing is known.
const BYTES_OF_ANY_LENGTH: usize = 48;

/// What the engine asks.
pub fn registry() -> StatisticsRegistry {
    StatisticsRegistry::with_providers(vec![Arc::new(Estimates)])
}

#[derive(Debug)]
struct Estimates;

impl StatisticsProvider for Estimates {
    fn compute_statistics(
        &self,
        plan: &dyn ExecutionPlan,
        children: &[ExtendedStatistics],
    ) -> Result<StatisticsResult> {
        let inputs = children.iter().map(|child| child.base().num_rows.get_value().copied());
        let rows = match inputs.collect::<Option<Vec<usize>>>() {
            Some(inputs) if inputs.is_empty() => {
                StatisticsContext::new().compute(plan, &StatisticsArgs::new())?.num_rows.get_value().copied()
            }
            Some(inputs) => Some(rows_of(plan, &inputs)),
            None => None,
        };
        let schema = plan.schema();
        let told = |value: Option<usize>| value.map_or(Precision::Absent, Precision::Inexact);
        let statistics = Statistics {
            num_rows: told(rows),
            total_byte_size: told(rows.map(|rows| rows.saturating_mul(width(&schema)))),
            ..Statistics::new_unknown(&schema)
        };
        Ok(StatisticsResult::Computed(statistics.into()))
    }
}

/// The rows expected of a step, by those of its inputs.
fn rows_of(plan: &dyn ExecutionPlan, inputs: &[usize]) -> usize {
    let (first, last) = (inputs[0], inputs[inputs.len() - 1]);
    let rows = if plan.is::<FilterExec>() {
        first.div_ceil(ROWS_PER_PASSED)
    } else if let Some(groups) = plan.downcast_ref::<AggregateExec>() {
        match groups.mode() {
            _ if groups.group_expr().is_empty() => 1,
            // The step that follows puts them together.
            AggregateMode::Partial => first,
            _ => first.div_ceil(ROWS_PER_GROUP),
        }
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        joined(*join.join_type(), first, last)
    } else if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        joined(join.join_type(), first, last)
    } else if plan.is::<CrossJoinExec>() || plan.is::<NestedLoopJoinExec>() {
        first.saturating_mul(last)
    } else {
        inputs.iter().copied().fold(0, usize::saturating_add)
    };
    plan.fetch().map_or(rows, |most| rows.min(most))
}

/// The rows expected of a join on keys.
fn joined(join: JoinType, left: usize, right: usize) -> usize {
    match join {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => left.max(right),
    }
}

/// Bytes of a row in memory.
fn width(schema: &Schema) -> usize {
    let width = |kind: &DataType| match kind {
        DataType::Boolean => 1,
        _ => kind.primitive_width().unwrap_or(BYTES_OF_ANY_LENGTH),
    };
    schema.fields().iter().map(|field| width(field.data_type())).sum()
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::session;
    use crate::session::samples::hold;

    #[tokio::test]
    async fn a_few_groups_that_are_joined_often_are_kept_in_memory_and_not_the_wide_rows() {
        let context = session::new(1 << 30, 2).unwrap();
        let text = "repeat('x', 40)";
        let wide =
            format!("select v % 10 as key, v as id, {text} as a, {text} as b from generate_series(1, 20000) as s(v)");
        hold(&context, "a", "wide", &wide).await;
        let sql = "with few as (
                select one.key, one.first, other.last, third.id
                from (select key, min(id) as first from a.wide group by key) as one
                join (select key, max(id) as last from a.wide group by key) as other on one.key = other.key
                join (select key, id from a.wide where id < 11) as third on one.key = third.key
            ),
            wide as (select * from a.wide where length(a) = 40)
            select wide.*, few.first, few.last from few right join wide on few.key = wide.key";
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let mut step = &plan;
        while !step.is::<HashJoinExec>() {
            step = step.children().into_iter().next().unwrap_or_else(|| panic!("no join in {plan:?}"));
        }
        let join = step.downcast_ref::<HashJoinExec>().unwrap();
        let in_memory = displayable(join.left().as_ref()).indent(false).to_string();
        assert!(in_memory.contains("AggregateExec"), "{in_memory}");
        let passed_by = displayable(join.right().as_ref()).indent(false).to_string();
        assert!(!passed_by.contains("AggregateExec") && !passed_by.contains("RepartitionExec"), "{passed_by}");
    }
}
