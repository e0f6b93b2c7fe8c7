//! Rates as people write them.

use crate::spec::Rate;

const FORMS: &str = "such as 300/min, 20/s or 5000/h, with +20 behind it for a burst of 20";

/// Reads a rate: `300/min`, `20/s`, `5000/h`, `300/min+20` with a burst, `300` for a minute.
///
/// # Errors
/// What is wrong with it, and how rates are written.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let refuse = |reason: &str| Err(format!("`{text}` is not a rate: {reason}\nhint: write it {FORMS}"));
    let (rate, burst) = match text.split_once('+') {
        Some((rate, burst)) => (rate, Some(burst.trim())),
        None => (text, None),
    };
    let (count, unit) = rate.split_once('/').unwrap_or((rate, "min"));
    let (count, unit) = (count.trim(), unit.trim());
    let per_minute = match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" => 60.0,
        "m" | "min" | "minute" => 1.0,
        "h" | "hour" => 1.0 / 60.0,
        "" => return refuse("it does not say in which time"),
        _ => return refuse(&format!("`{unit}` is none of s, min and h")),
    };
    if count.is_empty() {
        return refuse("it does not say how many requests");
    }
    // A sign, an exponent or `inf` would be a number to the parser and a riddle to the reader.
    let is_plain = count.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let Some(count) = count.parse::<f64>().ok().filter(|_| is_plain) else {
        return refuse(&format!("`{count}` is not a number of requests"));
    };
    if count == 0.0 {
        return refuse("nothing could ever be asked");
    }
    // A sixtieth is not exact in binary: what is a whole number on paper is one here.
    let exact = count * per_minute;
    let whole = if (exact - exact.round()).abs() < 1e-6 { exact.round() } else { exact.floor() };
    if whole < 1.0 {
        return refuse("less than one request a minute cannot be kept");
    }
    if whole > f64::from(u32::MAX) {
        return refuse("that is more than can be counted");
    }
    if whole < exact * 0.9 {
        return refuse(&format!("only whole numbers of requests a minute can be kept, and it is {exact} of them"));
    }
    let burst = match burst.map(str::parse::<u32>) {
        None => 1,
        Some(Ok(burst)) if burst > 0 => burst,
        Some(_) => return refuse("the burst behind `+` is not a whole number of requests from 1"),
    };
    Ok(Rate { per_minute: whole as u32, burst })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let read = |text: &str| parse_rate(text).map(|rate| (rate.per_minute, rate.burst));
        for (text, per_minute, burst) in [
            ("300/min", 300, 1),
            ("20/s", 1_200, 1),
            ("5000/h", 83, 1),
            ("300/min+20", 300, 20),
            (" 300 / minute + 20 ", 300, 20),
            ("300", 300, 1),
            ("300+5", 300, 5),
            ("0.5/s", 30, 1),
            ("0.1/s", 6, 1),
            ("60/h", 1, 1),
            ("180/H", 3, 1),
            ("2.5/SEC+2", 150, 2),
        ] {
            assert_eq!(read(text), Ok((per_minute, burst)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "how many"),
            ("/s", "how many"),
            ("fast", "`fast` is not a number"),
            ("-5/s", "`-5` is not a number"),
            ("1e3/s", "`1e3` is not a number"),
            ("inf", "`inf` is not a number"),
            ("1.2.3", "not a number"),
            (".", "not a number"),
            ("5/day", "`day` is none of s, min and h"),
            ("5/", "in which time"),
            ("0/s", "nothing could ever"),
            ("30/h", "less than one request a minute"),
            ("90/h", "it is 1.5 of them"),
            ("99999999999/s", "more than can be counted"),
            ("5/s+0", "burst"),
            ("5/s+", "burst"),
            ("5/s+1.5", "burst"),
        ] {
            let error = parse_rate(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a rate: ")) && error.contains(reason), "{error}");
            assert!(error.contains("\nhint: "), "{error}");
        }
    }
}
