//! Faults on demand: rules that make the n-th call of a path go wrong in a named way.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::noise::{Kind, Noise};

/// Every fault by name, with what it does.
pub const FAULTS: &[(&str, &str)] = &[
    ("429", "too many requests; =SECONDS sends Retry-After"),
    ("500", "server error with JSON"),
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
    ("wrong-owner", "the first row belongs to another parent"),
    ("missing-key", "the first row has no id"),
];

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name, as in [`FAULTS`].
    pub kind: &'static str,
    /// Seconds or milliseconds, for the kinds that have them.
    pub amount: Option<u64>,
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, amount) = match text.split_once('=') {
            Some((name, amount)) => (name, Some(amount)),
            None => (text, None),
        };
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
}

impl Rule {
    /// A rule that strikes `times` matching calls from the `nth` on.
    pub fn new(path: &str, nth: u64, times: u64, fault: Fault) -> Self {
        Self { path: path.to_owned(), nth: nth.max(1), times, permille: 1000, fault, seen: 0 }
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

/// Takes the id away from the first row of a body.
pub fn drop_first_id(body: &mut Vec<u8>) {
    if let Some((from, until)) = member(body, b"\"id\"") {
        // the comma that follows goes with it
        let until = body[until..].iter().position(|&byte| byte == b',').map_or(until, |at| until + at + 1);
        body.drain(from..until);
    }
}

/// Gives the first row of a body another parent.
pub fn change_first_owner(body: &mut Vec<u8>) {
    for key in ["\"cyclePhaseId\"", "\"releaseId\"", "\"projectId\""] {
        if let Some((_, until)) = member(body, key.as_bytes()) {
            body.insert(until, b'7');
            return;
        }
    }
}

/// Where the first numeric member of a name begins and where its number ends.
fn member(body: &[u8], key: &[u8]) -> Option<(usize, usize)> {
    let from = body.windows(key.len()).position(|window| window == key)?;
    let after_key = from + key.len();
    let digits = after_key + body[after_key..].iter().position(u8::is_ascii_digit)?;
    let length = body[digits..].iter().position(|byte| !byte.is_ascii_digit())?;
    Some((from, digits + length))
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
    fn bad_rules_are_named() {
        assert!("execution:1".parse::<Rule>().is_err());
        assert!("execution:x:500".parse::<Rule>().is_err());
        assert!("execution:1:nothing".parse::<Rule>().is_err());
    }

    #[test]
    fn rows_lose_ids_and_change_owners() {
        let mut body = br#"{"results":[{"id":12,"cyclePhaseId":5,"x":1}]}"#.to_vec();
        change_first_owner(&mut body);
        drop_first_id(&mut body);
        assert_eq!(body, br#"{"results":[{"cyclePhaseId":57,"x":1}]}"#);
    }
}
