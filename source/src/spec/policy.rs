//! What to do about what goes wrong, as data.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Something that went wrong with an answer, by its name in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The server's status.
    Status(u16),
    /// The connection could not be made, or was cut before the answer began.
    NoAnswer,
    /// Nothing came for too long.
    Timeout,
    /// The body ended before it was whole.
    BrokenBody,
    /// The body is larger than accepted.
    TooLarge,
    /// A web page came where JSON was expected.
    WebPage,
    /// The body is labelled as something the spec does not expect.
    ContentType,
    /// The body is not JSON, or not of the shape the spec describes.
    NotJson,
    /// A record belongs to another parent than the one asked for.
    WrongOwner,
    /// A record has no id.
    MissingId,
    /// A record's id is neither a number nor text.
    WrongId,
    /// The server answered another page than the one asked for.
    IgnoredOffset,
    /// Rows moved while they were being listed: one came twice, or the edge of a page is not where it was.
    MovedRows,
    /// The server declared another number of rows than it sent.
    WrongTotal,
}

const NAMES: [(&str, Incident); 13] = [
    ("no-answer", Incident::NoAnswer),
    ("timeout", Incident::Timeout),
    ("broken-body", Incident::BrokenBody),
    ("too-large", Incident::TooLarge),
    ("web-page", Incident::WebPage),
    ("content-type", Incident::ContentType),
    ("not-json", Incident::NotJson),
    ("wrong-owner", Incident::WrongOwner),
    ("missing-id", Incident::MissingId),
    ("wrong-id", Incident::WrongId),
    ("ignored-offset", Incident::IgnoredOffset),
    ("moved-rows", Incident::MovedRows),
    ("wrong-total", Incident::WrongTotal),
];

impl Incident {
    /// Whether the whole slice has to be walked again, where it is tried again: one page more would not help.
    pub fn spoils_slice(self) -> bool {
        matches!(self, Self::MovedRows | Self::WrongTotal | Self::IgnoredOffset)
    }

    /// Whether it is about the server or the way to it, and not about this request.
    pub fn is_about_server(self) -> bool {
        matches!(self, Self::NoAnswer | Self::Timeout | Self::Status(429 | 502..=504))
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "{status}"),
            other => {
                let name = NAMES.iter().find(|(_, incident)| incident == other).map_or("", |(name, _)| name);
                formatter.write_str(name)
            }
        }
    }
}

/// What a rule is about: a status (`404`), a class of them (`"5xx"`), or an incident by its name (`"timeout"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// One status or one named incident.
    One(Incident),
    /// The statuses of a hundred.
    Class(u16),
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Status(u16),
            Name(String),
        }
        let refuse = |found: String| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            serde::de::Error::custom(format!(
                "`{found}` is neither a status such as 404, nor a class such as \"5xx\", nor one of {}",
                names.join(", ")
            ))
        };
        match Form::deserialize(deserializer)? {
            Form::Status(status @ 100..=599) => Ok(Self::One(Incident::Status(status))),
            Form::Status(status) => Err(refuse(status.to_string())),
            Form::Name(name) => match (name.strip_suffix("xx").and_then(|class| class.parse().ok()), name.as_str()) {
                (Some(class @ 1..=5), _) => Ok(Self::Class(class)),
                (_, name) => {
                    let known = NAMES.iter().find(|(known, _)| *known == name);
                    known.map(|(_, incident)| Self::One(*incident)).ok_or_else(|| refuse(name.to_owned()))
                }
            },
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Try again, as patiently as `[retry]` says.
    Retry,
    /// The slice is recorded as failed and keeps its rows; the walk goes on.
    Skip,
    /// The slice is recorded as forbidden and keeps its rows; the walk goes on.
    Forbidden,
    /// The listing is taken as empty.
    Empty,
    /// The run ends and publishes nothing.
    Fail,
}

/// A rule of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Incidents it is about.
    pub what: Vec<What>,
    /// Text the answer must contain, whatever its case.
    #[serde(default)]
    pub text: Option<String>,
    /// What is done.
    pub then: Then,
    /// What is done after the last try; `fail` unless given. Only with `then = "retry"`.
    #[serde(default)]
    pub after: Option<Then>,
}

impl Rule {
    /// Whether it is about an incident whose answer has this text.
    pub fn is_about(&self, incident: Incident, text: &str) -> bool {
        let is_named = self.what.iter().any(|what| match (*what, incident) {
            (What::One(named), _) => named == incident,
            (What::Class(class), Incident::Status(status)) => status / 100 == class,
            (What::Class(_), _) => false,
        });
        let wanted = self.text.as_deref().unwrap_or_default();
        is_named && (wanted.is_empty() || text.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// What is done in the end.
    pub fn at_last(&self) -> Then {
        match self.then {
            Then::Retry => self.after.unwrap_or(Then::Fail),
            other => other,
        }
    }
}

/// What is done where no spec says otherwise: servers that are not there are waited for and end the run, one request
/// that does not work costs its slice, what is forbidden is recorded as forbidden.
pub fn default_rule(incident: Incident) -> Rule {
    let (then, after) = match incident {
        Incident::Status(204) => (Then::Empty, None),
        Incident::Status(401) => (Then::Fail, None),
        Incident::Status(403) => (Then::Forbidden, None),
        Incident::Status(408 | 425 | 429 | 502..=504) | Incident::NoAnswer | Incident::Timeout => {
            (Then::Retry, Some(Then::Fail))
        }
        Incident::Status(500..) | Incident::BrokenBody | Incident::WebPage => (Then::Retry, Some(Then::Skip)),
        incident if incident.spoils_slice() => (Then::Retry, Some(Then::Skip)),
        _ => (Then::Skip, None),
    };
    Rule { what: vec![What::One(incident)], text: None, then, after }
}
