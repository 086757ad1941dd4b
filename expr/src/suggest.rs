//! Advice for misspelt names.

/// Advice for a name that does not exist: the names that are nearly the same.
#[must_use]
pub fn did_you_mean(name: &str, others: impl Iterator<Item = String>) -> Option<String> {
    nearest(name, others.map(|other| (other.clone(), other)))
}

/// The same, for names that are shown in another form.
pub(crate) fn nearest(
    name: &str,
    others: impl Iterator<Item = (String, String)>,
) -> Option<String> {
    // of two that are as near, the one that is shown as it is written
    let mut near: Vec<((usize, bool), String)> = others
        .filter_map(|(other, shown)| {
            let distance = distance(name, &other);
            // a third of the letters may be wrong
            let most = (name.len().max(other.len()) / 3).min(FARTHEST);
            (distance <= most && distance < name.len())
                .then_some(((distance, shown != other), shown))
        })
        .collect();
    near.sort();
    near.dedup();
    let best = near.first()?.0;
    near.retain(|(rank, _)| *rank == best);
    let names: Vec<String> =
        near.into_iter().take(3).map(|(_, name)| format!("'{name}'")).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// Names further apart are not alike.
const FARTHEST: usize = 3;

/// The number of edits between two names: letters left out, added, changed, or swapped with the
/// next. Upper and lower case are the same letter; larger numbers than [`FARTHEST`] are cut.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > FARTHEST || left.len() > 200 {
        return FARTHEST + 1;
    }
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = row[j] + usize::from(a != b);
            let mut least = change.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                let before: &Vec<usize> = &before;
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()].min(FARTHEST + 1)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_names_are_offered() {
        let names = || ["python", "pythons", "perl"].into_iter().map(str::to_owned);
        assert_eq!(did_you_mean("pyhton", names()), Some("did you mean 'python'?".to_owned()));
        assert_eq!(did_you_mean("ruby", names()), None);
        assert_eq!(did_you_mean("p", names()), None);
        assert_eq!(did_you_mean("PYTHON", names()), Some("did you mean 'python'?".to_owned()));
        let of = |name: &str, other: &str| did_you_mean(name, [other.to_owned()].into_iter());
        for (name, other) in [("a", "map"), ("a", "b"), ("ab", "cd"), ("toXML", "toJSON")] {
            assert_eq!(of(name, other), None, "{name} {other}");
        }
        for (name, other) in
            [("lb", "lib"), ("fromJson", "fromJSON"), ("maintainres", "maintainers")]
        {
            assert!(of(name, other).is_some(), "{name} {other}");
        }
    }
}
