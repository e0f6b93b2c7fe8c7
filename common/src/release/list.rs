//! `release list`: what there is to go back to.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::command::{history, inputs_text};
use super::{Presences, Release, look};
use crate::output::{self, Format};
use crate::run::Run;

/// Answers with the releases of a stage, the newest first.
///
/// # Errors
/// [`crate::failure::Exit::InputMissing`] when there is none.
pub async fn answer(run: Arc<Run>, limit: usize, format: Format) -> Result<Release> {
    let history = history(&run).await?;
    let all: Vec<&Release> = history.of(run.stage).collect();
    let shown = &all[..limit.min(all.len())];
    let presences = look(&run.lake, shown).await?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (at, release) in shown.iter().enumerate() {
        let rebuilt = rebuilt_count(release, all.get(at + 1).copied());
        let missing = missing(release, &presences);
        values.push(json!({
            "release": release.number, "publishedAt": release.published_at.to_string(),
            "asOf": release.as_of.map(|date| date.to_string()), "runId": release.run_id,
            "tableCount": release.tables.len(), "rebuiltTableCount": rebuilt, "rowsWritten": release.row_count,
            "inputs": release.inputs, "note": release.note, "isReadable": missing.is_none(), "missing": missing,
        }));
        rows.push(vec![
            release.number.to_string(),
            release.published_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            release.as_of.map(|date| date.to_string()).unwrap_or_default(),
            release.run_id.clone(),
            format!("{rebuilt} of {}", release.tables.len()),
            release.row_count.to_string(),
            inputs_text(release),
            missing.map_or_else(|| "yes".to_owned(), |missing| format!("no: {missing}")),
            release.note.clone().unwrap_or_default(),
        ]);
    }
    match format {
        Format::Json => output::text(&format!("{}\n", Value::from(values)))?,
        _ => {
            let titles = [
                "release",
                "published",
                "as of",
                "run",
                "tables rebuilt",
                "rows written",
                "built on",
                "readable",
                "note",
            ];
            output::words(&titles, &rows, format)?;
        }
    }
    if format == Format::Table && shown.len() < all.len() {
        output::text(&format!("{} of {} releases: --limit shows more\n", shown.len(), all.len()))?;
    }
    Ok(all[0].clone())
}

/// Tables that are at another version than in the release before.
pub fn rebuilt_count(release: &Release, before: Option<&Release>) -> usize {
    let is_same = |table: &str, version: u64| {
        before.and_then(|before| before.tables.get(table)).is_some_and(|state| state.version == version)
    };
    release.tables.iter().filter(|(table, state)| !is_same(table, state.version)).count()
}

/// The first table that cannot be read, and why.
fn missing(release: &Release, presences: &Presences) -> Option<String> {
    release.tables.iter().find_map(|(table, state)| {
        let why = presences.get(&(table.clone(), state.version))?.missing.as_ref()?;
        Some(format!("{table}: {why}"))
    })
}
