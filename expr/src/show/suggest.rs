//! "Did you mean": the known name that is nearest to an unknown one.

/// The one of `known` with the fewest edits from `name`, where it is near enough to be meant: at
/// most a third of the name's length, and three edits. The first of equals wins.
pub fn closest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (name.len() / 3).clamp(1, 3);
    let mut best = None;
    let mut row = Vec::new();
    for candidate in known {
        let bound = best.map_or(limit, |(distance, _)| distance - 1);
        if candidate != name
            && let Some(distance) = distance(name.as_bytes(), candidate.as_bytes(), bound, &mut row)
        {
            best = Some((distance, candidate));
            if distance == 1 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many bytes must be added, removed, changed or swapped with their neighbour, where that is
/// not more than `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize, rows: &mut Vec<usize>) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    // three rows of the table: the one before the last, the last, this one
    let width = b.len() + 1;
    rows.clear();
    rows.resize(3 * width, 0);
    let (mut before, mut last, mut this) = (0, width, 2 * width);
    for (j, cell) in rows[last..last + width].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        rows[this] = i;
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut cost =
                (rows[last + j - 1] + changed).min(rows[last + j] + 1).min(rows[this + j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[before + j - 2] + 1);
            }
            rows[this + j] = cost;
        }
        (before, last, this) = (last, this, before);
    }
    Some(rows[last + b.len()]).filter(|cost| *cost <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant() {
        let known = ["map", "mapAttrs", "length", "filter", "x"];
        assert_eq!(closest("mpa", known), Some("map"));
        assert_eq!(closest("mapAttr", known), Some("mapAttrs"));
        assert_eq!(closest("lenght", known), Some("length"));
        assert_eq!(closest("mapAtrrs", known), Some("mapAttrs"));
        assert_eq!(closest("something", known), None);
        assert_eq!(closest("y", known), Some("x"));
        assert_eq!(closest("map", ["map"]), None);
    }
}
