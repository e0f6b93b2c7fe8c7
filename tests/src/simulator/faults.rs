//! Faults on demand: rules that make the n-th call of a path go wrong in a named way.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::noise::{Kind, Noise};

/// The fault that deletes rows between two pages.
pub const DELETED: &str = "row-deleted-while-paging";
/// The fault that makes rows appear between two pages.
pub const ADDED: &str = "row-added-while-paging";
/// The fault that reorders rows between two pages.
pub const SWAPPED: &str = "rows-swapped-while-paging";

/// Every fault by name, with what it does.
pub const FAULTS: &[(&str, &str)] = &[
    ("429", "too many requests; =SECONDS sends Retry-After"),
    ("500", "server error with JSON"),
    ("status", "any status with JSON: =CODE, or the code itself as the kind"),
    ("502-html", "gateway error with a page"),
    ("503-html", "maintenance page; =SECONDS sends Retry-After"),
    ("html", "200 with a page"),
    ("unauthorised", "401, as after a session expired"),
    ("forbidden", "403"),
    ("empty", "200 with an empty body"),
    ("reset", "the connection is reset without an answer"),
    ("truncated", "half of the body, then the connection closes"),
    ("truncated-clean", "half of the body as a whole answer"),
    ("slow-first-byte", "the answer begins late; =MILLISECONDS, 1000 unless given"),
    ("slow-body", "the body arrives in pieces; =MILLISECONDS in all, 1000 unless given"),
    ("duplicate-page", "the page before the one asked for"),
    ("ignored-offset", "the first page, whatever was asked for"),
    ("result-size-zero", "resultSize is 0"),
    ("total-lies", "resultSize is larger than the listing; =ROWS, 1 unless given"),
    ("total-lies-low", "resultSize is smaller than the listing; =ROWS, 1 unless given"),
    ("wrong-owner", "the first row belongs to another parent"),
    ("foreign-rows", "every row belongs to another parent"),
    ("missing-key", "the first row has no id"),
    ("missing-ids", "no row has an id"),
    ("duplicate-ids", "the second row is the first row again"),
    ("wrong-kind-id", "the first id is an object; =1 a boolean, =2 text that is no number"),
    ("content-type", "the body is labelled text/plain"),
    ("octet", "the body is labelled application/octet-stream"),
    ("huge-page", "the body is filled up with white space; =BYTES in all"),
    ("huge-row", "the first row is filled up with a long text; =BYTES of the body in all"),
    (DELETED, "after this page its first row is gone for good; =ROWS, 1 unless given; /execution, /testcase/tree"),
    (ADDED, "the first row is kept back from the first page on and appears after this one; =ROWS; same listings"),
    (SWAPPED, "after this page its last row and the next one change places for good; same listings"),
];

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name, as in [`FAULTS`].
    pub kind: &'static str,
    /// Seconds or milliseconds, for the kinds that have them.
    pub amount: Option<u64>,
}

fn is_named(name: &str) -> bool {
    FAULTS.iter().any(|(kind, _)| *kind == name)
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, amount) = match text.split_once('=') {
            Some((name, amount)) => (name, Some(amount)),
            None => (text, None),
        };
        if let Some(code) = name.parse().ok().filter(|code| (100..600).contains(code) && !is_named(name)) {
            return Ok(Self { kind: "status", amount: Some(code) });
        }
        let Some(&(kind, _)) = FAULTS.iter().find(|(kind, _)| *kind == name) else {
            let names: Vec<_> = FAULTS.iter().map(|(kind, _)| *kind).collect();
            bail!("unknown fault `{name}`\nhint: one of {}", names.join(", "));
        };
        let amount = amount
            .map(|amount| {
                amount.parse().with_context(|| format!("fault `{name}` wants a whole number, not `{amount}`"))
            })
            .transpose()?;
        Ok(Self { kind, amount })
    }
}

/// Which calls a fault strikes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Part of the path and query the rule is about; empty for every call.
    pub path: String,
    /// The first matching call it strikes, counted from one.
    pub nth: u64,
    /// How many matching calls it strikes; zero for all that follow.
    pub times: u64,
    /// How many of a thousand of those it strikes.
    pub permille: u64,
    /// What goes wrong.
    pub fault: Fault,
    seen: u64,
    is_armed: bool,
}

impl Rule {
    /// A rule that strikes `times` matching calls from the `nth` on.
    pub fn new(path: &str, nth: u64, times: u64, fault: Fault) -> Self {
        Self { path: path.to_owned(), nth: nth.max(1), times, permille: 1000, fault, seen: 0, is_armed: false }
    }
}

impl FromStr for Rule {
    type Err = anyhow::Error;

    /// Reads `path-substring:nth:kind[=amount][:times]`.
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (path, nth, fault, times) = match parts.as_slice() {
            [path, nth, fault] => (path, nth, fault, "1"),
            [path, nth, fault, times] => (path, nth, fault, *times),
            _ => bail!("fault rule `{text}` is not of the form path-substring:nth:kind[=amount][:times]"),
        };
        let count = |value: &str| {
            value.parse().with_context(|| format!("fault rule `{text}` wants a whole number, not `{value}`"))
        };
        Ok(Self::new(path, count(nth)?, count(times)?, fault.parse()?))
    }
}

/// All rules in force.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Ends all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many rows rules want kept back from this call's listing, which they say once.
    pub fn arm(&mut self, path_and_query: &str) -> u64 {
        let mut rows = 0;
        for rule in &mut self.rules {
            if rule.fault.kind == ADDED && !rule.is_armed && path_and_query.contains(&rule.path) {
                rule.is_armed = true;
                rows += rule.fault.amount.unwrap_or(1);
            }
        }
        rows
    }

    /// Counts a call and answers what goes wrong with it: the first rule that strikes.
    pub fn strike(&mut self, seed: u64, path_and_query: &str) -> Option<Fault> {
        let mut struck = None;
        for (number, rule) in self.rules.iter_mut().enumerate() {
            if !path_and_query.contains(&rule.path) {
                continue;
            }
            rule.seen += 1;
            let is_due = rule.seen >= rule.nth && (rule.times == 0 || rule.seen < rule.nth + rule.times);
            let draw = (number as i64) << 40 | rule.seen as i64;
            if is_due && Noise::of(seed, Kind::Fault, draw).chance(rule.permille) {
                struck = struck.or(Some(rule.fault));
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_strike_the_calls_they_name() {
        let mut faults = Faults::default();
        faults.add("/execution:2:429=3:2".parse().unwrap());
        let struck: Vec<bool> = (0..5).map(|_| faults.strike(1, "/x/execution?a=1").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.strike(1, "/x/cycle"), None);
    }

    #[test]
    fn any_status_is_a_fault() {
        assert_eq!("418".parse::<Fault>().unwrap(), Fault { kind: "status", amount: Some(418) });
        assert_eq!("500".parse::<Fault>().unwrap(), Fault { kind: "500", amount: None });
    }

    #[test]
    fn rows_are_kept_back_once() {
        let mut faults = Faults::default();
        faults.add("execution:2:row-added-while-paging=3".parse().unwrap());
        assert_eq!([faults.arm("/cycle"), faults.arm("/execution"), faults.arm("/execution")], [0, 3, 0]);
    }

    #[test]
    fn bad_rules_are_named() {
        assert!("execution:1".parse::<Rule>().is_err());
        assert!("execution:x:500".parse::<Rule>().is_err());
        assert!("execution:1:nothing".parse::<Rule>().is_err());
        assert!("execution:1:99".parse::<Rule>().is_err());
    }
}
