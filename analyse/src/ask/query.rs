//! One query over the tables of a release.

use anyhow::{Context, Result};
use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use spectra_common::failure::{Exit, failure};
use spectra_common::model::TableName;
use spectra_common::output::{self, Format};
use spectra_common::session;

use super::view::View;

/// A table of a query: its schema, if it is named with one, and its name.
pub type Named = (Option<String>, String);

/// Tables a query names.
///
/// # Errors
/// [`Exit::Usage`] when it is not one query, or would change something.
pub fn tables(sql: &str) -> Result<Vec<Named>> {
    let statements = DFParser::parse_sql(sql)
        .map_err(|error| failure(Exit::Usage, format!("the query does not parse: {error}"), HINT))?;
    let statement = match statements.iter().collect::<Vec<_>>()[..] {
        [statement] => statement,
        [] => return Err(failure(Exit::Usage, "there is no query", HINT)),
        _ => return Err(failure(Exit::Usage, "there is more than one statement", HINT)),
    };
    if !is_query(statement) {
        let text = statement.to_string();
        let verb: Vec<&str> = text.split_whitespace().take(2).collect();
        let verb = verb.join(" ").to_lowercase();
        return Err(failure(
            Exit::Usage,
            format!("`{verb}` is refused: a question changes nothing and sets nothing"),
            "ask with select, or explain one; spectra-analyse describe lists tables and columns",
        ));
    }
    let (tables, _) = resolve_table_references(statement, false)?;
    Ok(tables.iter().map(|table| (table.schema().map(ToOwned::to_owned), table.table().to_owned())).collect())
}

const HINT: &str = "write one query, such as: select cycleName, remainingTestcases from analyse.cycleProgress";

fn is_query(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(statement.as_ref(), ast::Statement::Query(_)),
        Statement::Explain(explain) => is_query(&explain.statement),
        _ => false,
    }
}

/// Answers a query.
///
/// # Errors
/// [`Exit::InputMissing`] for a table that is not there, [`Exit::Usage`] for a query that is wrong.
pub async fn answer(
    view: &View,
    context: &SessionContext,
    sql: &str,
    tables: Vec<Named>,
    format: Format,
) -> Result<()> {
    for (schema, table) in tables {
        match schema {
            Some(schema) => view.register(context, &TableName { schema, table }).await?,
            None => {
                let name = view.nearest(&table).ok_or_else(|| {
                    let message = format!("there is no table {table} in any stage");
                    failure(Exit::InputMissing, message, "spectra-analyse describe lists all tables")
                })?;
                view.register(context, &name).await?;
                let provider =
                    context.table_provider(TableReference::partial(name.schema.as_str(), name.table.as_str())).await?;
                session::register(context, "run", &table, provider)?;
            }
        }
    }
    // Whatever hides inside a query must not change anything either.
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, options).await.map_err(|error| {
        let message = error.strip_backtrace();
        // A list of all columns of all tables hides what is wrong; `describe` has it too.
        let message = message.split(" Valid fields are").next().unwrap_or_default().trim_end_matches('.');
        let hint = "names are case-sensitive: spectra-analyse describe TABLE lists a table's columns";
        failure(Exit::Usage, format!("the query cannot be planned: {message}"), hint)
    })?;
    let stream = frame.execute_stream().await.context("running the query")?;
    output::rows(stream, format).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_query_is_answered() {
        assert_eq!(tables("select 1 from refine.dimCycle").unwrap(), [(Some("refine".into()), "dimCycle".into())]);
        assert_eq!(
            tables("select 1 from \"refine@3\".dimCycle").unwrap(),
            [(Some("refine@3".into()), "dimCycle".into())]
        );
        assert_eq!(tables("with a as (select * from b) select * from a").unwrap(), [(None, "b".into())]);
        assert!(tables("explain select 1").is_ok());
        for sql in [
            "drop table refine.dimCycle",
            "insert into refine.dimCycle values (1)",
            "delete from refine.dimCycle",
            "update refine.dimCycle set a = 1",
            "create table a as select 1",
            "create external table a stored as csv location '/etc'",
            "copy refine.dimCycle to 'x.csv'",
            "set datafusion.execution.time_zone = 'UTC'",
            "explain analyze insert into a values (1)",
        ] {
            let message = tables(sql).unwrap_err().to_string();
            assert!(message.contains("is refused"), "{sql}: {message}");
        }
        assert!(tables("select 1; select 2").unwrap_err().to_string().contains("more than one"));
        assert!(tables("").unwrap_err().to_string().contains("no query"));
    }
}
