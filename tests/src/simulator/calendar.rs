//! Days of the tenant's time zone: local midnights and the MM/DD/YYYY twins.
//!
//! Every row carries several days, so both forms are looked up in a table that is filled once.

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 86_400_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The zone in which the simulated server keeps its days.
pub const TIME_ZONE: &str = "Europe/London";

/// A calendar day, counted from 1 January 1970.
pub type Day = i32;

// The table reaches from 2012 to 2046; the server holds no day outside of it.
const FIRST_DAY: Day = 15_340;
const DAYS: Day = 12_600;

/// The local midnights and written forms of all days the simulator knows.
pub struct Calendar {
    midnights: Vec<i64>,
    texts: Vec<[u8; 10]>,
}

/// The calendar, filled on first use.
pub fn calendar() -> &'static Calendar {
    static CALENDAR: OnceLock<Calendar> = OnceLock::new();
    CALENDAR.get_or_init(Calendar::new)
}

impl Calendar {
    fn new() -> Self {
        let zone = TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC);
        let mut midnights = Vec::with_capacity(DAYS as usize);
        let mut texts = Vec::with_capacity(DAYS as usize);
        for day in FIRST_DAY..FIRST_DAY + DAYS {
            let date = date_of(day);
            let midnight =
                date.to_zoned(zone.clone()).map_or(i64::from(day) * DAY_MS, |local| local.timestamp().as_millisecond());
            midnights.push(midnight);
            let mut text = [0; 10];
            let written = format!("{:02}/{:02}/{:04}", date.month(), date.day(), date.year());
            text.copy_from_slice(written.as_bytes());
            texts.push(text);
        }
        Self { midnights, texts }
    }

    fn index(day: Day) -> usize {
        (day - FIRST_DAY).clamp(0, DAYS - 1) as usize
    }

    /// The instant at which a day begins in the tenant's zone, in epoch milliseconds.
    pub fn midnight_ms(&self, day: Day) -> i64 {
        self.midnights[Self::index(day)]
    }

    /// A day as the server writes it: MM/DD/YYYY.
    pub fn text(&self, day: Day) -> &str {
        std::str::from_utf8(&self.texts[Self::index(day)]).unwrap_or("")
    }

    /// The local day an instant falls on.
    pub fn day_of(&self, instant_ms: i64) -> Day {
        let guess = instant_ms.div_euclid(DAY_MS) as Day;
        if self.midnight_ms(guess + 1) <= instant_ms {
            guess + 1
        } else if self.midnight_ms(guess) > instant_ms {
            guess - 1
        } else {
            guess
        }
    }
}

/// The civil date of a day number.
pub fn date_of(day: Day) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(i64::from(day))).unwrap_or(epoch)
}

/// True on Saturdays and Sundays.
pub fn is_weekend(day: Day) -> bool {
    // 1 January 1970 was a Thursday
    matches!((day + 3).rem_euclid(7), 5 | 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_days_begin_an_hour_before_midnight_of_utc() {
        let day = calendar().day_of(1_743_375_600_000);
        assert_eq!(calendar().text(day), "03/31/2025");
        assert_eq!(calendar().midnight_ms(day), 1_743_375_600_000);
        let winter = calendar().day_of(1_706_486_400_000);
        assert_eq!(calendar().text(winter), "01/29/2024");
        assert_eq!(calendar().midnight_ms(winter), 1_706_486_400_000);
    }

    #[test]
    fn weekends_are_known() {
        // 5 January 2026 is a Monday
        assert!(!is_weekend(20_458));
        assert!(is_weekend(20_457));
        assert!(is_weekend(20_456));
        assert!(!is_weekend(20_455));
    }
}
