//! The proof that a query may be answered part by part: that the rows of one part of its result are made of the rows of
//! the same part of some inputs, and of what is joined to these.
//!
//! A part is all rows with one value in one column, such as the rows of one slice. The proof follows that value through
//! the plan: a scan has it, and every step must either hand it on or keep the parts asunder. What is joined to the rows of
//! parts without being told apart itself is a [`Side`]: a part depends on those of its rows that have the same key. What
//! cannot be followed is refused, so a model that is renewed part by part comes out as if it had been built whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, TableReference};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, TableScan, TableSource};

use crate::model::{Incremental, TableName};

/// Which columns of a step's result hold the part; `None` where nothing below it is read part by part.
type Held = Option<BTreeSet<usize>>;

/// Why a query cannot be answered part by part, in words that follow "because".
type Refusal = String;

/// Rows that are joined to the rows of parts, made of any rows of any tables.
#[derive(Clone, Debug)]
pub struct Side {
    /// What gives these rows.
    pub plan: LogicalPlan,
    /// What of them must equal …
    pub keys: Vec<Expr>,
    /// … this of the rows of parts.
    pub part_keys: Vec<Expr>,
    /// What gives the rows of parts.
    pub parts: LogicalPlan,
    /// Which column of those is the part.
    pub part: usize,
}

/// What else a query depends on that may be answered part by part.
#[derive(Debug, Default)]
pub struct Proved {
    /// What is joined to the rows of parts.
    pub sides: Vec<Side>,
    /// Queries inside expressions: of what they read, every part depends on everything.
    pub loose: Vec<LogicalPlan>,
}

/// Shows that an optimised plan may be answered part by part.
///
/// # Errors
/// The first step that mixes parts or loses sight of them.
pub fn prove(plan: &LogicalPlan, declared: &Incremental) -> Result<Proved, Refusal> {
    let mut proof = Proof { declared, proved: Proved::default() };
    let held = proof.held(plan)?;
    let place = plan.schema().fields().iter().position(|field| *field.name() == declared.column);
    match (held, place) {
        (None, _) => Err("it reads none of the tables it is said to be renewed from".to_owned()),
        (_, None) => Err(format!("its result has no column {}", declared.column)),
        (Some(held), Some(place)) if held.contains(&place) => Ok(proof.proved),
        _ => Err(format!("the {} of its result is not that of the rows it is made of", declared.column)),
    }
}

/// A plan, proved before, with a step upon every scan that has the parts: what narrows a scan, given the column that is the
/// part, to some of them.
///
/// # Errors
/// When the engine cannot put the plan together again.
pub fn narrowed(
    plan: LogicalPlan,
    declared: &Incremental,
    step: &dyn Fn(LogicalPlan, Column) -> EngineResult<LogicalPlan>,
) -> EngineResult<LogicalPlan> {
    if let LogicalPlan::TableScan(scan) = &plan {
        let Some((_, column)) = declared.inputs.iter().find(|(name, _)| is_scan_of(scan, name)) else {
            return Ok(plan);
        };
        let part = Column::new(Some(scan.table_name.clone()), column);
        return step(plan, part);
    }
    let each = |child: LogicalPlan| {
        let mut proof = Proof { declared, proved: Proved::default() };
        match proof.held(&child) {
            Ok(Some(_)) => Ok(Transformed::yes(narrowed(child, declared, step)?)),
            _ => Ok(Transformed::no(child)),
        }
    };
    Ok(plan.map_children(each)?.data)
}

/// A plan with other versions of some tables in the place of those it reads.
///
/// # Errors
/// When the engine cannot put the plan together again.
pub fn with_tables(
    plan: &LogicalPlan,
    tables: &BTreeMap<TableName, Arc<dyn TableSource>>,
) -> EngineResult<LogicalPlan> {
    let replaced = plan.clone().transform_down_with_subqueries(|step| {
        let LogicalPlan::TableScan(scan) = &step else { return Ok(Transformed::no(step)) };
        match tables.iter().find(|(name, _)| is_scan_of(scan, name)) {
            Some((_, source)) => {
                let source = source.clone();
                Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan.clone() })))
            }
            None => Ok(Transformed::no(step)),
        }
    });
    Ok(replaced?.data)
}

/// What a query reads of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Columns.
    pub columns: BTreeSet<String>,
    /// A condition that every row meets that is read; none where all rows are.
    pub condition: Option<Expr>,
}

/// What a plan reads of a table; `None` where it does not read the table.
///
/// # Errors
/// When the engine cannot look into the plan.
pub fn read_of(plan: &LogicalPlan, name: &TableName) -> EngineResult<Option<Read>> {
    let mut scans: Vec<(BTreeSet<String>, Option<Expr>)> = Vec::new();
    plan.apply_with_subqueries(|step| {
        if let LogicalPlan::TableScan(scan) = step
            && is_scan_of(scan, name)
        {
            let filtered = scan.filters.iter().flat_map(Expr::column_refs).map(|column| column.name.clone());
            let columns = scan.projected_schema.fields().iter().map(|field| field.name().clone()).chain(filtered);
            let filters = scan.filters.iter().cloned().map(unqualified).collect::<EngineResult<Vec<_>>>()?;
            scans.push((columns.collect(), filters.into_iter().reduce(Expr::and)));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let columns = scans.iter().flat_map(|(columns, _)| columns.clone()).collect();
    // Read more than once, a row is read that meets any of the conditions.
    let conditions: Option<Vec<Expr>> = scans.iter().map(|(_, condition)| condition.clone()).collect();
    let condition = conditions.and_then(|all| all.into_iter().reduce(Expr::or));
    Ok((!scans.is_empty()).then_some(Read { columns, condition }))
}

fn unqualified(expression: Expr) -> EngineResult<Expr> {
    let renamed = expression.transform(|each| match each {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    Ok(renamed?.data)
}

fn is_scan_of(scan: &TableScan, name: &TableName) -> bool {
    match &scan.table_name {
        TableReference::Partial { schema, table } | TableReference::Full { schema, table, .. } => {
            **schema == *name.schema && **table == *name.table
        }
        TableReference::Bare { .. } => false,
    }
}

struct Proof<'a> {
    declared: &'a Incremental,
    proved: Proved,
}

impl Proof<'_> {
    fn held(&mut self, plan: &LogicalPlan) -> Result<Held, Refusal> {
        self.check_subqueries(plan)?;
        match plan {
            LogicalPlan::TableScan(scan) => self.scanned(scan),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Ok(None),
            LogicalPlan::Projection(projection) => {
                let below = self.held(&projection.input)?;
                handed_on(below, projection.input.schema(), projection.expr.iter(), "a select list leaves it out")
            }
            LogicalPlan::Filter(filter) => self.held(&filter.input),
            LogicalPlan::SubqueryAlias(alias) => self.held(&alias.input),
            LogicalPlan::Subquery(subquery) => self.held(&subquery.subquery),
            LogicalPlan::Repartition(repartition) => self.held(&repartition.input),
            LogicalPlan::Sort(sort) => match self.held(&sort.input)? {
                Some(_) if sort.fetch.is_some() => Err(limited()),
                below => Ok(below),
            },
            LogicalPlan::Limit(limit) => match self.held(&limit.input)? {
                Some(_) => Err(limited()),
                None => Ok(None),
            },
            LogicalPlan::Aggregate(aggregate) => {
                let below = self.held(&aggregate.input)?;
                let why = "rows of several parts are grouped together";
                handed_on(below, aggregate.input.schema(), aggregate.group_expr.iter(), why)
            }
            LogicalPlan::Window(window) => {
                let Some(below) = self.held(&window.input)? else { return Ok(None) };
                let is_kept_apart = |expression: &Expr| match bare(expression) {
                    Expr::WindowFunction(function) => partitions(function, window.input.schema(), &below),
                    _ => false,
                };
                match window.window_expr.iter().find(|expression| !is_kept_apart(expression)) {
                    Some(_) => Err("a window reaches over several parts".to_owned()),
                    None => Ok(Some(below)),
                }
            }
            LogicalPlan::Distinct(Distinct::All(input)) => self.held(input),
            LogicalPlan::Distinct(Distinct::On(on)) => {
                let Some(below) = self.held(&on.input)? else { return Ok(None) };
                if !on.on_expr.iter().any(|expression| holds(expression, on.input.schema(), &below)) {
                    return Err("one row is chosen out of several parts".to_owned());
                }
                handed_on(Some(below), on.input.schema(), on.select_expr.iter(), "a select list leaves it out")
            }
            LogicalPlan::Union(union) => {
                let all = union.inputs.iter().map(|input| self.held(input)).collect::<Result<Vec<_>, _>>()?;
                let parted: Vec<&BTreeSet<usize>> = all.iter().flatten().collect();
                if parted.is_empty() {
                    return Ok(None);
                }
                if parted.len() < all.len() {
                    return Err("a union takes rows of a part together with rows of none".to_owned());
                }
                let common = parted.into_iter().cloned().reduce(|left, right| &left & &right).unwrap_or_default();
                some(common, "a union does not have it in one place")
            }
            LogicalPlan::Unnest(unnest) => {
                let Some(below) = self.held(&unnest.input)? else { return Ok(None) };
                let opened: BTreeSet<usize> = (unnest.list_type_columns.iter().map(|(index, _)| *index))
                    .chain(unnest.struct_type_columns.iter().copied())
                    .collect();
                let places = unnest.dependency_indices.iter().enumerate();
                let kept = places.filter(|(_, from)| below.contains(from) && !opened.contains(from));
                some(kept.map(|(to, _)| to).collect(), "an unnest leaves it out")
            }
            LogicalPlan::Join(join) => self.joined(join),
            other if self.reads_parts(other) => Err(format!("a step cannot be followed: {}", other.display())),
            _ => Ok(None),
        }
    }

    fn scanned(&self, scan: &TableScan) -> Result<Held, Refusal> {
        let input = self.declared.inputs.iter().find(|(name, _)| is_scan_of(scan, name));
        let Some((name, column)) = input else { return Ok(None) };
        if scan.fetch.is_some() {
            return Err(limited());
        }
        match scan.projected_schema.fields().iter().position(|field| field.name() == column) {
            Some(place) => Ok(Some([place].into())),
            None => Err(format!("it reads {name} without its {column}")),
        }
    }

    fn joined(&mut self, join: &Join) -> Result<Held, Refusal> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let (left, right) = (self.tried(&join.left), self.tried(&join.right));
        let left_width = join.left.schema().fields().len();
        let moved = |held: &BTreeSet<usize>| held.iter().map(|place| place + left_width).collect::<BTreeSet<_>>();
        match (left, right) {
            (Ok(Some(left)), Ok(Some(right))) => {
                let is_by_part = join.on.iter().any(|(one, other)| {
                    holds(one, join.left.schema(), &left) && holds(other, join.right.schema(), &right)
                });
                if !is_by_part {
                    return Err("two inputs are joined across parts".to_owned());
                }
                match join.join_type {
                    Inner => Ok(Some(&left | &moved(&right))),
                    // Columns of the other side are empty where nothing matched.
                    Left | LeftSemi | LeftAnti | LeftMark => Ok(Some(left)),
                    Right => Ok(Some(moved(&right))),
                    RightSemi | RightAnti | RightMark => Ok(Some(right)),
                    Full => Err("a full join has the part on either side".to_owned()),
                }
            }
            (Ok(Some(left)), other) => match join.join_type {
                Inner | Left | LeftSemi | LeftAnti | LeftMark => {
                    let (part_keys, keys) = join.on.iter().cloned().unzip();
                    self.add_side(&join.right, keys, &join.left, part_keys, &left);
                    Ok(Some(left))
                }
                _ => Err(other.err().unwrap_or_else(one_sided)),
            },
            (other, Ok(Some(right))) => match join.join_type {
                Inner | Right | RightSemi | RightAnti | RightMark => {
                    let (keys, part_keys) = join.on.iter().cloned().unzip();
                    self.add_side(&join.left, keys, &join.right, part_keys, &right);
                    Ok(Some(if matches!(join.join_type, Inner | Right) { moved(&right) } else { right }))
                }
                _ => Err(other.err().unwrap_or_else(one_sided)),
            },
            (Ok(None), Ok(None)) => Ok(None),
            (Err(why), _) | (_, Err(why)) => Err(why),
        }
    }

    /// What is held below a join; where nothing can be, that is one side of it, whatever is joined down there.
    fn tried(&mut self, plan: &LogicalPlan) -> Result<Held, Refusal> {
        let (sides, loose) = (self.proved.sides.len(), self.proved.loose.len());
        let held = self.held(plan);
        if !matches!(held, Ok(Some(_))) {
            self.proved.sides.truncate(sides);
            self.proved.loose.truncate(loose);
        }
        held
    }

    fn add_side(
        &mut self,
        plan: &LogicalPlan,
        keys: Vec<Expr>,
        parts: &LogicalPlan,
        part_keys: Vec<Expr>,
        held: &BTreeSet<usize>,
    ) {
        let part = held.first().copied().unwrap_or_default();
        self.proved.sides.push(Side { plan: plan.clone(), keys, part_keys, parts: parts.clone(), part });
    }

    /// A query inside an expression sees all parts at once.
    fn check_subqueries(&mut self, plan: &LogicalPlan) -> Result<(), Refusal> {
        let mut is_mixed = false;
        let mut loose = Vec::new();
        let looked = plan.apply_subqueries(|subquery| {
            is_mixed |= self.reads_parts(subquery);
            loose.push(subquery.clone());
            Ok(TreeNodeRecursion::Continue)
        });
        self.proved.loose.extend(loose);
        match looked {
            Ok(_) if !is_mixed => Ok(()),
            Ok(_) => Err("a query inside an expression reads all parts".to_owned()),
            Err(error) => Err(error.strip_backtrace()),
        }
    }

    fn reads_parts(&self, plan: &LogicalPlan) -> bool {
        self.declared.inputs.keys().any(|name| !matches!(read_of(plan, name), Ok(None)))
    }
}

fn limited() -> Refusal {
    "it takes a limited number of rows out of all parts".to_owned()
}

fn one_sided() -> Refusal {
    "a join keeps rows that no row of the part need match".to_owned()
}

fn some(held: BTreeSet<usize>, why: &str) -> Result<Held, Refusal> {
    if held.is_empty() { Err(why.to_owned()) } else { Ok(Some(held)) }
}

fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

/// Whether an expression is nothing but a column that holds the part.
fn holds(expression: &Expr, schema: &DFSchema, held: &BTreeSet<usize>) -> bool {
    matches!(bare(expression), Expr::Column(column) if place_of(schema, column).is_some_and(|at| held.contains(&at)))
}

fn place_of(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// The places at which expressions hand the part on.
fn handed_on<'a>(
    below: Held,
    schema: &DFSchema,
    expressions: impl Iterator<Item = &'a Expr>,
    why: &str,
) -> Result<Held, Refusal> {
    let Some(below) = below else { return Ok(None) };
    let kept = expressions.enumerate().filter(|(_, expression)| holds(expression, schema, &below));
    some(kept.map(|(place, _)| place).collect(), why)
}

fn partitions(function: &WindowFunction, schema: &DFSchema, held: &BTreeSet<usize>) -> bool {
    function.params.partition_by.iter().any(|expression| holds(expression, schema, held))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::session;
    use crate::session::samples::hold;

    async fn context() -> SessionContext {
        let context = session::new(256 << 20, 1).unwrap();
        for (schema, table) in [("a", "row"), ("a", "other"), ("b", "whole")] {
            let sql = "select 'x' as part, 'y' as again, 1 as id, make_array(1, 2) as list";
            hold(&context, schema, table, sql).await;
        }
        context
    }

    async fn proof(sql: &str) -> Result<(), String> {
        let context = context().await;
        let frame = context.sql(sql).await.unwrap();
        let plan = frame.into_optimized_plan().unwrap();
        let inputs = ["a.row", "a.other"].map(|name| (TableName::parse(name).unwrap(), "part".to_owned())).into();
        prove(&plan, &Incremental { column: "part".to_owned(), inputs }).map(|_| ())
    }

    #[tokio::test]
    async fn to_count_rows_is_to_read_of_them() {
        let frame = context().await.sql("select count(*) as n from a.row").await.unwrap();
        let plan = frame.into_optimized_plan().unwrap();
        let read = |name: &str| read_of(&plan, &TableName::parse(name).unwrap()).unwrap();
        assert_eq!((read("a.row"), read("a.other")), (Some(Read::default()), None));
    }

    #[tokio::test]
    async fn parts_that_stay_asunder_are_proved() {
        for sql in [
            "select * from a.row",
            "with r as (select * from a.row) select r.part, r.id + w.id as id from b.whole as w cross join r where r.id > 0",
            "select r.part, o.id from a.row as r left join a.other as o on r.part = o.part and r.id = o.id",
            "select o.part, r.id from a.row as r right join a.other as o on r.part = o.part and r.id = o.id",
            "select part, count(*) as n, max(id) as id from a.row group by part",
            "select part, id, row_number() over (partition by part, id order by again) as n from a.row",
            "select part, id from a.row union all select part, id from a.other",
            "select part, unnest(list) as one from a.row",
            "select distinct part, again from a.row where id in (select id from b.whole)",
            "select r.part, w.id from b.whole as w right join a.row as r on w.id = r.id",
            "select part, id from a.row where exists (select 1 from a.other as o where o.part = row.part and o.id = row.id)",
            "select part, id from a.row where id in (select id from a.other)",
            "select r.part, r.id from (select id, count(*) as n from a.other group by id) as c right join a.row as r on r.id = c.id",
        ] {
            assert_eq!(proof(sql).await, Ok(()), "{sql}");
        }
    }

    #[tokio::test]
    async fn whatever_mixes_parts_is_refused_with_its_reason() {
        for (sql, why) in [
            ("select again as part, part as other from a.row", "not that of the rows"),
            ("select again as part, id from a.row", "without its part"),
            ("select 'x' as part, max(id) as id from a.row", "without its part"),
            ("select max(part) as part, id from a.row group by id", "grouped together"),
            ("select part, id, row_number() over (partition by id order by part) as n from a.row", "a window reaches"),
            ("select part, id from a.row order by id limit 3", "a limited number"),
            (
                "select r.part, o.id from a.row as r join a.other as o on r.id = o.id and r.part > o.part",
                "across parts",
            ),
            (
                "select w.again as part, r.id from b.whole as w left join a.row as r on w.id = r.id and w.again = r.part",
                "a join keeps rows",
            ),
            ("select part, id from a.row union all select part, id from b.whole", "rows of none"),
            (
                "select coalesce(r.part, o.part) as part from a.row as r full join a.other as o on r.part = o.part",
                "a full join",
            ),
            ("select upper(part) as part, id from a.row", "a select list leaves it out"),
            ("select part, id from b.whole", "reads none"),
        ] {
            let refused = proof(sql).await.unwrap_err();
            assert!(refused.contains(why), "{sql}\n{refused}");
        }
    }
}
