//! `release show`: what one release consists of.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::command::{history, inputs_text};
use super::{Release, look};
use crate::output::{self, Format};
use crate::run::Run;

/// Answers with one release.
///
/// # Errors
/// [`crate::failure::Exit::InputMissing`] when there is no such release.
pub async fn answer(run: Arc<Run>, number: Option<i64>, format: Format) -> Result<Release> {
    let history = history(&run).await?;
    let release = history.pin(run.stage, number)?;
    let before = history.of(run.stage).find(|before| before.number < release.number);
    let presences = look(&run.lake, &[release]).await?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (table, state) in &release.tables {
        let presence = presences.get(&(table.clone(), state.version)).cloned().unwrap_or_default();
        // A table that only grows is told of with all its rows, not with those that came with this release.
        let row_count = presence.row_count.unwrap_or(state.rows);
        let is_rebuilt =
            before.and_then(|before| before.tables.get(table)).map(|before| before.version) != Some(state.version);
        values.push(json!({
            "table": table, "version": state.version, "rowCount": row_count, "fingerprint": state.fingerprint,
            "isCarried": state.is_carried, "isRebuilt": is_rebuilt, "isReadable": presence.missing.is_none(),
            "missing": presence.missing,
        }));
        rows.push(vec![
            table.clone(),
            state.version.to_string(),
            row_count.to_string(),
            state.fingerprint.clone(),
            if is_rebuilt { "rebuilt" } else { "as before" }.to_owned(),
            presence.missing.map_or_else(|| "yes".to_owned(), |missing| format!("no: {missing}")),
        ]);
    }
    if format == Format::Json {
        let value = json!({
            "stage": release.stage, "release": release.number, "publishedAt": release.published_at.to_string(),
            "asOf": release.as_of.map(|date| date.to_string()), "runId": release.run_id, "inputs": release.inputs,
            "fingerprint": release.fingerprint, "rowsWritten": release.row_count, "note": release.note,
            "tables": values,
        });
        output::text(&format!("{value}\n"))?;
        return Ok(release.clone());
    }
    if format == Format::Table {
        output::text(&heading(release))?;
    }
    output::words(&["table", "version", "rows", "fingerprint", "this release", "readable"], &rows, format)?;
    Ok(release.clone())
}

fn heading(release: &Release) -> String {
    let mut lines = vec![
        format!("release {} of {}", release.number, release.stage),
        format!("published    {} by run {}", release.published_at, output::plain(&release.run_id)),
    ];
    if let Some(as_of) = release.as_of {
        lines.push(format!("as of        {as_of}"));
    }
    if !release.inputs.is_empty() {
        lines.push(format!("built on     {}", inputs_text(release)));
    }
    lines.push(format!("fingerprint  {}", release.fingerprint));
    if let Some(note) = &release.note {
        lines.push(format!("note         {}", output::plain(note)));
    }
    lines.join("\n") + "\n"
}
