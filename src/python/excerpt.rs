//! Excerpts of outside text for messages: the beginning, on one line, control characters escaped.

/// The greatest number of characters shown.
const SHOWN: usize = 120;

/// The beginning of a text, control characters escaped.
#[must_use]
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == SHOWN {
            shown.push_str("...");
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The first few of several texts, and the number of the others.
#[must_use]
pub(crate) fn several(texts: &[impl AsRef<str>], shown: usize, between: &str) -> String {
    let few: Vec<&str> = texts.iter().take(shown).map(AsRef::as_ref).collect();
    let more = texts.len() - few.len();
    let few = few.join(between);
    if more == 0 { few } else { format!("{few}{between}and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short_and_plain() {
        assert_eq!(excerpt("plain é"), "plain é");
        assert_eq!(excerpt("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(excerpt(&"é".repeat(1 << 20)).chars().count(), SHOWN + 3);
        assert_eq!(several(&["a", "b"], 2, ", "), "a, b");
        assert_eq!(several(&["a", "b", "c"], 1, "; "), "a; and 2 more");
    }
}
