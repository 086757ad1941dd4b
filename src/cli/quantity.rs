//! Numbers and sizes, as people write and read them.

use std::str::FromStr;

/// A number of things, such as `3 paths`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A size for people: three digits and a unit of 1024.
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (size as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match (unit, value) {
        (0, _) => format!("{size} B"),
        (_, v) if v < 9.995 => format!("{v:.2} {}", UNITS[unit]),
        (_, v) if v < 99.95 => format!("{v:.1} {}", UNITS[unit]),
        (_, v) => format!("{v:.0} {}", UNITS[unit]),
    }
}

/// Reads a number of bytes with an optional unit of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err("expected a size such as 500M or 2G (units: K, M, G, T)".to_owned()),
    };
    let whole = || "expected a whole number with a unit, such as 500M or 2G".to_owned();
    let number: u64 = digits.parse().map_err(|_| whole())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

/// Reads a whole number.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

/// Reads a number of days.
pub(super) fn days(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number of days".to_owned())
}

/// Reads a number of seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{bytes, days, number, seconds, size};

    #[test]
    fn what_is_expected_of_a_number_is_said() {
        let error = |result: Result<u64, String>| result.unwrap_err();
        assert_eq!(number("12"), Ok(12_usize));
        assert_eq!(error(number("-1")), "expected a whole number");
        assert_eq!(error(days("soon")), "expected a whole number of days");
        assert_eq!(error(seconds("abc")), "expected a whole number of seconds");
        assert!(error(size("5lots")).starts_with("expected a size such as 500M"));
        assert!(error(size("0.5G")).starts_with("expected a whole number with a unit"));
    }

    #[test]
    fn sizes_have_three_digits() {
        let shown = [0, 999, 1000, 1024, 1536, 10_240, 1_048_576, 999 << 20, 5 << 40].map(bytes);
        let expected = [
            "0 B", "999 B", "0.98 KiB", "1.00 KiB", "1.50 KiB", "10.0 KiB", "1.00 MiB", "999 MiB",
            "5.00 TiB",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(size("12"), Ok(12));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("500MiB"), Ok(500 << 20));
        for text in ["", "G", "1.5G", "5X", "99999999999999T"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
