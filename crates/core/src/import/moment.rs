//! Moments, as databases and programs write them.

use countersign_token::Timestamp;

use crate::Invalid;

/// Above this, a number of seconds would be a date after the year 5000: it counts milliseconds.
const SECONDS_END: u64 = 100_000_000_000;

/// Seconds or milliseconds since 1970, or a date of ISO 8601 with or without a time, in UTC or with
/// an offset. What is smaller than a second is left out.
pub fn moment(text: &str) -> Result<Timestamp, Invalid> {
    let number = match text.split_once('.') {
        Some((whole, part)) if part.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        _ => text,
    };
    let time = match number.parse::<i64>() {
        Ok(number) if number.unsigned_abs() < SECONDS_END => Some(Timestamp::from_secs(number)),
        Ok(number) => Some(Timestamp::from_millis(number)),
        Err(_) => iso(text).map(Timestamp::from_secs),
    };
    time.ok_or_else(|| Invalid::new("created_at", "is not a date that can be read"))
}

fn iso(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let digits = |text: &str| {
        let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse::<i64>().ok())?
    };
    let [year, month, day] = *date.split('-').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    let midnight = valid.then(|| days(year, month, day) * 86_400)?;
    let Some(time) = time.strip_prefix(['T', ' ']) else {
        return time.is_empty().then_some(midnight);
    };
    let (time, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let clock = |text: &str| -> Option<i64> {
        let parts: Vec<i64> = text.split(':').map(digits).collect::<Option<_>>()?;
        match *parts.as_slice() {
            [h @ 0..=23, m @ 0..=59] => Some(h * 3600 + m * 60),
            [h @ 0..=23, m @ 0..=59, s @ 0..=60] => Some(h * 3600 + m * 60 + s),
            _ => None,
        }
    };
    let seconds = clock(time.trim_end().split('.').next()?)?;
    let offset = match offset.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign, rest) => {
            let ahead = match rest.len() {
                2 => digits(rest)? * 3600,
                4 => digits(rest.get(..2)?)? * 3600 + digits(rest.get(2..)?)? * 60,
                _ => clock(rest)?,
            };
            if sign == "-" { -ahead } else { ahead }
        }
    };
    Some(midnight + seconds - offset)
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
/// day is a year's last; 400 of them have 146,097 days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_usual_spellings() {
        for (text, seconds) in [
            ("0", 0),
            ("1709202600", 1_709_202_600),
            ("1709202600123", 1_709_202_600),
            ("1709202600.25", 1_709_202_600),
            ("-1", -1),
            ("-9223372036854775808", -9_223_372_036_854_776),
            ("1970-01-01", 0),
            ("2000-03-01", 951_868_800),
            ("2024-02-29T10:30:00Z", 1_709_202_600),
            ("2024-02-29 10:30", 1_709_202_600),
            ("2024-02-29 10:30:00.123456", 1_709_202_600),
            ("2024-02-29T05:30:00-0500", 1_709_202_600),
            ("2024-02-29 11:30:00.1+01", 1_709_202_600),
        ] {
            assert_eq!(moment(text).map(Timestamp::as_secs), Ok(seconds), "{text}");
        }
        for bad in [
            "",
            "today",
            "29.02.2024",
            "2024-13-01",
            "2024-02-29T25:00",
            "2024-02-29x",
            "2024-02-29T10:30+x",
            "2024-2-29T",
            "ä024-02-29",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
