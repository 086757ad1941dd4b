//! Shortens very long names in messages, such as a path of many thousand characters, so that the rest of
//! the message stays readable.

use std::borrow::Cow;

/// The longest word that is not cut, in bytes.
const LONGEST: usize = 1000;

/// The number of bytes shown at each end of a longer word.
const SHOWN: (usize, usize) = (100, 40);

/// Cuts the middle out of every very long word.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST || longest(text) <= LONGEST {
        return Cow::Borrowed(text);
    }
    let mut short = String::new();
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if word.len() <= LONGEST {
            short.push_str(piece);
            continue;
        }
        let begin = word.floor_char_boundary(SHOWN.0);
        let end = word.ceil_char_boundary(word.len() - SHOWN.1);
        let bytes = name(word).len();
        short += &format!("{}...({bytes} bytes)...{}", &word[..begin], &piece[end..]);
    }
    Cow::Owned(short)
}

/// The length of a text's longest word, in bytes.
pub(super) fn longest(text: &str) -> usize {
    text.split(char::is_whitespace).map(|word| name(word).len()).max().unwrap_or_default()
}

/// Removes quotes and punctuation around a word.
fn name(word: &str) -> &str {
    word.trim_matches(['\'', '"', '`', ',', ';', ':', '<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_words_are_cut() {
        let lines = "a word \n".repeat(10_000);
        assert_eq!(shortened(&lines), lines);
        let long = "é".repeat(3000);
        let short = shortened(&format!("cannot read '{long}': no\n  {lines}")).into_owned();
        assert!(short.starts_with("cannot read 'éé") && short.ends_with(&lines), "{short}");
        assert!(short.contains("é...(6000 bytes)...é"), "{short}");
        assert!(short.contains("é': no\n  a word"), "{short}");
        assert!(short.len() < lines.len() + 250);
    }
}
