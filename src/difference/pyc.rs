//! The parts of a `.pyc` file (PEP 552): magic, flags, then either the time and size of the source or
//! its hash, then the code.

use std::borrow::Cow;

use super::container::{Container, Member};

const HEADER: usize = 16;

/// Takes byte code apart; nothing if this is something else.
pub(super) fn open(bytes: &[u8]) -> Option<Container<'_>> {
    let (header, code) = bytes.split_at_checked(HEADER)?;
    if header[2..4] != *b"\r\n" {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| header[at + n]));
    let flags = number(4);
    let kind = match flags {
        0 => "checked by time",
        1 => "unchecked, by hash",
        3 => "checked by hash",
        _ => return None,
    };
    let mut fields = vec![
        ("header: magic", u16::from_le_bytes([header[0], header[1]]).to_string()),
        ("header: flags", format!("{flags} ({kind})")),
    ];
    // if the flags differ, these are compared as the first file's flags have it
    match flags {
        0 => fields.extend([
            ("header: time of the source", number(8).to_string()),
            ("header: size of the source", number(12).to_string()),
        ]),
        _ => fields.push((
            "header: hash of the source",
            header[8..].iter().map(|byte| format!("{byte:02x}")).collect(),
        )),
    }
    let code = Member { name: "code".to_owned(), fields: Vec::new(), content: Cow::Borrowed(code) };
    Some(Container { fields, members: vec![code] })
}
