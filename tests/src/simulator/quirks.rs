//! The quirks of the real server, each behind a switch.
//!
//! Quirks that only concern writes or calls that are not served have no switch: Q16 (release lock), Q18 (reads behind PUT),
//! Q20 (misspelled parameters of field calls), Q27 (folders without rows). Q19 (the search answers a list of one) and Q21
//! (requirement nodes show what lies above them) are always so.

use std::str::FromStr;

use anyhow::{Result, bail};

/// What is known about one quirk.
#[derive(Clone, Copy, Debug)]
pub struct QuirkEntry {
    /// The switch.
    pub quirk: Quirk,
    /// The name on the command line and in the admin API.
    pub name: &'static str,
    /// The number in the fact sheet's catalogue; empty for switches beyond the catalogue.
    pub number: &'static str,
    /// Whether it is on unless told otherwise.
    pub default: bool,
    /// What the server does when it is on.
    pub meaning: &'static str,
}

macro_rules! quirks {
    ($($variant:ident $name:literal $number:literal $default:literal $meaning:literal)*) => {
        /// One switchable habit of the server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Quirk {
            $(#[doc = $meaning] $variant,)*
        }

        /// All quirks in the order of the catalogue.
        pub const QUIRKS: &[QuirkEntry] = &[
            $(QuirkEntry {
                quirk: Quirk::$variant,
                name: $name,
                number: $number,
                default: $default,
                meaning: $meaning,
            },)*
        ];
    };
}

quirks! {
    UnknownParametersIgnored "unknown-parameters-ignored" "Q01" true "query parameters the call does not know have no effect; off: 400"
    ResultSizeZero "result-size-zero" "Q02" true "resultSize is 0 on executions asked for without a filter"
    PageNumberIsPageSize "page-number-is-page-size" "Q03" true "pageNumber repeats the page size; off: it counts pages"
    PageSizeZeroIsAll "page-size-zero-is-all" "Q04" true "pagesize=0 means every row; off: ten"
    OffsetIgnored "offset-ignored" "Q05" false "every page is the first page"
    NullsOmitted "nulls-omitted" "Q06" true "absent values have no key; off: they are sent as null"
    OverlappingIds "overlapping-ids" "Q07" true "the ids of different entities overlap; off: each entity has its own range"
    ForbiddenProjects "forbidden-projects" "Q08" false "three projects answer 403 and are missing from the flat release list"
    PseudoReleases "pseudo-releases" "Q09" true "the flat release list holds a pseudo release per project"
    RepeatedNames "repeated-names" "Q10" true "release and cycle names repeat; off: each carries its id"
    UnstableOrder "unstable-order" "Q11" false "ties and id lists come in another order on every call"
    HasChildFalse "has-child-false" "Q12" true "hasChild of a release is false whatever it holds"
    SecondPrecision "second-precision" "Q13" true "timestamps are cut to whole seconds"
    LocalMidnight "local-midnight" "Q14" true "days are midnight in Europe/London; off: midnight in UTC"
    ConversionErrors "conversion-errors" "Q15" true "values that cannot be converted answer 404 without a body, unknown ids 500; off: 400 and 404 as JSON"
    OddErrorBodies "odd-error-bodies" "Q17" true "401 is JSON in a string, 404 is empty, a wrong base answers HTML; off: plain JSON errors"
    TimesInSeconds "times-in-seconds" "Q22" false "actualTime and estimatedTime are seconds instead of milliseconds"
    RowsWhilePaging "rows-while-paging" "Q23" false "newest-first pages after the first repeat a row, as if one had been added meanwhile"
    SharedTestcases "shared-testcases" "Q24" true "a test case occurs in several phases, cycles and versions; off: one test case per execution"
    SlowLargeReleases "slow-large-releases" "Q25" true "with --latency, calls on a release take longer the more rows it has"
    DoubledSlash "doubled-slash" "Q26" true "a doubled slash in a path answers 404; off: it counts as one"
    AnyoneHidden "anyone-hidden" "" true "rows assigned to Anyone are left out unless includeanyoneuser=true"
    PageSizeCapped "page-size-capped" "" false "no page has more than 100 rows, whatever was asked for"
    ListFloatIds "list-float-ids" "" false "ids in lists of values are written 1.0"
    ListTextIds "list-text-ids" "" false "ids in lists of values are written \"1\""
    ListLegacyText "list-legacy-text" "" false "lists of values are written 1=Pass;2=Fail"
    UnlistedStatus "unlisted-status" "" false "some executed rows carry status 9, which is in no list"
    StatusAsNumber "status-as-number" "" false "execution status is a number instead of a text"
    TwinDatesDiffer "twin-dates-differ" "" false "some cycles have MM/DD/YYYY twins a day off"
    BareTestcases "bare-testcases" "" false "executions carry the placement without the nested test case"
    VanishedTesters "vanished-testers" "" false "some rows name a tester who is in no user list"
    TextAssignmentDates "text-assignment-dates" "" false "assignmentDate is written YYYY-MM-DD, as older servers did"
    EventfulDays "eventful-days" "" false "days also change cycle statuses, links, names and test cases, and close a project for a while"
    ExtraFields "extra-fields" "" false "rows carry fields no earlier build had"
}

impl FromStr for Quirk {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        for entry in QUIRKS {
            if entry.name == text || (!entry.number.is_empty() && entry.number.eq_ignore_ascii_case(text)) {
                return Ok(entry.quirk);
            }
        }
        bail!("unknown quirk `{text}`\nhint: see the list in --help")
    }
}

/// Which quirks are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    bits: u64,
}

impl Default for Quirks {
    fn default() -> Self {
        let mut quirks = Self { bits: 0 };
        for entry in QUIRKS {
            quirks.set(entry.quirk, entry.default);
        }
        quirks
    }
}

impl Quirks {
    /// Whether a quirk is on.
    pub fn has(self, quirk: Quirk) -> bool {
        self.bits & (1 << quirk as u64) != 0
    }

    /// Switches a quirk on or off.
    pub fn set(&mut self, quirk: Quirk, on: bool) {
        if on {
            self.bits |= 1 << quirk as u64;
        } else {
            self.bits &= !(1 << quirk as u64);
        }
    }

    /// Obeys a switch as typed: `name`, `name=on`, `name=off`, or a number such as `Q05`.
    pub fn apply(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once('=').unwrap_or((text, "on"));
        let on = match value {
            "on" | "true" => true,
            "off" | "false" => false,
            _ => bail!("quirk `{name}` cannot be `{value}`\nhint: use {name}=on or {name}=off"),
        };
        self.set(name.parse()?, on);
        Ok(())
    }
}

/// The catalogue as text for `--help`.
pub fn catalogue() -> String {
    let mut text = String::from("Quirks (name, number, default, what the server does when on):\n");
    for entry in QUIRKS {
        let number = if entry.number.is_empty() { "-" } else { entry.number };
        let state = if entry.default { "on" } else { "off" };
        text.push_str(&format!("  {:<28} {number:<4} {state:<4} {}\n", entry.name, entry.meaning));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_obey_names_and_numbers() {
        let mut quirks = Quirks::default();
        assert!(!quirks.has(Quirk::OffsetIgnored));
        quirks.apply("Q05").unwrap();
        assert!(quirks.has(Quirk::OffsetIgnored));
        quirks.apply("offset-ignored=off").unwrap();
        assert!(!quirks.has(Quirk::OffsetIgnored));
        assert!(quirks.apply("offset-ignored=perhaps").is_err());
        assert!(quirks.apply("no-such-quirk").is_err());
    }
}
