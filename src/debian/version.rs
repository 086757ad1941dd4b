//! Debian's version numbers and their order (deb-version(7)).

use std::cmp::Ordering;

/// Compares two version numbers as dpkg does: epoch, upstream version, revision.
#[must_use]
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    left.0.cmp(&right.0).then_with(|| part(left.1, right.1)).then_with(|| part(left.2, right.2))
}

fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between text, character by character, and numbers.
fn part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        loop {
            let weight = |text: &[u8]| match text.first() {
                None => 0,
                Some(c) if c.is_ascii_digit() => 0,
                // a tilde sorts before the end
                Some(b'~') => -1,
                Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
                Some(c) => i32::from(*c) + 256,
            };
            let (l, r) = (weight(left), weight(right));
            if l != r {
                return l.cmp(&r);
            }
            if l == 0 {
                break;
            }
            (left, right) = (&left[1..], &right[1..]);
        }
        let number = |text: &[u8]| {
            let zeros = text.iter().take_while(|c| **c == b'0').count();
            let digits = text[zeros..].iter().take_while(|c| c.is_ascii_digit()).count();
            (zeros, zeros + digits)
        };
        let ((l, l_end), (r, r_end)) = (number(left), number(right));
        let (l, r) = (&left[l..l_end], &right[r..r_end]);
        let order = l.len().cmp(&r.len()).then_with(|| l.cmp(r));
        if order.is_ne() {
            return order;
        }
        (left, right) = (&left[l_end..], &right[r_end..]);
    }
    Ordering::Equal
}

/// True if `version` is in this relation (`<<`, `<=`, `=`, `>=`, `>>`) to `other`.
#[must_use]
pub(crate) fn satisfies(version: &str, relation: &str, other: &str) -> bool {
    let order = compare(version, other);
    match relation {
        "<<" => order.is_lt(),
        "<=" | "<" => order.is_le(),
        "=" => order.is_eq(),
        ">=" | ">" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_the_manuals() {
        let ascending = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0~rc1-1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0-2",
            "1.0a",
            "1.0+dfsg",
            "1.2",
            "1.10",
            "1:0.1",
            "2:0",
        ];
        for (n, left) in ascending.iter().enumerate() {
            for (m, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), n.cmp(&m), "{left} {right}");
            }
        }
        for (left, right) in [("1.0", "1.00"), ("0:1", "1"), ("1.a0b", "1.ab"), ("1-0", "1")] {
            let equal = left != "1.a0b";
            assert_eq!(compare(left, right).is_eq(), equal, "{left} {right}");
        }
        assert!(satisfies("2.36-9", ">=", "2.36"));
        assert!(!satisfies("2.36", ">>", "2.36"));
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(a in "[0-2a~+.:-]{0,6}", b in "[0-2a~+.:-]{0,6}", c in "[0-2a~+.:-]{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
