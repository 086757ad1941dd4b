//! Floats as text, in the three forms that the language writes: `%g` (printing, XML), `%f`
//! (`toString`) and the shortest form that reads back (JSON).

use std::fmt::Write as _;

use super::grisu;

/// As C's `%g` with six digits: what printing a value shows.
#[must_use]
pub(crate) fn general(value: f64) -> String {
    const PRECISION: i32 = 6;
    if let Some(text) = not_finite(value) {
        return text.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:.*e}", PRECISION as usize - 1);
    let (mantissa, exponent) = split_exponent(&scientific);
    if (-4..PRECISION).contains(&exponent) {
        let places = (PRECISION - 1 - exponent) as usize;
        return trim_zeros(&format!("{value:.places$}")).to_owned();
    }
    let mut out = trim_zeros(mantissa).to_owned();
    push_exponent(&mut out, exponent);
    out
}

/// As C's `%f`: what `toString` gives.
#[must_use]
pub(crate) fn fixed(value: f64) -> String {
    not_finite(value).map_or_else(|| format!("{value:.6}"), str::to_owned)
}

/// A short decimal that reads back as the same float, as JSON is written: always with a point or an
/// exponent. Infinities and NaN, which JSON lacks, are `null`.
#[must_use]
pub(crate) fn json(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let (digits, last) = grisu::digits(value.abs());
    let digits: String = digits.into_iter().map(char::from).collect();
    let exponent = last + digits.len() as i32 - 1;
    let mut out = String::from(if value.is_sign_negative() { "-" } else { "" });
    // where the point stands, counted in digits from the left
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(point) if digits.len() <= point && point <= 15 => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
            out.push_str(".0");
        }
        Ok(point) if 0 < point && point <= 15 => {
            out.push_str(&digits[..point]);
            out.push('.');
            out.push_str(&digits[point..]);
        }
        _ if -4 < point && point <= 0 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        }
        _ => {
            out.push_str(&digits[..1]);
            if digits.len() > 1 {
                out.push('.');
                out.push_str(&digits[1..]);
            }
            push_exponent(&mut out, exponent);
        }
    }
    out
}

fn not_finite(value: f64) -> Option<&'static str> {
    match (value.is_nan(), value.is_infinite(), value.is_sign_negative()) {
        (true, _, false) => Some("nan"),
        (true, _, true) => Some("-nan"),
        (_, true, false) => Some("inf"),
        (_, true, true) => Some("-inf"),
        _ => None,
    }
}

/// The parts of Rust's `{:e}`.
fn split_exponent(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// `e`, a sign and at least two digits, as C writes it.
fn push_exponent(out: &mut String, exponent: i32) {
    let sign = if exponent < 0 { '-' } else { '+' };
    // writing to a string cannot fail
    let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn printed_floats_have_six_digits() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.3"),
            (100_000.0, "100000"),
            (999_999.5, "1e+06"),
            (1_234_567.0, "1.23457e+06"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (-1.0 / 3.0, "-0.333333"),
            (1e100, "1e+100"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(general(value), text);
        }
    }

    #[test]
    fn to_string_has_six_places() {
        assert_eq!(fixed(1.5), "1.500000");
        assert_eq!(fixed(1e22), "10000000000000000000000.000000");
        assert_eq!(fixed(-0.000_000_1), "-0.000000");
    }

    #[test]
    fn json_is_short_and_shows_that_it_is_a_float() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e14, "100000000000000.0"),
            (1e15, "1e+15"),
            (123_456.789, "123456.789"),
            (0.001, "0.001"),
            (0.000_1, "0.0001"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-0.0, "-0.0"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(json(value), text);
        }
    }

    proptest! {
        #[test]
        fn json_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(json(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn general_is_within_its_digits(value in -1e12f64..1e12) {
            let read: f64 = general(value).parse().unwrap();
            prop_assert!((read - value).abs() <= value.abs() * 0.000_005_1);
        }
    }
}
