//! Which columns of which tables a query's columns are computed from, read off its logical plan.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Something a column is computed from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// `schema.table`.
    pub table: String,
    /// Column there; `*` where rows are counted.
    pub column: String,
    /// For a text that is taken apart as JSON, the field of it.
    pub path: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.table, self.column)?;
        match self.path.as_deref() {
            None => Ok(()),
            Some("") => formatter.write_str(":$"),
            Some(path) => write!(formatter, ":$.{path}"),
        }
    }
}

type Origins = BTreeSet<Origin>;

/// The origins of every column of a plan, in order.
pub fn origins(plan: &LogicalPlan) -> Vec<Origins> {
    let plain = |origin: Origin| Origin { path: origin.path.as_deref().map(unrolled), ..origin };
    Reader::default().of(plan).into_iter().map(|of| of.into_iter().map(plain).collect()).collect()
}

/// A path without the repeats of something that holds its own kind: `categories[].categories[].name` is
/// `categories[].name`.
pub fn unrolled(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('.').collect();
    parts.dedup();
    parts.join(".")
}

/// Remembers parts of the plan already read: a part that is used twice stands in the plan twice.
#[derive(Default)]
struct Reader {
    known: HashMap<*const LogicalPlan, Vec<Origins>>,
}

impl Reader {
    fn shared(&mut self, plan: &Arc<LogicalPlan>) -> Vec<Origins> {
        let place = Arc::as_ptr(plan);
        if let Some(known) = self.known.get(&place) {
            return known.clone();
        }
        let origins = self.of(plan);
        self.known.insert(place, origins.clone());
        origins
    }

    fn of(&mut self, plan: &LogicalPlan) -> Vec<Origins> {
        let width = plan.schema().fields().len();
        let mut origins = match plan {
            LogicalPlan::TableScan(scan) => {
                let table = scan.table_name.to_string();
                let column =
                    |name: &String| Origins::from([Origin { table: table.clone(), column: name.clone(), path: None }]);
                plan.schema().fields().iter().map(|field| column(field.name())).collect()
            }
            LogicalPlan::Projection(projection) => self.expressions(&projection.expr, &projection.input),
            LogicalPlan::Aggregate(aggregate) => {
                let mut groups = Vec::new();
                for group in &aggregate.group_expr {
                    match group {
                        Expr::GroupingSet(set) => groups.extend(set.distinct_expr().into_iter().cloned()),
                        other => groups.push(other.clone()),
                    }
                }
                let mut origins = self.expressions(&groups, &aggregate.input);
                // A number between the columns of grouping sets and the measures says which set a row is of.
                while origins.len() + aggregate.aggr_expr.len() < width {
                    origins.push(Origins::new());
                }
                for measure in &aggregate.aggr_expr {
                    let mut of = self.expressions(std::slice::from_ref(measure), &aggregate.input).remove(0);
                    if of.is_empty() {
                        of = rows_of(&aggregate.input);
                    }
                    origins.push(of);
                }
                origins
            }
            LogicalPlan::Window(window) => {
                let mut origins = self.shared(&window.input);
                origins.extend(self.expressions(&window.window_expr, &window.input));
                origins
            }
            LogicalPlan::Join(join) => match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => self.shared(&join.left),
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.shared(&join.right),
                _ => {
                    let mut origins = self.shared(&join.left);
                    origins.extend(self.shared(&join.right));
                    origins
                }
            },
            LogicalPlan::Union(union) => {
                let mut origins = vec![Origins::new(); width];
                for input in &union.inputs {
                    for (all, one) in origins.iter_mut().zip(self.shared(input)) {
                        all.extend(one);
                    }
                }
                origins
            }
            LogicalPlan::RecursiveQuery(recursive) => self.shared(&recursive.static_term),
            LogicalPlan::Unnest(unnest) => {
                let input = self.shared(&unnest.input);
                let lists: BTreeSet<usize> = unnest.list_type_columns.iter().map(|(index, _)| *index).collect();
                let fields = plan.schema().fields().iter().zip(&unnest.dependency_indices);
                fields
                    .map(|(field, index)| {
                        let of = input.get(*index).cloned().unwrap_or_default();
                        if lists.contains(index) {
                            of.into_iter().map(|origin| deeper(origin, "[]")).collect()
                        } else if unnest.struct_type_columns.contains(index) {
                            let part = field.name().rsplit('.').next().unwrap_or_default();
                            of.into_iter().map(|origin| deeper(origin, part)).collect()
                        } else {
                            of
                        }
                    })
                    .collect()
            }
            LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => Vec::new(),
            other => match other.inputs()[..] {
                [input] => self.of(input),
                _ => Vec::new(),
            },
        };
        origins.resize(width, Origins::new());
        origins
    }

    fn expressions(&mut self, expressions: &[Expr], input: &Arc<LogicalPlan>) -> Vec<Origins> {
        let known = self.shared(input);
        expressions.iter().map(|expression| self.expression(expression, input.schema(), &known)).collect()
    }

    fn expression(&mut self, expression: &Expr, schema: &DFSchema, known: &[Origins]) -> Origins {
        match expression {
            Expr::Column(column) => {
                let index = schema.maybe_index_of_column(column);
                index.and_then(|index| known.get(index)).cloned().unwrap_or_default()
            }
            Expr::ScalarFunction(function) if function.name() == "from_json" => {
                let of = function.args.first().map(|text| self.expression(text, schema, known)).unwrap_or_default();
                of.into_iter()
                    .map(|origin| Origin { path: Some(origin.path.clone().unwrap_or_default()), ..origin })
                    .collect()
            }
            Expr::ScalarFunction(function) if function.name() == "get_field" => {
                let Some((base, path)) = function.args.split_first() else { return Origins::new() };
                let mut of = self.expression(base, schema, known);
                for part in path {
                    if let Expr::Literal(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)), _) = part {
                        of = of.into_iter().map(|origin| deeper(origin, name)).collect();
                    }
                }
                of
            }
            Expr::ScalarSubquery(subquery) => self.shared(&subquery.subquery).into_iter().flatten().collect(),
            Expr::InSubquery(inside) => {
                let mut of = self.expression(&inside.expr, schema, known);
                of.extend(self.shared(&inside.subquery.subquery).into_iter().flatten());
                of
            }
            other => {
                let mut of = Origins::new();
                // Nothing here can fail: each child only adds to what is known.
                let _ = other.apply_children(|child| {
                    of.extend(self.expression(child, schema, known));
                    Ok(TreeNodeRecursion::Continue)
                });
                of
            }
        }
    }
}

/// A field of something taken apart; of anything else there are no fields to name.
fn deeper(origin: Origin, part: &str) -> Origin {
    let path = origin.path.map(|path| match (path.is_empty(), part) {
        (_, "[]") => format!("{path}[]"),
        (true, _) => part.to_owned(),
        (false, _) => format!("{path}.{part}"),
    });
    Origin { path, ..origin }
}

/// What counting the rows of a plan counts.
fn rows_of(plan: &LogicalPlan) -> Origins {
    let mut rows = Origins::new();
    let _ = plan.apply(|part| {
        if let LogicalPlan::TableScan(scan) = part {
            rows.insert(Origin { table: scan.table_name.to_string(), column: "*".to_owned(), path: None });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    rows
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::MemTable;

    use super::*;
    use spectra_common::session;

    async fn of(sql: &str) -> Vec<String> {
        let context = session::new(64 << 20, 1).unwrap();
        let columns = |names: &[&str]| {
            let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
            Arc::new(Schema::new(fields))
        };
        for (schema, table, names) in [("source", "dimCycle", ["payload", "runId"]), ("clean", "a", ["x", "y"])] {
            let table_of = MemTable::try_new(columns(&names), vec![vec![]]).unwrap();
            session::register(&context, schema, table, Arc::new(table_of)).unwrap();
        }
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let text = |origins: BTreeSet<Origin>| origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        origins(&plan).into_iter().map(text).collect()
    }

    #[tokio::test]
    async fn columns_are_followed_through_names_joins_unions_and_windows() {
        let sql =
            "with a as (select * from clean.a), b as (select x as z, max(y) as m, count(*) as n from a group by x)
            select a.x, b.m || a.y as both, b.n, row_number() over (order by a.y) as r, 1 as one
            from a left join b on a.x = b.z";
        assert_eq!(of(sql).await, ["clean.a.x", "clean.a.y", "clean.a.*", "clean.a.y", ""]);
        assert_eq!(
            of("select x as u from clean.a union all select runId from source.dimCycle").await,
            ["clean.a.x source.dimCycle.runId"]
        );
    }

    #[tokio::test]
    async fn a_field_of_a_payload_is_named() {
        let sql = "with p as (select from_json(payload, 'name string, owner struct<id:bigint>,
                phases array<struct<id:bigint>>') as p from source.dimCycle),
            q as (select p.p.name as name, p.p.owner.id as ownerId, unnest(p.p.phases) as phase from p)
            select name, ownerId, q.phase.id as phaseId from q";
        assert_eq!(
            of(sql).await,
            [
                "source.dimCycle.payload:$.name",
                "source.dimCycle.payload:$.owner.id",
                "source.dimCycle.payload:$.phases[].id"
            ]
        );
    }
}
