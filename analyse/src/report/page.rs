//! The page itself: template, style, scripts and data become one file that needs nothing else.

use std::borrow::Cow;

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::data::Report;

const TEMPLATE: &str = include_str!("../../assets/report.html");
/// Laid one after the other, in this order.
const STYLES: [&str; 5] = [
    include_str!("../../assets/report/page.css"),
    include_str!("../../assets/report/controls.css"),
    include_str!("../../assets/report/parts.css"),
    include_str!("../../assets/report/matrix.css"),
    include_str!("../../assets/report/paper.css"),
];
/// Parts of one function: a later one may use what an earlier one names.
const SCRIPTS: [&str; 14] = [
    include_str!("../../assets/report/base.js"),
    include_str!("../../assets/report/table.js"),
    include_str!("../../assets/report/chart.js"),
    include_str!("../../assets/report/scope.js"),
    include_str!("../../assets/report/grid.js"),
    include_str!("../../assets/report/overview.js"),
    include_str!("../../assets/report/progress.js"),
    include_str!("../../assets/report/burndown.js"),
    include_str!("../../assets/report/matrix.js"),
    include_str!("../../assets/report/coverage.js"),
    include_str!("../../assets/report/tests.js"),
    include_str!("../../assets/report/quality.js"),
    include_str!("../../assets/report/dictionary.js"),
    include_str!("../../assets/report/main.js"),
];
const CHART_STYLE: &str = include_str!("../../assets/uPlot.min.css");
const CHART_SCRIPT: &str = include_str!("../../assets/uPlot.iife.min.js");
const CHART_LICENCE: &str = include_str!("../../assets/uPlot.LICENSE");

fn style() -> String {
    STYLES.concat()
}

fn script() -> String {
    format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.concat())
}

/// What the page would look like with any data: another one is news, though the tables are the same.
pub fn design() -> String {
    let mut digest = Sha256::new();
    for part in [TEMPLATE, &style(), &script(), CHART_STYLE, CHART_SCRIPT, env!("CARGO_PKG_VERSION")] {
        digest.update(part);
    }
    STANDARD.encode(digest.finalize())
}

/// The whole page.
pub(super) fn page(report: &Report) -> Result<String> {
    let (style, script) = (style(), script());
    let [chart_style, style, chart_script, script] =
        [CHART_STYLE, &style, CHART_SCRIPT, &script].map(with_browser_line_ends);
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src {} {}; img-src data:; base-uri 'none'; form-action 'none'",
        source_hash(&chart_script),
        source_hash(&script),
        source_hash(&chart_style),
        source_hash(&style),
    );
    let data = escape_for_script(&serde_json::to_string(report)?);
    fill(
        TEMPLATE,
        &[
            ("policy", &policy),
            ("version", env!("CARGO_PKG_VERSION")),
            ("chartStyle", &chart_style),
            ("style", &style),
            ("data", &data),
            ("chartScript", &chart_script),
            ("script", &script),
            ("chartLicence", CHART_LICENCE.trim_end()),
        ],
    )
}

/// A browser reads every line end as a line feed before it compares hashes, whatever the checkout made of them.
fn with_browser_line_ends(asset: &str) -> Cow<'_, str> {
    if asset.contains('\r') { Cow::Owned(asset.replace("\r\n", "\n")) } else { Cow::Borrowed(asset) }
}

fn source_hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// JSON that can stand inside a script element: nothing in it can end the element or open a comment, and it stays the
/// same JSON, because these characters only ever occur inside its strings.
fn escape_for_script(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Puts each value where the template names it, in one pass: what looks like a name inside a value stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut filled = String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else {
            bail!("the page template opens a name and never closes it");
        };
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            bail!("the page template names `{name}`, which has no value");
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::data::report_with_project;

    const HOSTILE: &str = "</script><script>alert(1)</script><!-- {{data}} & \u{2028}\u{2029} \u{202e}";

    /// The JSON that the page holds.
    fn data_of(page: &str) -> &str {
        let (_, after) = page.split_once(r#"<script type="application/json" id="report-data">"#).unwrap();
        after.split_once("</script>").unwrap().0
    }

    #[test]
    fn a_name_cannot_leave_the_data_element() {
        let escaped = escape_for_script(&serde_json::to_string(HOSTILE).unwrap());
        assert!(!escaped.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), HOSTILE);
    }

    #[test]
    fn a_hostile_name_arrives_unchanged_and_adds_no_script() {
        let harmless = page(&Report::default()).unwrap();
        let hostile = page(&report_with_project(HOSTILE)).unwrap();
        let count = |page: &str| page.matches("<script").count();
        assert_eq!(count(&hostile), count(&harmless));
        assert!(!hostile.contains("<script>alert"));
        let data: serde_json::Value = serde_json::from_str(data_of(&hostile)).unwrap();
        assert_eq!(data["tables"]["projectProgress"]["columns"]["projectName"][0], HOSTILE);
    }

    #[test]
    fn the_policy_names_exactly_the_scripts_and_styles_of_the_page() {
        let page = page(&Report::default()).unwrap();
        let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(!policy.contains("unsafe"));
        for (open, close) in [("<script>", "</script>"), ("<style>", "</style>")] {
            let bodies: Vec<&str> = page.split(open).skip(1).map(|after| after.split_once(close).unwrap().0).collect();
            assert_eq!(bodies.len(), 2);
            for body in bodies {
                assert!(policy.contains(&source_hash(body)));
            }
        }
        assert!(!policy.contains("http") && !page.contains("src=\"http") && !page.contains("@import"));
    }

    #[test]
    fn the_assets_cannot_end_their_own_elements() {
        let (style, script) = (style(), script());
        for asset in [CHART_SCRIPT, &script] {
            assert!(!asset.contains("</script") && !asset.contains("<!--"));
        }
        for asset in [CHART_STYLE, &style] {
            assert!(!asset.contains("</style") && !asset.contains("url("));
        }
        assert!(!CHART_LICENCE.contains(['<', '&']));
        for way_in in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!script.contains(way_in), "{way_in}");
        }
    }

    #[test]
    fn a_template_with_an_unknown_name_is_refused() {
        assert_eq!(fill("a {{b}} c", &[("b", "{{b}}")]).unwrap(), "a {{b}} c");
        assert!(fill("a {{d}}", &[("b", "")]).unwrap_err().to_string().contains("`d`"));
        assert!(fill("a {{d", &[("d", "")]).is_err());
    }
}
