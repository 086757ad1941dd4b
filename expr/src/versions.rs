//! Version strings as `compareVersions`, `splitVersion` and `parseDrvName` read them.

use std::cmp::Ordering;

/// The components of a version: runs of digits, and runs of anything else, between the separators
/// `.` and `-`, which are dropped.
pub fn components(version: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = version;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|b| !is_separator(*b))?;
        rest = &rest[start..];
        let digits = rest[0].is_ascii_digit();
        let end = rest
            .iter()
            .position(|b| is_separator(*b) || b.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (component, after) = rest.split_at(end);
        rest = after;
        Some(component)
    })
}

/// Which of two versions is older: component by component, numbers by value, `pre` before
/// everything, nothing before a number, words before numbers (`2.3a` is older than `2.3.1`).
#[must_use]
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (components(left), components(right));
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => (a.unwrap_or_default(), b.unwrap_or_default()),
        };
        if is_older(a, b) {
            return Ordering::Less;
        }
        if is_older(b, a) {
            return Ordering::Greater;
        }
    }
}

/// Splits a package name at the first dash that no letter follows: name and version.
#[must_use]
pub fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    name.windows(2)
        .position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic())
        .map_or((name, &[]), |at| (&name[..at], &name[at + 1..]))
}

fn is_separator(byte: u8) -> bool {
    byte == b'.' || byte == b'-'
}

fn is_older(a: &[u8], b: &[u8]) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a < b,
        (_, Some(_)) if a.is_empty() => true,
        _ if a == b"pre" && b != b"pre" => true,
        _ if b == b"pre" => false,
        (_, Some(_)) => true,
        (Some(_), _) => false,
        _ => a < b,
    }
}

/// The value of a component, if it fits 31 bits; a longer run of digits counts as a word.
fn number(component: &[u8]) -> Option<i32> {
    std::str::from_utf8(component).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_orders_hold() {
        let older = [
            ("1.0", "2.3"),
            ("2.1", "2.3"),
            ("2.3", "2.5"),
            ("2.3", "2.3.1"),
            ("2.3a", "2.3.1"),
            ("2.3pre1", "2.3"),
            ("2.3pre3", "2.3pre12"),
            ("2.3a", "2.3c"),
            ("2.3pre1", "2.3c"),
            ("2.3pre1", "2.3q"),
            ("", "1"),
        ];
        for (a, b) in older {
            assert_eq!(compare(a.as_bytes(), b.as_bytes()), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b.as_bytes(), a.as_bytes()), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare(b"2.3.1", b"2-3.1"), Ordering::Equal);
        // beyond 31 bits digits are compared as text
        assert_eq!(compare(b"9999999999", b"10000000000"), Ordering::Greater);
    }

    #[test]
    fn components_have_no_separators() {
        let split = |v: &'static str| components(v.as_bytes()).collect::<Vec<_>>();
        assert_eq!(split("1.2.3"), [&b"1"[..], b"2", b"3"]);
        assert_eq!(split("1.2pre3-x"), [&b"1"[..], b"2", b"pre", b"3", b"x"]);
        assert_eq!(split("..-"), [] as [&[u8]; 0]);
    }

    #[test]
    fn a_name_ends_at_a_dash_before_no_letter() {
        assert_eq!(split_name(b"apache-httpd-2.0.48"), (&b"apache-httpd"[..], &b"2.0.48"[..]));
        assert_eq!(split_name(b"a-b"), (&b"a-b"[..], &b""[..]));
        assert_eq!(split_name(b"a--1"), (&b"a"[..], &b"-1"[..]));
        assert_eq!(split_name(b"a-"), (&b"a-"[..], &b""[..]));
    }

    proptest! {
        #[test]
        fn the_order_is_antisymmetric(a in "[0-9a-c.pre-]{0,12}", b in "[0-9a-c.pre-]{0,12}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            prop_assert_eq!(compare(a, a), Ordering::Equal);
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
        }
    }
}
