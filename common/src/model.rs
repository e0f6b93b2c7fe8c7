//! A model: one `.sql` file, one query, one table. Its header is read here and obeyed by [`crate::stage`].
//!
//! ```sql
//! -- One row per test cycle: where and when a release is tested.
//! -- key: cycleId
//! -- expect: cycleName is not null, else quarantine
//! -- reference: releaseKey in transform.dimRelease.releaseKey
//! -- conserves: prepare.dimCycle
//! -- incremental: cycleId of prepare.cycle, clean.cycleDay.ownerId
//! select …
//! ```

mod name;

pub use name::TableName;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use include_dir::Dir;

use crate::failure::{Exit, Failure, failure};

/// What happens to a row that does not meet an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is counted.
    Warn,
    /// It is set aside.
    Quarantine,
    /// The stage fails.
    Fail,
}

/// A boolean every row must meet.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// SQL over the model's columns; met only when true.
    pub condition: String,
    /// What happens otherwise.
    pub otherwise: Otherwise,
    /// Line of the file it stands in.
    pub line: usize,
}

/// A column whose every value must exist in a column of another table.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Column of this model.
    pub column: String,
    /// Table it points to.
    pub table: TableName,
    /// Column there.
    pub target: String,
}

/// What a line of a header may begin with that is obeyed.
pub const DIRECTIVES: [&str; 5] = ["key", "expect", "reference", "conserves", "incremental"];

/// Which part of a model's rows is made of which part of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incremental {
    /// Column of the model whose values tell the parts apart.
    pub column: String,
    /// The inputs of which a part of the model needs the same part only, each with its column that tells the parts apart.
    pub inputs: BTreeMap<TableName, String>,
}

impl Incremental {
    /// Reads `column of schema.table, schema.table.column`: an input calls it as the model does unless it says otherwise.
    fn parse(rule: &str) -> Option<Self> {
        let (column, tables) = rule.split_once(" of ")?;
        let column = column.trim().to_owned();
        let input = |text: &str| match text.matches('.').count() {
            1 => Some((TableName::parse(text)?, column.clone())),
            _ => {
                let (table, own) = text.trim().rsplit_once('.')?;
                Some((TableName::parse(table)?, own.to_owned())).filter(|_| !own.is_empty())
            }
        };
        let inputs = tables.split(',').map(input).collect::<Option<_>>()?;
        (!column.is_empty()).then_some(Self { column, inputs })
    }
}

/// A parsed model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Table it makes, which is also the file's name.
    pub table: String,
    /// File it came from, for messages.
    pub file: String,
    /// Purpose and grain in words.
    pub purpose: String,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// What its rows must meet.
    pub expectations: Vec<Expectation>,
    /// Where its columns must point.
    pub references: Vec<Reference>,
    /// Table whose every row must come out, be it in the table or in quarantine.
    pub conserves: Option<TableName>,
    /// How it can be renewed without being built whole, where it can.
    pub incremental: Option<Incremental>,
    /// The whole text.
    pub sql: String,
    /// Tables the query names.
    pub inputs: BTreeSet<TableName>,
}

/// Reads the models of a folder in place of `built_in`, or those when there is none.
///
/// # Errors
/// [`Exit::Configuration`] naming file and line.
pub fn load(built_in: &Dir<'_>, folder: Option<&Path>) -> Result<Vec<Model>> {
    let mut texts: Vec<(String, String, String)> = Vec::new();
    match folder {
        None => {
            for file in built_in.files() {
                let name = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let text = file.contents_utf8().context("a built-in model is not text")?;
                texts.push((name, file.path().display().to_string(), text.to_owned()));
            }
        }
        Some(folder) => {
            let reading = || {
                Failure::new(Exit::Configuration, format!("reading models from {}", folder.display()))
                    .hint("--models wants a folder with a stage's whole set of models")
            };
            for entry in std::fs::read_dir(folder).with_context(reading)? {
                let path = entry.with_context(reading)?.path();
                if path.extension().is_some_and(|extension| extension == "sql") {
                    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    texts.push((
                        name,
                        path.display().to_string(),
                        std::fs::read_to_string(&path).with_context(reading)?,
                    ));
                }
            }
            if texts.is_empty() {
                return Err(failure(
                    Exit::Configuration,
                    format!("there is no model (*.sql) in {}", folder.display()),
                    "--models wants a folder with a whole set of models: copy the stage's own and change the copy",
                ));
            }
        }
    }
    texts.sort();
    texts.into_iter().map(|(table, file, text)| parse(&table, &file, &text)).collect()
}

fn refuse(file: &str, line: usize, message: impl std::fmt::Display) -> anyhow::Error {
    failure(
        Exit::Configuration,
        format!("{file}:{line}: {message}"),
        "a header says in words what a row is, then `-- key: …`, then any of `-- expect: …, else warn|quarantine|fail`, \
         `-- reference: column in schema.table.column`, `-- conserves: schema.table`, \
         `-- incremental: column of schema.table, schema.table.column, …`",
    )
}

/// Parses one model.
///
/// # Errors
/// [`Exit::Configuration`] naming file and line.
pub fn parse(table: &str, file: &str, text: &str) -> Result<Model> {
    let mut model = Model {
        table: table.to_owned(),
        file: file.to_owned(),
        purpose: String::new(),
        key: Vec::new(),
        expectations: Vec::new(),
        references: Vec::new(),
        conserves: None,
        incremental: None,
        sql: text.to_owned(),
        inputs: BTreeSet::new(),
    };
    for (line, directive) in header(text) {
        model.take(line, &directive)?;
    }
    if model.purpose.is_empty() {
        return Err(refuse(file, 1, "the header does not say in words what a row is"));
    }
    if model.key.is_empty() {
        return Err(refuse(file, 1, "the header names no key"));
    }
    model.inputs = inputs(file, text)?;
    let declared = model.incremental.iter().flat_map(|incremental| incremental.inputs.keys());
    if let Some(stranger) = declared.into_iter().find(|name| !model.inputs.contains(*name)) {
        return Err(refuse(
            file,
            1,
            format!("it is said to be incremental by {stranger}, which the query does not read"),
        ));
    }
    Ok(model)
}

/// The header's lines, each with its number and with its continuation lines joined on.
fn header(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(comment) = line.strip_prefix("--") else { break };
        match lines.last_mut() {
            Some((_, last)) if comment.starts_with("    ") => {
                last.push(' ');
                last.push_str(comment.trim());
            }
            _ => lines.push((index + 1, comment.trim().to_owned())),
        }
    }
    lines
}

impl Model {
    fn take(&mut self, line: usize, text: &str) -> Result<()> {
        let file = self.file.clone();
        let directive = text.split_once(':').filter(|(word, _)| !word.contains(' ') && !word.is_empty());
        match directive {
            Some(("key", columns)) => {
                if !self.key.is_empty() {
                    return Err(refuse(&file, line, "a second key"));
                }
                self.key = columns.split(',').map(|column| column.trim().to_owned()).collect();
                if self.key.iter().any(String::is_empty) {
                    return Err(refuse(&file, line, "the key has a column without a name"));
                }
            }
            Some(("expect", rule)) => {
                let Some((condition, otherwise)) = rule.rsplit_once(", else ") else {
                    return Err(refuse(
                        &file,
                        line,
                        "the expectation does not end in `, else warn`, `quarantine` or `fail`",
                    ));
                };
                if condition.trim().is_empty() {
                    return Err(refuse(&file, line, "the expectation has no condition"));
                }
                let otherwise = match otherwise.trim() {
                    "warn" => Otherwise::Warn,
                    "quarantine" => Otherwise::Quarantine,
                    "fail" => Otherwise::Fail,
                    other => return Err(refuse(&file, line, format!("`{other}` is none of warn, quarantine, fail"))),
                };
                self.expectations.push(Expectation { condition: condition.trim().to_owned(), otherwise, line });
            }
            Some(("reference", rule)) => {
                let parsed = rule.split_once(" in ").and_then(|(column, target)| {
                    let (table, target) = target.trim().rsplit_once('.')?;
                    let table = TableName::parse(table)?;
                    if column.trim().is_empty() || target.is_empty() {
                        return None;
                    }
                    Some(Reference { column: column.trim().to_owned(), table, target: target.to_owned() })
                });
                self.references.push(
                    parsed.ok_or_else(|| refuse(&file, line, "a reference reads `column in schema.table.column`"))?,
                );
            }
            Some(("conserves", table)) => {
                let table = TableName::parse(table).ok_or_else(|| {
                    refuse(&file, line, format!("`{}` is not a table: write schema.table", table.trim()))
                })?;
                if self.conserves.replace(table).is_some() {
                    return Err(refuse(&file, line, "a second table to conserve"));
                }
            }
            Some(("incremental", rule)) => {
                let parsed = Incremental::parse(rule)
                    .ok_or_else(|| refuse(&file, line, "what is incremental reads `column of schema.table, …`"))?;
                if self.incremental.replace(parsed).is_some() {
                    return Err(refuse(&file, line, "a second way to be incremental"));
                }
            }
            // Before the key a colon is punctuation; after it, a misspelt directive must not pass for words.
            Some((word, _)) if !self.key.is_empty() && word.chars().all(|each| each.is_ascii_lowercase()) => {
                return Err(refuse(&file, line, format!("`{word}:` is no directive")));
            }
            _ => {
                if !self.purpose.is_empty() && !text.is_empty() {
                    self.purpose.push(' ');
                }
                self.purpose.push_str(text);
            }
        }
        Ok(())
    }

    /// Every table that must be readable to build and check the model.
    pub fn needs(&self) -> BTreeSet<TableName> {
        let mut needs = self.inputs.clone();
        needs.extend(self.references.iter().map(|reference| reference.table.clone()));
        needs.extend(self.conserves.clone());
        needs
    }

    /// Whether rows can be set aside.
    pub fn has_quarantine(&self) -> bool {
        self.expectations.iter().any(|expectation| expectation.otherwise == Otherwise::Quarantine)
    }

    /// Whether the query mentions a word, such as a column of `run.setting`.
    pub fn mentions(&self, word: &str) -> bool {
        let inside = |each: char| each.is_ascii_alphanumeric() || each == '_';
        self.sql.match_indices(word).any(|(at, _)| {
            let before = self.sql[..at].chars().next_back();
            let after = self.sql[at + word.len()..].chars().next();
            !before.is_some_and(inside) && !after.is_some_and(inside)
        })
    }
}

/// Tables a query names, without the names it defines itself.
fn inputs(file: &str, text: &str) -> Result<BTreeSet<TableName>> {
    let statements = DFParser::parse_sql(text)
        .map_err(|error| refuse(file, 1, format!("the query does not parse: {}", error.strip_backtrace())))?;
    let statement = match statements.iter().collect::<Vec<_>>()[..] {
        [statement @ Statement::Statement(query)] if is_query(query) => statement,
        _ => return Err(refuse(file, 1, "the file must hold exactly one query")),
    };
    let (tables, _) = resolve_table_references(statement, false)
        .map_err(|error| refuse(file, 1, format!("the query names no table so: {}", error.strip_backtrace())))?;
    let mut inputs = BTreeSet::new();
    for table in tables {
        let Some(schema) = table.schema() else {
            return Err(refuse(file, 1, format!("the query names table `{table}` without its schema")));
        };
        inputs.insert(TableName { schema: schema.to_owned(), table: table.table().to_owned() });
    }
    Ok(inputs)
}

fn is_query(statement: &datafusion::sql::sqlparser::ast::Statement) -> bool {
    matches!(statement, datafusion::sql::sqlparser::ast::Statement::Query(_))
}

/// Models so that each comes after those it needs.
///
/// # Errors
/// [`Exit::Configuration`] when some need each other in a circle.
pub fn in_order(stage: &str, models: Vec<Model>) -> Result<Vec<Model>> {
    let names: BTreeSet<String> = models.iter().map(|model| model.table.clone()).collect();
    let mut waiting: BTreeMap<String, Model> = models.into_iter().map(|model| (model.table.clone(), model)).collect();
    let mut ordered: Vec<Model> = Vec::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready: Vec<String> = waiting
            .values()
            .filter(|model| {
                let own = model.needs().into_iter().filter(|name| name.schema == stage && names.contains(&name.table));
                own.filter(|name| name.table != model.table || model.inputs.contains(name))
                    .all(|name| done.contains(&name.table))
            })
            .map(|model| model.table.clone())
            .collect();
        if ready.is_empty() {
            let circle: Vec<&str> = waiting.values().map(|model| model.file.as_str()).collect();
            return Err(failure(
                Exit::Configuration,
                format!("these models of {stage} need each other in a circle: {}", circle.join(", ")),
                "a model may only read tables that do not read it",
            ));
        }
        for table in ready {
            ordered.extend(waiting.remove(&table));
            done.insert(table);
        }
    }
    Ok(ordered)
}

/// Checks that a boolean over `schema`'s columns can be evaluated, and prepares it.
///
/// # Errors
/// [`Exit::Configuration`] naming the model's file and line.
pub fn condition(
    context: &SessionContext,
    model: &Model,
    expectation: &Expectation,
    schema: &datafusion::common::DFSchema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let state = context.state();
    let simplify = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(simplify);
    state
        .create_logical_expr(&expectation.condition, schema)
        .and_then(|expression| simplifier.coerce(expression, schema))
        // Some functions, coalesce among them, only exist until they are simplified.
        .and_then(|expression| simplifier.simplify(expression))
        .and_then(|expression| state.create_physical_expr(expression, schema))
        .map_err(|error| {
            let message = format!("the expectation `{}`: {}", expectation.condition, error.strip_backtrace());
            refuse(&model.file, expectation.line, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLE: &str = "-- One row per cycle:\n-- where a release is tested.\n-- key: cycleId\n\
        -- expect: cycleName is not null\n--     and cycleName <> '', else quarantine\n-- expect: a in ('x, else y'), else warn\n\
        -- reference: releaseId in clean.dimRelease.releaseId\n-- conserves: prepare.dimCycle\n\
        with cycle as (select * from prepare.dimCycle)\nselect cycle.* from cycle left join clean.dimRelease as r on true";

    fn message(text: &str) -> String {
        parse("dimCycle", "clean/models/dimCycle.sql", text).unwrap_err().to_string()
    }

    #[test]
    fn a_header_is_read_whole() {
        let model = parse("dimCycle", "dimCycle.sql", CYCLE).unwrap();
        assert_eq!(model.purpose, "One row per cycle: where a release is tested.");
        assert_eq!(model.key, ["cycleId"]);
        assert_eq!(model.expectations[0].condition, "cycleName is not null and cycleName <> ''");
        assert_eq!(model.expectations[1].condition, "a in ('x, else y')");
        assert_eq!(model.expectations[1].line, 6);
        assert_eq!(model.references[0].table.to_string(), "clean.dimRelease");
        let inputs: Vec<String> = model.inputs.iter().map(ToString::to_string).collect();
        assert_eq!(inputs, ["clean.dimRelease", "prepare.dimCycle"]);
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said_with_file_and_line() {
        assert!(message("-- words\nselect 1 as a").contains("dimCycle.sql:1: the header names no key"));
        assert!(message("-- key: a\nselect 1 as a").contains("does not say in words"));
        assert!(
            message("-- words\n-- key: a\n-- expect: a > 0\nselect 1 as a").contains("dimCycle.sql:3: the expectation")
        );
        assert!(message("-- words\n-- key: a\n-- expect: a, else shrug\nselect 1 as a").contains("`shrug` is none of"));
        for empty in ["expect: , else warn", "reference:  in a.b.c", "reference: a in a.b.", "incremental:  of a.b"] {
            let told = message(&format!("-- words\n-- key: a\n-- {empty}\nselect a from a.b"));
            assert!(told.contains("dimCycle.sql:3: "), "{told}");
        }
        assert!(message("-- words\n-- key: a\nselect a from w.x.y.z").contains("dimCycle.sql:1: the query names"));
        assert_eq!(parse("a", "a", "-- note: words\n-- key: a\nselect 1 as a").unwrap().purpose, "note: words");
        assert!(message("-- words\n-- key: a\n-- keys: b\nselect 1 as a").contains("`keys:` is no directive"));
        assert!(message("-- words\n-- key: a\n-- key: b\nselect 1 as a").contains("a second key"));
        assert!(message("-- words\n-- key: a\nselect from").contains("does not parse"));
        assert!(message("-- words\n-- key: a\ndrop table x").contains("exactly one query"));
        assert!(message("-- words\n-- key: a\nselect a from cycle").contains("without its schema"));
    }

    fn model(name: &str, reads: &str) -> Model {
        parse(name, name, &format!("-- w\n-- key: a\nselect a from {reads}")).unwrap()
    }

    #[test]
    fn the_order_follows_from_what_models_read() {
        let models = vec![model("a", "refine.c"), model("b", "transform.x"), model("c", "refine.b")];
        let order: Vec<String> = in_order("refine", models).unwrap().into_iter().map(|model| model.table).collect();
        assert_eq!(order, ["b", "c", "a"]);
        let circle = vec![model("a", "refine.b"), model("b", "refine.a")];
        assert!(in_order("refine", circle).unwrap_err().to_string().contains("circle: a, b"));
        assert!(in_order("refine", vec![model("a", "refine.a")]).is_err());
    }

    #[test]
    fn a_word_is_mentioned_only_as_a_whole() {
        let model = model("a", "run.setting where asOfDate > 1");
        assert!(!model.mentions("asOf"));
        assert!(model.mentions("asOfDate"));
    }
}
