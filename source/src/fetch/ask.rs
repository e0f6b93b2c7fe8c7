//! The request for a page.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use super::Job;
use crate::client::{Ask, Client};
use crate::page::Ids;
use crate::pager::Paging;
use crate::skip::written;
use crate::spec::{self, Place, fill, id_text};

/// The request for the page that `paging` has come to.
///
/// # Errors
/// Never for a spec that was checked.
pub(crate) fn ask(client: &Client, job: &Job, paging: &Paging<'_>) -> Result<Ask> {
    let resource = job.resource.as_ref();
    let method = if resource.method == "POST" { Method::POST } else { Method::GET };
    if let Some(url) = paging.next() {
        return Ok(Ask { method, url: url.clone(), body: None });
    }
    let path = fill(resource.path.as_deref().unwrap_or_default(), &job.ids, spec::segment);
    let mut query: Vec<(String, String)> =
        resource.query.iter().map(|(name, text)| (name.clone(), fill(text, &job.ids, str::to_owned))).collect();
    if let (Some(since), Some(filter)) = (job.since, &resource.changed_since) {
        query.push((filter.parameter.clone(), written(filter, since)));
    }
    let mut body = match &resource.body {
        Some(body) => Some(filled(serde_json::to_value(body)?, &job.ids)),
        None => None,
    };
    for (name, value) in paging.parameters() {
        match (paging.place(), &mut body) {
            (Place::Body, Some(body)) => put(body, name, value),
            _ => query.push((name.to_owned(), id_text(&value))),
        }
    }
    Ok(Ask { method, url: client.url(resource.base_path.as_deref(), &path, &query), body })
}

/// A body with the ids of ancestors in its texts.
fn filled(value: Value, ids: &Ids) -> Value {
    match value {
        Value::String(text) => Value::String(fill(&text, ids, str::to_owned)),
        Value::Array(list) => Value::Array(list.into_iter().map(|each| filled(each, ids)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, filled(value, ids))).collect())
        }
        other => other,
    }
}

/// Puts a value at a path of a body, which is made where it is missing.
fn put(body: &mut Value, path: &str, value: Value) {
    let mut current = body;
    for step in path.split('.') {
        if !current.is_object() {
            *current = Value::Object(serde_json::Map::new());
        }
        current = &mut current[step];
    }
    *current = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_ids_and_the_pagers_parameters() {
        let ids: Ids = vec![("releaseId".to_owned(), Value::from(7))];
        let body = serde_json::json!({"releaseid": "{releaseId}", "n": 1, "word": ["id = {releaseId}"]});
        let mut body = filled(body, &ids);
        put(&mut body, "firstresult", 100.into());
        put(&mut body, "page.size", 50.into());
        let expected = serde_json::json!({
            "releaseid": "7", "n": 1, "word": ["id = 7"], "firstresult": 100, "page": {"size": 50}
        });
        assert_eq!(body, expected);
    }
}
