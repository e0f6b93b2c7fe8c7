//! Less work on the next run: which slices need not be asked for again, and which only for what changed.

use std::collections::HashMap;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::{log, session};

use crate::spec::{ChangedSince, Closed, Resource, Spec, id_text};

/// The last good walks of a slice.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    resource: String,
    slice_key: String,
    /// When it was last walked to its end, whole or for what changed.
    pub walked_at: Timestamp,
    /// When it was last walked whole.
    pub whole_at: Option<Timestamp>,
    /// What its parent's record said of its version then.
    pub version: Option<String>,
}

/// The last good walks of all slices, by table and key.
pub type Pasts = HashMap<(String, String), Past>;

/// Reads them, where a spec or the caller makes use of them.
///
/// # Errors
/// When `log.slice` cannot be read.
pub async fn pasts(lake: &Lake, spec: &Spec, rechecks_closed: bool, memory_bytes: u64) -> Result<Pasts> {
    let is_used = spec.resource.iter().any(|resource| {
        resource.version_in_parent.is_some()
            || resource.changed_since.is_some()
            || (rechecks_closed && resource.closed.is_some())
    });
    let table = if is_used { lake.open("log", "slice", None).await? } else { None };
    let Some(table) = table else { return Ok(Pasts::new()) };
    let Some(runs) = lake.open("log", "run", None).await? else { return Ok(Pasts::new()) };
    let context = session::new(memory_bytes, 1)?;
    session::register_delta(&context, "log", "slice", &table).await?;
    session::register_delta(&context, "log", "run", &runs).await?;
    // What a run walked that did not end well is in the lake only where another took it over.
    let sql = "with finished as (
            select distinct \"runId\" from log.run where stage = 'source' and status in ('published', 'unchanged')),
        walk as (select * from log.slice where outcome in ('complete', 'unchanged', 'partial')),
        taken_over as (
            select distinct resource, \"sliceKey\", \"walkedAt\" from log.slice
            where outcome = 'resumed' and \"runId\" in (select \"runId\" from finished)),
        good as (
            select * from walk where \"runId\" in (select \"runId\" from finished)
            union all
            select walk.* from walk left semi join taken_over on walk.resource = taken_over.resource
                and walk.\"sliceKey\" = taken_over.\"sliceKey\" and walk.\"walkedAt\" = taken_over.\"walkedAt\")
        select resource, \"sliceKey\", max(\"walkedAt\") as \"walkedAt\",
            max(\"walkedAt\") filter (where outcome in ('complete', 'unchanged')) as \"wholeAt\",
            last_value(\"parentVersion\" order by \"walkedAt\") as version
        from good group by resource, \"sliceKey\"";
    let pasts: Vec<Past> = log::rows(&context.sql(sql).await?.collect().await?)?;
    Ok(pasts.into_iter().map(|past| ((past.resource.clone(), past.slice_key.clone()), past)).collect())
}

/// What is done about a slice.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is asked for.
    Walk,
    /// Only what changed since then is asked for.
    Since(Timestamp),
    /// It is not asked for, for this reason.
    Skip(String),
    /// It is known to be empty, for this reason.
    Empty(String),
}

/// What is known of a slice's parents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage {
    /// The ancestor that has ended, in words.
    pub closed: Option<String>,
    /// What its parent's record says of its version.
    pub version: Option<String>,
    /// Rows its parent's record counts.
    pub count: Option<i64>,
}

impl Lineage {
    /// That of the slices of `child` below a record of `resource`, which has `facts`.
    pub fn below(
        &self,
        resource: &Resource,
        id: &Value,
        facts: &std::collections::BTreeMap<String, Value>,
        child: &Resource,
        now: Timestamp,
    ) -> Self {
        let fact = |field: &Option<String>| field.as_ref().and_then(|field| facts.get(field));
        let ended = resource.closed.as_ref().and_then(|closed| {
            let ended = instant(facts.get(&closed.field)?)?;
            is_over(closed, ended, now).then(|| {
                let day = ended.to_string();
                format!("{} {} ended on {}", resource.name, id_text(id), day.split('T').next().unwrap_or_default())
            })
        });
        Self {
            closed: ended.or_else(|| self.closed.clone()),
            version: fact(&child.version_in_parent).filter(|version| !version.is_null()).map(id_text),
            count: fact(&child.count_in_parent).and_then(Value::as_i64),
        }
    }
}

fn is_over(closed: &Closed, ended: Timestamp, now: Timestamp) -> bool {
    now.duration_since(ended) > SignedDuration::from_hours(i64::from(closed.after_days) * 24)
}

/// Epoch milliseconds, an RFC 3339 instant, or a day.
fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        Value::String(text) => text.parse().ok().or_else(|| {
            let day: jiff::civil::Date = text.parse().ok()?;
            Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        }),
        _ => None,
    }
}

/// Decides about a slice whose content is known as of `past`, if it is.
pub fn decide(
    resource: &Resource,
    lineage: &Lineage,
    past: Option<&Past>,
    now: Timestamp,
    recheck_closed: Option<SignedDuration>,
) -> Decision {
    if lineage.count == Some(0) {
        let field = resource.count_in_parent.as_deref().unwrap_or_default();
        return Decision::Empty(format!("`{field}` of its parent is 0"));
    }
    let Some(past) = past else { return Decision::Walk };
    let age = now.duration_since(past.walked_at);
    if let (Some(closed), Some(cadence)) = (&lineage.closed, recheck_closed)
        && age < cadence
    {
        return Decision::Skip(format!("{closed}; walked {}", past.walked_at));
    }
    if lineage.version.is_some() && lineage.version == past.version {
        let field = resource.version_in_parent.as_deref().unwrap_or_default();
        return Decision::Skip(format!("`{field}` of its parent is as it was; walked {}", past.walked_at));
    }
    match (&resource.changed_since, past.whole_at) {
        (Some(filter), Some(whole_at)) if !is_due(filter, whole_at, now) => {
            let overlap = i64::try_from(filter.overlap_seconds).unwrap_or(i64::MAX);
            let since = past.walked_at.checked_sub(SignedDuration::from_secs(overlap)).unwrap_or(Timestamp::UNIX_EPOCH);
            Decision::Since(since)
        }
        _ => Decision::Walk,
    }
}

fn is_due(filter: &ChangedSince, whole_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(whole_at) >= SignedDuration::from_hours(i64::from(filter.full_every_days) * 24)
}

/// How a server wants to be told an instant.
pub fn written(filter: &ChangedSince, since: Timestamp) -> String {
    match filter.format.as_str() {
        "epoch-ms" => since.as_millisecond().to_string(),
        "date" => since.to_string().split('T').next().unwrap_or_default().to_owned(),
        _ => since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// A time such as `7d`, `12h` or `90m`; `0` is none.
///
/// # Errors
/// A sentence for anything else.
pub fn parse_cadence(text: &str) -> std::result::Result<SignedDuration, String> {
    let refuse = || format!("`{text}` is not a time such as 7d, 12h or 90m");
    let text = text.trim();
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let unit = text.chars().last().ok_or_else(refuse)?;
    let count: i64 = text[..text.len() - unit.len_utf8()].trim().parse().map_err(|_| refuse())?;
    let minutes = match unit {
        'd' => 24 * 60,
        'h' => 60,
        'm' => 1,
        _ => return Err(refuse()),
    };
    count.checked_mul(minutes).filter(|minutes| *minutes >= 0).map(SignedDuration::from_mins).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resource(text: &str) -> Resource {
        toml::from_str(&format!("name = 'x'\nrecord_id = 'id'\n{text}")).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn past(walked_at: &str, version: Option<&str>) -> Past {
        Past {
            resource: "x".into(),
            slice_key: "{}".into(),
            walked_at: at(walked_at),
            whole_at: Some(at("2026-01-01T00:00:00Z")),
            version: version.map(Into::into),
        }
    }

    const NOW: &str = "2026-01-10T00:00:00Z";

    #[test]
    fn what_has_ended_is_revisited_at_its_cadence() {
        let week = Some(SignedDuration::from_hours(24 * 7));
        let lineage = Lineage { closed: Some("cycle 1 ended on 2025-01-01".into()), ..Lineage::default() };
        let decide = |walked_at: &str| decide(&resource(""), &lineage, Some(&past(walked_at, None)), at(NOW), week);
        assert!(matches!(decide("2026-01-05T00:00:00Z"), Decision::Skip(reason) if reason.contains("cycle 1 ended")));
        assert_eq!(decide("2026-01-02T00:00:00Z"), Decision::Walk);
        assert_eq!(super::decide(&resource(""), &lineage, None, at(NOW), week), Decision::Walk, "never walked");
        let always = super::decide(&resource(""), &lineage, Some(&past("2026-01-09T00:00:00Z", None)), at(NOW), None);
        assert_eq!(always, Decision::Walk);
    }

    #[test]
    fn an_end_is_read_in_the_forms_servers_write_it() {
        let parent = resource("key = 'id'\nclosed = { field = 'end', after_days = 5 }");
        let child = resource("");
        for (end, is_closed) in [
            (Value::from(at("2026-01-01T00:00:00Z").as_millisecond()), true),
            (Value::from("2026-01-01"), true),
            (Value::from("2026-01-01T10:00:00Z"), true),
            (Value::from("2026-01-08"), false),
            (Value::from("soon"), false),
            (Value::Null, false),
        ] {
            let facts = BTreeMap::from([("end".to_owned(), end.clone())]);
            let below = Lineage::default().below(&parent, &7.into(), &facts, &child, at(NOW));
            assert_eq!(below.closed.is_some(), is_closed, "{end}");
        }
    }

    #[test]
    fn a_parent_that_says_nothing_changed_is_believed_where_the_spec_says_so() {
        let child = resource("version_in_parent = 'revision'");
        let same = Lineage { version: Some("7".into()), ..Lineage::default() };
        assert!(matches!(decide(&child, &same, Some(&past(NOW, Some("7"))), at(NOW), None), Decision::Skip(_)));
        assert_eq!(decide(&child, &same, Some(&past(NOW, Some("8"))), at(NOW), None), Decision::Walk);
        let unsaid = Lineage::default();
        assert_eq!(decide(&child, &unsaid, Some(&past(NOW, None)), at(NOW), None), Decision::Walk);
    }

    #[test]
    fn nothing_is_asked_where_the_parent_counts_nothing() {
        let child = resource("count_in_parent = 'n'");
        let none = Lineage { count: Some(0), ..Lineage::default() };
        assert!(matches!(decide(&child, &none, None, at(NOW), None), Decision::Empty(_)));
    }

    #[test]
    fn what_changed_is_asked_for_with_an_overlap_and_everything_now_and_then() {
        let filter =
            "changed_since = { parameter = 'after', format = 'rfc3339', overlap_seconds = 60, full_every_days = 10 }";
        let child = resource(filter);
        let walked = past("2026-01-09T00:00:00Z", None);
        assert_eq!(
            decide(&child, &Lineage::default(), Some(&walked), at(NOW), None),
            Decision::Since(at("2026-01-08T23:59:00Z"))
        );
        let later = at("2026-01-11T00:00:00Z");
        assert_eq!(decide(&child, &Lineage::default(), Some(&walked), later, None), Decision::Walk);
        let filter = child.changed_since.unwrap();
        assert_eq!(written(&filter, at("2026-01-08T23:59:00.5Z")), "2026-01-08T23:59:00Z");
        assert_eq!(written(&ChangedSince { format: "date".into(), ..filter.clone() }, at(NOW)), "2026-01-10");
        assert_eq!(written(&ChangedSince { format: "epoch-ms".into(), ..filter }, at(NOW)), "1768003200000");
    }

    #[test]
    fn a_cadence_is_a_number_with_a_unit() {
        assert_eq!(parse_cadence("7d").unwrap(), SignedDuration::from_hours(168));
        assert_eq!(parse_cadence("90m").unwrap(), SignedDuration::from_mins(90));
        assert!(parse_cadence("0").unwrap().is_zero());
        for wrong in ["", "7", "d", "-1d", "7 weeks", "9999999999999999d"] {
            assert!(parse_cadence(wrong).is_err(), "{wrong}");
        }
    }
}
