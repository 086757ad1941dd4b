//! Stored records: a magic, a version, then bincode. Only this module knows bincode. Records are
//! stored and sent, never hashed (docs/formats.md, "Records").

use bincode::{
    Decode, Encode,
    config::{Configuration, Fixint, Limit, LittleEndian},
};

/// The most memory that a record may make a reader reserve.
const LIMIT: usize = 1 << 28;

/// Up to this size, in bytes, a record is small, and may make a reader reserve less: lists and texts take
/// some times as much memory as bytes.
const SMALL: usize = 1 << 20;
const SMALL_LIMIT: usize = 1 << 24;

type Config = Configuration<LittleEndian, Fixint, Limit<LIMIT>>;

const CONFIG: Config = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<LIMIT>();

/// A kind of record: the eight bytes that it starts with, and the version that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordKind {
    /// The first bytes of every record of this kind.
    pub magic: [u8; 8],
    /// The version of its fields.
    pub version: u16,
    /// Its name in messages, such as `a derivation`.
    pub what: &'static str,
}

/// Why bytes are not a record of the kind that was expected.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The first bytes are others.
    #[error("expected {0}, found something else")]
    Magic(&'static str),
    /// Made by a program that writes another version.
    #[error(
        "{what} of version {found}, but this program reads version {known}; use a newer clutch"
    )]
    Version {
        /// The name of the kind.
        what: &'static str,
        /// The version that was found.
        found: u16,
        /// The version that is known.
        known: u16,
    },
    /// The fields do not decode.
    #[error("{what} is damaged: {problem}")]
    Damaged {
        /// The name of the kind.
        what: &'static str,
        /// The decoder's message.
        problem: String,
    },
    /// Too large to be written.
    #[error("{0} is too large to be stored")]
    TooLarge(&'static str),
}

/// The bytes of a record.
///
/// # Errors
/// If it is larger than a reader would accept (256 MiB).
pub(crate) fn encode<T: Encode>(kind: RecordKind, record: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(&kind.magic);
    bytes.extend_from_slice(&kind.version.to_le_bytes());
    bincode::encode_into_std_write(record, &mut bytes, CONFIG)
        .map_err(|_| CodecError::TooLarge(kind.what))?;
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLarge(kind.what));
    }
    Ok(bytes)
}

/// The record that these bytes are, all of them.
///
/// # Errors
/// If the magic or the version is another, a field does not decode, or bytes are left over.
pub(crate) fn decode<T: Decode<()>>(kind: RecordKind, bytes: &[u8]) -> Result<T, CodecError> {
    let damaged = |problem: String| CodecError::Damaged { what: kind.what, problem };
    let body = bytes.strip_prefix(&kind.magic).ok_or(CodecError::Magic(kind.what))?;
    let (version, body) =
        body.split_first_chunk::<2>().ok_or_else(|| damaged("it ends in its header".into()))?;
    let found = u16::from_le_bytes(*version);
    if found != kind.version {
        return Err(CodecError::Version { what: kind.what, found, known: kind.version });
    }
    let decoded = match body.len() {
        ..SMALL => bincode::decode_from_slice(body, CONFIG.with_limit::<SMALL_LIMIT>()),
        _ => bincode::decode_from_slice(body, CONFIG),
    };
    let (record, used) = decoded.map_err(|e| damaged(e.to_string()))?;
    match body.len() - used {
        0 => Ok(record),
        left => Err(damaged(format!("{left} bytes follow its end"))),
    }
}

/// The bytes of a record, with their BLAKE3 hash behind them, for records that are ignored if they are damaged.
///
/// # Errors
/// As [`encode`].
pub(crate) fn seal<T: Encode>(kind: RecordKind, record: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = encode(kind, record)?;
    bytes.extend(blake3::hash(&bytes).as_bytes());
    Ok(bytes)
}

/// The record that was sealed; nothing if a byte of it has changed, or it is of another kind.
#[must_use]
pub(crate) fn unseal<T: Decode<()>>(kind: RecordKind, bytes: &[u8]) -> Option<T> {
    let (record, hash) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(record) != *hash {
        return None;
    }
    decode(kind, record).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: RecordKind = RecordKind { magic: *b"clutch-t", version: 3, what: "a test" };

    #[test]
    fn the_bytes_are_the_documented_ones() {
        let bytes = encode(KIND, &("ab".to_owned(), Some(7u8), vec![1u16])).unwrap();
        let mut golden = b"clutch-t\x03\x00".to_vec();
        golden.extend(b"\x02\0\0\0\0\0\0\0ab\x01\x07\x01\0\0\0\0\0\0\0\x01\0");
        assert_eq!(bytes, golden);
        let back: (String, Option<u8>, Vec<u16>) = decode(KIND, &bytes).unwrap();
        assert_eq!(back, ("ab".to_owned(), Some(7), vec![1]));
    }

    #[test]
    fn damage_is_refused() {
        let bytes = encode(KIND, &"text".to_owned()).unwrap();
        for end in 0..bytes.len() {
            assert!(decode::<String>(KIND, &bytes[..end]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(
            decode::<String>(KIND, &longer).unwrap_err().to_string().contains("1 bytes follow")
        );
        let other = RecordKind { version: 4, ..KIND };
        assert!(decode::<String>(other, &bytes).unwrap_err().to_string().contains("version 3"));
    }

    #[test]
    fn a_hostile_length_reserves_nothing() {
        let mut bytes = b"clutch-t\x03\x00".to_vec();
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(decode::<Vec<u64>>(KIND, &bytes).is_err());
        assert!(decode::<String>(KIND, &bytes).is_err());
        // one that the bytes might have, were there more of them
        bytes.truncate(10);
        bytes.extend((SMALL_LIMIT as u64 / 8 + 1).to_le_bytes());
        let error = decode::<Vec<u64>>(KIND, &bytes).unwrap_err().to_string();
        assert!(error.contains("LimitExceeded"), "{error}");
        // and the largest small one has room
        let texts = vec![String::new(); SMALL / 8 - 10];
        let bytes = encode(KIND, &texts).unwrap();
        assert!(bytes.len() < SMALL);
        assert_eq!(decode::<Vec<String>>(KIND, &bytes).unwrap(), texts);
    }
}
