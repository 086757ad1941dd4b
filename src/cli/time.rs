//! Times for people: UTC in ISO 8601. Computed by Howard Hinnant's "chrono-Compatible Low-Level Date
//! Algorithms" (days of 400-year eras that begin in March).

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

/// The time this many days from now.
pub(super) fn in_days(days: u64) -> u64 {
    now().saturating_add(days.saturating_mul(DAY))
}

/// The time this many days ago.
pub(super) fn days_ago(days: u64) -> u64 {
    now().saturating_sub(days.saturating_mul(DAY))
}

/// `2026-11-24T16:40:11Z`, from seconds since 1970.
pub(super) fn show(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY + 719_468, seconds % DAY);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a date (its first second) or the output of [`show`].
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let bad = || "expected a time in UTC, such as 2026-12-31 or 2026-12-31T18:00:00Z".to_owned();
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z').ok_or_else(bad)?),
        None => (text, "00:00:00"),
    };
    let fields = |text: &str, separator: char, lengths: [usize; 3]| -> Option<[u64; 3]> {
        let mut numbers = [0; 3];
        let mut parts = text.split(separator);
        for (number, length) in numbers.iter_mut().zip(lengths) {
            let part = parts.next()?;
            let digits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            *number = part.parse().ok().filter(|_| digits)?;
        }
        parts.next().is_none().then_some(numbers)
    };
    let [year, month, day] = fields(date, '-', [4, 2, 2]).ok_or_else(bad)?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2]).ok_or_else(bad)?;
    if year < 1970
        || !(1..=12).contains(&month)
        || day < 1
        || hour > 23
        || minute > 59
        || second > 59
    {
        return Err(bad());
    }
    let shifted = if month > 2 { year } else { year - 1 };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    // an invalid day of a month prints as another day
    match show(seconds).starts_with(date) {
        true => Ok(seconds),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_match_those_of_date() {
        // `date -u -d @N +%FT%TZ`
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(show(seconds), text);
            assert_eq!(parse(text), Ok(seconds));
        }
        assert_eq!(parse("2024-02-29"), Ok(1_709_164_800));
    }

    #[test]
    fn every_day_reads_back() {
        for day in (0..60_000).step_by(7) {
            assert_eq!(parse(&show(day * DAY + 12_345)), Ok(day * DAY + 12_345));
        }
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "tomorrow",
            "2026",
            "2026-1-1",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "1969-12-31",
            "2026-12-31T18:00",
            "2026-12-31T18:00:00",
            "2026-12-31T24:00:00Z",
            "2026-12-31-01",
            "+026-12-31",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
