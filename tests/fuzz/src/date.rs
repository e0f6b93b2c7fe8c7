//! An instant in epoch milliseconds, and a day as text: what `prepare.dimCycle` and `clean.dimCycle` make of them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::list_of_values::{landed, slice};
use crate::sql::Query;

/// Zones that have been west and east of the date line, shift by half an hour or by two, or the other way round, or not.
/// None whose law has changed of late: the engine and jiff each bring a release of the time zone database of their own.
const ZONES: [&str; 12] = [
    "UTC",
    "Europe/London",
    "America/St_Johns",
    "Pacific/Apia",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Windhoek",
    "Europe/Dublin",
    "Antarctica/Troll",
    "Pacific/Kwajalein",
];

/// What the models call a readable instant: the years 1 to 9999.
const READABLE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// What jiff knows and the engine need not: it knows the rules of summer time for years to come, the engine a table of them.
const LAST_TABLED_YEAR: i16 = 2099;

/// The models give the instant itself and the local day that jiff finds for it, which has zones of its own; what lies
/// outside of any calendar is marked and left empty, and nothing of it is an error.
///
/// The first byte chooses the zone; then each line is a cycle: milliseconds, a blank, a day as text.
///
/// # Panics
/// When one of this is not so.
pub fn date(data: &[u8]) {
    let Some((zone, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let zone = ZONES[usize::from(*zone) % ZONES.len()];
    let cycles: Vec<(Option<i64>, Option<&str>)> = text
        .split('\n')
        .take(64)
        .map(|line| {
            let (number, day) = line.split_once(' ').map_or((line, None), |(number, day)| (number, Some(day)));
            (number.parse().ok(), day)
        })
        .collect();
    let payloads: Vec<String> = (1..).zip(&cycles).map(|(id, (instant, day))| payload(id, *instant, *day)).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let prepared = prepared(&payloads);
    assert_eq!(prepared.num_rows(), cycles.len());
    let cleaned = cleaned(zone, prepared.clone());
    assert_eq!(cleaned.num_rows(), cycles.len());
    is_the_instant(&prepared, &cycles);
    is_the_day(&cleaned, zone, &cycles);
}

fn payload(id: i64, instant: Option<i64>, day: Option<&str>) -> String {
    json!({"id": id, "name": "a cycle", "startDate": instant, "cycleStartDate": day, "endDate": instant, "createdOn": instant})
        .to_string()
}

/// What `prepare.dimCycle` makes of records.
fn prepared(payloads: &[&str]) -> RecordBatch {
    let rows = vec![slice(), landed(payloads)];
    prepare().run(rows)
}

fn prepare() -> &'static Query {
    static QUERY: OnceLock<Query> = OnceLock::new();
    QUERY.get_or_init(|| {
        let tables = [("prepare", "slice", slice().schema()), ("source", "dimCycle", landed(&[]).schema())];
        Query::new(include_str!("../../../prepare/models/dimCycle.sql"), &tables)
    })
}

/// What `clean.dimCycle` makes of that, in a zone.
fn cleaned(zone: &str, prepared: RecordBatch) -> RecordBatch {
    static QUERY: OnceLock<Query> = OnceLock::new();
    let ids = || Arc::new(Int64Array::from(vec![7])) as ArrayRef;
    let release = RecordBatch::try_from_iter([("releaseId", ids()), ("projectId", ids())]).expect("one row");
    let zone = Arc::new(StringArray::from(vec![zone])) as ArrayRef;
    let setting = RecordBatch::try_from_iter([("timeZone", zone)]).expect("one row");
    let query = QUERY.get_or_init(|| {
        let tables = [
            ("prepare", "dimCycle", prepare().schema()),
            ("clean", "dimRelease", release.schema()),
            ("run", "setting", setting.schema()),
        ];
        Query::new(include_str!("../../../clean/models/dimCycle.sql"), &tables)
    });
    query.run(vec![prepared, release, setting])
}

fn column<'rows>(rows: &'rows RecordBatch, name: &str) -> &'rows ArrayRef {
    rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
}

/// Rows by the number of the cycle they are about.
fn by_cycle(rows: &RecordBatch) -> BTreeMap<usize, usize> {
    let ids = column(rows, "cycleId").as_primitive::<Int64Type>();
    (0..rows.num_rows()).map(|row| (ids.value(row) as usize - 1, row)).collect()
}

fn is_the_instant(prepared: &RecordBatch, cycles: &[(Option<i64>, Option<&str>)]) {
    let marks = column(prepared, "hasUnreadableInstant").as_boolean();
    for (cycle, row) in by_cycle(prepared) {
        let instant = cycles[cycle].0;
        let readable = instant.filter(|instant| READABLE.contains(instant));
        assert_eq!(marks.value(row), instant.is_some() && readable.is_none(), "{instant:?}");
        for name in ["cycleStartDateTime", "cycleEndDateTime", "createdDateTime"] {
            let found = column(prepared, name).as_primitive::<TimestampMicrosecondType>();
            let found = found.is_valid(row).then(|| found.value(row));
            assert_eq!(found, readable.map(|instant| instant * 1000), "{name} of {instant:?}");
        }
    }
}

fn is_the_day(cleaned: &RecordBatch, zone: &str, cycles: &[(Option<i64>, Option<&str>)]) {
    let zone = TimeZone::get(zone).expect("jiff knows the zone");
    let agreed = column(cleaned, "isCycleStartDateAgreed").as_boolean();
    for (cycle, row) in by_cycle(cleaned) {
        let (instant, text) = cycles[cycle];
        let day = |name: &str| {
            let days = column(cleaned, name).as_primitive::<Date32Type>();
            days.is_valid(row).then(|| days.value(row))
        };
        let local = day("createdDate");
        let readable = instant.filter(|instant| READABLE.contains(instant));
        assert_eq!(local.is_some(), readable.is_some(), "{instant:?}");
        if let (Some(local), Some(instant)) = (local, readable) {
            let utc = instant.div_euclid(MILLISECONDS_PER_DAY);
            assert!((i64::from(local) - utc).abs() <= 1, "{instant}: day {local}");
            if let Some(expected) = local_day(instant, &zone) {
                assert_eq!(local, expected, "{instant} in {}", zone.iana_name().unwrap_or_default());
            }
        }
        assert_eq!(day("cycleEndDate"), local, "{instant:?}");
        let text = text.map(tidied).filter(|text| !text.is_empty());
        let of_text = text.and_then(day_of);
        assert_eq!(day("cycleStartDate"), local.or(of_text), "{instant:?} {text:?}");
        let is_agreed = text.is_none() || of_text.is_some_and(|day| local.is_none_or(|local| local == day));
        assert_eq!(agreed.value(row), is_agreed, "{instant:?} {text:?}");
    }
}

/// The local day as jiff finds it, in days since 1970, where it can tell.
fn local_day(instant: i64, zone: &TimeZone) -> Option<i32> {
    let local = Timestamp::from_millisecond(instant).ok()?.to_zoned(zone.clone()).date();
    (local.year() <= LAST_TABLED_YEAR).then(|| days(local))
}

fn days(date: Date) -> i32 {
    let since = Date::constant(1970, 1, 1).until(date).expect("days are few enough");
    since.get_days()
}

/// A text without blanks around it, as the models trim it.
fn tidied(text: &str) -> &str {
    text.trim_matches(['\u{a0}', ' ', '\t', '\n', '\r'])
}

/// The day of a text like 12/31/2025.
fn day_of(text: &str) -> Option<i32> {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts[..] else { return None };
    let is_number =
        |part: &str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(month, &[1, 2]) || !is_number(day, &[1, 2]) || !is_number(year, &[4]) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok().map(days)
}
