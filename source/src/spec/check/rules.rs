//! Rules of the error policy: whether each can do what it says.

use super::super::{Incident, Rule, Then, What};
use super::Mistakes;
use super::document::Path;

/// Checks the rules that stand in `on` of something.
pub fn check(mistakes: &mut Mistakes<'_>, owner: &Path, subject: &str, rules: &[Rule]) {
    for (number, rule) in rules.iter().enumerate() {
        let at = owner.then("on").then(number);
        let name = format!("rule {} of {subject}", number + 1);
        after(mistakes, &at, &name, rule);
        if rule.text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            let suggestion = "take `text` out, or write what the answer must contain";
            mistakes.add(&at.then("text"), format!("{name} has an empty `text`"), suggestion);
        }
        if rule.what.is_empty() {
            let suggestion = "write what it is about: a status such as 404, a class such as \"5xx\", an incident such as \"timeout\"";
            mistakes.add(&at.then("what"), format!("{name} is about nothing"), suggestion);
        }
        for (position, what) in rule.what.iter().enumerate() {
            let place = at.then("what").then(position);
            if rule.what[..position].iter().any(|earlier| covers(*earlier, *what)) {
                let message = format!("{name} names `{}` twice", written(*what));
                mistakes.add(&place, message, "keep the one that says more");
            } else if let Some(earlier) = rules[..number].iter().position(|earlier| comes_before(earlier, rule, *what))
            {
                let message =
                    format!("{name} is never reached for `{}`: rule {} has it already", written(*what), earlier + 1);
                mistakes.add(&place, message, "move the more special rule up, or take one of the two out");
            } else {
                sense(mistakes, &place, &name, rule, *what);
            }
        }
    }
}

fn after(mistakes: &mut Mistakes<'_>, at: &Path, name: &str, rule: &Rule) {
    match (rule.then, rule.after) {
        (Then::Retry, Some(Then::Retry)) => {
            let suggestion = "write what is done when all tries are used up: skip, forbidden, empty or fail";
            mistakes.add(&at.then("after"), format!("{name} tries again after the last try"), suggestion);
        }
        (Then::Retry, _) | (_, None) => {}
        (_, Some(_)) => {
            let suggestion = "take `after` out, or write `then = \"retry\"`";
            mistakes.add(&at.then("after"), format!("{name} has `after` and does not retry"), suggestion);
        }
    }
}

/// Whether an earlier rule takes everything that a later one is meant to take of one kind of incident.
fn comes_before(earlier: &Rule, later: &Rule, what: What) -> bool {
    let wanted = earlier.text.as_deref().unwrap_or_default().to_lowercase();
    let is_wider = later.text.as_deref().unwrap_or_default().to_lowercase().contains(&wanted);
    is_wider && earlier.what.iter().any(|earlier| covers(*earlier, what))
}

fn covers(wide: What, narrow: What) -> bool {
    match (wide, narrow) {
        (What::Class(class), What::One(Incident::Status(status))) => status / 100 == class,
        (wide, narrow) => wide == narrow,
    }
}

fn sense(mistakes: &mut Mistakes<'_>, place: &Path, name: &str, rule: &Rule, what: What) {
    let refused = match what {
        What::One(Incident::Status(200)) => Some((
            "which is what is hoped for",
            "name what may be wrong with such an answer, for example \"not-json\" or \"web-page\"",
        )),
        What::One(Incident::Status(..200)) | What::Class(1) => {
            Some(("which is never the end of an answer", "write statuses from 201 up"))
        }
        What::One(Incident::Status(401)) => Some((
            "which no rule decides: the credentials are renewed once, and then the run ends",
            "take 401 out; what a good token may not see is 403 or 404",
        )),
        // 202 says that the answer is not ready yet; the others would be the same again.
        What::One(Incident::Status(203 | 205..300 | 201)) | What::Class(2) if rule.then == Then::Retry => {
            Some(("which is no failure to try again", "write what such an answer means: skip, empty or fail"))
        }
        _ => None,
    };
    if let Some((reason, suggestion)) = refused {
        mistakes.add(place, format!("{name} is about `{}`, {reason}", written(what)), suggestion);
        return;
    }
    let is_unread = matches!(
        what,
        What::One(
            Incident::NoAnswer
                | Incident::Timeout
                | Incident::BrokenBody
                | Incident::TooLarge
                | Incident::IgnoredOffset
                | Incident::MovedRows
                | Incident::WrongTotal
        )
    );
    if is_unread && [Some(rule.then), rule.after].contains(&Some(Then::Empty)) {
        let message = format!("{name} takes a listing as empty after `{}`, when it was not read", written(what));
        mistakes.add(place, message, "write \"skip\", which keeps the rows of before, or \"fail\"");
    }
}

/// How something is written in `what`.
fn written(what: What) -> String {
    match what {
        What::One(incident) => incident.to_string(),
        What::Class(class) => format!("{class}xx"),
    }
}
