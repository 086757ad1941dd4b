//! JSON strings as text.

/// A string that JSON cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the string is not UTF-8 at byte {at} (0x{byte:02X}) and cannot be written as JSON")]
pub struct InvalidUtf8 {
    /// The index of the first byte that is not part of a character.
    pub at: usize,
    /// That byte.
    pub byte: u8,
}

/// Writes `text` as a JSON string: quotes, backslashes and control characters escaped, everything
/// else as it is.
///
/// # Errors
/// `text` is not UTF-8. Nothing is written then.
pub fn string(out: &mut Vec<u8>, text: &[u8]) -> Result<(), InvalidUtf8> {
    if let Err(error) = std::str::from_utf8(text) {
        let at = error.valid_up_to();
        return Err(InvalidUtf8 { at, byte: text[at] });
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut done = 0;
    for (at, byte) in text.iter().enumerate() {
        let letter = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            ..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text[done..at]);
        done = at + 1;
        out.extend_from_slice(&[b'\\', letter]);
        if letter == b'u' {
            out.extend_from_slice(format!("{byte:04x}").as_bytes());
        }
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        let mut out = Vec::new();
        string(&mut out, "\"\\/\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}é".as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\u{7f}é\""
        );
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        let mut out = Vec::new();
        let error = string(&mut out, b"ab\xffc").unwrap_err();
        assert_eq!(error, InvalidUtf8 { at: 2, byte: 0xff });
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn another_reader_reads_it_back(text in ".*") {
            let mut out = Vec::new();
            string(&mut out, text.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
