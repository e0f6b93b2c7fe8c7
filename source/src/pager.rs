//! From one page of a listing to the next. A pager never guesses: how it goes on, when it ends and what must be true
//! from page to page is in the spec, and an answer that does not fit is a fault with a name.

mod link;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use link::next_link;

use crate::client::Fault;
use crate::page::Page;
use crate::spec::{Incident, Pager, PagerKind, Place, Stop, id_text};

/// A point of a listing to go on from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Rows asked for at a time.
    size: usize,
    /// Rows before the next page.
    offset: usize,
    /// Number of the next page, from 0.
    number: usize,
    /// Cursor or key the next page begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Value>,
    /// URL of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Url>,
    /// Ids of the last rows taken, which the next page has to begin with.
    edge: Vec<String>,
    first_before: Option<String>,
    total: Option<i64>,
}

/// Where a listing stands.
pub struct Paging<'spec> {
    pager: Option<&'spec Pager>,
    at: Position,
    seen: HashSet<u64>,
}

impl<'spec> Paging<'spec> {
    /// At the beginning of a listing.
    pub fn new(pager: Option<&'spec Pager>, size: usize) -> Self {
        let size = pager.and_then(|pager| pager.largest_size).map_or(size, |largest| size.min(largest));
        let first = pager.filter(|pager| pager.kind != PagerKind::Page).and_then(|pager| pager.first.as_ref());
        let cursor = first.and_then(|first| serde_json::to_value(first).ok());
        Self { pager, at: Position { size, cursor, ..Position::default() }, seen: HashSet::new() }
    }

    /// Where another run stopped.
    pub fn resume(pager: Option<&'spec Pager>, at: Position) -> Self {
        Self { pager, at, seen: HashSet::new() }
    }

    /// A point to go on from.
    pub fn position(&self) -> &Position {
        &self.at
    }

    /// The URL the last answer gave for the next page.
    pub fn next(&self) -> Option<&Url> {
        self.at.next.as_ref()
    }

    /// Where parameters go.
    pub fn place(&self) -> Place {
        self.pager.map(|pager| pager.place).unwrap_or_default()
    }

    /// Number of the next page, from 0.
    pub fn number(&self) -> usize {
        self.at.number
    }

    /// Rows the server declared last.
    pub fn total(&self) -> Option<i64> {
        self.at.total
    }

    /// Rows asked for at a time.
    pub fn size(&self) -> usize {
        self.at.size
    }

    /// Asks for fewer or more rows from now on, where that does not move the pages; says whether it does.
    pub fn resize(&mut self, size: usize) -> bool {
        let can = self.pager.is_some_and(|pager| {
            pager.size.is_some()
                && pager.kind != PagerKind::Page
                && (pager.kind != PagerKind::Next || self.at.number == 0)
        });
        let least = self.pager.map_or(1, |pager| pager.overlap + 1);
        if can {
            self.at.size = size.max(least);
        }
        can
    }

    /// What the next request says about its page.
    pub fn parameters(&self) -> Vec<(&'spec str, Value)> {
        let Some(pager) = self.pager else { return Vec::new() };
        let mut parameters = Vec::new();
        if let Some(parameter) = &pager.parameter {
            let value = match pager.kind {
                PagerKind::Offset => Some(Value::from(self.at.offset - self.at.edge.len())),
                PagerKind::Page => {
                    let first = pager.first.as_ref().and_then(toml::Value::as_integer).unwrap_or(0);
                    Some(Value::from(first + i64::try_from(self.at.number).unwrap_or(i64::MAX)))
                }
                PagerKind::Cursor | PagerKind::Keyset => self.at.cursor.clone(),
                PagerKind::Next => None,
            };
            parameters.extend(value.map(|value| (parameter.as_str(), value)));
        }
        if let Some(size) = &pager.size {
            parameters.push((size.as_str(), Value::from(self.at.size)));
        }
        parameters
    }

    /// Checks a page against those before it; says how many of its first rows are known from the last one.
    ///
    /// # Errors
    /// When it is another page than the one asked for, or rows moved meanwhile.
    pub fn check(&mut self, page: &Page) -> Result<usize, Fault> {
        let Some(pager) = self.pager else { return Ok(0) };
        let ignored = |reason: String| Err(Fault::new(Incident::IgnoredOffset, reason));
        let asked = match pager.kind {
            PagerKind::Offset => i64::try_from(self.at.offset - self.at.edge.len()).ok(),
            PagerKind::Page => {
                let first = pager.first.as_ref().and_then(toml::Value::as_integer).unwrap_or(0);
                i64::try_from(self.at.number).ok().map(|number| number + first)
            }
            _ => None,
        };
        if let (Some(path), Some(asked)) = (&pager.echo, asked)
            && let Some(echo) = number_at(page, path)?
            && echo != asked
        {
            return ignored(format!("the server ignored the offset: asked for row {asked}, got row {echo}"));
        }
        let total = match &pager.total {
            None => None,
            Some(path) => number_at(page, path)?.filter(|total| *total > 0 || !pager.zero_total_is_unknown),
        };
        if let (Some(before), Some(now)) = (self.at.total, total)
            && before != now
        {
            return Err(Fault::new(
                Incident::MovedRows,
                format!("rows moved while they were being listed: there were {before} and now there are {now}"),
            ));
        }
        self.at.total = total.or(self.at.total);
        let edge: Vec<&String> = page.ids.iter().take(self.at.edge.len()).collect();
        let is_edge =
            edge.len() == self.at.edge.len() && edge.iter().zip(&self.at.edge).all(|(now, before)| *now == before);
        if !is_edge {
            // The page before this one coming again is not the same as rows having moved.
            if !page.ids.is_empty() && page.ids.first() == self.at.first_before.as_ref() {
                return ignored(self.begins_like_the_one_before());
            }
            let before = self.at.edge.first().cloned().unwrap_or_default();
            return Err(Fault::new(
                Incident::MovedRows,
                format!("rows moved while they were being listed: record {before} is no longer where it was"),
            ));
        }
        if self.at.edge.is_empty() && !page.ids.is_empty() && page.ids.first() == self.at.first_before.as_ref() {
            return ignored(self.begins_like_the_one_before());
        }
        Ok(self.at.edge.len())
    }

    fn begins_like_the_one_before(&self) -> String {
        format!("the server ignored the offset: the page at row {} begins like the one before", self.at.offset)
    }

    /// Goes on to the next page; says whether there is one.
    ///
    /// # Errors
    /// When the answer lacks what the spec says the listing goes on or ends by.
    pub fn advance(&mut self, page: &Page, base: &Url) -> Result<bool, Fault> {
        let Some(pager) = self.pager else { return Ok(false) };
        let new = page.ids.len() - self.at.edge.len().min(page.ids.len());
        self.at.first_before = page.ids.first().cloned();
        self.at.number += 1;
        self.at.offset += new;
        let is_last = self.is_last(pager, page)?;
        if pager.overlap > 0 {
            self.at.edge = page.ids.iter().rev().take(pager.overlap).rev().cloned().collect();
        }
        if is_last {
            return Ok(false);
        }
        match pager.kind {
            PagerKind::Offset | PagerKind::Page => {
                // A page without rows never leads anywhere: the rows before the next one would be the same.
                Ok(pager.kind == PagerKind::Page || new > 0)
            }
            PagerKind::Next => {
                let Some(next) = self.next_url(pager, page, base)? else { return Ok(false) };
                self.remember(next.as_str())?;
                self.at.next = Some(next);
                Ok(true)
            }
            PagerKind::Cursor => {
                let path = pager.next_at.as_deref().unwrap_or_default();
                match page.envelope.get(path) {
                    None | Some(Value::Null) => Ok(false),
                    Some(Value::String(text)) if text.is_empty() => Ok(false),
                    Some(cursor @ (Value::String(_) | Value::Number(_))) => {
                        self.remember(&id_text(cursor))?;
                        self.at.cursor = Some(cursor.clone());
                        Ok(true)
                    }
                    Some(_) => Err(shape(format!("`{path}` of the answer is neither text nor a number"))),
                }
            }
            PagerKind::Keyset => {
                let field = pager.field.as_deref().unwrap_or_default();
                let Some(last) = &page.last_key else {
                    return if new == 0 {
                        Ok(false)
                    } else {
                        Err(shape(format!("the last record of the page has no `{field}`")))
                    };
                };
                self.remember(&id_text(last))?;
                self.at.cursor = Some(last.clone());
                Ok(true)
            }
        }
    }

    fn is_last(&self, pager: &Pager, page: &Page) -> Result<bool, Fault> {
        let flag = |path: &String| match page.envelope.get(path.as_str()) {
            Some(Value::Bool(flag)) => Ok(*flag),
            _ => Err(shape(format!("the answer has no `{path}` that is true or false"))),
        };
        for stop in &pager.stop {
            let is_last = match stop {
                Stop::EmptyPage => page.ids.is_empty(),
                Stop::ShortPage => {
                    // A server that lowered the page size says so, or its full pages would look like the last one.
                    let given = match &pager.size_echo {
                        None => None,
                        Some(path) => number_at(page, path)?.and_then(|size| usize::try_from(size).ok()),
                    };
                    let full = given.filter(|given| *given > 0).unwrap_or(self.at.size).min(self.at.size);
                    page.ids.len() < full
                }
                Stop::Total => match self.at.total {
                    Some(total) => i64::try_from(self.at.offset).is_ok_and(|offset| offset >= total),
                    None => {
                        let path = pager.total.as_deref().unwrap_or_default();
                        return Err(shape(format!("the answer has no `{path}`, which says how many rows there are")));
                    }
                },
                Stop::Flag(path) => flag(path)?,
                Stop::FlagFalse(path) => !flag(path)?,
            };
            if is_last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_url(&self, pager: &Pager, page: &Page, base: &Url) -> Result<Option<Url>, Fault> {
        let path = pager.next_at.as_deref().unwrap_or_default();
        let text = if path == "link-header" {
            page.link.as_deref().and_then(next_link)
        } else {
            match page.envelope.get(path) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(_) => return Err(shape(format!("`{path}` of the answer is not the text of a URL"))),
            }
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let url = base.join(&text).map_err(|error| shape(format!("the next page's URL cannot be read: {error}")))?;
        // The credentials go with it.
        if url.origin() != base.origin() {
            let host = url.host_str().unwrap_or_default();
            return Err(shape(format!("the next page lies on another server, {host}")));
        }
        Ok(Some(url))
    }

    fn remember(&mut self, position: &str) -> Result<(), Fault> {
        let hash = blake3::hash(position.as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        if self.seen.insert(u64::from_le_bytes(bytes)) {
            return Ok(());
        }
        Err(Fault::new(Incident::IgnoredOffset, "the server leads back to a page that was there before"))
    }

    /// Checks the whole listing, once it has ended with `row_count` rows.
    ///
    /// # Errors
    /// When the server declared another number.
    pub fn finish(&self, row_count: i64) -> Result<(), Fault> {
        match self.at.total {
            Some(total) if total != row_count => {
                Err(Fault::new(Incident::WrongTotal, format!("the server declared {total} rows and sent {row_count}")))
            }
            _ => Ok(()),
        }
    }
}

fn shape(reason: String) -> Fault {
    Fault::new(Incident::NotJson, reason)
}

fn number_at(page: &Page, path: &str) -> Result<Option<i64>, Fault> {
    match page.envelope.get(path) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_i64().map(Some).ok_or_else(|| shape(format!("`{path}` of the answer is not a whole number")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(text: &str) -> Pager {
        toml::from_str(text).unwrap()
    }

    fn page(ids: &[i64], envelope: Value) -> Page {
        let envelope = envelope.as_object().unwrap().clone().into_iter().collect();
        Page {
            ids: ids.iter().map(ToString::to_string).collect(),
            envelope,
            last_key: ids.last().map(|id| Value::from(*id)),
            ..Page::default()
        }
    }

    fn base() -> Url {
        "https://api.example/v2/things".parse().unwrap()
    }

    /// Feeds pages until the listing ends; returns what each request said.
    fn walk(pager: &Pager, size: usize, pages: &[Page]) -> Result<Vec<String>, Fault> {
        let mut paging = Paging::new(Some(pager), size);
        let mut asked = Vec::new();
        let mut row_count = 0;
        for page in pages {
            let parameters = paging.parameters();
            let text: Vec<String> =
                parameters.iter().map(|(name, value)| format!("{name}={}", id_text(value))).collect();
            asked.push(paging.next().map_or(text.join("&"), |url| url.to_string()));
            row_count += page.ids.len() - paging.check(page)?;
            if !paging.advance(page, &base())? {
                paging.finish(row_count as i64)?;
                return Ok(asked);
            }
        }
        asked.push("and on".into());
        Ok(asked)
    }

    const OFFSET: &str = "kind = 'offset'\nparameter = 'offset'\nsize = 'limit'\nstop = ['short-page']\necho = 'from'\n\
                          size_echo = 'size'\ntotal = 'total'\nzero_total_is_unknown = true";

    #[test]
    fn an_offset_ends_at_a_page_that_is_not_full() {
        let pages = [page(&[1, 2], serde_json::json!({})), page(&[3], serde_json::json!({}))];
        assert_eq!(walk(&pager(OFFSET), 2, &pages).unwrap(), ["offset=0&limit=2", "offset=2&limit=2"]);
    }

    #[test]
    fn a_lowered_page_size_does_not_end_a_listing() {
        let pages = [page(&[1, 2], serde_json::json!({"size": 2})), page(&[3], serde_json::json!({"size": 2}))];
        assert_eq!(walk(&pager(OFFSET), 9, &pages).unwrap(), ["offset=0&limit=9", "offset=2&limit=9"]);
    }

    #[test]
    fn pages_that_do_not_fit_are_faults_with_a_name() {
        let none = serde_json::json!({});
        for (pages, incident) in [
            (vec![page(&[1, 2], serde_json::json!({"from": 5}))], Incident::IgnoredOffset),
            (vec![page(&[1, 2], none.clone()), page(&[1, 2], none)], Incident::IgnoredOffset),
            (vec![page(&[1], serde_json::json!({"total": 2}))], Incident::WrongTotal),
            (
                vec![page(&[1, 2], serde_json::json!({"total": 3})), page(&[3], serde_json::json!({"total": 4}))],
                Incident::MovedRows,
            ),
            (vec![page(&[1, 2], serde_json::json!({"total": "many"}))], Incident::NotJson),
        ] {
            assert_eq!(walk(&pager(OFFSET), 2, &pages).unwrap_err().incident, incident);
        }
    }

    #[test]
    fn a_total_of_zero_may_mean_that_nobody_knows() {
        let pages = [page(&[1], serde_json::json!({"total": 0}))];
        assert!(walk(&pager(OFFSET), 2, &pages).is_ok());
        let strict = pager(&OFFSET.replace("zero_total_is_unknown = true", ""));
        assert_eq!(walk(&strict, 2, &pages).unwrap_err().incident, Incident::WrongTotal);
    }

    #[test]
    fn an_overlap_shows_rows_that_moved_between_two_pages() {
        let pager = pager(&format!("{OFFSET}\noverlap = 1"));
        let none = || serde_json::json!({});
        let good = [page(&[1, 2], none()), page(&[2, 3], none()), page(&[3], none())];
        let asked = walk(&pager, 2, &good).unwrap();
        assert_eq!(asked, ["offset=0&limit=2", "offset=1&limit=2", "offset=2&limit=2"]);
        for moved in [page(&[3, 4], none()), page(&[], none())] {
            let fault = walk(&pager, 2, &[page(&[1, 2], none()), moved]).unwrap_err();
            assert_eq!(fault.incident, Incident::MovedRows, "{}", fault.reason);
        }
    }

    #[test]
    fn page_numbers_begin_where_the_spec_says() {
        for (first, expected) in [("0", ["page=0", "page=1"]), ("1", ["page=1", "page=2"])] {
            let pager = pager(&format!("kind = 'page'\nparameter = 'page'\nfirst = {first}\nstop = ['empty-page']"));
            let pages = [page(&[1], serde_json::json!({})), page(&[], serde_json::json!({}))];
            assert_eq!(walk(&pager, 2, &pages).unwrap(), expected);
        }
    }

    #[test]
    fn a_flag_or_a_total_ends_a_listing_and_must_be_there() {
        let flag = pager("kind = 'offset'\nparameter = 'startAt'\nstop = [{ flag = 'isLast' }]");
        let pages = [page(&[1], serde_json::json!({"isLast": false})), page(&[2], serde_json::json!({"isLast": true}))];
        assert_eq!(walk(&flag, 1, &pages).unwrap(), ["startAt=0", "startAt=1"]);
        assert_eq!(walk(&flag, 1, &[page(&[1], serde_json::json!({}))]).unwrap_err().incident, Incident::NotJson);
        let total = pager("kind = 'offset'\nparameter = 'start'\nstop = ['total']\ntotal = 'total'");
        let pages = [page(&[1], serde_json::json!({"total": 2})), page(&[2], serde_json::json!({"total": 2}))];
        assert_eq!(walk(&total, 1, &pages).unwrap(), ["start=0", "start=1"]);
        assert!(walk(&total, 1, &[page(&[1], serde_json::json!({}))]).is_err());
    }

    #[test]
    fn the_next_page_is_where_the_answer_says_but_never_on_another_server() {
        let next = pager("kind = 'next'\nnext_at = 'links.next'");
        let with = |url: Value| serde_json::json!({"links.next": url});
        let pages = [page(&[1], with("/v2/things?page=b".into())), page(&[2], with(Value::Null))];
        assert_eq!(walk(&next, 1, &pages).unwrap(), ["", "https://api.example/v2/things?page=b"]);
        let elsewhere = [page(&[1], with("https://evil.example/".into()))];
        assert!(walk(&next, 1, &elsewhere).unwrap_err().reason.contains("another server, evil.example"));
        let circle = [page(&[1], with("/a".into())), page(&[2], with("/a".into()))];
        assert_eq!(walk(&next, 1, &circle).unwrap_err().incident, Incident::IgnoredOffset);
    }

    #[test]
    fn a_cursor_and_a_key_go_on_until_there_is_none() {
        let cursor = pager("kind = 'cursor'\nparameter = 'startAtId'\nfirst = 0\nnext_at = 'nextId'\nsize = 'limit'");
        let pages = [page(&[1], serde_json::json!({"nextId": 7})), page(&[7], serde_json::json!({"nextId": null}))];
        assert_eq!(walk(&cursor, 1, &pages).unwrap(), ["startAtId=0&limit=1", "startAtId=7&limit=1"]);
        let keyset = pager("kind = 'keyset'\nparameter = 'after'\nfield = 'id'\nstop = ['empty-page']");
        let pages =
            [page(&[1, 2], serde_json::json!({})), page(&[3], serde_json::json!({})), page(&[], serde_json::json!({}))];
        assert_eq!(walk(&keyset, 2, &pages).unwrap(), ["", "after=2", "after=3"]);
    }

    #[test]
    fn a_size_changes_only_where_pages_do_not_move() {
        let pager_by_number = pager("kind = 'page'\nparameter = 'page'\nsize = 'size'\nstop = ['empty-page']");
        assert!(!Paging::new(Some(&pager_by_number), 10).resize(5));
        let by_offset = pager(OFFSET);
        let mut paging = Paging::new(Some(&by_offset), 10);
        assert!(paging.resize(5));
        assert_eq!(paging.size(), 5);
    }
}
