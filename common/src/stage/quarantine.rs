//! Rows set aside: where they are, when they are too many, and what becomes of them when they are tried again.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use datafusion::prelude::SessionContext;
use serde::Deserialize;
use tracing::info;

use super::inputs::Inputs;
use super::plan::Step;
use crate::failure::{Exit, failure};
use crate::log;
use crate::model::Model;
use crate::release::{self, Pending, TableState};
use crate::run::Run;
use crate::session;

/// Where tables are as they were before they were built again.
pub const BEFORE: &str = "before";

/// Where the rows go that a model sets aside.
pub fn table_name(stage: &str, table: &str) -> String {
    let mut letters = table.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{stage}{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
}

/// The tables whose set aside rows are to be tried again.
#[derive(Args, Clone, Debug, Default)]
pub struct Replay {
    /// Try those of this table only
    #[arg(long, env = "SPECTRA_TABLE", value_name = "TABLE")]
    pub table: Option<String>,
}

impl Replay {
    /// Refuses a table that sets no rows aside.
    ///
    /// # Errors
    /// [`Exit::Usage`], naming those that do.
    pub fn check(&self, stage: &str, models: &[Model]) -> Result<()> {
        let known: Vec<&str> =
            models.iter().filter(|model| model.has_quarantine()).map(|model| model.table.as_str()).collect();
        match &self.table {
            Some(table) if !known.contains(&table.as_str()) => Err(failure(
                Exit::Usage,
                format!("no rule of {stage} sets rows of a table {table} aside"),
                format!("tables that rows are set aside of: {}", known.join(", ")),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a table is to be built again for the rows set aside of it.
    pub fn wants(&self, table: &str, set_aside: Option<&TableState>) -> bool {
        self.table.as_deref().is_none_or(|wanted| wanted == table) && set_aside.is_some_and(|state| state.rows > 0)
    }
}

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
    count: i64,
}

async fn reasons(context: &SessionContext, table: &str) -> Result<BTreeMap<String, i64>> {
    let sql = format!(r#"select "quarantineReasons" as reason, count(*) as count from {table} group by 1"#);
    let rows: Vec<Reason> = log::rows(&context.sql(&sql).await?.collect().await?)?;
    Ok(rows.into_iter().map(|row| (row.reason.unwrap_or_default(), row.count)).collect())
}

/// Says of a table that was built again how many rows were set aside before and are now, by the rules they break.
///
/// # Errors
/// When the table of the last release cannot be read.
pub async fn tell(run: &Run, context: &SessionContext, stage: &str, step: &Step) -> Result<()> {
    let state = step.before.as_ref().and_then(|before| before.quarantine.as_ref());
    let (Some(table), Some(state)) = (step.quarantine_table(stage), state) else { return Ok(()) };
    let delta = release::open(&run.lake, "quarantine", &table, state).await?;
    session::register_delta(context, BEFORE, &table, &delta).await?;
    let before = reasons(context, &format!("{BEFORE}.\"{table}\"")).await?;
    let after = reasons(context, &format!("quarantine.\"{table}\"")).await?;
    let total = |reasons: &BTreeMap<String, i64>| reasons.values().sum::<i64>();
    let name = format!("{stage}.{}", step.model.table);
    info!(
        table = step.model.table,
        before = total(&before),
        quarantined = total(&after),
        "replayed {name}: {} rows were set aside, {} are now",
        total(&before),
        total(&after)
    );
    let mut every: Vec<&String> = before.keys().chain(after.keys()).collect();
    every.sort();
    every.dedup();
    for reason in every {
        let count = |reasons: &BTreeMap<String, i64>| reasons.get(reason).copied().unwrap_or_default();
        info!(table = step.model.table, "{name}: by `{reason}` {}, now {}", count(&before), count(&after));
    }
    Ok(())
}

/// A sentence for each table of which a larger share of rows was set aside than the control `quarantineRateAlert` allows.
///
/// # Errors
/// When the controls cannot be read.
pub async fn alerts(run: &Run, context: &SessionContext, inputs: &Inputs, pending: &[Pending]) -> Result<Vec<String>> {
    let rates: Vec<(&str, f64)> = pending.iter().filter_map(|each| Some((each.table.as_str(), rate(each)?))).collect();
    if rates.is_empty() {
        return Ok(Vec::new());
    }
    let control = inputs.control(run, context, "quarantineRateAlert").await?;
    let Some(limit) = control.and_then(|value| value.parse::<f64>().ok()) else { return Ok(Vec::new()) };
    let stage = inputs.stage;
    Ok(rates
        .into_iter()
        .filter(|(_, rate)| *rate > limit)
        .map(|(table, rate)| alert(stage, table, rate, limit))
        .collect())
}

fn alert(stage: &str, table: &str, rate: f64, limit: f64) -> String {
    format!(
        "{:.1} % of the rows of {stage}.{table} were set aside, more than the {:.1} % of the control quarantineRateAlert",
        rate * 100.0,
        limit * 100.0
    )
}

/// The share of a table's rows that was set aside, 0 to 1; `None` where none was.
fn rate(pending: &Pending) -> Option<f64> {
    let rows = pending.outcome().row_count;
    let set_aside = pending.quarantined_count;
    (set_aside > 0).then(|| set_aside as f64 / (rows + set_aside) as f64)
}
