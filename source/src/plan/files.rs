//! The plan where resources come from files.

use anyhow::Result;
use spectra_common::run::Planned;
use tracing::info;

use super::forecast::Forecast;
use super::past::Cost;
use super::table::{line, number, time};
use crate::files::Files;
use crate::walk::Request;

/// Says which files there are, and what is known of their rows.
///
/// # Errors
/// When files cannot be listed.
pub async fn tell(request: &Request, files: &Files, forecast: &Forecast) -> Result<Option<Planned>> {
    let spec = &request.fetcher.spec;
    let expected = forecast.expect();
    info!("{}", line("", ["slices", "files", "rows", "time"], "size"));
    let mut total = (0, 0);
    for resource in spec.resource.iter().filter(|resource| resource.files.is_some()) {
        let found = files.list(&everywhere(resource.files.as_deref().unwrap_or_default())).await?;
        let bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
        total = (total.0 + found.len(), total.1 + bytes);
        let table = resource.table.as_deref().unwrap_or_default();
        let known = (0..expected.len()).find(|index| forecast.table(*index) == table).map(|index| &expected[index]);
        let known = known.filter(|known| !known.is_blind && known.cost.bytes > 0.0);
        let unknown = || "unknown".to_owned();
        let growth = known.map_or(1.0, |known| bytes as f64 / known.cost.bytes);
        let cells = [
            known.map_or_else(unknown, |known| number(known.asked)),
            number(found.len() as f64),
            known.map_or_else(unknown, |known| number(known.cost.rows * growth)),
            known.map_or_else(unknown, |known| time(known.cost.ms * growth / 1000.0)),
        ];
        info!(
            resource = table,
            files = found.len(),
            bytes,
            "{}",
            line(table, cells.each_ref().map(String::as_str), &size(bytes))
        );
    }
    let is_known = !forecast.log.is_empty() && expected.iter().all(|expected| !expected.is_blind);
    let mut cost = Cost::default();
    expected.iter().for_each(|expected| cost += expected.cost);
    let planned = match (&forecast.log.besides, is_known && cost.bytes > 0.0) {
        (Some(besides), true) => {
            let cost = cost * (total.1 as f64 / cost.bytes);
            let asked = expected.iter().map(|expected| expected.asked).sum();
            let seconds = besides.seconds(&cost, asked, request.concurrency, None);
            Some(Planned { request_count: 0, row_count: cost.rows.round() as i64, seconds })
        }
        _ => None,
    };
    let words = match &planned {
        Some(planned) => format!("about {} rows in {}", number(planned.row_count as f64), time(planned.seconds)),
        None => "nobody knows yet how many rows".to_owned(),
    };
    info!("in all {} files, {}: {words}", number(total.0 as f64), size(total.1));
    Ok(planned)
}

/// The pattern that matches the files of every slice.
pub fn everywhere(template: &str) -> String {
    let mut pattern = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        pattern.push_str(before);
        pattern.push('*');
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    pattern.push_str(rest);
    pattern
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", number(bytes as f64 / 1e3)),
        _ => format!("{} MB", number(bytes as f64 / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_all_parents() {
        assert_eq!(everywhere("cycles/*.json"), "cycles/*.json");
        assert_eq!(everywhere("executions/{cycleId}/{day}.ndjson"), "executions/*/*.ndjson");
    }
}
